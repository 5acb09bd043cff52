// Projection of Gaussians, forward and backward; see dreamforge/kernels/splat.py and splat_project_numba.py for the
// mathematics and the columns of `projected`. Macros: TILE, NEAR, DILATION, FRUSTUM_MARGIN, ALPHA_CUT, LOG_CUT.
//
// Bound by memory: forward reads 56 bytes of a Gaussian and writes 56 of a row (a Gaussian in a view) against some 200
// operations; backward reads 40 + 32 a row and writes 56 a Gaussian. One thread a row forward; backward one a Gaussian,
// which adds its views up in registers and needs no atomics.
#include "common.cuh"

struct Footprint {
    float u, v, z;  // x/z, y/z and depth of the centre
    float scale;    // focal / z
    float p[6];     // the Jacobian of the projection times the view rotation
    float a[6];     // p m: the ellipse's axes on the picture
};

// Fill r [9] with the rotation of the unit quaternion q [4] (wxyz).
__device__ inline void rotation_matrix(const float* q, float* r) {
    float w = q[0], x = q[1], y = q[2], z = q[3];
    r[0] = 1 - 2 * (y * y + z * z), r[1] = 2 * (x * y - w * z), r[2] = 2 * (x * z + w * y);
    r[3] = 2 * (x * y + w * z), r[4] = 1 - 2 * (x * x + z * z), r[5] = 2 * (y * z - w * x);
    r[6] = 2 * (x * z - w * y), r[7] = 2 * (y * z + w * x), r[8] = 1 - 2 * (x * x + y * y);
}

// The unit quaternion q, its rotation r and m, the rotation times the scales; returns one over the quaternion's norm.
__device__ inline float shape_of(const float* rotation, const float* scale, float* q, float* r, float* m) {
    float norm = sqrtf(square(rotation[0]) + square(rotation[1]) + square(rotation[2]) + square(rotation[3]));
    float inverse = 1 / fmaxf(norm, 1e-12f);
    for (int k = 0; k < 4; k++) q[k] = rotation[k] * inverse;
    rotation_matrix(q, r);
#pragma unroll
    for (int k = 0; k < 9; k++) m[k] = r[k] * scale[k % 3];
    return inverse;
}

// view [3,4]: world to camera, x right, y down, z forward.
__device__ inline float depth_of(const float* view, const float* mean) {
    return view[8] * mean[0] + view[9] * mean[1] + view[10] * mean[2] + view[11];
}

__device__ inline Footprint footprint_of(
    const float* view, float focal, float limit_x, float limit_y, const float* mean, const float* m) {
    Footprint f;
    f.z = depth_of(view, mean);
    f.u = (view[0] * mean[0] + view[1] * mean[1] + view[2] * mean[2] + view[3]) / f.z;
    f.v = (view[4] * mean[0] + view[5] * mean[1] + view[6] * mean[2] + view[7]) / f.z;
    f.scale = focal / f.z;
    float near_u = clamped(f.u, -limit_x, limit_x), near_v = clamped(f.v, -limit_y, limit_y);
#pragma unroll
    for (int k = 0; k < 3; k++) {
        f.p[k] = f.scale * (view[k] - near_u * view[8 + k]);
        f.p[3 + k] = f.scale * (view[4 + k] - near_v * view[8 + k]);
    }
#pragma unroll
    for (int k = 0; k < 3; k++) {
        f.a[k] = f.p[0] * m[k] + f.p[1] * m[3 + k] + f.p[2] * m[6 + k];
        f.a[3 + k] = f.p[3] * m[k] + f.p[4] * m[3 + k] + f.p[5] * m[6 + k];
    }
    return f;
}

// det(A A^T) of A = a [6] as a squared cross product: no cancellation, however thin the Gaussian.
__device__ inline float squared_area(const float* a) {
    return square(a[1] * a[5] - a[2] * a[4]) + square(a[2] * a[3] - a[0] * a[5]) + square(a[0] * a[4] - a[1] * a[3]);
}

__device__ inline void covariance_of(const float* a, float& xx, float& xy, float& yy) {
    xx = a[0] * a[0] + a[1] * a[1] + a[2] * a[2];
    xy = a[0] * a[3] + a[1] * a[4] + a[2] * a[5];
    yy = a[3] * a[3] + a[4] * a[4] + a[5] * a[5];
}

// One thread a row. Comparisons are written so that what is not a number is not drawn.
KERNEL project(
    const float* __restrict__ means, const float* __restrict__ scales, const float* __restrict__ rotations,
    const float* __restrict__ opacities, const float* __restrict__ views, const float* __restrict__ focals,
    float4* __restrict__ projected, int4* __restrict__ boxes, int* __restrict__ tile_counts, float* __restrict__ depths,
    int count, int view_count, int height, int width) {
    int row = thread_index();
    if (row >= count * view_count) return;
    int n = row % count, v = row / count;
    tile_counts[row] = 0;
    depths[row] = __int_as_float(0x7f800000);  // infinity: what is not drawn sorts last
    const float *mean = means + 3 * (size_t)n, *view = views + 12 * v;
    float focal = focals[v], opacity = opacities[n];
    if (!(depth_of(view, mean) > NEAR && opacity > ALPHA_CUT)) return;
    float q[4], r[9], m[9];
    shape_of(rotations + 4 * (size_t)n, scales + 3 * (size_t)n, q, r, m);
    float half_width = 0.5f * width, half_height = 0.5f * height;
    Footprint f =
        footprint_of(view, focal, FRUSTUM_MARGIN * half_width / focal, FRUSTUM_MARGIN * half_height / focal, mean, m);
    float xx, xy, yy, area = squared_area(f.a);
    covariance_of(f.a, xx, xy, yy);
    float inverse = 1 / (area + DILATION * (xx + yy) + DILATION * DILATION);
    float reach = logf(fmaxf(opacity * sqrtf(area * inverse), ALPHA_CUT)) - LOG_CUT;
    if (!(reach > 0)) return;
    float x = half_width + focal * f.u, y = half_height + focal * f.v;
    xx += DILATION, yy += DILATION;
    float reach_x = sqrtf(2 * reach * xx), reach_y = sqrtf(2 * reach * yy);
    if (!(x + reach_x > 0 && y + reach_y > 0 && x - reach_x < width && y - reach_y < height)) return;
    int4 box = make_int4(
        (int)fmaxf(x - reach_x, 0) / TILE, min((int)fminf(x + reach_x, width) / TILE + 1, (width + TILE - 1) / TILE),
        (int)fmaxf(y - reach_y, 0) / TILE, min((int)fminf(y + reach_y, height) / TILE + 1, (height + TILE - 1) / TILE));
    projected[2 * (size_t)row] = make_float4(x, y, yy * inverse, -xy * inverse);
    projected[2 * (size_t)row + 1] = make_float4(xx * inverse, reach + LOG_CUT, f.z, reach_y);
    boxes[row] = box;
    tile_counts[row] = (box.y - box.x) * (box.w - box.z);
    depths[row] = f.z;
}

// The gradient of the raw quaternion, from d_r [9], that of its rotation matrix.
__device__ inline void rotation_backward(const float* q, float inverse, const float* d_r, float* d_rotation) {
    float w = q[0], x = q[1], y = q[2], z = q[3], d[4];
    d[0] = 2 * (x * (d_r[7] - d_r[5]) + y * (d_r[2] - d_r[6]) + z * (d_r[3] - d_r[1]));
    d[1] = 2 * (y * (d_r[1] + d_r[3]) + z * (d_r[2] + d_r[6]) + w * (d_r[7] - d_r[5]) - 2 * x * (d_r[4] + d_r[8]));
    d[2] = 2 * (x * (d_r[1] + d_r[3]) + z * (d_r[5] + d_r[7]) + w * (d_r[2] - d_r[6]) - 2 * y * (d_r[0] + d_r[8]));
    d[3] = 2 * (x * (d_r[2] + d_r[6]) + y * (d_r[5] + d_r[7]) + w * (d_r[3] - d_r[1]) - 2 * z * (d_r[0] + d_r[4]));
    float along = d[0] * w + d[1] * x + d[2] * y + d[3] * z;
    for (int k = 0; k < 4; k++) d_rotation[k] = inverse * (d[k] - along * q[k]);
}

// Add to d_m [9] and d_mean [3] what one view gives, from g [10], the sums over its pixels. Returns the length of the
// gradient of the pixel position.
__device__ inline float row_backward(
    const float* g, const float4* projected, const float* view, const Footprint& f, float focal, float limit_x,
    float limit_y, const float* m, float* d_m, float* d_mean) {
    float ca = projected[0].z, cb = projected[0].w, cc = projected[1].x;
    float g_x = ca * g[1] + cb * g[2], g_y = cb * g[1] + cc * g[2];
    // d covariance = -conic (d conic) conic
    float d_ca = -0.5f * g[3], d_cb = -g[4], d_cc = -0.5f * g[5];
    float d_xx = -(ca * ca * d_ca + ca * cb * d_cb + cb * cb * d_cc);
    float d_xy = -(2 * ca * cb * d_ca + (ca * cc + cb * cb) * d_cb + 2 * cb * cc * d_cc);
    float d_yy = -(cb * cb * d_ca + cb * cc * d_cb + cc * cc * d_cc);
    // Opacity was scaled by sqrt(area / dilated); its gradient is written without differences of like terms.
    float xx, xy, yy, area = squared_area(f.a);
    covariance_of(f.a, xx, xy, yy);
    float common = 0.5f * DILATION * g[0] / (area * (area + DILATION * (xx + yy) + DILATION * DILATION));
    d_xx += common * (yy * (yy + DILATION) + xy * xy);
    d_xy -= 2 * common * xy * (xx + yy + DILATION);
    d_yy += common * (xx * (xx + DILATION) + xy * xy);
    float d_a[6];
#pragma unroll
    for (int k = 0; k < 3; k++) {
        d_a[k] = 2 * d_xx * f.a[k] + d_xy * f.a[3 + k];
        d_a[3 + k] = 2 * d_yy * f.a[3 + k] + d_xy * f.a[k];
    }
    float d_u = 0, d_v = 0, d_log_scale = 0;
#pragma unroll
    for (int j = 0; j < 3; j++) {
        float d_p0 = 0, d_p1 = 0;
#pragma unroll
        for (int k = 0; k < 3; k++) {
            d_p0 += d_a[k] * m[3 * j + k];
            d_p1 += d_a[3 + k] * m[3 * j + k];
            d_m[3 * j + k] += f.p[j] * d_a[k] + f.p[3 + j] * d_a[3 + k];
        }
        d_u -= f.scale * d_p0 * view[8 + j];
        d_v -= f.scale * d_p1 * view[8 + j];
        d_log_scale += d_p0 * f.p[j] + d_p1 * f.p[3 + j];
    }
    d_u = focal * g_x + (fabsf(f.u) < limit_x ? d_u : 0);
    d_v = focal * g_y + (fabsf(f.v) < limit_y ? d_v : 0);
    float d_x = d_u / f.z, d_y = d_v / f.z, d_z = g[9] - (d_u * f.u + d_v * f.v + d_log_scale) / f.z;
#pragma unroll
    for (int k = 0; k < 3; k++) d_mean[k] += view[k] * d_x + view[4 + k] * d_y + view[8 + k] * d_z;
    return sqrtf(g_x * g_x + g_y * g_y);
}

// One thread a Gaussian. row_gradients [V*N,10]: what `rasterize_backward` added up. d_colors: as colors are, [N,3] or
// [V*N,3]. figures [N,3]: see SplatStatistics.
KERNEL project_backward(
    const float* __restrict__ means, const float* __restrict__ scales, const float* __restrict__ rotations,
    const float* __restrict__ opacities, const float* __restrict__ views, const float* __restrict__ focals,
    const float4* __restrict__ projected, const int* __restrict__ tile_counts, const float* __restrict__ row_gradients,
    float* __restrict__ d_means, float* __restrict__ d_scales, float* __restrict__ d_rotations,
    float* __restrict__ d_opacities, float* __restrict__ d_colors, float* __restrict__ figures, int count,
    int color_count, int view_count, int height, int width) {
    int n = thread_index();
    if (n >= count) return;
    const float *mean = means + 3 * (size_t)n, *scale = scales + 3 * (size_t)n;
    float q[4], r[9], m[9], d_m[9] = {}, d_mean[3] = {}, d_color[3] = {}, d_log_opacity = 0;
    float length = 0, seen = 0, radius = 0;
    float inverse = shape_of(rotations + 4 * (size_t)n, scale, q, r, m);
    for (int v = 0; v < view_count; v++) {
        size_t row = (size_t)v * count + n;
        const float *view = views + 12 * v, *g = row_gradients + 10 * row;
        for (int k = 0; k < 3; k++) {
            if (color_count > count) d_colors[3 * row + k] = g[6 + k];
            else d_color[k] += g[6 + k];
        }
        if (tile_counts[row] == 0) continue;
        const float4* record = projected + 2 * row;
        float focal = focals[v];
        float limit_x = FRUSTUM_MARGIN * 0.5f * width / focal, limit_y = FRUSTUM_MARGIN * 0.5f * height / focal;
        Footprint f = footprint_of(view, focal, limit_x, limit_y, mean, m);
        length += row_backward(g, record, view, f, focal, limit_x, limit_y, m, d_m, d_mean);
        seen += 1;
        // the box is sqrt(C / A) times as wide as high
        radius = fmaxf(radius, sqrtf(fmaxf(record[1].x / record[0].z, 1)) * record[1].w);
        d_log_opacity += g[0];
    }
    d_opacities[n] = seen ? d_log_opacity / opacities[n] : 0;
#pragma unroll
    for (int k = 0; k < 3; k++) {
        d_means[3 * (size_t)n + k] = d_mean[k];
        if (color_count == count) d_colors[3 * (size_t)n + k] = d_color[k];
        d_scales[3 * (size_t)n + k] = d_m[k] * r[k] + d_m[3 + k] * r[3 + k] + d_m[6 + k] * r[6 + k];
    }
#pragma unroll
    for (int k = 0; k < 9; k++) d_m[k] *= scale[k % 3];
    rotation_backward(q, inverse, d_m, d_rotations + 4 * (size_t)n);
    figures[3 * (size_t)n] = length, figures[3 * (size_t)n + 1] = seen, figures[3 * (size_t)n + 2] = radius;
}
