// Softmax and its logarithm over rows; a block for a row.
#include "number.cuh"

template <class T> __device__ void forward(int n, int log_of, const T *x, T *y) {
    using A = wide<T>;
    x += (size_t)blockIdx.x * n;
    y += (size_t)blockIdx.x * n;
    A greatest = -INFINITY;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        greatest = Greatest::of(greatest, load(x, i));
    }
    greatest = over_block<Greatest>(greatest);
    A sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        sum += exp(load(x, i) - greatest);
    }
    sum = over_block<Sum>(sum);
    A log_sum = log(sum);
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        A shifted = load(x, i) - greatest;
        store(y, i, log_of ? shifted - log_sum : exp(shifted) / sum);
    }
}

template <class T> __device__ void backward(int n, int log_of, const T *y, const T *grad, T *out) {
    using A = wide<T>;
    y += (size_t)blockIdx.x * n;
    grad += (size_t)blockIdx.x * n;
    out += (size_t)blockIdx.x * n;
    A sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        sum += log_of ? load(grad, i) : load(grad, i) * load(y, i);
    }
    sum = over_block<Sum>(sum);
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        A g = load(grad, i), value = load(y, i);
        store(out, i, log_of ? g - exp(value) * sum : value * (g - sum));
    }
}

#define KERNEL(NAME, T)                                                                                            \
    extern "C" __global__ void softmax_##NAME(int n, int log_of, const T *x, T *y) { forward<T>(n, log_of, x, y); } \
    extern "C" __global__ void softmax_backward_##NAME(int n, int log_of, const T *y, const T *grad, T *out) {     \
        backward<T>(n, log_of, y, grad, out);                                                                      \
    }
FOR_ALL_TYPES(KERNEL)
