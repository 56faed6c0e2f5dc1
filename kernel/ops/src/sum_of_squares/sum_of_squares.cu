// Sums of squares in f64: a place of `partial` for each block, then one block for their total.
#include "number.cuh"

template <class T> __device__ void sum_squares(size_t count, const T *x, double *partial) {
    double sum = 0;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        double value = load(x, i);
        sum += value * value;
    }
    sum = over_block<Sum>(sum);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
    }
}

#define KERNEL(NAME, T)                                                                             \
    extern "C" __global__ void squares_##NAME(size_t count, const T *x, double *partial) {          \
        sum_squares<T>(count, x, partial);                                                          \
    }
FOR_ALL_TYPES(KERNEL)

extern "C" __global__ void total_f64(size_t count, const double *partial, double *total) {
    double sum = 0;
    for (size_t i = threadIdx.x; i < count; i += blockDim.x) {
        sum += partial[i];
    }
    sum = over_block<Sum>(sum);
    if (threadIdx.x == 0) {
        *total = sum;
    }
}
