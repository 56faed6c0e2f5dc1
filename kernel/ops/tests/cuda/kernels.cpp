// The kernels as functions that run them on the processor, for tests/cuda_kernels.rs. Each source is in a namespace of its
// own, as each is a module of its own on a GPU.
#define PATCHBAY_ON_CPU
#include "on_cpu.hpp"

// What a launch gives as shared memory, by the names in window.cu.
float piece_f32[1 << 16];
double piece_f64[1 << 16];

#include "number.cuh"
namespace activation {
#include "../../src/activation/activation.cu"
#undef KERNEL
}
namespace softmax {
#include "../../src/softmax/softmax.cu"
#undef KERNEL
}
namespace layer_norm {
#include "../../src/layer_norm/layer_norm.cu"
#undef KERNEL
}
namespace optimizer_step {
#include "../../src/optimizer_step/optimizer_step.cu"
#undef KERNEL
}
namespace ema_update {
#include "../../src/ema_update/ema_update.cu"
#undef KERNEL
}
namespace squares {
#include "../../src/sum_of_squares/sum_of_squares.cu"
#undef KERNEL
}
namespace index_ {
#include "../../src/cuda/indices.cu"
#undef KERNEL
}
namespace largest {
#include "../../src/kth_largest/kth_largest.cu"
}
namespace window {
#include "../../src/window/window.cu"
#undef KERNEL
}

// Each kernel in each type: run_NAME_f64, run_NAME_f32.
#define RUNNERS(NAME, T)                                                                                                \
    void run_activation_##NAME(unsigned blocks, unsigned threads, int kind, size_t count, const T *x, T *y) {          \
        launch({blocks, 1, 1}, threads, [=] { activation::activation_##NAME(kind, count, x, y); });                    \
    }                                                                                                                  \
    void run_activation_backward_##NAME(unsigned blocks, unsigned threads, int kind, size_t count, const T *x,         \
                                        const T *grad, T *out) {                                                       \
        launch({blocks, 1, 1}, threads, [=] { activation::activation_backward_##NAME(kind, count, x, grad, out); });   \
    }                                                                                                                  \
    void run_softmax_##NAME(unsigned rows, unsigned threads, int n, int log_of, const T *x, T *y) {                    \
        launch({rows, 1, 1}, threads, [=] { softmax::softmax_##NAME(n, log_of, x, y); });                              \
    }                                                                                                                  \
    void run_softmax_backward_##NAME(unsigned rows, unsigned threads, int n, int log_of, const T *y, const T *grad,    \
                                     T *out) {                                                                         \
        launch({rows, 1, 1}, threads, [=] { softmax::softmax_backward_##NAME(n, log_of, y, grad, out); });             \
    }                                                                                                                  \
    void run_layer_norm_##NAME(unsigned rows, unsigned threads, int n, double eps, const T *x, const T *weight,        \
                               const T *bias, T *y, T *statistics) {                                                   \
        launch({rows, 1, 1}, threads, [=] { layer_norm::layer_norm_##NAME(n, eps, x, weight, bias, y, statistics); }); \
    }                                                                                                                  \
    void run_layer_norm_backward_##NAME(unsigned rows, unsigned threads, int n, const T *x, const T *weight,           \
                                        const T *grad, const T *statistics, T *out) {                                  \
        launch({rows, 1, 1}, threads,                                                                                  \
               [=] { layer_norm::layer_norm_backward_##NAME(n, x, weight, grad, statistics, out); });                  \
    }                                                                                                                  \
    void run_layer_norm_parameters_##NAME(unsigned pieces, unsigned threads, int rows, int n, int piece, const T *x,   \
                                          const T *grad, const T *statistics, T *partial) {                            \
        launch({(n + threads - 1) / threads, pieces, 1}, threads,                                                      \
               [=] { layer_norm::layer_norm_parameters_##NAME(rows, n, piece, x, grad, statistics, partial); });       \
    }                                                                                                                  \
    void run_adam_##NAME(unsigned blocks, unsigned threads, size_t count, T *parameter, const T *grad, T *moments,     \
                         double rate, double beta1, double beta2, double eps, double shrink, double decay,             \
                         double root_scale) {                                                                          \
        launch({blocks, 1, 1}, threads, [=] {                                                                          \
            optimizer_step::adam_##NAME(count, parameter, grad, moments, rate, beta1, beta2, eps, shrink, decay, root_scale);  \
        });                                                                                                            \
    }                                                                                                                  \
    void run_sgd_##NAME(unsigned blocks, unsigned threads, size_t count, T *parameter, const T *grad, T *buffer,       \
                        double rate, double momentum, double rest, double decay, int nesterov) {                       \
        launch({blocks, 1, 1}, threads,                                                                                \
               [=] { optimizer_step::sgd_##NAME(count, parameter, grad, buffer, rate, momentum, rest, decay, nesterov); });    \
    }                                                                                                                  \
    void run_ema_##NAME(unsigned blocks, unsigned threads, size_t count, double decay, T *target, const T *value) {    \
        launch({blocks, 1, 1}, threads, [=] { ema_update::ema_##NAME(count, decay, target, value); });                     \
    }                                                                                                                  \
    void run_squares_##NAME(unsigned blocks, unsigned threads, size_t count, const T *x, double *partial) {            \
        launch({blocks, 1, 1}, threads, [=] { squares::squares_##NAME(count, x, partial); });                          \
    }                                                                                                                  \
    void run_windows_##NAME(int least, unsigned threads, int planes, int height, int width, int radius, int rows,      \
                            const T *x, T *between, T *y) {                                                            \
        unsigned across = (width + threads - 1) / threads, down = (height + rows - 1) / rows;                          \
        unsigned values = least ? threads : threads * window::RUN, pieces = (width + values - 1) / values;             \
        launch({pieces, (unsigned)(planes * height), 1}, threads, [=] {                                                \
            least ? window::least_rows_##NAME(width, radius, x, between)                                               \
                  : window::sum_rows_##NAME(width, radius, x, between);                                                \
        });                                                                                                            \
        launch({across, down, (unsigned)planes}, threads, [=] {                                                        \
            least ? window::least_columns_##NAME(height, width, radius, rows, between, y)                              \
                  : window::sum_columns_##NAME(height, width, radius, rows, between, y);                               \
        });                                                                                                            \
    }

extern "C" {
RUNNERS(f64, double)
RUNNERS(f32, float)
void run_total(unsigned threads, size_t count, const double *partial, double *total) {
    launch({1, 1, 1}, threads, [=] { squares::total_f64(count, partial, total); });
}
void run_largest(unsigned blocks, unsigned threads, unsigned rows, size_t n, unsigned k, const float *x, unsigned *state,
                 unsigned *counts, float *out) {
    for (int pass = 0; pass < 3; ++pass) {
        launch({blocks, rows, 1}, threads, [=] { largest::kth_largest_count(n, pass, x, state, counts); });
        launch({rows, 1, 1}, threads, [=] { largest::kth_largest_pick(k, pass, state, counts, out); });
    }
}
void run_outside_u8(unsigned blocks, unsigned threads, size_t count, long long limit, int ignores, long long ignored,
                    const unsigned char *index, long long *found) {
    launch({blocks, 1, 1}, threads, [=] { index_::outside_u8(count, limit, ignores, ignored, index, found); });
}
void run_outside_u32(unsigned blocks, unsigned threads, size_t count, long long limit, int ignores, long long ignored,
                     const unsigned *index, long long *found) {
    launch({blocks, 1, 1}, threads, [=] { index_::outside_u32(count, limit, ignores, ignored, index, found); });
}
void run_outside_i64(unsigned blocks, unsigned threads, size_t count, long long limit, int ignores, long long ignored,
                     const long long *index, long long *found) {
    launch({blocks, 1, 1}, threads, [=] { index_::outside_i64(count, limit, ignores, ignored, index, found); });
}
}
