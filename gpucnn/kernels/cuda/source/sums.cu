#include "common.cuh"
// Sums in an order that depends on the length of what is summed alone.

const int LANES = 32, TEAMS = 32;  // of column_sums

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

// out (first,), then rest (length - first,) = the sum of the rows of (rows, length). A thread sums every TEAMS-th row
// of a column.
KERNEL __launch_bounds__(LANES *TEAMS)
column_sums(Integer rows, Integer length, Integer first, const REAL *x, REAL *out, REAL *rest) {
    __shared__ REAL sums[TEAMS][LANES];
    const int lane = threadIdx.x % LANES, team = threadIdx.x / LANES;
    const Integer column = (Integer)blockIdx.x * LANES + lane;
    REAL sum = 0;
    if (column < length)
#pragma unroll 8
        for (Integer row = team; row < rows; row += TEAMS) sum += x[row * length + column];
    sums[team][lane] = sum;
    __syncthreads();
    if (team || column >= length) return;
    for (int other = 1; other < TEAMS; other++) sum += sums[other][lane];
    (column < first ? out[column] : rest[column - first]) = sum;
}
