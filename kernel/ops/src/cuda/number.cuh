// Number types and sums over a block, for all kernels.
//
// Each type is computed in a wider one: f16 and bf16 in f32. With PATCHBAY_ON_CPU the kernels compile as C++, a thread of
// the block to a thread of the processor: tests/cuda runs them so where there is no GPU.
#pragma once

#ifdef PATCHBAY_ON_CPU
#include "on_cpu.hpp"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

template <class T> struct Wide {
    using type = float;
};
template <> struct Wide<double> {
    using type = double;
};
template <class T> using wide = typename Wide<T>::type;

template <class T> __device__ __forceinline__ wide<T> load(const T *values, size_t at) {
    return (wide<T>)values[at];
}
template <class T> __device__ __forceinline__ void store(T *values, size_t at, wide<T> value) {
    values[at] = (T)value;
}

struct Sum {
    template <class A> static __device__ A of(A a, A b) { return a + b; }
};
struct Greatest {
    // A NaN stays, as the rows with one are NaN.
    template <class A> static __device__ A of(A a, A b) { return a > b || a != a ? a : b; }
};

// `value` of all threads of the block together, in every thread. blockDim.x is a multiple of 32.
template <class Op, class A> __device__ A over_block(A value) {
    static __shared__ A partial[32];
    for (int step = 16; step > 0; step /= 2) {
        value = Op::of(value, __shfl_xor_sync(0xffffffffu, value, step));
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) {
        partial[threadIdx.x / 32] = value;
    }
    __syncthreads();
    value = partial[0];
    for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) {
        value = Op::of(value, partial[warp]);
    }
    return value;
}

#ifdef PATCHBAY_ON_CPU
#define FOR_ALL_TYPES(KERNEL) KERNEL(f32, float) KERNEL(f64, double)
#else
#define FOR_ALL_TYPES(KERNEL) KERNEL(f32, float) KERNEL(f64, double) KERNEL(f16, __half) KERNEL(bf16, __nv_bfloat16)
#endif
