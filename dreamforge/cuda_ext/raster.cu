// Mesh rasterization and interpolation; see dreamforge/kernels/raster.py. Macro: MIN_AREA. Compiled without fused
// multiply-add: which face a pixel sees is decided in float64 by the operations of the reference, in its order.
//
// A row is a face in a view. Drawing is bound by latency: a warp takes a row, some 40 operations a pixel of its box,
// and asks the z-buffer before it writes. There is no sort and no list of unknown length, so nothing for the host to
// wait for; two passes, depth and then the lowest face at that depth, make the answer independent of the order.
// Backward is bound by atomics: 9 a pixel.
#include "common.cuh"

struct Edges {
    double a, b, c;  // twice the areas that a point spans with the edges opposite the corners
};

__device__ inline Edges edges_at(double2 a, double2 b, double2 c, double x, double y) {
    return {
        (b.x - x) * (c.y - y) - (b.y - y) * (c.x - x), (c.x - x) * (a.y - y) - (c.y - y) * (a.x - x),
        (a.x - x) * (b.y - y) - (a.y - y) * (b.x - x)};
}

// Twice the area; y grows downward, so counter-clockwise to the eye is negative.
__device__ inline double area_of(double2 a, double2 b, double2 c) {
    return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

// A pixel number in [0, count]: in floats, where no place is too far.
__device__ inline int pixel_in(double place, int count) { return (int)fmin(fmax(place, 0.0), (double)count); }

// One warp a row; its lanes share out the pixels of the face's box. Without `face`: the largest inverse depth at every
// pixel [V,H,W], as the bits of a float64 (positive ones sort as integers). With it: the lowest number of the faces
// that have it.
KERNEL draw(
    const double2* __restrict__ pixels, const double* __restrict__ depth, const int* __restrict__ faces,
    unsigned long long* __restrict__ nearest, int* __restrict__ face, int face_count, int vertex_count, int view_count,
    int height, int width, int cull_back) {
    int row = thread_index() / 32, lane = threadIdx.x % 32;
    if (row >= face_count * view_count) return;
    int f = row % face_count, view = row / face_count;
    const int* corner = faces + 3 * (size_t)f;
    const double2* place = pixels + (size_t)view * vertex_count;
    const double* z = depth + (size_t)view * vertex_count;
    double2 a = place[corner[0]], b = place[corner[1]], c = place[corner[2]];
    double za = z[corner[0]], zb = z[corner[1]], zc = z[corner[2]], area = area_of(a, b, c);
    // written so that what is not a number is not drawn
    if (!(za > 0 && zb > 0 && zc > 0 && fabs(area) > MIN_AREA) || (cull_back && area > 0)) return;
    int left = pixel_in(ceil(fmin(a.x, fmin(b.x, c.x)) - 0.5), width);
    int right = pixel_in(floor(fmax(a.x, fmax(b.x, c.x)) + 0.5), width);
    int top = pixel_in(ceil(fmin(a.y, fmin(b.y, c.y)) - 0.5), height);
    int bottom = pixel_in(floor(fmax(a.y, fmax(b.y, c.y)) + 0.5), height);
    double scale = 1 / area, ia = 1 / za, ib = 1 / zb, ic = 1 / zc;
    int wide = right - left, count = wide > 0 && bottom > top ? wide * (bottom - top) : 0;
    for (int pixel = lane; pixel < count; pixel += 32) {
        int x = left + pixel % wide, y = top + pixel / wide;
        Edges s = edges_at(a, b, c, x + 0.5, y + 0.5);
        s.a *= scale, s.b *= scale, s.c *= scale;
        double inverse = s.a * ia + s.b * ib + s.c * ic;  // what is linear on the picture
        if (!(s.a >= 0 && s.b >= 0 && s.c >= 0 && inverse > 0)) continue;
        size_t at = ((size_t)view * height + y) * width + x;
        unsigned long long bits = __double_as_longlong(inverse);
        if (!face) {
            if (bits > nearest[at]) atomicMax(nearest + at, bits);
        } else if (bits == nearest[at]) {
            atomicMin(face + at, f);
        }
    }
}

// One thread a pixel. face: what `draw` left, face_count where nothing is seen, which becomes -1.
KERNEL resolve(
    const double2* __restrict__ pixels, const double* __restrict__ depth, const int* __restrict__ faces,
    int* __restrict__ face, float* __restrict__ barycentric, float* __restrict__ distance, int face_count,
    int vertex_count, int view_count, int height, int width) {
    int at = thread_index();
    if (at >= view_count * height * width) return;
    int f = face[at];
    double wa = 0, wb = 0, wc = 0, far = 0;
    if (f < face_count) {
        const int* corner = faces + 3 * (size_t)f;
        size_t first = (size_t)(at / width / height) * vertex_count;
        size_t a = first + corner[0], b = first + corner[1], c = first + corner[2];
        Edges s = edges_at(pixels[a], pixels[b], pixels[c], at % width + 0.5, at / width % height + 0.5);
        wa = s.a / depth[a], wb = s.b / depth[b], wc = s.c / depth[c];
        double scale = 1 / (wa + wb + wc);
        wa *= scale, wb *= scale, wc *= scale, far = (s.a + s.b + s.c) * scale;
    } else {
        face[at] = -1;
    }
    distance[at] = (float)far;
    barycentric[3 * (size_t)at] = (float)wa;
    barycentric[3 * (size_t)at + 1] = (float)wb;
    barycentric[3 * (size_t)at + 2] = (float)wc;
}

// One thread a pixel; adds to the gradients [B,V,2] of the places and [B,V] of the depths.
KERNEL rasterize_backward(
    const double2* __restrict__ pixels, const double* __restrict__ depth, const int* __restrict__ faces,
    const int* __restrict__ face, const float* __restrict__ to_barycentric, const float* __restrict__ to_distance,
    float* __restrict__ to_pixels, float* __restrict__ to_depth, int vertex_count, int view_count, int height,
    int width) {
    int at = thread_index();
    if (at >= view_count * height * width || face[at] < 0) return;
    double ga = to_barycentric[3 * (size_t)at], gb = to_barycentric[3 * (size_t)at + 1];
    double gc = to_barycentric[3 * (size_t)at + 2], gd = to_distance[at];
    if (ga == 0 && gb == 0 && gc == 0 && gd == 0) return;
    double x = at % width + 0.5, y = at / width % height + 0.5;
    const int* corner = faces + 3 * (size_t)face[at];
    size_t first = (size_t)(at / width / height) * vertex_count;
    size_t a = first + corner[0], b = first + corner[1], c = first + corner[2];
    double2 p = pixels[a], q = pixels[b], r = pixels[c];
    Edges s = edges_at(p, q, r, x, y);
    double ia = 1 / depth[a], ib = 1 / depth[b], ic = 1 / depth[c];
    double scale = 1 / (s.a * ia + s.b * ib + s.c * ic);
    double wa = s.a * ia * scale, wb = s.b * ib * scale, wc = s.c * ic * scale, d = (s.a + s.b + s.c) * scale;
    double mean = ga * wa + gb * wb + gc * wc;
    ga -= mean, gb -= mean, gc -= mean;
    // of the depths: the weights go by e / z
    atomicAdd(to_depth + a, (float)(-(ga - gd * d) * wa * ia));
    atomicAdd(to_depth + b, (float)(-(gb - gd * d) * wb * ib));
    atomicAdd(to_depth + c, (float)(-(gc - gd * d) * wc * ic));
    // of the edge functions, and through them of the places
    double ha = (ga * ia + gd * (1 - d * ia)) * scale, hb = (gb * ib + gd * (1 - d * ib)) * scale;
    double hc = (gc * ic + gd * (1 - d * ic)) * scale;
    p.x -= x, p.y -= y, q.x -= x, q.y -= y, r.x -= x, r.y -= y;
    float to_a[2] = {(float)(hc * q.y - hb * r.y), (float)(hb * r.x - hc * q.x)};
    float to_b[2] = {(float)(ha * r.y - hc * p.y), (float)(hc * p.x - ha * r.x)};
    float to_c[2] = {(float)(hb * p.y - ha * q.y), (float)(ha * q.x - hb * p.x)};
    atomic_add<2>(to_pixels + 2 * a, to_a);
    atomic_add<2>(to_pixels + 2 * b, to_b);
    atomic_add<2>(to_pixels + 2 * c, to_c);
}

// One thread a pixel of the answer [B,C,H,W], the mean of samples x samples of those rasterized. attributes [A,V,C], A
// views or one for all.
KERNEL interpolate(
    const float* __restrict__ attributes, const float* __restrict__ barycentric, const int* __restrict__ faces,
    const int* __restrict__ face, float* __restrict__ out, int attribute_views, int vertex_count, int channels,
    int view_count, int height, int width, int samples) {
    int at = thread_index();
    if (at >= view_count * height * width) return;
    int x = at % width, y = at / width % height, view = at / width / height;
    const float* values = attributes + (size_t)(view % attribute_views) * vertex_count * channels;
    for (int k = 0; k < channels; k++) {
        float total = 0;
        for (int s = 0; s < samples * samples; s++) {
            size_t fine = ((size_t)view * height * samples + y * samples + s / samples) * width * samples +
                x * samples + s % samples;
            if (face[fine] < 0) continue;
            const int* corner = faces + 3 * (size_t)face[fine];
            const float* weight = barycentric + 3 * fine;
            for (int i = 0; i < 3; i++) total += weight[i] * values[(size_t)corner[i] * channels + k];
        }
        out[(((size_t)view * channels + k) * height + y) * width + x] = total / (samples * samples);
    }
}

// One thread a pixel that was rasterized; height and width are those of the answer. Either gradient may be null; that
// on the attributes is added up.
KERNEL interpolate_backward(
    const float* __restrict__ attributes, const float* __restrict__ barycentric, const int* __restrict__ faces,
    const int* __restrict__ face, const float* __restrict__ grad, float* __restrict__ to_attributes,
    float* __restrict__ to_barycentric, int attribute_views, int vertex_count, int channels, int view_count, int height,
    int width, int samples) {
    int fine = thread_index();
    if (fine >= view_count * height * width * samples * samples) return;
    int x = fine % (width * samples) / samples, y = fine / (width * samples) % (height * samples) / samples;
    int view = fine / (width * samples) / (height * samples), f = face[fine];
    float pull[3] = {}, share = 1.0f / (samples * samples);
    size_t base = (size_t)(view % attribute_views) * vertex_count * channels;
    for (int k = 0; f >= 0 && k < channels; k++) {
        float g = grad[(((size_t)view * channels + k) * height + y) * width + x] * share;
        for (int i = 0; i < 3; i++) {
            size_t value = base + (size_t)faces[3 * (size_t)f + i] * channels + k;
            if (to_attributes) atomicAdd(to_attributes + value, g * barycentric[3 * (size_t)fine + i]);
            pull[i] += g * attributes[value];
        }
    }
    if (!to_barycentric) return;
    for (int i = 0; i < 3; i++) to_barycentric[3 * (size_t)fine + i] = pull[i];
}
