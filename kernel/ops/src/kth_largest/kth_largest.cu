// The k-th largest number of each row, digit by digit from the highest (radix select): `kth_largest_count` counts how often each
// digit occurs among the numbers that begin with the digits found so far, `kth_largest_pick` finds the next digit.
#include "number.cuh"

// Passes over the digits: 11, 11 and 10 bits.
const int BINS = 2048;

__device__ __forceinline__ int shift_of(int pass) { return pass == 0 ? 21 : pass == 1 ? 10 : 0; }

// Whole numbers that are ordered as the numbers are; what is not a number is the largest.
__device__ __forceinline__ unsigned key_of(float value) {
    unsigned bits = __float_as_uint(value);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float value_of(unsigned key) {
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

// A block for a part of the row blockIdx.y. `counts` is [rows, BINS], zeros before; `state` is [rows, 2]: the digits found, and
// which of the numbers that begin with them is looked for.
extern "C" __global__ void kth_largest_count(size_t n, int pass, const float *x, const unsigned *state, unsigned *counts) {
    static __shared__ unsigned of_block[BINS];
    for (int i = threadIdx.x; i < BINS; i += blockDim.x) {
        of_block[i] = 0;
    }
    __syncthreads();
    x += blockIdx.y * n;
    counts += blockIdx.y * (size_t)BINS;
    int shift = shift_of(pass), bits = pass == 2 ? 10 : 11;
    unsigned found = pass == 0 ? 0 : state[2 * blockIdx.y] >> (shift + bits);
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x) {
        unsigned key = key_of(x[i]);
        if (pass == 0 || key >> (shift + bits) == found) {
            atomicAdd(&of_block[(key >> shift) & ((1u << bits) - 1)], 1u);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < BINS; i += blockDim.x) {
        if (of_block[i] > 0) {
            atomicAdd(&counts[i], of_block[i]);
        }
    }
}

// A block for a row, with a number of threads that divides BINS. Leaves zeros in `counts`; the last pass writes the number.
extern "C" __global__ void kth_largest_pick(unsigned k, int pass, unsigned *state, unsigned *counts, float *out) {
    static __shared__ unsigned of_thread[BINS];
    counts += blockIdx.x * (size_t)BINS;
    state += 2 * blockIdx.x;
    // Threads have the digits from the highest on.
    int digits = BINS / blockDim.x;
    int first = BINS - 1 - threadIdx.x * digits;
    unsigned sum = 0;
    for (int i = 0; i < digits; ++i) {
        sum += counts[first - i];
    }
    of_thread[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        unsigned rest = pass == 0 ? k : state[1];
        unsigned thread = 0;
        while (thread + 1 < blockDim.x && of_thread[thread] < rest) {
            rest -= of_thread[thread++];
        }
        int digit = BINS - 1 - thread * digits;
        while (digit > 0 && counts[digit] < rest) {
            rest -= counts[digit--];
        }
        unsigned key = (pass == 0 ? 0 : state[0]) | (unsigned)digit << shift_of(pass);
        state[0] = key;
        state[1] = rest;
        if (pass == 2) {
            out[blockIdx.x] = value_of(key);
        }
    }
    __syncthreads();
    for (int i = 0; i < digits; ++i) {
        counts[first - i] = 0;
    }
}
