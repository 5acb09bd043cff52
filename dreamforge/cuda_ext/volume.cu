// Marching through an occupancy grid, and compositing; see dreamforge/kernels/volume.py. Macros: STOP, DEEP (-log
// STOP).
//
// Marching is bound by latency: some 60 steps a ray, each a look into two grids that the L2 holds. One thread a ray,
// run twice: to count the samples, then to write them. Compositing is bound by memory: 20 bytes a sample forward, 40
// backward, against some 30 operations and 20 shuffles. One warp a ray, so that neighbours read neighbours: a ray has
// 10 to 60 samples.
#include "common.cuh"

// Without `points`, counts [R] only; with them, samples to offsets[ray] onwards, as far as the room goes.
KERNEL march(
    const float* __restrict__ origins, const float* __restrict__ directions, const bool* __restrict__ occupancy,
    const float* __restrict__ floors, const float* __restrict__ jitter, const long long* __restrict__ offsets,
    long long* __restrict__ counts, float* __restrict__ points, float* __restrict__ distances, int ray_count, int cells,
    int slots, int room, float step) {
    int ray = thread_index();
    if (ray >= ray_count) return;
    const float *origin = origins + 3 * (size_t)ray, *direction = directions + 3 * (size_t)ray;
    float o[3] = {origin[0], origin[1], origin[2]}, d[3] = {direction[0], direction[1], direction[2]};
    float along = o[0] * d[0] + o[1] * d[1] + o[2] * d[2];
    float reach = sqrtf(fmaxf(along * along - (o[0] * o[0] + o[1] * o[1] + o[2] * o[2]) + 1, 0));  // half the chord
    float near = fmaxf(-along - reach, 0) + jitter[ray] * step, far = -along + reach;
    long long sample = points ? offsets[ray] : 0;
    float passed = 0;  // optical depth, at least
    for (int slot = 0; slot < slots; slot++) {
        float t = near + slot * step;
        if (t >= far || passed > DEEP) break;
        float place[3];
        int cell = 0;
#pragma unroll
        for (int axis = 0; axis < 3; axis++) {
            place[axis] = o[axis] + t * d[axis];
            cell = cell * cells + min(max((int)((place[axis] + 1) * (0.5f * cells)), 0), cells - 1);
        }
        passed += floors[cell] * step;
        if (!occupancy[cell]) continue;
        if (points && sample < room) {
            for (int axis = 0; axis < 3; axis++) points[3 * sample + axis] = place[axis];
            distances[sample] = t;
        }
        sample++;
    }
    if (!points) counts[ray] = sample;
}

// The sum of what the lanes before this one hold (behind it, where UP is false), and of all lanes.
template <bool UP>
__device__ inline float sum_before(float value, int lane, float& total) {
    float sum = value;
#pragma unroll
    for (int offset = 1; offset < 32; offset *= 2) {
        float other = UP ? __shfl_up_sync(ALL_LANES, sum, offset) : __shfl_down_sync(ALL_LANES, sum, offset);
        if (UP ? lane >= offset : lane < 32 - offset) sum += other;
    }
    total = __shfl_sync(ALL_LANES, sum, UP ? 31 : 0);
    float before = UP ? __shfl_up_sync(ALL_LANES, sum, 1) : __shfl_down_sync(ALL_LANES, sum, 1);
    return lane == (UP ? 0 : 31) ? 0 : before;
}

// One warp a ray. weights [M]: of each sample; -0 marks those past the point where the light ends.
KERNEL composite(
    const float* __restrict__ sigmas, const float* __restrict__ colors, const long long* __restrict__ offsets,
    const float* __restrict__ t, float* __restrict__ weights, float* __restrict__ color, float* __restrict__ alpha,
    float* __restrict__ depth, float* __restrict__ distortion, int ray_count, int channels, float step) {
    int ray = thread_index() / 32, lane = threadIdx.x % 32;
    if (ray >= ray_count) return;
    long long start = offsets[ray], end = offsets[ray + 1];
    float origin = start < end ? t[start] : 0;  // distances from here: smaller numbers lose fewer digits
    float passed = 0, opacity = 0, placed = 0, pairs = 0, squares = 0, mine = 0;
    for (long long base = start; base < end; base += 32) {
        long long n = base + lane;
        bool inside = n < end;
        float optical = inside ? sigmas[n] * step : 0, total;
        float light = expf(-(passed + sum_before<true>(optical, lane, total)));
        passed += total;
        bool lit = inside && light >= STOP;
        float weight = lit ? -light * expm1f(-optical) : -0.0f;
        if (inside) weights[n] = weight;
        float place = inside ? t[n] - origin : 0;
        float before = opacity + sum_before<true>(weight, lane, total);
        opacity += total;
        float placed_before = placed + sum_before<true>(weight * place, lane, total);
        placed += total;
        pairs += weight * (place * before - placed_before);
        squares += weight * weight;
        for (int c = 0; c < channels; c++) {  // lane c keeps channel c
            float sum = warp_sum(lit ? weight * colors[n * channels + c] : 0);
            if (lane == c) mine += sum;
        }
    }
    pairs = warp_sum(pairs);
    squares = warp_sum(squares);
    if (lane < channels) color[(size_t)ray * channels + lane] = mine;
    if (lane) return;
    alpha[ray] = opacity;
    depth[ray] = placed + opacity * origin;
    distortion[ray] = 2 * pairs + squares * step / 3;
}

// One warp a ray, from its far end: dL/dsigma_i = step (T_{i+1} q_i - sum_{j>i} w_j q_j), q_j = dL/dw_j.
KERNEL composite_backward(
    const float* __restrict__ colors, const long long* __restrict__ offsets, const float* __restrict__ t,
    const float* __restrict__ weights, const float* __restrict__ to_color, const float* __restrict__ to_alpha,
    const float* __restrict__ to_depth, const float* __restrict__ to_distortion, float* __restrict__ to_sigmas,
    float* __restrict__ to_colors, int ray_count, int channels, float step) {
    int ray = thread_index() / 32, lane = threadIdx.x % 32;
    if (ray >= ray_count) return;
    long long start = offsets[ray], end = offsets[ray + 1];
    if (start == end) return;
    float origin = t[start], opacity = 0, placed = 0;
    for (long long n = start + lane; n < end; n += 32) {
        opacity += weights[n];
        placed += weights[n] * (t[n] - origin);
    }
    opacity = warp_sum(opacity);
    placed = warp_sum(placed);
    float pull_alpha = to_alpha[ray], pull_depth = to_depth[ray], pull_distortion = to_distortion[ray];
    const float* pull = to_color + (size_t)ray * channels;
    float behind_all = 0, placed_all = 0, later_all = 0, total;  // of the samples behind this batch
    for (long long base = start + (end - 1 - start) / 32 * 32; base >= start; base -= 32) {
        long long n = base + lane;
        bool inside = n < end;
        float weight = inside ? weights[n] : 0, distance = inside ? t[n] : origin, place = distance - origin;
        float behind = behind_all + sum_before<false>(weight, lane, total);
        behind_all += total;
        float placed_behind = placed_all + sum_before<false>(weight * place, lane, total);
        placed_all += total;
        float before = opacity - behind - weight, placed_before = placed - placed_behind - weight * place;
        float spread = place * (before - behind) - (placed_before - placed_behind) + weight * step / 3;
        float value = pull_alpha + pull_depth * distance + 2 * pull_distortion * spread;
        if (inside) {
            for (int c = 0; c < channels; c++) {
                value += pull[c] * colors[n * channels + c];
                to_colors[n * channels + c] = weight * pull[c];
            }
        }
        float later = later_all + sum_before<false>(weight * value, lane, total);
        later_all += total;
        bool lit = __float_as_int(weight) >= 0;
        if (inside) to_sigmas[n] = lit ? step * ((1 - opacity + behind) * value - later) : 0;
    }
}
