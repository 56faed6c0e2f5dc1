// Whether indices are in their range.
#include "number.cuh"

// found[0] becomes 1 where an index is neither from 0 to below `limit` nor, if there is an ignored one, that; found[1] is one
// of those. Threads that find several write at the same time, and any one of them will do.
template <class I>
__device__ void outside(size_t count, long long limit, int ignores, long long ignored, const I *index,
                        long long *found) {
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        long long value = (long long)index[i];
        if ((value < 0 || value >= limit) && !(ignores && value == ignored)) {
            found[1] = value;
            found[0] = 1;
        }
    }
}

#define KERNEL(NAME, I)                                                                                        \
    extern "C" __global__ void outside_##NAME(size_t count, long long limit, int ignores, long long ignored,   \
                                              const I *index, long long *found) {                              \
        outside<I>(count, limit, ignores, ignored, index, found);                                              \
    }
KERNEL(u8, unsigned char)
KERNEL(u32, unsigned)
KERNEL(i64, long long)
