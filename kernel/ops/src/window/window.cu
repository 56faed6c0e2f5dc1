// Sums and minima over windows of 2 radius + 1 values that are cut at the border, of planes [planes, height, width].
//
// Rows first, then columns: an op over a square is two passes.
#include "number.cuh"

struct Least {
    template <class A> static __device__ A of(A a, A b) { return a < b || a != a ? a : b; }
};

// A block for a piece of blockDim.x values of one row. Its neighborhood comes once into shared memory, which has
// blockDim.x + 2 radius values.
template <class Op, class A> __device__ void along_rows(int width, int radius, A neutral, const A *x, A *y, A *piece) {
    x += (size_t)blockIdx.y * width;
    y += (size_t)blockIdx.y * width;
    int start = blockIdx.x * blockDim.x - radius;
    int length = blockDim.x + 2 * radius;
    for (int i = threadIdx.x; i < length; i += blockDim.x) {
        int column = start + i;
        piece[i] = column >= 0 && column < width ? x[column] : neutral;
    }
    __syncthreads();
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column < width) {
        A value = piece[threadIdx.x];
        for (int i = 1; i <= 2 * radius; ++i) {
            value = Op::of(value, piece[threadIdx.x + i]);
        }
        y[column] = value;
    }
}

// The sums along rows: a thread has RUN neighboring windows, so from one to the next a value enters and one leaves. As down the
// columns, the sum is kept in f64. A block has blockDim.x * RUN values of one row, and shared memory for as many and 2 radius
// more; RUN is odd, so that the threads of a warp read from different banks.
const int RUN = 5;

template <class A> __device__ void sums_along_rows(int width, int radius, const A *x, A *y, A *piece) {
    x += (size_t)blockIdx.y * width;
    y += (size_t)blockIdx.y * width;
    int values = blockDim.x * RUN;
    int origin = blockIdx.x * values;
    for (int i = threadIdx.x; i < values + 2 * radius; i += blockDim.x) {
        int column = origin - radius + i;
        piece[i] = column >= 0 && column < width ? x[column] : A(0);
    }
    __syncthreads();
    int first = threadIdx.x * RUN;
    A sums[RUN] = {};
    double sum = 0;
    if (origin + first < width) {
        for (int i = 0; i < 2 * radius; ++i) {
            sum += piece[first + i];
        }
        for (int i = 0; i < RUN; ++i) {
            sum += piece[first + i + 2 * radius];
            sums[i] = (A)sum;
            sum -= piece[first + i];
        }
    }
    // Through shared memory, so that neighboring threads write neighboring values.
    __syncthreads();
    for (int i = 0; i < RUN; ++i) {
        piece[first + i] = sums[i];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < values && origin + i < width; i += blockDim.x) {
        y[origin + i] = piece[i];
    }
}

// A thread for `rows` values of one column, so that neighboring threads read neighboring values.
template <class Op, class A>
__device__ void down_columns(int height, int width, int radius, int rows, A neutral, const A *x, A *y) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) {
        return;
    }
    x += (size_t)blockIdx.z * height * width + column;
    y += (size_t)blockIdx.z * height * width + column;
    int first = blockIdx.y * rows;
    int last = first + rows < height ? first + rows : height;
    for (int row = first; row < last; ++row) {
        int from = row > radius ? row - radius : 0;
        int to = row + radius < height - 1 ? row + radius : height - 1;
        A value = neutral;
        for (int i = from; i <= to; ++i) {
            value = Op::of(value, x[(size_t)i * width]);
        }
        y[(size_t)row * width] = value;
    }
}

// The same for sums: one value enters and one leaves the window from row to row. The sum is kept in f64, in which what was
// added goes away again without a trace.
template <class A>
__device__ void sums_down_columns(int height, int width, int radius, int rows, const A *x, A *y) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) {
        return;
    }
    x += (size_t)blockIdx.z * height * width + column;
    y += (size_t)blockIdx.z * height * width + column;
    int first = blockIdx.y * rows;
    int last = first + rows < height ? first + rows : height;
    double sum = 0;
    for (int i = first > radius ? first - radius : 0; i < first + radius && i < height; ++i) {
        sum += x[(size_t)i * width];
    }
    for (int row = first; row < last; ++row) {
        if (row + radius < height) {
            sum += x[(size_t)(row + radius) * width];
        }
        y[(size_t)row * width] = (A)sum;
        if (row >= radius) {
            sum -= x[(size_t)(row - radius) * width];
        }
    }
}

#define KERNEL(NAME, T)                                                                                            \
    extern "C" __global__ void sum_rows_##NAME(int width, int radius, const T *x, T *y) {                          \
        extern __shared__ T piece_##NAME[];                                                                        \
        sums_along_rows<T>(width, radius, x, y, piece_##NAME);                                                     \
    }                                                                                                              \
    extern "C" __global__ void sum_columns_##NAME(int height, int width, int radius, int rows, const T *x, T *y) { \
        sums_down_columns<T>(height, width, radius, rows, x, y);                                                   \
    }                                                                                                              \
    extern "C" __global__ void least_rows_##NAME(int width, int radius, const T *x, T *y) {                        \
        extern __shared__ T piece_##NAME[];                                                                        \
        along_rows<Least, T>(width, radius, T(INFINITY), x, y, piece_##NAME);                                      \
    }                                                                                                              \
    extern "C" __global__ void least_columns_##NAME(int height, int width, int radius, int rows, const T *x,       \
                                                    T *y) {                                                        \
        down_columns<Least, T>(height, width, radius, rows, T(INFINITY), x, y);                                    \
    }
KERNEL(f32, float)
KERNEL(f64, double)
