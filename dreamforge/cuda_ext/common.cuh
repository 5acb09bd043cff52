// What every kernel here uses. Compiled by NVRTC for a GPU; the tests compile the same sources with a C++ compiler and
// a header of theirs that stands in for CUDA (tests/kernels/cuda_on_cpu.h).
#pragma once

#define KERNEL extern "C" __global__ void
#define ALL_LANES 0xffffffffu

__device__ inline int thread_index() { return blockIdx.x * blockDim.x + threadIdx.x; }

__device__ inline float square(float x) { return x * x; }

__device__ inline float clamped(float x, float low, float high) { return fminf(fmaxf(x, low), high); }

// The sum over a warp, in every lane.
__device__ inline float warp_sum(float value) {
    for (int offset = 16; offset; offset /= 2) value += __shfl_xor_sync(ALL_LANES, value, offset);
    return value;
}

// N numbers that lie together and are aligned as a whole, so that they are read and written at once.
template <typename T, int N>
struct alignas(sizeof(T) * N) Packed {
    T values[N];
};

// Add to N floats that are aligned as a whole; GPUs from Hopper on add up to four in one transaction.
template <int N>
__device__ inline void atomic_add(float* target, const float* values) {
    int k = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    for (; k + 4 <= N; k += 4)
        atomicAdd((float4*)(target + k), make_float4(values[k], values[k + 1], values[k + 2], values[k + 3]));
    for (; k + 2 <= N; k += 2) atomicAdd((float2*)(target + k), make_float2(values[k], values[k + 1]));
#endif
    for (; k < N; k++) atomicAdd(target + k, values[k]);
}

// Half-precision numbers by their bits: NVRTC comes without cuda_fp16.h.
struct Half {
    unsigned short bits;
};

__device__ inline float to_float(float x) { return x; }

#ifdef __CUDACC_RTC__
__device__ inline float to_float(Half x) {
    float result;
    asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(x.bits));
    return result;
}
#else
inline float to_float(Half x) { return half_to_float(x.bits); }
#endif
