// The tile rasterizer of Gaussians, forward and backward; the rules are those of dreamforge/kernels/splat.py. Macros:
// TILE (16), MAX_ALPHA, LOG_CUT, MIN_TRANSMITTANCE.
//
// A row is a Gaussian in a view. Bound by arithmetic: an entry (a row in a tile) is read once by a block, 48 bytes, and
// met by 256 pixels, some 20 operations each forward and 50 backward. A block is a tile: its threads fetch 256 entries
// to shared memory at a time, then each composites its pixel. A warp has 8 x 4 pixels, so that most entries concern all
// or none of it. Backward, the ten sums of an entry over a warp take 16 shuffles (not 10 times 5) and leave in one
// coalesced atomic.
#include "common.cuh"

#define THREADS (TILE * TILE)
#define SUMS 10

struct Entry {
    float4 place;  // x, y, conic A and B
    float4 shape;  // conic C, log opacity, depth, half height
    float4 color;  // red, green, blue; the row's bits
};

__device__ inline Entry fetch(const float4* projected, const float* colors, int row, int color_count) {
    const float* color = colors + 3 * (size_t)(row % color_count);
    return {
        projected[2 * (size_t)row], projected[2 * (size_t)row + 1],
        make_float4(color[0], color[1], color[2], __int_as_float(row))};
}

__device__ inline float exponent_of(const Entry& e, float dx, float dy) {
    return e.shape.y - 0.5f * (e.place.z * dx * dx + e.shape.x * dy * dy) - e.place.w * dx * dy;
}

// The pixel of a thread: warps take 8 x 4 pixels of the tile.
__device__ inline int2 pixel_of(int thread, int tiles_x) {
    int warp = thread / 32, lane = thread % 32, across = TILE / 8, tile = blockIdx.x;
    return make_int2(
        tile % tiles_x * TILE + warp % across * 8 + lane % 8, tile / tiles_x * TILE + warp / across * 4 + lane / 8);
}

// One block a tile (blockIdx.x) and view (blockIdx.y), one thread a pixel. starts [V*T+1]: where each tile's entries
// begin. colors [N,3], or [V*N,3], a row's own. image [V,5,H,W]: red, green, blue, alpha, depth. stops [V*T]: the end
// of the entries that were needed.
KERNEL __launch_bounds__(THREADS) rasterize(
    const float4* __restrict__ projected, const float* __restrict__ colors, const int* __restrict__ rows,
    const int* __restrict__ starts, float* __restrict__ image, int* __restrict__ stops, int color_count, int height,
    int width, int tiles_x) {
    __shared__ Entry entries[THREADS];
    int thread = threadIdx.x, index = blockIdx.y * gridDim.x + blockIdx.x;
    int2 pixel = pixel_of(thread, tiles_x);
    bool inside = pixel.x < width && pixel.y < height;
    float x = pixel.x + 0.5f, y = pixel.y + 0.5f;
    float light = inside ? 1 : 0, red = 0, green = 0, blue = 0, depth = 0;
    int first = starts[index], last = starts[index + 1];
    for (; first < last; first += THREADS) {
        if (__syncthreads_and(light < MIN_TRANSMITTANCE)) break;
        int batch = min(THREADS, last - first);
        if (thread < batch) entries[thread] = fetch(projected, colors, rows[first + thread], color_count);
        __syncthreads();
        for (int j = 0; j < batch && light >= MIN_TRANSMITTANCE; j++) {
            const Entry& e = entries[j];
            float exponent = exponent_of(e, x - e.place.x, y - e.place.y);
            if (exponent < LOG_CUT) continue;
            float weight = fminf(__expf(exponent), MAX_ALPHA) * light;
            light -= weight;
            red += weight * e.color.x;
            green += weight * e.color.y;
            blue += weight * e.color.z;
            depth += weight * e.shape.z;
        }
    }
    if (thread == 0) stops[index] = min(first, last);
    if (!inside) return;
    size_t plane = (size_t)height * width;
    float* out = image + 5 * plane * blockIdx.y + (size_t)pixel.y * width + pixel.x;
    out[0] = red, out[plane] = green, out[2 * plane] = blue, out[3 * plane] = 1 - light, out[4 * plane] = depth;
}

// One step of `sum_each`: lanes a distance 2 HALF apart share out 2 HALF values, and each sums its HALF of them.
template <int HALF>
__device__ inline void fold(float (&values)[16], int lane) {
    bool upper = lane & 2 * HALF;
#pragma unroll
    for (int k = 0; k < HALF; k++) {
        float kept = upper ? values[k + HALF] : values[k], given = upper ? values[k] : values[k + HALF];
        values[k] = kept + __shfl_xor_sync(ALL_LANES, given, 2 * HALF);
    }
    if constexpr (HALF > 1) fold<HALF / 2>(values, lane);
}

// The sums over a warp of 16 values of each lane: lane l answers with that of value l / 2.
__device__ inline float sum_each(float (&values)[16], int lane) {
    fold<8>(values, lane);
    return values[0] + __shfl_xor_sync(ALL_LANES, values[0], 1);
}

// Add to row_gradients [V*N,10] the sums over pixels of s, s dx, s dy, s dx dx, s dx dy, s dy dy, where s = alpha
// dL/dalpha and (dx, dy) leads from the Gaussian's centre to the pixel's; then the gradients of red, green, blue and
// depth.
//
// Front to back again, with the light of the forward pass to the bit: what lies behind is the total less what lies
// before.
KERNEL __launch_bounds__(THREADS) rasterize_backward(
    const float4* __restrict__ projected, const float* __restrict__ colors, const int* __restrict__ rows,
    const int* __restrict__ starts, const int* __restrict__ stops, const float* __restrict__ image,
    const float* __restrict__ gradient, float* __restrict__ row_gradients, int color_count, int height, int width,
    int tiles_x) {
    __shared__ Entry entries[THREADS];
    int thread = threadIdx.x, lane = thread % 32, index = blockIdx.y * gridDim.x + blockIdx.x;
    int2 pixel = pixel_of(thread, tiles_x);
    bool inside = pixel.x < width && pixel.y < height;
    float x = pixel.x + 0.5f, y = pixel.y + 0.5f;
    float light = inside ? 1 : 0, rest = 0, pull[5] = {};
    if (inside) {
        size_t plane = (size_t)height * width, at = 5 * plane * blockIdx.y + (size_t)pixel.y * width + pixel.x;
#pragma unroll
        for (int c = 0; c < 5; c++) {
            pull[c] = gradient[at + c * plane];
            rest += pull[c] * image[at + c * plane];
        }
    }
    for (int first = starts[index], last = stops[index]; first < last; first += THREADS) {
        __syncthreads();
        int batch = min(THREADS, last - first);
        if (thread < batch) entries[thread] = fetch(projected, colors, rows[first + thread], color_count);
        __syncthreads();
        for (int j = 0; j < batch; j++) {
            const Entry& e = entries[j];
            float dx = x - e.place.x, dy = y - e.place.y, exponent = exponent_of(e, dx, dy);
            bool used = exponent >= LOG_CUT && light >= MIN_TRANSMITTANCE;
            if (!__any_sync(ALL_LANES, used)) continue;
            float values[16] = {};
            if (used) {
                float raw = __expf(exponent), alpha = fminf(raw, MAX_ALPHA), weight = alpha * light;
                float seen =
                    e.color.x * pull[0] + e.color.y * pull[1] + e.color.z * pull[2] + e.shape.z * pull[4] + pull[3];
                rest -= weight * seen;
                light -= weight;
                float s = raw < MAX_ALPHA ? weight * seen - rest * alpha / (1 - alpha) : 0;
                values[0] = s, values[1] = s * dx, values[2] = s * dy;
                values[3] = s * dx * dx, values[4] = s * dx * dy, values[5] = s * dy * dy;
                values[6] = weight * pull[0], values[7] = weight * pull[1], values[8] = weight * pull[2];
                values[9] = weight * pull[4];
            }
            float sum = sum_each(values, lane);
            int row = __float_as_int(e.color.w);
            if (lane % 2 == 0 && lane / 2 < SUMS) atomicAdd(row_gradients + SUMS * (size_t)row + lane / 2, sum);
        }
    }
}
