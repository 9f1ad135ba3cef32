#include "common.cuh"

// Batch normalisation of rows (C, L), each cut into parts of which a block takes one: block number row · parts + part.
// What concerns a whole row is first summed up part by part in one launch, then combined by every block of the next, in
// the order of the parts; a row of one part needs no first launch, and `sums` is null.
struct Rows {
    Integer length, part, parts;
};

struct Part {
    Integer row, start, stop;  // numbers of the array's elements

    __device__ Integer size() const { return stop - start; }
};

__device__ inline Part part_of(const Rows &rows, Integer number) {
    Integer row = number / rows.parts, first = number % rows.parts * rows.part;
    Integer last = first + rows.part < rows.length ? first + rows.part : rows.length;
    return {row, row * rows.length + first, row * rows.length + last};
}

// Two sums over a part of a row; or a mean, and the sum of squares about it.
struct Pair {
    double first, second;
};

template <class Term> __device__ double sum_over(const Part &at, Term term) {
    REAL sum = 0;
    for (Integer i = at.start + threadIdx.x; i < at.stop; i += blockDim.x) {
        sum += term(i);
    }
    return block_sum(sum);
}

__device__ inline Pair moments_of_part(const Part &at, const REAL *x) {
    const double mean = sum_over(at, [&](Integer i) { return x[i]; }) / at.size();
    const REAL near = (REAL)mean;
    double squares = sum_over(at, [&](Integer i) { return (x[i] - near) * (x[i] - near); });
    return {mean, squares - at.size() * (mean - near) * (mean - near)};
}

// The moments of a whole row from those of its parts, by a thread for each.
// T. Chan, G. Golub, R. LeVeque, Algorithms for Computing the Sample Variance, 1983.
__device__ inline Pair moments_of_row(const Rows &rows, const Part &at, const REAL *x, const double *sums) {
    if (!sums) {
        return moments_of_part(at, x);
    }
    Integer number = at.row * rows.parts + threadIdx.x;
    bool taken = threadIdx.x < rows.parts;
    double size = taken ? part_of(rows, number).size() : 0;
    double mean = taken ? sums[2 * number] : 0, squares = taken ? sums[2 * number + 1] : 0;
    double whole = block_sum(size * mean) / rows.length;
    return {whole, block_sum(squares + size * (mean - whole) * (mean - whole))};
}

__device__ inline Pair sums_of_part(const Part &at, const REAL *grad, const REAL *x, REAL mean) {
    double sum = sum_over(at, [&](Integer i) { return grad[i]; });
    return {sum, sum_over(at, [&](Integer i) { return grad[i] * (x[i] - mean); })};
}

__device__ inline Pair sums_of_row(const Rows &rows, const Part &at, const double *sums) {
    Integer number = at.row * rows.parts + threadIdx.x;
    bool taken = threadIdx.x < rows.parts;
    double first = block_sum(taken ? sums[2 * number] : 0);
    return {first, block_sum(taken ? sums[2 * number + 1] : 0)};
}

__device__ inline void keep(const Pair &pair, double *sums) {
    if (threadIdx.x == 0) {
        sums[2 * (Integer)blockIdx.x] = pair.first;
        sums[2 * (Integer)blockIdx.x + 1] = pair.second;
    }
}

__device__ inline void normalise(const Part &at, const REAL *x, REAL mean, REAL factor, REAL bias, REAL *out) {
    for (Integer i = at.start + threadIdx.x; i < at.stop; i += blockDim.x) {
        out[i] = (x[i] - mean) * factor + bias;
    }
}

KERNEL __launch_bounds__(MOST_THREADS)
moments(Rows rows, const REAL *x, double *sums) { keep(moments_of_part(part_of(rows, blockIdx.x), x), sums); }

// Also lets the running statistics, where they are not null, move by the fraction `momentum`: the variance unbiased.
KERNEL __launch_bounds__(MOST_THREADS)
training_forward(Rows rows, const REAL *x, const double *sums, const REAL *weight, const REAL *bias, double eps,
                 REAL *means, REAL *inverses, REAL *variances, REAL *running_means, REAL *running_variances,
                 double momentum, REAL *out) {
    const Part at = part_of(rows, blockIdx.x);
    const Pair pair = moments_of_row(rows, at, x, sums);
    const REAL mean = (REAL)pair.first, variance = (REAL)(pair.second / rows.length);
    const REAL inverse = 1 / sqrt(variance + (REAL)eps);
    if (threadIdx.x == 0 && blockIdx.x % rows.parts == 0) {
        means[at.row] = mean;
        inverses[at.row] = inverse;
        if (variances) {
            variances[at.row] = variance;
        }
        if (running_means) {
            running_means[at.row] += (mean - running_means[at.row]) * (REAL)momentum;
        }
        if (running_variances) {
            const REAL unbiased = (REAL)(pair.second / (rows.length - 1));
            running_variances[at.row] += (unbiased - running_variances[at.row]) * (REAL)momentum;
        }
    }
    normalise(at, x, mean, inverse * weight[at.row], bias[at.row], out);
}

KERNEL __launch_bounds__(MOST_THREADS)
fixed_forward(Rows rows, const REAL *x, const REAL *means, const REAL *variances, const REAL *weight, const REAL *bias,
              double eps, REAL *inverses, REAL *out) {
    const Part at = part_of(rows, blockIdx.x);
    const REAL inverse = 1 / sqrt(variances[at.row] + (REAL)eps);
    if (threadIdx.x == 0 && blockIdx.x % rows.parts == 0) {
        inverses[at.row] = inverse;
    }
    normalise(at, x, means[at.row], inverse * weight[at.row], bias[at.row], out);
}

KERNEL __launch_bounds__(MOST_THREADS)
gradient_sums(Rows rows, const REAL *grad, const REAL *x, const REAL *means, double *sums) {
    const Part at = part_of(rows, blockIdx.x);
    keep(sums_of_part(at, grad, x, means[at.row]), sums);
}

// `own`: mean and variance are the rows' own, and depend on x.
KERNEL __launch_bounds__(MOST_THREADS)
backward(Rows rows, const REAL *grad, const REAL *x, const double *sums, const REAL *means, const REAL *inverses,
         const REAL *weight, Integer own, REAL *grad_weight, REAL *grad_bias, REAL *out) {
    const Part at = part_of(rows, blockIdx.x);
    const REAL mean = means[at.row], inverse = inverses[at.row], factor = inverse * weight[at.row];
    const Pair pair = sums ? sums_of_row(rows, at, sums) : sums_of_part(at, grad, x, mean);
    if (threadIdx.x == 0 && blockIdx.x % rows.parts == 0) {
        grad_bias[at.row] = (REAL)pair.first;
        grad_weight[at.row] = (REAL)(pair.second * inverse);
    }
    const REAL level = own ? (REAL)(pair.first / rows.length) : 0;
    const REAL slope = own ? (REAL)(pair.second * inverse * inverse / rows.length) : 0;
    for (Integer i = at.start + threadIdx.x; i < at.stop; i += blockDim.x) {
        out[i] = (grad[i] - level - (x[i] - mean) * slope) * factor;
    }
}
