// Moving averages, in place; the formula is that of cpu.rs.
#include "number.cuh"

template <class T> __device__ void average(size_t count, double decay, T *average, const T *value) {
    using A = wide<T>;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        store(average, i, (A)decay * load(average, i) + (A)(1 - decay) * load(value, i));
    }
}

#define KERNEL(NAME, T)                                                                            \
    extern "C" __global__ void ema_##NAME(size_t count, double decay, T *target, const T *value) { \
        average<T>(count, decay, target, value);                                                   \
    }
FOR_ALL_TYPES(KERNEL)
