// Texture sampling; see dreamforge/kernels/raster.py. A pyramid is one array [C,T], its levels one after another.
//
// Bound by gathers: 8 texels of 4 bytes a pixel and channel. One thread a pixel, whose place in the two levels serves
// all channels. Backward adds to the same texels with atomics.
#include "common.cuh"

#define MOST_LEVELS 16

struct Pyramid {
    int count, start[MOST_LEVELS], height[MOST_LEVELS], width[MOST_LEVELS];
};

// log2 of how many texels a pixel's longer side spans, at least 0. One thread a pixel; corners [F,3,2].
KERNEL texture_level(
    const float* __restrict__ corners, const double2* __restrict__ pixels, const double* __restrict__ depth,
    const int* __restrict__ faces, const int* __restrict__ face, float* __restrict__ out, int vertex_count,
    int view_count, int height, int width, int high, int wide) {
    int at = thread_index();
    if (at >= view_count * height * width) return;
    out[at] = 0;
    int f = face[at];
    if (f < 0) return;
    double x = at % width + 0.5, y = at / width % height + 0.5;
    size_t first = (size_t)(at / width / height) * vertex_count;
    double2 p[3];
    double weight[3], inverse[3], total = 0, mean[2] = {}, along_x[2] = {}, along_y[2] = {};
#pragma unroll
    for (int k = 0; k < 3; k++) {
        size_t vertex = first + faces[3 * (size_t)f + k];
        p[k] = pixels[vertex];
        inverse[k] = 1 / depth[vertex];
    }
#pragma unroll
    for (int k = 0; k < 3; k++) {
        double2 i = p[(k + 1) % 3], j = p[(k + 2) % 3];
        weight[k] = ((i.x - x) * (j.y - y) - (i.y - y) * (j.x - x)) * inverse[k];
        total += weight[k];
        for (int axis = 0; axis < 2; axis++) mean[axis] += weight[k] * corners[6 * (size_t)f + 2 * k + axis];
    }
    double scale = 1 / total;
#pragma unroll
    for (int k = 0; k < 3; k++) {
        double2 i = p[(k + 1) % 3], j = p[(k + 2) % 3];
        for (int axis = 0; axis < 2; axis++) {
            double away =
                (corners[6 * (size_t)f + 2 * k + axis] - mean[axis] * scale) * inverse[k] * (axis ? high : wide);
            along_x[axis] += away * (i.y - j.y);
            along_y[axis] += away * (j.x - i.x);
        }
    }
    double x_span = along_x[0] * along_x[0] + along_x[1] * along_x[1];
    double y_span = along_y[0] * along_y[0] + along_y[1] * along_y[1];
    double longest = fmax(x_span, y_span) * scale * scale;
    if (longest > 1) out[at] = 0.5f * log2f((float)longest);
}

struct Place {
    int upper, lower;     // the first of the upper and of the lower two texels
    float s, t, weight;   // how far right and down of them, and the level's weight
    bool free_x, free_y;  // not clamped
    int high, wide;
};

// The first of the two texels about x, and how far beyond it.
__device__ inline int texel_of(float x, int count, float& beyond, bool& free) {
    free = x > 0 && x < count - 1;
    int left = free ? min((int)x, count - 2) : x >= count - 1 ? count - 2 : 0;
    beyond = free ? x - left : x >= count - 1 ? 1 : 0;
    return left;
}

// Where a pixel reads level `part` (0 or 1) of the two about its own.
__device__ inline Place place_of(const Pyramid& pyramid, const float* levels, int at, int part, float u, float v) {
    Place place;
    int number = 0;
    place.weight = 1;
    if (pyramid.count > 1) {
        float level = clamped(levels[at], 0, pyramid.count - 1);
        int first = min((int)level, pyramid.count - 2);
        number = first + part;
        place.weight = part ? level - first : 1 - (level - first);
    }
    place.high = pyramid.height[number], place.wide = pyramid.width[number];
    int left = texel_of(u * place.wide - 0.5f, place.wide, place.s, place.free_x);
    int top = texel_of((1 - v) * place.high - 0.5f, place.high, place.t, place.free_y);
    place.upper = pyramid.start[number] + top * place.wide + left;
    place.lower = place.upper + place.wide;
    return place;
}

// out [B,C,H,W]; uv [B,2,H,W]; flat [C,T]. levels [B,H,W] may be null where there is one level.
KERNEL sample(
    const float* __restrict__ flat, const float* __restrict__ uv, const float* __restrict__ levels,
    float* __restrict__ out, Pyramid pyramid, int texels, int channels, int view_count, int height, int width) {
    int at = thread_index(), area = height * width, parts = min(2, pyramid.count);
    if (at >= view_count * area) return;
    const float* where = uv + 2 * (size_t)(at / area) * area + at % area;
    Place places[2];
    for (int part = 0; part < parts; part++) places[part] = place_of(pyramid, levels, at, part, where[0], where[area]);
    for (int c = 0; c < channels; c++) {
        float total = 0;
        for (int part = 0; part < parts; part++) {
            const Place& p = places[part];
            const float *upper = flat + (size_t)c * texels + p.upper, *lower = flat + (size_t)c * texels + p.lower;
            float above = upper[0] + p.s * (upper[1] - upper[0]), below = lower[0] + p.s * (lower[1] - lower[0]);
            total += p.weight * (above + p.t * (below - above));
        }
        out[((size_t)(at / area) * channels + c) * area + at % area] = total;
    }
}

// Either gradient may be null; that on the pyramid is added up.
KERNEL sample_backward(
    const float* __restrict__ flat, const float* __restrict__ uv, const float* __restrict__ levels,
    const float* __restrict__ grad, float* __restrict__ to_flat, float* __restrict__ to_uv, Pyramid pyramid, int texels,
    int channels, int view_count, int height, int width) {
    int at = thread_index(), area = height * width, parts = min(2, pyramid.count);
    if (at >= view_count * area) return;
    size_t pixel = 2 * (size_t)(at / area) * area + at % area;
    float to_u = 0, to_v = 0;
    for (int part = 0; part < parts; part++) {
        Place p = place_of(pyramid, levels, at, part, uv[pixel], uv[pixel + area]);
        float du = 0, dv = 0;
        for (int c = 0; c < channels; c++) {
            float g = grad[((size_t)(at / area) * channels + c) * area + at % area] * p.weight;
            if (g == 0) continue;
            size_t upper = (size_t)c * texels + p.upper, lower = (size_t)c * texels + p.lower;
            if (to_flat) {
                atomicAdd(to_flat + upper, g * (1 - p.t) * (1 - p.s));
                atomicAdd(to_flat + upper + 1, g * (1 - p.t) * p.s);
                atomicAdd(to_flat + lower, g * p.t * (1 - p.s));
                atomicAdd(to_flat + lower + 1, g * p.t * p.s);
            }
            float a = flat[upper], b = flat[upper + 1], d = flat[lower], e = flat[lower + 1];
            du += g * (b - a + p.t * (e - d - b + a));
            dv += g * (d - a + p.s * (e - d - b + a));
        }
        to_u += p.free_x ? du * p.wide : 0;
        to_v -= p.free_y ? dv * p.high : 0;
    }
    if (to_uv) to_uv[pixel] = to_u, to_uv[pixel + area] = to_v;
}
