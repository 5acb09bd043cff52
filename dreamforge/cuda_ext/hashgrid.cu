// Multiresolution hash grid; see dreamforge/kernels/hashgrid.py. Macros: FEATURES a level (1, 2, 4 or 8), HALF_TABLE.
//
// Bound by gathers: 8 table rows of a point and level, each in a 32-byte sector of its own, so 256 bytes a point and
// level against some 60 operations. Levels are the grid's second axis, which keeps the blocks in flight on one level:
// at 2^19 entries of 8 bytes that level's 4 MB stay in the L2. Summed over levels, a thread loops over them and writes
// once.
#include "common.cuh"

#define MOST_LEVELS 16
#define PRIME_Y 2654435761u
#define PRIME_Z 805459861u

struct Levels {
    int resolution[MOST_LEVELS];
};

#if HALF_TABLE
typedef Packed<Half, FEATURES> Row;
#else
typedef Packed<float, FEATURES> Row;
#endif
typedef Packed<float, FEATURES> Vector;

// The cell of a coordinate in [0,1], and where in that cell it lies.
__device__ inline int cell_of(float value, int resolution, float& place) {
    float scaled = value * resolution;
    int cell = min(max((int)scaled, 0), resolution - 1);
    place = scaled - cell;
    return cell;
}

// The table rows of the eight corners around a point, and its place within the cell.
__device__ inline void corners(const float* point, int resolution, unsigned entries, unsigned* rows, float* place) {
    unsigned x = cell_of(point[0], resolution, place[0]);
    unsigned y = cell_of(point[1], resolution, place[1]);
    unsigned z = cell_of(point[2], resolution, place[2]);
    unsigned side = resolution + 1;
    bool dense = (unsigned long long)side * side * side <= entries;
#pragma unroll
    for (unsigned corner = 0; corner < 8; corner++) {
        unsigned i = x + (corner & 1), j = y + (corner >> 1 & 1), k = z + (corner >> 2);
        rows[corner] = dense ? i + side * (j + side * k) : (i ^ j * PRIME_Y ^ k * PRIME_Z) & (entries - 1);
    }
}

__device__ inline float weight_of(int corner, const float* place) {
    float u = corner & 1 ? place[0] : 1 - place[0];
    float v = corner >> 1 & 1 ? place[1] : 1 - place[1];
    float w = corner >> 2 ? place[2] : 1 - place[2];
    return u * v * w;
}

// One thread a point and level (blockIdx.y), or a point where the levels are summed (a grid one block high).
KERNEL forward(
    const float* __restrict__ points, const Row* __restrict__ table, Vector* __restrict__ out, Levels levels, int count,
    int level_count, int entries, int summed) {
    int n = thread_index();
    if (n >= count) return;
    float point[3] = {points[3 * (size_t)n], points[3 * (size_t)n + 1], points[3 * (size_t)n + 2]};
    Vector total = {};
    for (int level = blockIdx.y; level < level_count; level += gridDim.y) {
        unsigned rows[8];
        float place[3];
        corners(point, levels.resolution[level], entries, rows, place);
        Row values[8];  // all eight loads are under way before the first is used
#pragma unroll
        for (int corner = 0; corner < 8; corner++) values[corner] = table[(size_t)level * entries + rows[corner]];
#pragma unroll
        for (int corner = 0; corner < 8; corner++) {
            float weight = weight_of(corner, place);
#pragma unroll
            for (int f = 0; f < FEATURES; f++) total.values[f] += weight * to_float(values[corner].values[f]);
        }
    }
    out[summed ? n : (size_t)n * level_count + blockIdx.y] = total;
}

// One thread a point and level; the gradient is kept in float32, whatever the table.
KERNEL backward_table(
    const float* __restrict__ points, const Vector* __restrict__ grad, float* __restrict__ out, Levels levels,
    int count, int level_count, int entries, int summed) {
    int n = thread_index(), level = blockIdx.y;
    if (n >= count) return;
    Vector pull = grad[summed ? n : (size_t)n * level_count + level];
    float size = 0;
#pragma unroll
    for (int f = 0; f < FEATURES; f++) size += fabsf(pull.values[f]);
    if (size == 0) return;  // samples behind a surface: most of them, once there is one
    unsigned rows[8];
    float place[3];
    corners(points + 3 * (size_t)n, levels.resolution[level], entries, rows, place);
#pragma unroll
    for (int corner = 0; corner < 8; corner++) {
        float weight = weight_of(corner, place), part[FEATURES];
#pragma unroll
        for (int f = 0; f < FEATURES; f++) part[f] = weight * pull.values[f];
        atomic_add<FEATURES>(out + ((size_t)level * entries + rows[corner]) * FEATURES, part);
    }
}

// One thread a point, over all levels.
KERNEL backward_points(
    const float* __restrict__ points, const Row* __restrict__ table, const Vector* __restrict__ grad,
    float* __restrict__ out, Levels levels, int count, int level_count, int entries, int summed) {
    int n = thread_index();
    if (n >= count) return;
    const float* point = points + 3 * (size_t)n;
    float total[3] = {};
    for (int level = 0; level < level_count; level++) {
        unsigned rows[8];
        float place[3];
        corners(point, levels.resolution[level], entries, rows, place);
        Vector pull = grad[summed ? n : (size_t)n * level_count + level];
#pragma unroll
        for (int corner = 0; corner < 8; corner++) {
            Row row = table[(size_t)level * entries + rows[corner]];
            float slope = 0;
#pragma unroll
            for (int f = 0; f < FEATURES; f++) slope += to_float(row.values[f]) * pull.values[f];
            slope *= levels.resolution[level];
            float u = corner & 1 ? place[0] : 1 - place[0];
            float v = corner >> 1 & 1 ? place[1] : 1 - place[1];
            float w = corner >> 2 ? place[2] : 1 - place[2];
            total[0] += corner & 1 ? slope * v * w : -slope * v * w;
            total[1] += corner >> 1 & 1 ? slope * u * w : -slope * u * w;
            total[2] += corner >> 2 ? slope * u * v : -slope * u * v;
        }
    }
    for (int axis = 0; axis < 3; axis++) out[3 * (size_t)n + axis] = total[axis];
}
