// Silhouette antialiasing; see dreamforge/kernels/raster.py. Macro: MOST_FACES. Compiled without fused multiply-add, as
// raster.cu is and for its reason.
//
// Bound by memory: 8 bytes a pixel where its neighbours see the same face, as nearly all do. One thread a pair of
// neighbours.
#include "common.cuh"

__device__ inline double area_of(double2 a, double2 b, double2 c) {
    return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

// The silhouette edge that is met first on the way from (x, y), inside face f, to the pixel `step` along the axis: the
// corner 3 f' + k it lies opposite, or -1, and the share of the way.
__device__ inline int outline(
    const double2* pixels, const double* depth, const int* faces, const int* across, int f, double x, double y,
    double step, int axis, double& share) {
    for (int crossed = 0; crossed < MOST_FACES; crossed++) {
        const int* corner = faces + 3 * (size_t)f;
        double2 place[3] = {pixels[corner[0]], pixels[corner[1]], pixels[corner[2]]};
        double sign = area_of(place[0], place[1], place[2]) > 0 ? 1 : -1;
        int found = -1;
#pragma unroll
        for (int k = 0; k < 3; k++) {
            double2 i = place[(k + 1) % 3], j = place[(k + 2) % 3];
            double edge = ((i.x - x) * (j.y - y) - (i.y - y) * (j.x - x)) * sign;
            double slope = step * (axis == 0 ? j.y - i.y : i.x - j.x) * sign;  // its fall on the way
            if (slope > 0 && edge - slope < 0 && (found < 0 || edge / slope < share)) found = k, share = edge / slope;
        }
        if (found < 0) return -1;
        double2 i = pixels[corner[(found + 1) % 3]], j = pixels[corner[(found + 2) % 3]];
        int beyond = across[3 * (size_t)f + found];
        if (beyond >= 0) {
            int opposite = faces[beyond];
            if (depth[opposite] > 0 && area_of(i, j, pixels[opposite]) * sign < 0) {  // the surface goes on
                f = beyond / 3;
                continue;
            }
        }
        bool upright = fabs(j.y - i.y) >= fabs(j.x - i.x);
        return upright == (axis == 0) ? 3 * f + found : -1;
    }
    return -1;
}

// codes [B,2,H,W] of each pixel's pair with its right and its lower neighbour: -1 where no silhouette runs between
// them, else twice the corner that it lies opposite, plus 1 where the nearer face is the neighbour's. shares: of the
// way from the nearer.
KERNEL find_pairs(
    const double2* __restrict__ pixels, const double* __restrict__ depth, const int* __restrict__ faces,
    const int* __restrict__ across, const int* __restrict__ face, const float* __restrict__ distance,
    int* __restrict__ codes, double* __restrict__ shares, int vertex_count, int view_count, int height, int width) {
    int at = thread_index();
    if (at >= 2 * view_count * height * width) return;
    int x = at % width, y = at / width % height, axis = at / width / height % 2, view = at / width / height / 2;
    codes[at] = -1;
    shares[at] = 0;
    int x2 = x + 1 - axis, y2 = y + axis;
    if (x2 == width || y2 == height) return;
    size_t here = ((size_t)view * height + y) * width + x, there = ((size_t)view * height + y2) * width + x2;
    int f = face[here], g = face[there];
    if (f == g) return;
    if (f >= 0 && g >= 0) {
        const int* around = across + 3 * (size_t)g;
        for (int k = 0; k < 3; k++)
            if (around[k] >= 0 && around[k] / 3 == f) return;  // the two share an edge
    }
    bool other = g >= 0 && (f < 0 || distance[there] < distance[here]);
    double from_x = (other ? x2 : x) + 0.5, from_y = (other ? y2 : y) + 0.5, share = 0;
    size_t first = (size_t)view * vertex_count;
    int corner = outline(
        pixels + first, depth + first, faces, across, other ? g : f, from_x, from_y, other ? -1 : 1, axis, share);
    if (corner < 0) return;
    codes[at] = 2 * corner + other;
    shares[at] = share;
}

struct Pair {
    int view, near, far, target,
        source;  // pixels within the view: the one that sees the nearer face, and the one that is blended
    float weight;
};

__device__ inline Pair pair_of(int at, int code, double share, int height, int width) {
    int here = at % (height * width), axis = at / width / height % 2, there = here + (axis == 0 ? 1 : width);
    int near = code & 1 ? there : here, far = code & 1 ? here : there;
    bool beyond = share > 0.5;
    return {at / width / height / 2, near, far, beyond ? far : near, beyond ? near : far, fabsf((float)share - 0.5f)};
}

// One thread a pair; adds to out, which begins as the image.
KERNEL blend(
    const float* __restrict__ image, const int* __restrict__ codes, const double* __restrict__ shares,
    float* __restrict__ out, int channels, int view_count, int height, int width) {
    int at = thread_index();
    if (at >= 2 * view_count * height * width || codes[at] < 0) return;
    Pair pair = pair_of(at, codes[at], shares[at], height, width);
    for (int k = 0; k < channels; k++) {
        size_t plane = ((size_t)pair.view * channels + k) * height * width;
        atomicAdd(out + plane + pair.target, pair.weight * (image[plane + pair.source] - image[plane + pair.target]));
    }
}

// One thread a pair; adds to to_image, which begins as grad, and to to_pixels [B,V,2].
KERNEL blend_backward(
    const float* __restrict__ image, const double2* __restrict__ pixels, const int* __restrict__ faces,
    const int* __restrict__ codes, const double* __restrict__ shares, const float* __restrict__ grad,
    float* __restrict__ to_image, float* __restrict__ to_pixels, int vertex_count, int channels, int view_count,
    int height, int width) {
    int at = thread_index();
    if (at >= 2 * view_count * height * width || codes[at] < 0) return;
    Pair pair = pair_of(at, codes[at], shares[at], height, width);
    double slope = 0;
    for (int k = 0; k < channels; k++) {
        size_t plane = ((size_t)pair.view * channels + k) * height * width;
        float g = grad[plane + pair.target];
        atomicAdd(to_image + plane + pair.source, pair.weight * g);
        atomicAdd(to_image + plane + pair.target, -pair.weight * g);
        slope += g * (image[plane + pair.near] - image[plane + pair.far]);
    }
    int corner = codes[at] / 2, f = corner / 3, edge = corner % 3;
    size_t first = (size_t)pair.view * vertex_count;
    size_t a = first + faces[3 * (size_t)f + (edge + 1) % 3], b = first + faces[3 * (size_t)f + (edge + 2) % 3];
    double2 p = pixels[a], q = pixels[b];
    double step = pair.far > pair.near ? 1 : -1, beyond = step * shares[at];  // how far from the centre the edge passes
    double x = pair.near % width + 0.5, y = pair.near / width + 0.5;
    if (at / width / height % 2 == 0) {
        slope /= step * (q.y - p.y);
        x += beyond;
    } else {
        slope /= step * (p.x - q.x);
        y += beyond;
    }
    float to_a[2] = {(float)(slope * (q.y - y)), (float)(-slope * (q.x - x))};
    float to_b[2] = {(float)(-slope * (p.y - y)), (float)(slope * (p.x - x))};
    atomic_add<2>(to_pixels + 2 * a, to_a);
    atomic_add<2>(to_pixels + 2 * b, to_b);
}
