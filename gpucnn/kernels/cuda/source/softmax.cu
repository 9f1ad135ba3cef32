#include "common.cuh"

// Softmax along one axis: columns of `classes` numbers, `inner` apart, neighbouring columns beside each other. A block
// has `columns` of them; each is shared by `groups` of threads, which take its classes in turn. Both are powers of two.
struct Columns {
    Integer count, classes, inner, columns, groups;
};

struct Place {
    Integer column, first;  // first: where the column's first number lies
    int group;
    bool taken;  // there may be fewer columns than threads
};

__device__ inline Place place(const Columns &shape) {
    Integer column = (Integer)blockIdx.x * shape.columns + threadIdx.x % shape.columns;
    Integer first = column / shape.inner * shape.inner * shape.classes + column % shape.inner;
    return {column, first, (int)(threadIdx.x / shape.columns), column < shape.count};
}

// Calls `visit` with the place of each of the column's numbers that this thread takes, and with its class.
template <class Visit> __device__ void each(const Columns &shape, const Place &at, Visit visit) {
    for (Integer k = at.group; at.taken && k < shape.classes; k += shape.groups) {
        visit(at.first + k * shape.inner, k);
    }
}

// The values of a column's threads combined, in an order that the number of groups decides.
template <class Combine> __device__ REAL along(const Columns &shape, REAL value, Combine combine) {
    __shared__ REAL values[MOST_THREADS];
    int thread = threadIdx.x, columns = (int)shape.columns;
    values[thread] = value;
    for (int half = (int)shape.groups / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half * columns) {
            values[thread] = combine(values[thread], values[thread + half * columns]);
        }
    }
    __syncthreads();
    REAL combined = values[thread % columns];
    __syncthreads();  // all have read it, before the next is written
    return combined;
}

__device__ inline REAL sum_along(const Columns &shape, REAL value) {
    return along(shape, value, [](REAL a, REAL b) { return a + b; });
}

__device__ inline REAL largest_along(const Columns &shape, const Place &at, const REAL *x) {
    REAL largest = -infinity();
    each(shape, at, [&](Integer i, Integer) { largest = x[i] > largest ? x[i] : largest; });
    return along(shape, largest, [](REAL a, REAL b) { return a > b ? a : b; });
}

// losses, and of each block of columns their sum in `sums`; where there is one block alone, `total` is scale times it.
// A label that names no class makes a loss NaN.
KERNEL __launch_bounds__(MOST_THREADS)
cross_entropy(Columns shape, const REAL *logits, const Integer *labels, double smoothing, double scale, REAL *gradient,
              REAL *losses, double *sums, REAL *total) {
    Place at = place(shape);
    Integer label = at.taken ? labels[at.column] : 0;
    bool known = label >= 0 && label < shape.classes;
    REAL keep = (REAL)(1 - smoothing), share = (REAL)(smoothing / shape.classes);
    REAL largest = largest_along(shape, at, logits), powers = 0, differences = 0;
    each(shape, at, [&](Integer i, Integer) {
        REAL difference = logits[i] - largest;
        powers += exp(difference);
        differences += difference;
    });
    powers = sum_along(shape, powers);
    differences = sum_along(shape, differences);
    if (gradient) {
        each(shape, at, [&](Integer i, Integer k) {
            REAL target = k == label ? share + keep : share;
            gradient[i] = (exp(logits[i] - largest) / powers - target) * (REAL)scale;
        });
    }
    REAL loss = 0;
    if (at.taken && at.group == 0) {
        REAL logarithm = log(powers);
        loss = known ? 0 : not_a_number();
        if (known && keep != 0) {
            loss -= keep * (logits[at.first + label * shape.inner] - largest - logarithm);
        }
        if (share != 0) {  // else a masked class, whose logarithm is -inf, costs nothing
            loss -= share * (differences - shape.classes * logarithm);
        }
        losses[at.column] = loss;
    }
    double sum = block_sum(loss);
    if (threadIdx.x == 0 && gridDim.x == 1) {
        *total = (REAL)(sum * scale);
    } else if (threadIdx.x == 0) {
        sums[blockIdx.x] = sum;
    }
}

// total = scale times the sum of `sums`, by one block.
KERNEL __launch_bounds__(MOST_THREADS)
scaled_sum(Integer count, const double *sums, double scale, REAL *total) {
    double sum = 0;
    for (Integer i = threadIdx.x; i < count; i += blockDim.x) {
        sum += sums[i];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        *total = (REAL)(sum * scale);
    }
}

KERNEL __launch_bounds__(MOST_THREADS)
log_softmax(Columns shape, const REAL *x, REAL *out) {
    Place at = place(shape);
    REAL largest = largest_along(shape, at, x), powers = 0;
    each(shape, at, [&](Integer i, Integer) { powers += exp(x[i] - largest); });
    REAL logarithm = log(sum_along(shape, powers));
    each(shape, at, [&](Integer i, Integer) { out[i] = x[i] - largest - logarithm; });
}

KERNEL __launch_bounds__(MOST_THREADS)
log_softmax_backward(Columns shape, const REAL *grad, const REAL *logarithms, REAL *out) {
    Place at = place(shape);
    REAL sum = 0;
    each(shape, at, [&](Integer i, Integer) { sum += grad[i]; });
    sum = sum_along(shape, sum);
    each(shape, at, [&](Integer i, Integer) { out[i] = grad[i] - exp(logarithms[i]) * sum; });
}

KERNEL __launch_bounds__(MOST_THREADS)
softmax_backward(Columns shape, const REAL *grad, const REAL *probabilities, REAL *out) {
    Place at = place(shape);
    REAL sum = 0;
    each(shape, at, [&](Integer i, Integer) { sum += grad[i] * probabilities[i]; });
    sum = sum_along(shape, sum);
    each(shape, at, [&](Integer i, Integer) { out[i] = (grad[i] - sum) * probabilities[i]; });
}

// One block records the result of a step: its loss, how many of `images` are predicted right, and whether to halt.
KERNEL __launch_bounds__(MOST_THREADS)
tally(Integer classes, Integer images, const REAL *scores, const Integer *labels, const REAL *loss, const Integer *step,
      Integer steps, double *losses, Integer *corrects, Integer groups, double *scales) {
    double right = 0;
    for (Integer n = threadIdx.x; n < images; n += blockDim.x) {
        Integer first = 0;
        REAL largest = scores[n];
        for (Integer k = 1; k < classes; k++) {
            REAL score = scores[k * images + n];
            if (score > largest || (score != score && largest == largest)) {  // a NaN is the largest
                first = k;
                largest = score;
            }
        }
        right += first == labels[n];
    }
    right = block_sum(right);
    if (threadIdx.x == 0 && *step >= 0 && *step < steps) {
        losses[*step] = *loss;
        corrects[*step] = (Integer)right;
    }
    for (Integer group = threadIdx.x; group < groups && !isfinite(*loss); group += blockDim.x) {
        scales[4 * group + 3] = 1;
    }
}
