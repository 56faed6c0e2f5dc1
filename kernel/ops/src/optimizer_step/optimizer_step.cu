// Steps of optimizers, in place; the formulas are those of cpu.rs.
#include "number.cuh"

// `moments` is [2, count]: of the gradient, of its square. `rate` and `root_scale` hold the corrections of the first steps.
template <class T>
__device__ void adam(size_t count, T *parameter, const T *grad, T *moments, double rate, double beta1, double beta2,
                     double eps, double shrink, double decay, double root_scale) {
    using A = wide<T>;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        A p = load(parameter, i);
        A g = load(grad, i) + (A)decay * p;
        A m = (A)beta1 * load(moments, i) + (A)(1 - beta1) * g;
        A v = (A)beta2 * load(moments, count + i) + (A)(1 - beta2) * g * g;
        store(moments, i, m);
        store(moments, count + i, v);
        store(parameter, i, p * (A)shrink - (A)rate * m / (sqrt(v) * (A)root_scale + (A)eps));
    }
}

// `buffer` is [1, count], or null without momentum; `rest` is 1 - dampening, in the first step 1.
template <class T>
__device__ void sgd(size_t count, T *parameter, const T *grad, T *buffer, double rate, double momentum, double rest,
                    double decay, int nesterov) {
    using A = wide<T>;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        A p = load(parameter, i);
        A g = load(grad, i) + (A)decay * p;
        A direction = g;
        if (momentum != 0) {
            A b = (A)momentum * load(buffer, i) + (A)rest * g;
            store(buffer, i, b);
            direction = nesterov ? g + (A)momentum * b : b;
        }
        store(parameter, i, p - (A)rate * direction);
    }
}

#define KERNEL(NAME, T)                                                                                               \
    extern "C" __global__ void adam_##NAME(size_t count, T *parameter, const T *grad, T *moments, double rate,        \
                                           double beta1, double beta2, double eps, double shrink, double decay,       \
                                           double root_scale) {                                                       \
        adam<T>(count, parameter, grad, moments, rate, beta1, beta2, eps, shrink, decay, root_scale);                 \
    }                                                                                                                 \
    extern "C" __global__ void sgd_##NAME(size_t count, T *parameter, const T *grad, T *buffer, double rate,          \
                                          double momentum, double rest, double decay, int nesterov) {                 \
        sgd<T>(count, parameter, grad, buffer, rate, momentum, rest, decay, nesterov);                                \
    }
FOR_ALL_TYPES(KERNEL)
