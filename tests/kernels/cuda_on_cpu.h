// Stands in for CUDA so that a C++ compiler builds the kernels of dreamforge/cuda_ext/ and tests run them on the CPU.
//
// The threads of a block are coroutines: each runs until it meets a barrier (`__syncthreads` or a warp's exchange), so
// that shared memory, barriers and shuffles mean what they mean on a GPU. Between barriers threads run one after
// another in an order that the caller seeds: a missing barrier shows as a result that depends on the seed. Shared
// memory starts as NaN in every block. Threads that wait for each other in different places, and exchanges that not all
// lanes of a warp join, are reported.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("shared_memory")))
extern "C" char __start_shared_memory[] __attribute__((weak)), __stop_shared_memory[] __attribute__((weak));

using std::max;
using std::min;

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
struct alignas(8) float2 {
    float x, y;
};
struct float3 {
    float x, y, z;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) double2 {
    double x, y;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }

inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __float_as_int(float x) {
    int y;
    memcpy(&y, &x, 4);
    return y;
}
inline float __int_as_float(int x) {
    float y;
    memcpy(&y, &x, 4);
    return y;
}
inline unsigned __float_as_uint(float x) { return (unsigned)__float_as_int(x); }

inline long long __double_as_longlong(double x) {
    long long y;
    memcpy(&y, &x, 8);
    return y;
}

inline float half_to_float(unsigned short bits) {
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float size = exponent == 31 ? (mantissa ? NAN : INFINITY)
        : exponent              ? ldexpf(1024 + mantissa, exponent - 25)
                                : ldexpf(mantissa, -24);
    return bits >> 15 ? -size : size;
}

template <typename T>
inline T atomicAdd(T* target, T value) {
    T old = *target;
    *target += value;
    return old;
}
template <typename T>
inline T atomicMax(T* target, T value) {
    T old = *target;
    *target = max(old, value);
    return old;
}
template <typename T>
inline T atomicMin(T* target, T value) {
    T old = *target;
    *target = min(old, value);
    return old;
}

namespace emulation {

const int WARP = 32, STACK = 1 << 16;

struct Rendezvous {  // of the threads of a block, or of a warp
    int live = 0, arrived = 0, turn = 0, place = 0;
    uint64_t values[2][WARP];  // what the lanes of a warp exchange, in turns
    int counts[2];             // how many threads of a block held a predicate, in turns
};

struct Thread {
    ucontext_t context;
    jmp_buf resume;
    bool started = false, done = false;
    Rendezvous* waits = nullptr;
    int turn = 0;
};

inline std::vector<Thread> threads;
inline std::vector<Rendezvous> warps;
inline Rendezvous whole;
inline std::vector<char> stacks;
inline std::function<void()> body;
inline ucontext_t origin;
inline jmp_buf scheduler;
inline int current;
inline const char* problem;

inline void release_if_complete(Rendezvous& r) {
    if (r.arrived && r.arrived == r.live) {
        r.arrived = 0;
        r.turn ^= 1;
        r.counts[r.turn] = 0;
    }
}

// Wait until all live threads of `r` are in the same place.
inline void wait(Rendezvous& r, int place) {
    if (r.arrived && r.place != place) problem = "threads of one block or warp wait in different places";
    r.place = place;
    Thread& me = threads[current];
    me.waits = &r;
    me.turn = r.turn;
    r.arrived++;
    release_if_complete(r);
    if (r.turn == me.turn && !_setjmp(me.resume)) _longjmp(scheduler, 1);
    me.waits = nullptr;
}

inline void entry() {
    body();
    Thread& me = threads[current];
    me.done = true;
    for (Rendezvous* r : {&whole, &warps[current / WARP]}) {
        r->live--;
        release_if_complete(*r);
    }
    _longjmp(scheduler, 1);
}

}  // namespace emulation

inline dim3 blockIdx, blockDim, gridDim;
inline struct {
    operator dim3() const { return {(unsigned)emulation::current, 0, 0}; }
    struct {
        operator unsigned() const { return emulation::current; }
    } x;
} threadIdx;

inline int barrier(int place, int predicate) {
    emulation::Rendezvous& r = emulation::whole;
    int turn = r.turn;
    r.counts[turn] += predicate != 0;
    emulation::wait(r, place);
    return r.counts[turn];
}
#define __syncthreads() ((void)barrier(__LINE__, 0))
#define __syncthreads_count(predicate) barrier(__LINE__, predicate)
#define __syncthreads_or(predicate) (barrier(__LINE__, predicate) > 0)
#define __syncthreads_and(predicate) (barrier(__LINE__, !(predicate)) == 0)
#define __syncwarp() ((void)exchange(__LINE__, ~0u, 0))

// What every lane of the warp gave; all 32 have to take part.
inline const uint64_t* exchange(int place, unsigned mask, uint64_t bits) {
    emulation::Rendezvous& r = emulation::warps[emulation::current / emulation::WARP];
    if (mask != ~0u || r.live != emulation::WARP) emulation::problem = "an exchange that not all lanes of a warp join";
    int turn = r.turn;
    r.values[turn][emulation::current % emulation::WARP] = bits;
    emulation::wait(r, place);
    return r.values[turn];
}
template <typename T>
inline T shuffled(int place, unsigned mask, T value, int lane) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(T));
    const uint64_t* all = exchange(place, mask, bits);
    if (lane >= 0 && lane < emulation::WARP) memcpy(&value, &all[lane], sizeof(T));
    return value;
}
inline unsigned ballot(int place, unsigned mask, bool predicate) {
    const uint64_t* all = exchange(place, mask, predicate);
    unsigned result = 0;
    for (int lane = 0; lane < emulation::WARP; lane++) result |= (unsigned)all[lane] << lane;
    return result;
}
#define LANE (emulation::current % emulation::WARP)
#define __shfl_sync(mask, value, lane) shuffled(__LINE__, mask, value, (lane) % 32)
#define __shfl_xor_sync(mask, value, bits) shuffled(__LINE__, mask, value, LANE ^ (bits))
#define __shfl_up_sync(mask, value, delta) shuffled(__LINE__, mask, value, LANE - (int)(delta))
#define __shfl_down_sync(mask, value, delta) shuffled(__LINE__, mask, value, LANE + (int)(delta))
#define __ballot_sync(mask, predicate) ballot(__LINE__, mask, predicate)
#define __any_sync(mask, predicate) (ballot(__LINE__, mask, predicate) != 0)
#define __all_sync(mask, predicate) (ballot(__LINE__, mask, predicate) == ~0u)

namespace emulation {

inline void run_block(int count, std::mt19937& random) {
    if (__start_shared_memory) memset(__start_shared_memory, 0xff, __stop_shared_memory - __start_shared_memory);
    threads.assign(count, Thread());
    warps.assign((count + WARP - 1) / WARP, Rendezvous());
    stacks.resize((size_t)count * STACK);
    whole = Rendezvous();
    whole.live = count;
    for (int t = 0; t < count; t++) warps[t / WARP].live++;
    std::vector<int> order(count);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (bool moved = true; moved && !problem;) {
        moved = false;
        for (int t : order) {
            Thread& thread = threads[t];
            if (thread.done || (thread.waits && thread.waits->turn == thread.turn)) continue;
            moved = true;
            current = t;
            if (_setjmp(scheduler)) continue;
            if (thread.started) _longjmp(thread.resume, 1);
            thread.started = true;
            getcontext(&thread.context);
            thread.context.uc_stack.ss_sp = stacks.data() + (size_t)t * STACK;
            thread.context.uc_stack.ss_size = STACK;
            thread.context.uc_link = &origin;
            makecontext(&thread.context, entry, 0);
            setcontext(&thread.context);
        }
    }
    for (Thread& thread : threads)
        if (!thread.done && !problem) problem = "threads wait for others that never come";
}

template <typename... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::decay_t<A>*>(arguments[I])...);
}

// Run a kernel over a grid; the answer is null or what went wrong. Without `barriers` threads run as plain calls.
template <typename... A>
const char* run(
    void (*kernel)(A...), int width, int height, int count, int given, const int* sizes, void** arguments, int barriers,
    int seed) {
    const int expected[] = {(int)sizeof(std::decay_t<A>)...};
    if (given != (int)sizeof...(A)) return "wrong number of arguments";
    for (int i = 0; i < given; i++)
        if (sizes[i] != expected[i]) return "an argument of the wrong size";
    problem = nullptr;
    std::mt19937 random(seed);
    body = [=] { call(kernel, arguments, std::index_sequence_for<A...>()); };
    gridDim = {(unsigned)width, (unsigned)height, 1};
    blockDim = {(unsigned)count, 1, 1};
    std::vector<int> blocks(width * height);
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), random);
    for (int block : blocks) {
        blockIdx = {(unsigned)(block % width), (unsigned)(block / width), 0};
        if (barriers) {
            run_block(count, random);
        } else {
            for (current = 0; current < count; current++) body();
        }
        if (problem) return problem;
    }
    return nullptr;
}

}  // namespace emulation
