#ifndef real
#include "softmax.h"
#include "exponent.h"
#include "threads.h"

#include <math.h>
#include <string.h>

#define SHORT_BYTES 16 /* what is left of the places goes through these vectors, and then one by one */
#define TASK_PLACES 64 /* a multiple of every vector's lanes */
#define TASKS(places) (((places) + TASK_PLACES - 1) / TASK_PLACES)
#define WORTH_SHARING (1 << 14) /* exponentials that outweigh waking a thread */

#define TERMS_float 7 /* of Taylor's series: the first one left out is below half a unit in the last place */
#define TERMS_double 13
#define log_float logf
#define log_double log

#define TEMPLATE "softmax.c"
#include "each_real.h"
#else

typedef struct {
    const real *logits;
    const int64_t *labels;
    int64_t classes, places;
    real smoothing, scale;
    real *gradient, *losses;
} NAME(CrossEntropy);

typedef struct {
    const real *x;
    int64_t rows, length, inner;
    real *out;
} NAME(Softmax);

#define LANES(bytes) ((bytes) / (int)sizeof(real))

/* e to the power of x, at most 0: 2**n * e**r, n whole and |r| at most ln 2 / 2. */
#define EXPONENTIAL(size)                                                                                           \
    INLINE NAME(size##_values) NAME(size##_exp)(NAME(size##_values) x) {                                            \
        typedef NAME(size##_values) values;                                                                         \
        typedef NAME(size##_whole) whole;                                                                           \
        values rounded = x * (real)LOG2E + NAME(ROUND), n = rounded - NAME(ROUND);                                  \
        values r = x - n * NAME(LN2_HIGH) - n * NAME(LN2_LOW), sum = (values){0} + 1;                               \
        UNROLL for (int k = NAME(TERMS); k > 0; k--) {                                                              \
            sum = sum * r * (real)(1.0 / k) + 1;                                                                    \
        }                                                                                                           \
        whole power = ((whole)rounded - NAME(ROUND_BITS) + NAME(BIAS)) << NAME(FRACTION_BITS);                      \
        return (values)((whole)(sum * (values)power) & ~(whole)(x < NAME(LEAST)));                                  \
    }

/* The larger of each two; a, where either is not a number. */
#define LARGER(size)                                                                                                \
    INLINE NAME(size##_values) NAME(size##_larger)(NAME(size##_values) a, NAME(size##_values) b) {                  \
        typedef NAME(size##_whole) whole;                                                                           \
        whole more = b > a;                                                                                         \
        return (NAME(size##_values))(((whole)b & more) | ((whole)a & ~more));                                       \
    }

/* Columns of x (length, inner), as many as a vector has lanes: the largest of each. */
#define LARGEST(size)                                                                                               \
    INLINE NAME(size##_values) NAME(size##_largest)(const real *x, int64_t length, int64_t inner) {                 \
        typedef NAME(size##_values) values;                                                                         \
        values largest = *(const values *)x;                                                                        \
        for (int64_t i = 1; i < length; i++) {                                                                      \
            largest = NAME(size##_larger)(largest, *(const values *)(x + i * inner));                               \
        }                                                                                                           \
        return largest;                                                                                             \
    }

/* Softmax of columns of x (length, inner), as many as a vector has lanes. */
#define SOFTMAX(size)                                                                                               \
    INLINE void NAME(size##_softmax)(const real *x, int64_t length, int64_t inner, real *out) {                     \
        typedef NAME(size##_values) values;                                                                         \
        values largest = NAME(size##_largest)(x, length, inner), sum = {0};                                         \
        for (int64_t i = 0; i < length; i++) {                                                                      \
            values power = NAME(size##_exp)(*(const values *)(x + i * inner) - largest);                            \
            *(values *)(out + i * inner) = power;                                                                   \
            sum += power;                                                                                           \
        }                                                                                                           \
        values inverse = 1 / sum;                                                                                   \
        for (int64_t i = 0; i < length; i++) {                                                                      \
            *(values *)(out + i * inner) *= inverse;                                                                \
        }                                                                                                           \
    }

/* The columns [place, place + lanes). */
#define COLUMNS(size)                                                                                               \
    INLINE void NAME(size##_columns)(const NAME(CrossEntropy) *c, int64_t place) {                                  \
        typedef NAME(size##_values) values;                                                                         \
        const int lanes = (int)(sizeof(values) / sizeof(real));                                                     \
        const real *x = c->logits + place;                                                                          \
        real *gradient = c->gradient ? c->gradient + place : NULL, share = c->smoothing / c->classes;               \
        values largest = NAME(size##_largest)(x, c->classes, c->places), sum = {0}, differences = {0};              \
        for (int64_t i = 0; i < c->classes; i++) {                                                                  \
            values difference = *(const values *)(x + i * c->places) - largest;                                     \
            values power = NAME(size##_exp)(difference);                                                            \
            sum += power;                                                                                           \
            differences += difference;                                                                              \
            if (gradient) {                                                                                         \
                *(values *)(gradient + i * c->places) = power;                                                      \
            }                                                                                                       \
        }                                                                                                           \
        real at_label[LANES(VECTOR_BYTES)];                                                                         \
        for (int l = 0; l < lanes; l++) {                                                                           \
            at_label[l] = NAME(loss)(c, place + l, ((real *)&largest)[l], ((real *)&sum)[l],                        \
                                     ((real *)&differences)[l], gradient ? gradient + l : NULL);                    \
        }                                                                                                           \
        if (!gradient) {                                                                                            \
            return;                                                                                                 \
        }                                                                                                           \
        values inverse = 1 / sum;                                                                                   \
        for (int64_t i = 0; i < c->classes; i++) {                                                                  \
            values *at = (values *)(gradient + i * c->places);                                                      \
            *at = (*at * inverse - share) * c->scale;                                                               \
        }                                                                                                           \
        for (int l = 0; l < lanes; l++) {                                                                           \
            int64_t label = c->labels[place + l];                                                                   \
            if (label >= 0 && label < c->classes) {                                                                 \
                gradient[label * c->places + l] = at_label[l];                                                      \
            }                                                                                                       \
        }                                                                                                           \
    }

/* Writes one column's loss; returns the gradient at its label. `powers` holds e to the power of logit - largest. */
static real NAME(loss)(const NAME(CrossEntropy) *c, int64_t place, real largest, real sum, real differences,
                       const real *powers) {
    int64_t label = c->labels[place];
    if (label < 0 || label >= c->classes) {
        c->losses[place] = (real)NAN;
        return 0;
    }
    real keep = 1 - c->smoothing, share = c->smoothing / c->classes, logarithm = NAME(log)(sum), loss = 0;
    if (keep != 0) {
        loss -= keep * (c->logits[label * c->places + place] - largest - logarithm);
    }
    if (share != 0) { /* else a masked class, whose logarithm is -inf, costs nothing */
        loss -= share * (differences - c->classes * logarithm);
    }
    c->losses[place] = loss;
    return powers ? (powers[label * c->places] / sum - share - keep) * c->scale : 0;
}

#define TYPES(size, bytes)                                                                                          \
    typedef VECTOR(real, bytes) NAME(size##_values);                                                                \
    typedef VECTOR(integer, bytes) NAME(size##_whole);                                                              \
    EXPONENTIAL(size)                                                                                               \
    LARGER(size)                                                                                                    \
    LARGEST(size)                                                                                                   \
    SOFTMAX(size)                                                                                                   \
    COLUMNS(size)
TYPES(long, VECTOR_BYTES)
TYPES(short, SHORT_BYTES)
TYPES(single, sizeof(real))
#undef TYPES
#undef COLUMNS
#undef SOFTMAX
#undef LARGEST
#undef LARGER
#undef EXPONENTIAL

/* Calls `function` for the columns from `place` up to `stop`, with the widest vectors that fit. */
#define EACH_COLUMN(function, ...)                                                                                  \
    for (; place + LANES(VECTOR_BYTES) <= stop; place += LANES(VECTOR_BYTES)) {                                     \
        NAME(long_##function)(__VA_ARGS__);                                                                         \
    }                                                                                                               \
    for (; place + LANES(SHORT_BYTES) <= stop; place += LANES(SHORT_BYTES)) {                                       \
        NAME(short_##function)(__VA_ARGS__);                                                                        \
    }                                                                                                               \
    for (; place < stop; place++) {                                                                                 \
        NAME(single_##function)(__VA_ARGS__);                                                                       \
    }

static void NAME(cross_entropy_task)(void *context, int64_t task) {
    const NAME(CrossEntropy) *c = context;
    int64_t place = task * TASK_PLACES, stop = c->places - place < TASK_PLACES ? c->places : place + TASK_PLACES;
    EACH_COLUMN(columns, c, place)
}

void NAME(cross_entropy)(const real *logits, const int64_t *labels, int64_t classes, int64_t places, double smoothing,
                         double scale, real *gradient, real *losses, real *total) {
    NAME(CrossEntropy) c = {logits, labels, classes, places, (real)smoothing, (real)scale, gradient, losses};
    run_if(classes * places >= WORTH_SHARING, NAME(cross_entropy_task), &c, TASKS(places));
    double sum = 0;
    for (int64_t place = 0; place < places; place++) {
        sum += losses[place];
    }
    *total = (real)(sum * scale);
}

/* The sum of a vector's lanes. */
static real NAME(lane_sum)(NAME(long_values) values) {
    NAME(short_values) parts[VECTOR_BYTES / SHORT_BYTES], sum = {0};
    real total = 0;
    memcpy(parts, &values, sizeof(values));
    UNROLL for (int p = 0; p < VECTOR_BYTES / SHORT_BYTES; p++) {
        sum += parts[p];
    }
    UNROLL for (int l = 0; l < LANES(SHORT_BYTES); l++) {
        total += sum[l];
    }
    return total;
}

/* The largest of a vector's lanes. */
static real NAME(lane_largest)(NAME(long_values) values) {
    NAME(short_values) parts[VECTOR_BYTES / SHORT_BYTES], largest;
    memcpy(parts, &values, sizeof(values));
    largest = parts[0];
    UNROLL for (int p = 1; p < VECTOR_BYTES / SHORT_BYTES; p++) {
        largest = NAME(short_larger)(largest, parts[p]);
    }
    real most = largest[0];
    UNROLL for (int l = 1; l < LANES(SHORT_BYTES); l++) {
        most = largest[l] > most ? largest[l] : most;
    }
    return most;
}

/* Softmax of one row; what is left of it fills a vector up with -inf, whose exponential is 0. */
static void NAME(softmax_row)(const real *x, int64_t length, real *out) {
    typedef NAME(long_values) values;
    const int lanes = LANES(VECTOR_BYTES);
    int64_t whole = length / lanes * lanes;
    size_t rest = (size_t)(length - whole) * sizeof(real);
    values largest = (values){0} - (real)INFINITY, last = largest, sum = {0};
    memcpy(&last, x + whole, rest);
    for (int64_t i = 0; i < whole; i += lanes) {
        largest = NAME(long_larger)(largest, *(const values *)(x + i));
    }
    real most = NAME(lane_largest)(NAME(long_larger)(largest, last));
    for (int64_t i = 0; i < whole; i += lanes) {
        values power = NAME(long_exp)(*(const values *)(x + i) - most);
        *(values *)(out + i) = power;
        sum += power;
    }
    last = NAME(long_exp)(last - most);
    real inverse = 1 / NAME(lane_sum)(sum + last);
    for (int64_t i = 0; i < whole; i++) {
        out[i] *= inverse;
    }
    last *= inverse;
    memcpy(out + whole, &last, rest);
}

static void NAME(softmax_rows)(void *context, int64_t task) {
    const NAME(Softmax) *s = context;
    int64_t row = task * TASK_PLACES, stop = s->rows - row < TASK_PLACES ? s->rows : row + TASK_PLACES;
    for (; row < stop; row++) {
        NAME(softmax_row)(s->x + row * s->length, s->length, s->out + row * s->length);
    }
}

static void NAME(softmax_columns)(void *context, int64_t task) {
    const NAME(Softmax) *s = context;
    int64_t tasks = TASKS(s->inner), start = task / tasks * s->length * s->inner, place = task % tasks * TASK_PLACES;
    int64_t stop = s->inner - place < TASK_PLACES ? s->inner : place + TASK_PLACES;
    EACH_COLUMN(softmax, s->x + start + place, s->length, s->inner, s->out + start + place)
}

void NAME(softmax)(const real *x, int64_t size, int64_t length, int64_t inner, real *out) {
    if (size == 0) {
        return;
    }
    NAME(Softmax) s = {x, size / length, length, inner, out};
    if (inner == 1) {
        run_if(size >= WORTH_SHARING, NAME(softmax_rows), &s, TASKS(s.rows));
    } else {
        run_if(size >= WORTH_SHARING, NAME(softmax_columns), &s, s.rows / inner * TASKS(inner));
    }
}
#undef EACH_COLUMN
#undef LANES
#endif
