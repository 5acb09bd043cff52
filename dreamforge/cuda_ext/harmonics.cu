// Spherical harmonics up to degree 3; see dreamforge/kernels/harmonics.py. Macros: COUNT of coefficients (1, 4, 9 or
// 16), and the constants Y0 … Y3_SQUARES of the basis.
//
// Bound by memory: 12 COUNT bytes of a Gaussian, 12 of a colour, against some 6 COUNT operations a view. One thread a
// Gaussian loops over the views, so that coefficients are read once and their gradients need no atomics.
#include "common.cuh"

// The unit vector from a position to a mean; returns one over the distance.
__device__ inline float direction_of(const float* mean, const float* position, float* d) {
    float x = mean[0] - position[0], y = mean[1] - position[1], z = mean[2] - position[2];
    float inverse = 1 / fmaxf(sqrtf(x * x + y * y + z * z), 1e-12f);
    d[0] = x * inverse, d[1] = y * inverse, d[2] = z * inverse;
    return inverse;
}

// The basis Y_k at a unit direction.
__device__ inline void basis_at(const float* d, float* out) {
    float x = d[0], y = d[1], z = d[2], xx = x * x, yy = y * y, zz = z * z;
    out[0] = Y0;
    if constexpr (COUNT > 1) out[1] = -Y1 * y, out[2] = Y1 * z, out[3] = -Y1 * x;
    if constexpr (COUNT > 4) {
        out[4] = Y2_CROSS * x * y, out[5] = -Y2_CROSS * y * z, out[6] = Y2_ZONAL * (2 * zz - xx - yy);
        out[7] = -Y2_CROSS * x * z, out[8] = Y2_SQUARES * (xx - yy);
    }
    if constexpr (COUNT > 9) {
        out[9] = -Y3_SIDE * y * (3 * xx - yy), out[10] = Y3_CROSS * x * y * z,
        out[11] = -Y3_TILT * y * (4 * zz - xx - yy);
        out[12] = Y3_ZONAL * z * (2 * zz - 3 * xx - 3 * yy), out[13] = -Y3_TILT * x * (4 * zz - xx - yy);
        out[14] = Y3_SQUARES * z * (xx - yy), out[15] = -Y3_SIDE * x * (xx - 3 * yy);
    }
}

// The gradient in the direction of sum_k w_k Y_k, the Y_k taken as polynomials.
__device__ inline void slope_at(const float* d, const float* w, float* out) {
    float x = d[0], y = d[1], z = d[2], xx = x * x, yy = y * y, zz = z * z;
    out[0] = out[1] = out[2] = 0;
    if constexpr (COUNT > 1) out[0] = -Y1 * w[3], out[1] = -Y1 * w[1], out[2] = Y1 * w[2];
    if constexpr (COUNT > 4) {
        out[0] += Y2_CROSS * (y * w[4] - z * w[7]) + 2 * x * (Y2_SQUARES * w[8] - Y2_ZONAL * w[6]);
        out[1] += Y2_CROSS * (x * w[4] - z * w[5]) - 2 * y * (Y2_SQUARES * w[8] + Y2_ZONAL * w[6]);
        out[2] += -Y2_CROSS * (y * w[5] + x * w[7]) + 4 * Y2_ZONAL * z * w[6];
    }
    if constexpr (COUNT > 9) {
        out[0] += -6 * Y3_SIDE * x * y * w[9] + Y3_CROSS * y * z * w[10] + 2 * Y3_TILT * x * y * w[11] -
            6 * Y3_ZONAL * x * z * w[12] - Y3_TILT * (4 * zz - 3 * xx - yy) * w[13] + 2 * Y3_SQUARES * x * z * w[14] -
            3 * Y3_SIDE * (xx - yy) * w[15];
        out[1] += -3 * Y3_SIDE * (xx - yy) * w[9] + Y3_CROSS * x * z * w[10] -
            Y3_TILT * (4 * zz - xx - 3 * yy) * w[11] - 6 * Y3_ZONAL * y * z * w[12] + 2 * Y3_TILT * x * y * w[13] -
            2 * Y3_SQUARES * y * z * w[14] + 6 * Y3_SIDE * x * y * w[15];
        out[2] += Y3_CROSS * x * y * w[10] - 8 * Y3_TILT * y * z * w[11] +
            Y3_ZONAL * (6 * zz - 3 * xx - 3 * yy) * w[12] - 8 * Y3_TILT * x * z * w[13] +
            Y3_SQUARES * (xx - yy) * w[14];
    }
}

// colors [B,N,3]. One thread a Gaussian.
KERNEL forward(
    const float* __restrict__ coefficients, const float* __restrict__ means, const float* __restrict__ positions,
    float* __restrict__ colors, int count, int view_count) {
    int n = thread_index();
    if (n >= count) return;
    float own[COUNT * 3], values[COUNT], d[3];
#pragma unroll
    for (int k = 0; k < COUNT * 3; k++) own[k] = coefficients[(size_t)n * COUNT * 3 + k];
    for (int v = 0; v < view_count; v++) {
        direction_of(means + 3 * (size_t)n, positions + 3 * v, d);
        basis_at(d, values);
#pragma unroll
        for (int c = 0; c < 3; c++) {
            float total = 0.5f;
#pragma unroll
            for (int k = 0; k < COUNT; k++) total += values[k] * own[3 * k + c];
            colors[3 * ((size_t)v * count + n) + c] = fmaxf(total, 0);
        }
    }
}

// One thread a Gaussian.
KERNEL backward(
    const float* __restrict__ coefficients, const float* __restrict__ means, const float* __restrict__ positions,
    const float* __restrict__ colors, const float* __restrict__ gradient, float* __restrict__ to_coefficients,
    float* __restrict__ to_means, int count, int view_count) {
    int n = thread_index();
    if (n >= count) return;
    float pulls[COUNT * 3] = {}, pull_mean[3] = {}, values[COUNT], weights[COUNT], d[3], slope[3];
    for (int v = 0; v < view_count; v++) {
        float inverse = direction_of(means + 3 * (size_t)n, positions + 3 * v, d), pull[3];
        basis_at(d, values);
        size_t at = 3 * ((size_t)v * count + n);
#pragma unroll
        for (int c = 0; c < 3; c++) pull[c] = colors[at + c] > 0 ? gradient[at + c] : 0;
#pragma unroll
        for (int k = 0; k < COUNT; k++) {
            weights[k] = 0;
#pragma unroll
            for (int c = 0; c < 3; c++) {
                pulls[3 * k + c] += values[k] * pull[c];
                weights[k] += coefficients[(size_t)n * COUNT * 3 + 3 * k + c] * pull[c];
            }
        }
        slope_at(d, weights, slope);
        float along =
            slope[0] * d[0] + slope[1] * d[1] + slope[2] * d[2];  // a move along the line of sight turns nothing
#pragma unroll
        for (int axis = 0; axis < 3; axis++) pull_mean[axis] += inverse * (slope[axis] - along * d[axis]);
    }
#pragma unroll
    for (int k = 0; k < COUNT * 3; k++) to_coefficients[(size_t)n * COUNT * 3 + k] = pulls[k];
    for (int axis = 0; axis < 3; axis++) to_means[3 * (size_t)n + axis] = pull_mean[axis];
}
