#include "common.cuh"
// Sums in an order that depends on the length of what is summed alone.

// out (rows, parts) = the sums of parts of `share` of each row of (rows, length). A block for each.
KERNEL row_sums(Integer length, Integer parts, Integer share, const REAL *rows, REAL *out) {
    const Integer row = blockIdx.x / parts, begin = blockIdx.x % parts * share, step = blockDim.x;
    const Integer end = begin + share < length ? begin + share : length;
    REAL sums[4] = {};  // four loads are under way at a time
    rows += row * length;
    Integer i = begin + threadIdx.x;
    for (; i + 3 * step < end; i += 4 * step)
#pragma unroll
        for (int k = 0; k < 4; k++) sums[k] += rows[i + k * step];
    for (; i < end; i += step) sums[0] += rows[i];
    const double sum = block_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
    if (!threadIdx.x) out[blockIdx.x] = (REAL)sum;
}
