// What the kernels need of CUDA, on the processor: a thread of the block is a thread of the process, blocks run in turn.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
// Blocks run in turn, so what a block shares may be static; see `static __shared__` in number.cuh.
#define __shared__

struct Three {
    unsigned x, y, z;
};
inline thread_local Three threadIdx, blockIdx;
inline Three blockDim, gridDim;
inline pthread_barrier_t barrier;

inline void __syncthreads() { pthread_barrier_wait(&barrier); }

template <class A> A __shfl_xor_sync(unsigned, A value, int lanes) {
    static A exchanged[1024];
    exchanged[threadIdx.x] = value;
    __syncthreads();
    value = exchanged[threadIdx.x ^ lanes];
    __syncthreads();
    return value;
}

inline void atomicAdd(unsigned *at, unsigned value) { __atomic_fetch_add(at, value, __ATOMIC_RELAXED); }

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline void launch(Three grid, unsigned threads, const std::function<void()> &kernel) {
    // The tests run at the same time, and there is one of what a block shares.
    static std::mutex one_at_a_time;
    std::lock_guard<std::mutex> guard(one_at_a_time);
    gridDim = grid;
    blockDim = {threads, 1, 1};
    for (unsigned z = 0; z < grid.z; ++z) {
        for (unsigned y = 0; y < grid.y; ++y) {
            for (unsigned x = 0; x < grid.x; ++x) {
                pthread_barrier_init(&barrier, nullptr, threads);
                std::vector<std::thread> block;
                for (unsigned thread = 0; thread < threads; ++thread) {
                    block.emplace_back([=, &kernel] {
                        threadIdx = {thread, 0, 0};
                        blockIdx = {x, y, z};
                        kernel();
                    });
                }
                for (std::thread &thread : block) {
                    thread.join();
                }
                pthread_barrier_destroy(&barrier);
            }
        }
    }
}
