// Layer normalization over rows of n values; a block for a row, and for the parameters' gradients a thread for a column.
#include "number.cuh"

template <class T>
__device__ void forward(int n, double eps, const T *x, const T *weight, const T *bias, T *y, wide<T> *statistics) {
    using A = wide<T>;
    x += (size_t)blockIdx.x * n;
    y += (size_t)blockIdx.x * n;
    A sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        sum += load(x, i);
    }
    A mean = over_block<Sum>(sum) / n;
    A squares = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        A centered = load(x, i) - mean;
        squares += centered * centered;
    }
    A scale = A(1) / sqrt(over_block<Sum>(squares) / n + (A)eps);
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        store(y, i, (load(x, i) - mean) * scale * load(weight, i) + load(bias, i));
    }
    if (threadIdx.x == 0) {
        statistics[2 * (size_t)blockIdx.x] = mean;
        statistics[2 * (size_t)blockIdx.x + 1] = scale;
    }
}

template <class T>
__device__ void backward(int n, const T *x, const T *weight, const T *grad, const wide<T> *statistics, T *out) {
    using A = wide<T>;
    x += (size_t)blockIdx.x * n;
    grad += (size_t)blockIdx.x * n;
    out += (size_t)blockIdx.x * n;
    A mean = statistics[2 * (size_t)blockIdx.x], scale = statistics[2 * (size_t)blockIdx.x + 1];
    A sum = 0, product = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        A g = load(grad, i) * load(weight, i);
        sum += g;
        product += g * (load(x, i) - mean) * scale;
    }
    sum = over_block<Sum>(sum) / n;
    product = over_block<Sum>(product) / n;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        A g = load(grad, i) * load(weight, i);
        store(out, i, scale * (g - sum - (load(x, i) - mean) * scale * product));
    }
}

// Sums of the rows from blockIdx.y * piece on; `partial` is [pieces, 2, n]: for the weight, for the bias.
template <class T>
__device__ void parameters(int rows, int n, int piece, const T *x, const T *grad, const wide<T> *statistics,
                           wide<T> *partial) {
    using A = wide<T>;
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= n) {
        return;
    }
    int first = blockIdx.y * piece;
    int last = first + piece < rows ? first + piece : rows;
    A weight_sum = 0, bias_sum = 0;
    for (int row = first; row < last; ++row) {
        A g = load(grad, (size_t)row * n + column);
        bias_sum += g;
        weight_sum += g * (load(x, (size_t)row * n + column) - statistics[2 * (size_t)row]) *
                      statistics[2 * (size_t)row + 1];
    }
    partial[2 * (size_t)blockIdx.y * n + column] = weight_sum;
    partial[(2 * (size_t)blockIdx.y + 1) * n + column] = bias_sum;
}

#define KERNEL(NAME, T)                                                                                               \
    extern "C" __global__ void layer_norm_##NAME(int n, double eps, const T *x, const T *weight, const T *bias, T *y, \
                                                 wide<T> *statistics) {                                               \
        forward<T>(n, eps, x, weight, bias, y, statistics);                                                           \
    }                                                                                                                 \
    extern "C" __global__ void layer_norm_backward_##NAME(int n, const T *x, const T *weight, const T *grad,          \
                                                          const wide<T> *statistics, T *out) {                        \
        backward<T>(n, x, weight, grad, statistics, out);                                                             \
    }                                                                                                                 \
    extern "C" __global__ void layer_norm_parameters_##NAME(int rows, int n, int piece, const T *x, const T *grad,    \
                                                            const wide<T> *statistics, wide<T> *partial) {            \
        parameters<T>(rows, n, piece, x, grad, statistics, partial);                                                  \
    }
FOR_ALL_TYPES(KERNEL)
