// Activation functions and their slopes; the formulas are those of src/activation.rs.
#include "number.cuh"

enum Activation { GELU, GELU_TANH, RELU, SILU, SIGMOID };

template <class A> __device__ A logistic(A x) { return A(1) / (A(1) + exp(-x)); }

template <class A> __device__ A value_at(int kind, A x) {
    const A root_half = A(0.70710678118654752440);
    const A twice_root_2_over_pi = A(1.59576912160573071176);
    switch (kind) {
    case GELU:
        return A(0.5) * x * erfc(-x * root_half);
    case GELU_TANH:
        return x * logistic(twice_root_2_over_pi * (x + A(0.044715) * x * x * x));
    case RELU:
        return x > A(0) || x != x ? x : A(0);
    case SILU:
        return x * logistic(x);
    default:
        return logistic(x);
    }
}

template <class A> __device__ A slope_at(int kind, A x) {
    const A root_half = A(0.70710678118654752440);
    const A root_2_pi = A(0.39894228040143267794);
    const A twice_root_2_over_pi = A(1.59576912160573071176);
    switch (kind) {
    case GELU:
        return A(0.5) * erfc(-x * root_half) + x * root_2_pi * exp(A(-0.5) * x * x);
    case GELU_TANH: {
        A s = logistic(twice_root_2_over_pi * (x + A(0.044715) * x * x * x));
        return s + x * s * (A(1) - s) * twice_root_2_over_pi * (A(1) + A(3 * 0.044715) * x * x);
    }
    case RELU:
        return x > A(0) ? A(1) : A(0);
    case SILU: {
        A s = logistic(x);
        return s * (A(1) + x * (A(1) - s));
    }
    default: {
        A s = logistic(x);
        return s * (A(1) - s);
    }
    }
}

template <class T> __device__ void forward(int kind, size_t count, const T *x, T *y) {
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        store(y, i, value_at<wide<T>>(kind, load(x, i)));
    }
}

template <class T> __device__ void backward(int kind, size_t count, const T *x, const T *grad, T *out) {
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        store(out, i, load(grad, i) * slope_at<wide<T>>(kind, load(x, i)));
    }
}

#define KERNEL(NAME, T)                                                                                                \
    extern "C" __global__ void activation_##NAME(int kind, size_t count, const T *x, T *y) {                          \
        forward<T>(kind, count, x, y);                                                                                 \
    }                                                                                                                  \
    extern "C" __global__ void activation_backward_##NAME(int kind, size_t count, const T *x, const T *grad, T *out) { \
        backward<T>(kind, count, x, grad, out);                                                                        \
    }
FOR_ALL_TYPES(KERNEL)
