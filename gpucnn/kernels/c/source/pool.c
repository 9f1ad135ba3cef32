#ifndef real
#include "pool.h"
#include "threads.h"

#include <math.h>

#define SHORT_BYTES 16 /* what is left of the images goes through these vectors, and then one by one */
#define MOST_TASKS 64
#define WORTH_SHARING (1 << 17) /* numbers read and written that outweigh waking a thread */
#define WIDE_VECTORS 4

/* The places that one place meets: three nested loops, counted in places of what is read, from the place `first` on of
 * a line that begins `line` places behind the first of its map. */
typedef struct {
    int64_t count[3], step[3], tap_step[3];
    int64_t first, tap, line;
} Met;

#define FOR_EACH_MET(met)                                                                                           \
    for (int64_t i = 0; i < (met)->count[0]; i++)                                                                   \
        for (int64_t j = 0; j < (met)->count[1]; j++)                                                               \
            for (int64_t k = 0, at = (met)->first + i * (met)->step[0] + j * (met)->step[1],                        \
                         tap = (met)->tap + i * (met)->tap_step[0] + j * (met)->tap_step[1];                        \
                 k < (met)->count[2]; k++, at += (met)->step[2], tap += (met)->tap_step[2])

#define TEMPLATE "pool.c"
#include "each_real.h"
#else

typedef struct NAME(Pooling) NAME(Pooling);
typedef struct NAME(PoolLine) NAME(Line);

/* What is read and written; x is the gradient in a backward. `fill_line` writes the places of a line, of which `fill`
 * writes `images` numbers of one. */
struct NAME(Pooling) {
    const PoolPlan *plan;
    const real *x, *counts;
    const uint8_t *won; /* read */
    uint8_t *winners;   /* written */
    real *out;
    void (*fill_line)(const NAME(Pooling) *pooling, const NAME(Line) *line, Met *met);
    void (*fill)(const NAME(Pooling) *pooling, const Met *met, const real *x, const uint8_t *won, uint8_t *winners,
                 real *out);
    int relu;
    int64_t tasks;
};

#define LANES(bytes) ((bytes) / (int)sizeof(real))
#define TYPES(size, bytes)                                                                                          \
    typedef VECTOR(real, bytes) NAME(size##_values);                                                                \
    typedef VECTOR(integer, bytes) NAME(size##_whole);
TYPES(long, VECTOR_BYTES)
TYPES(short, SHORT_BYTES)
TYPES(single, sizeof(real))
#undef TYPES

#define CHOOSE(mask, a, b) (((a) & (mask)) | ((b) & ~(mask))) /* of whole numbers; mask: all bits set, or none */

/* The largest of what a place meets, for `vectors` of images, and the tap it came from. */
#define LARGEST(size)                                                                                               \
    INLINE void NAME(size##_largest)(const int vectors, const int relu, const int keep, int64_t images,             \
                                     const Met *met, const real *x, uint8_t *winners, real *out) {                  \
        typedef NAME(size##_values) values;                                                                         \
        typedef NAME(size##_whole) whole;                                                                           \
        const int lanes = (int)(sizeof(values) / sizeof(real));                                                     \
        values best[WIDE_VECTORS];                                                                                  \
        whole winner[WIDE_VECTORS];                                                                                 \
        UNROLL for (int v = 0; v < vectors; v++) {                                                                  \
            best[v] = (values){0} - (real)INFINITY;                                                                 \
            winner[v] = (whole){0} + (integer)met->tap;                                                             \
        }                                                                                                           \
        FOR_EACH_MET(met) {                                                                                         \
            UNROLL for (int v = 0; v < vectors; v++) {                                                              \
                values given = *(const values *)(x + at * images + v * lanes);                                      \
                whole better = (given > best[v]) | (given != given);                                                \
                best[v] = (values)CHOOSE(better, (whole)given, (whole)best[v]);                                     \
                if (keep) {                                                                                         \
                    winner[v] = CHOOSE(better, (whole){0} + (integer)tap, winner[v]);                               \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
        UNROLL for (int v = 0; v < vectors; v++) {                                                                  \
            if (relu) {                                                                                             \
                best[v] = (values)((whole)best[v] & ~(whole)(best[v] <= (values){0}));                              \
                winner[v] = CHOOSE((whole)(best[v] > (values){0}), winner[v], (whole){0} + NO_TAP);                 \
            }                                                                                                       \
            *(values *)(out + v * lanes) = best[v];                                                                 \
        }                                                                                                           \
        for (int l = 0; keep && l < vectors * lanes; l++) {                                                         \
            winners[l] = (uint8_t)((const integer *)winner)[l];                                                     \
        }                                                                                                           \
    }

/* The sum of what a place meets; `by_place`: each divided by the count of its own place. */
#define SUM(size)                                                                                                   \
    INLINE void NAME(size##_sum)(const int vectors, const int by_place, int64_t images, const Met *met,             \
                                 const real *x, const real *counts, real *out) {                                    \
        typedef NAME(size##_values) values;                                                                         \
        const int lanes = (int)(sizeof(values) / sizeof(real));                                                     \
        values sum[WIDE_VECTORS];                                                                                   \
        UNROLL for (int v = 0; v < vectors; v++) {                                                                  \
            sum[v] = (values){0};                                                                                   \
        }                                                                                                           \
        FOR_EACH_MET(met) {                                                                                         \
            UNROLL for (int v = 0; v < vectors; v++) {                                                              \
                values given = *(const values *)(x + at * images + v * lanes);                                      \
                sum[v] += by_place ? (values)(given / counts[at]) : given;                                          \
            }                                                                                                       \
            (void)tap;                                                                                              \
        }                                                                                                           \
        UNROLL for (int v = 0; v < vectors; v++) {                                                                  \
            *(values *)(out + v * lanes) = by_place ? sum[v] : (values)(sum[v] / counts[0]);                        \
        }                                                                                                           \
    }

LARGEST(long)
LARGEST(short)
LARGEST(single)
SUM(long)
SUM(short)
SUM(single)
#undef LARGEST
#undef SUM

/* All images of one place, from the widest pieces to single ones; `n` is the first of a piece. */
#define PIECES(images, wide, one, brief, single)                                                                    \
    int64_t n = 0;                                                                                                  \
    for (; n + WIDE_VECTORS * LANES(VECTOR_BYTES) <= images; n += WIDE_VECTORS * LANES(VECTOR_BYTES)) wide;         \
    for (; n + LANES(VECTOR_BYTES) <= images; n += LANES(VECTOR_BYTES)) one;                                        \
    for (; n + LANES(SHORT_BYTES) <= images; n += LANES(SHORT_BYTES)) brief;                                        \
    for (; n < images; n++) single;

#define FILL_LARGEST(name, relu, keep)                                                                              \
    static void NAME(name)(const NAME(Pooling) *pooling, const Met *met, const real *x, const uint8_t *won,         \
                           uint8_t *winners, real *out) {                                                           \
        int64_t images = pooling->plan->images;                                                                     \
        (void)won;                                                                                                  \
        PIECES(images, NAME(long_largest)(WIDE_VECTORS, relu, keep, images, met, x + n, winners + n, out + n),      \
               NAME(long_largest)(1, relu, keep, images, met, x + n, winners + n, out + n),                         \
               NAME(short_largest)(1, relu, keep, images, met, x + n, winners + n, out + n),                        \
               NAME(single_largest)(1, relu, keep, images, met, x + n, winners + n, out + n))                       \
    }
FILL_LARGEST(fill_largest, 0, 0)
FILL_LARGEST(fill_largest_winners, 0, 1)
FILL_LARGEST(fill_relu, 1, 0)
FILL_LARGEST(fill_relu_winners, 1, 1)
#undef FILL_LARGEST

/* value where a == b, else 0; without a branch, so that loops over it become vectors on every processor. */
INLINE real NAME(if_equal)(uint8_t a, uint8_t b, real value) {
    union {
        real value;
        integer bits;
    } kept = {value};
    kept.bits &= -(integer)(a == b);
    return kept.value;
}

/* The gradient by one pixel: the sum over the outputs that it won. */
static void NAME(fill_handed_on)(const NAME(Pooling) *pooling, const Met *met, const real *x, const uint8_t *won,
                                 uint8_t *winners, real *restrict out) {
    int64_t images = pooling->plan->images;
    int first = 1;
    (void)winners;
    FOR_EACH_MET(met) {
        const real *restrict grad = x + at * images;
        const uint8_t *restrict winner = won + at * images, mine = (uint8_t)tap;
        if (first) {
            for (int64_t n = 0; n < images; n++) {
                out[n] = NAME(if_equal)(winner[n], mine, grad[n]);
            }
        } else {
            for (int64_t n = 0; n < images; n++) {
                out[n] += NAME(if_equal)(winner[n], mine, grad[n]);
            }
        }
        first = 0;
    }
    if (first) {
        memset(out, 0, images * sizeof(real));
    }
}

#define FILL_SUM(name, by_place)                                                                                    \
    static void NAME(name)(const NAME(Pooling) *pooling, const Met *met, const real *x, const uint8_t *won,         \
                           uint8_t *winners, real *out) {                                                           \
        int64_t images = pooling->plan->images;                                                                     \
        ptrdiff_t place = (out - pooling->out) / images;                                                            \
        const int64_t *o = pooling->plan->places;                                                                   \
        const real *counts = pooling->counts + (by_place ? met->line : place % (o[0] * o[1] * o[2]));               \
        (void)won, (void)winners;                                                                                   \
        PIECES(images, NAME(long_sum)(WIDE_VECTORS, by_place, images, met, x + n, counts, out + n),                 \
               NAME(long_sum)(1, by_place, images, met, x + n, counts, out + n),                                    \
               NAME(short_sum)(1, by_place, images, met, x + n, counts, out + n),                                   \
               NAME(single_sum)(1, by_place, images, met, x + n, counts, out + n))                                  \
    }
FILL_SUM(fill_average, 0)
FILL_SUM(fill_shares, 1)
#undef FILL_SUM
#undef PIECES

/* Fills places along the last axis that meet alike, `step` places apart, with the largest of what they meet: where
 * there are few images, the places fill the vectors. */
static void NAME(largest_of_places)(const Met *met, int64_t images, int64_t places, int64_t step, const real *x,
                                    int relu, real *restrict out) {
    const int64_t numbers = places * images;
    for (int64_t i = 0; i < numbers; i++) {
        out[i] = -(real)INFINITY;
    }
    FOR_EACH_MET(met) {
        const real *restrict given = x + at * images;
        (void)tap;
        for (int64_t place = 0; place < places; place++) {
            for (int64_t n = 0; n < images; n++) {
                real value = given[place * step * images + n], best = out[place * images + n];
                out[place * images + n] = ((value > best) | (value != value)) ? value : best;
            }
        }
    }
    for (int64_t i = 0; relu && i < numbers; i++) {
        out[i] = out[i] <= 0 ? 0 : out[i];
    }
}

/* Copies so many pairs, of no more than two vectors; what is left of these is 0. */
INLINE void NAME(load_pairs)(const real *from, int64_t pairs, real *to) {
    enum { COUNT = VECTOR_BYTES / sizeof(real) };
    int64_t low = 2 * pairs < COUNT ? 2 * pairs : COUNT;
    *(NAME(vector) *)to = NAME(load_some)(from, low);
    *(NAME(vector) *)(to + COUNT) = NAME(load_some)(from + low, 2 * pairs - low);
}

/* The same of one image for windows of 2 x 2 that lie side by side, LANES at most, and their winners where `keep`. */
INLINE void NAME(largest_of_squares)(const int keep, const Met *met, int64_t places, const real *upper, int relu,
                                     uint8_t *winners, real *out) {
    enum { COUNT = VECTOR_BYTES / sizeof(real) };
    real first[2 * COUNT], second[2 * COUNT], largest[COUNT];
    integer won[COUNT];
    const integer tap = (integer)met->tap, right = (integer)met->tap_step[2], down = (integer)met->tap_step[1];
    NAME(load_pairs)(upper, places, first);
    NAME(load_pairs)(upper + met->step[1], places, second);
    for (int l = 0; l < COUNT; l++) {
        real best = first[2 * l], b = first[2 * l + 1], c = second[2 * l], d = second[2 * l + 1];
        integer winner = tap;
        winner = (b > best) | (b != b) ? tap + right : winner;
        best = (b > best) | (b != b) ? b : best;
        winner = (c > best) | (c != c) ? tap + down : winner;
        best = (c > best) | (c != c) ? c : best;
        winner = (d > best) | (d != d) ? tap + down + right : winner;
        best = (d > best) | (d != d) ? d : best;
        largest[l] = relu && best <= 0 ? 0 : best;
        won[l] = relu && !(best > 0) ? NO_TAP : winner;
    }
    NAME(store_some)(out, *(const NAME(vector) *)largest, places);
    for (int64_t place = 0; keep && place < places; place++) {
        winners[place] = (uint8_t)won[place];
    }
}

/* Of any number of such windows. */
static void NAME(largest_of_row)(const Met *met, int64_t places, const real *x, int relu, uint8_t *winners, real *out) {
    const real *upper = x + met->first;
    for (int64_t place = 0, some; place < places; place += some, upper += 2 * some, out += some) {
        some = places - place < LANES(VECTOR_BYTES) ? places - place : LANES(VECTOR_BYTES);
        if (winners) {
            NAME(largest_of_squares)(1, met, some, upper, relu, winners + place, out);
        } else {
            NAME(largest_of_squares)(0, met, some, upper, relu, NULL, out);
        }
    }
}

/* The gradient by a row of pixels of one image, each of which meets one output at most: `met` is that of the row. */
static void NAME(hand_on)(const Met *met, const Meeting *w, int64_t places, const real *restrict grad,
                          const uint8_t *restrict won, real *restrict out) {
    for (int64_t place = 0; place < places; place++) {
        int64_t at = met->first + w[place].source;
        out[place] = w[place].count > 0 ? NAME(if_equal)(won[at], (uint8_t)(met->tap + w[place].tap), grad[at]) : 0;
    }
}

/* How many places from `w` on, of `most`, meet alike: as many, from the same tap on, at even distances. */
static int64_t NAME(alike)(const Meeting *w, int64_t most) {
    int64_t places = 1;
    while (places < most && w[places].count == w->count && w[places].tap == w->tap &&
           w[places].source - w[places - 1].source == w[1].source - w->source) {
        places++;
    }
    return places;
}

/* Has `met` say what place number `place` of its row meets; w is the table of the last axis. */
static void NAME(meet)(const NAME(Line) *line, const Meeting *w, int64_t place, int64_t row_tap, Met *met) {
    met->count[2] = w[place].count;
    met->first = w[place].source - line->first;
    met->tap = row_tap + w[place].tap;
}

static void NAME(one_by_one)(const NAME(Pooling) *pooling, const NAME(Line) *line, Met *met) {
    const Meeting *w = pooling->plan->tables + pooling->plan->places[0] + pooling->plan->places[1];
    int64_t row_tap = met->tap;
    for (int64_t place = line->place; place < line->stop; place++) {
        ptrdiff_t to = (place - line->place) * pooling->plan->images;
        NAME(meet)(line, w, place, row_tap, met);
        pooling->fill(pooling, met, line->x, line->won, line->winners ? line->winners + to : NULL, line->out + to);
    }
}

static void NAME(alike_together)(const NAME(Pooling) *pooling, const NAME(Line) *line, Met *met) {
    const Meeting *w = pooling->plan->tables + pooling->plan->places[0] + pooling->plan->places[1];
    int64_t row_tap = met->tap, images = pooling->plan->images;
    for (int64_t place = line->place, places; place < line->stop; place += places) {
        ptrdiff_t to = (place - line->place) * images;
        places = NAME(alike)(w + place, line->stop - place);
        NAME(meet)(line, w, place, row_tap, met);
        int64_t step = places > 1 ? w[place + 1].source - w[place].source : 1;
        int square = images == 1 && met->count[0] == 1 && met->count[1] == 2 && met->count[2] == 2;
        if (square && step == 2 && met->step[2] == 1) {
            NAME(largest_of_row)(met, places, line->x, pooling->relu, line->winners ? line->winners + to : NULL,
                                 line->out + to);
        } else if (line->winners) {
            NAME(Line) part = *line;
            part.place = place, part.stop = place + places, part.winners += to, part.out += to;
            met->tap = row_tap;
            NAME(one_by_one)(pooling, &part, met);
        } else {
            NAME(largest_of_places)(met, images, places, step, line->x, pooling->relu, line->out + to);
        }
    }
}

static void NAME(one_image)(const NAME(Pooling) *pooling, const NAME(Line) *line, Met *met) {
    const Meeting *w = pooling->plan->tables + pooling->plan->places[0] + pooling->plan->places[1];
    int once = met->count[0] <= 1 && met->count[1] <= 1;
    for (int64_t place = line->place; once && place < line->stop; place++) {
        once = w[place].count <= 1;
    }
    if (!once) {
        NAME(one_by_one)(pooling, line, met);
    } else if (met->count[0] == 0 || met->count[1] == 0) {
        memset(line->out, 0, (size_t)(line->stop - line->place) * sizeof(real));
    } else {
        met->first = -line->first;
        NAME(hand_on)(met, w + line->place, line->stop - line->place, line->x, line->won, line->out);
    }
}

/* Fills a line; see there what it says. */
static void NAME(pool_line)(const NAME(Pooling) *pooling, const NAME(Line) *line) {
    const PoolPlan *plan = pooling->plan;
    const int64_t *o = plan->places, *s = plan->sources;
    const Meeting *d = plan->tables + line->row / o[1], *h = plan->tables + o[0] + line->row % o[1];
    Met met = {{d->count, h->count, 0},
               {plan->source_step[0] * s[1] * line->pitch, plan->source_step[1] * line->pitch, plan->source_step[2]},
               {plan->tap_step[0] * plan->tap[0], plan->tap_step[1] * plan->tap[1], plan->tap_step[2]},
               0, d->tap * plan->tap[0] + h->tap * plan->tap[1], (d->source * s[1] + h->source) * s[2]};
    pooling->fill_line(pooling, line, &met);
}

/* Row number `index` over the first two axes and the channels: neighbouring rows of all channels come together. */
static void NAME(pool_row)(const NAME(Pooling) *pooling, int64_t index) {
    const PoolPlan *plan = pooling->plan;
    const int64_t *o = plan->places, *s = plan->sources;
    int64_t row = index / plan->channels, channel = index % plan->channels;
    const Meeting *d = plan->tables + row / o[1], *h = plan->tables + o[0] + row % o[1];
    ptrdiff_t from = ((channel * s[0] + d->source) * s[1] + h->source) * s[2] * plan->images;
    ptrdiff_t to = (channel * o[0] * o[1] + row) * o[2] * plan->images;
    NAME(Line) line = {row, 0, o[2], 0, s[2], pooling->x + from, pooling->won ? pooling->won + from : NULL,
                       pooling->winners ? pooling->winners + to : NULL, pooling->out + to};
    NAME(pool_line)(pooling, &line);
}

static void NAME(pool_rows)(void *context, int64_t task) {
    const NAME(Pooling) *pooling = context;
    int64_t rows = pooling->plan->channels * pooling->plan->places[0] * pooling->plan->places[1];
    for (int64_t row = rows * task / pooling->tasks; row < rows * (task + 1) / pooling->tasks; row++) {
        NAME(pool_row)(pooling, row);
    }
}

static void NAME(pool)(NAME(Pooling) pooling) {
    const PoolPlan *plan = pooling.plan;
    const int64_t *o = plan->places, *s = plan->sources;
    int64_t rows = plan->channels * o[0] * o[1];
    int64_t numbers = plan->channels * plan->images * (o[0] * o[1] * o[2] + s[0] * s[1] * s[2]);
    pooling.tasks = numbers < WORTH_SHARING ? 1 : rows < MOST_TASKS ? rows : MOST_TASKS;
    run(NAME(pool_rows), &pooling, pooling.tasks);
}

static NAME(Pooling) NAME(largest)(const PoolPlan *plan, int winners, int relu) {
    return (NAME(Pooling)){.plan = plan, .relu = relu,
                           .fill_line = plan->images < LANES(SHORT_BYTES) ? NAME(alike_together) : NAME(one_by_one),
                           .fill = winners ? relu ? NAME(fill_relu_winners) : NAME(fill_largest_winners)
                                   : relu  ? NAME(fill_relu)
                                           : NAME(fill_largest)};
}

void NAME(pool_max)(const PoolPlan *plan, const real *x, uint8_t *winners, int relu, real *out) {
    NAME(Pooling) pooling = NAME(largest)(plan, winners != NULL, relu);
    pooling.x = x, pooling.winners = winners, pooling.out = out;
    NAME(pool)(pooling);
}

void NAME(pool_max_line)(const PoolPlan *plan, const NAME(Line) *line, int relu) {
    NAME(Pooling) pooling = NAME(largest)(plan, line->winners != NULL, relu);
    NAME(pool_line)(&pooling, line);
}

static NAME(Pooling) NAME(handed_on)(const PoolPlan *plan) {
    return (NAME(Pooling)){.plan = plan, .fill = NAME(fill_handed_on),
                           .fill_line = plan->images == 1 ? NAME(one_image) : NAME(one_by_one)};
}

void NAME(pool_max_backward)(const PoolPlan *plan, const real *grad, const uint8_t *winners, real *out) {
    NAME(Pooling) pooling = NAME(handed_on)(plan);
    pooling.x = grad, pooling.won = winners, pooling.out = out;
    NAME(pool)(pooling);
}

void NAME(pool_max_backward_line)(const PoolPlan *plan, const NAME(Line) *line) {
    NAME(Pooling) pooling = NAME(handed_on)(plan);
    NAME(pool_line)(&pooling, line);
}

void NAME(pool_average)(const PoolPlan *plan, const real *x, const real *counts, real *out) {
    NAME(pool)((NAME(Pooling)){.plan = plan, .x = x, .counts = counts, .out = out, .fill = NAME(fill_average),
                               .fill_line = NAME(one_by_one)});
}

void NAME(pool_average_backward)(const PoolPlan *plan, const real *grad, const real *counts, real *out) {
    NAME(pool)((NAME(Pooling)){.plan = plan, .x = grad, .counts = counts, .out = out, .fill = NAME(fill_shares),
                               .fill_line = NAME(one_by_one)});
}
#undef LANES
#undef CHOOSE
#endif
