/* Tiles of 6 x 6 pixels, which both winograd.c and winograd_weight.c transform; included for each real type. */
#ifndef WINOGRAD_TILE
#define WINOGRAD_TILE

#define SIDE 6     /* of a tile of pixels */
#define OUT_SIDE 4 /* of the outputs of a tile */
#define PIXELS (SIDE * SIDE)
#define TAPS 9
#define EACH_OF_SIX _Pragma("GCC unroll 6")

/* Neighbouring numbers, of one tile: `length` images from `image` on, at `at` of their strip. */
typedef struct {
    int64_t row, column, image, at, length; /* row and column of the tile's first output */
} Segment;

static int64_t blocks_of(int64_t length, int64_t size) { return (length + size - 1) / size; }
static int64_t cut(int64_t length, int64_t part, int64_t parts) { return length * part / parts; }

/* How many numbers all tiles of one channel have. */
static int64_t numbers_of(const WinogradPlan *plan) {
    return blocks_of(plan->out_sizes[0], OUT_SIDE) * blocks_of(plan->out_sizes[1], OUT_SIDE) * plan->images;
}

/* The numbers of all tiles follow each other: cut off the one tile's from `number` on, before `stop`. */
static Segment segment_at(const WinogradPlan *plan, int64_t number, int64_t start, int64_t stop) {
    int64_t tile = number / plan->images, image = number % plan->images;
    int64_t across = blocks_of(plan->out_sizes[1], OUT_SIDE);
    int64_t length = plan->images - image < stop - number ? plan->images - image : stop - number;
    return (Segment){tile / across * OUT_SIDE, tile % across * OUT_SIDE, image, number - start, length};
}
#endif

enum { NAME(STRIP) = STRIP_BYTES / sizeof(real), NAME(PAD) = PAD_BYTES / sizeof(real) };

static const real NAME(zeros)[NAME(STRIP)];

/* How far apart the 36 lots of `channels` lie in a strip. */
INLINE int64_t NAME(kind_of)(int64_t channels) { return channels * NAME(STRIP) + NAME(PAD); }

/* to = B' d of six vectors, `step` apart in both. */
INLINE void NAME(transform_six)(const NAME(vector) *d, NAME(vector) *to, const int step) {
    NAME(vector) even = d[4 * step] - 4 * d[2 * step], odd = d[3 * step] - 4 * d[step];
    NAME(vector) even_2 = d[4 * step] - d[2 * step], odd_2 = 2 * (d[3 * step] - d[step]);
    NAME(vector) first = 4 * d[0] - 5 * d[2 * step] + d[4 * step];
    NAME(vector) last = 4 * d[step] - 5 * d[3 * step] + d[5 * step];
    to[0] = first;
    to[step] = even + odd;
    to[2 * step] = even - odd;
    to[3 * step] = even_2 + odd_2;
    to[4 * step] = even_2 - odd_2;
    to[5 * step] = last;
}

/* Where the `side` x `side` pixels of a tile begin, whose first is at (row, column), and how far the next channel's lie
 * from them; those outside x are zeros. */
INLINE void NAME(find_pixels)(const real *x, const int64_t size[2], int64_t images, int64_t row, int64_t column,
                              int64_t image, const int side, const real **from, ptrdiff_t *steps) {
    for (int p = 0; p < side * side; p++) {
        int64_t r = row + p / side, c = column + p % side;
        int inside = r >= 0 && r < size[0] && c >= 0 && c < size[1];
        from[p] = inside ? x + (r * size[1] + c) * images + image : NAME(zeros);
        steps[p] = inside ? size[0] * size[1] * images : 0;
    }
}

/* B' d B of one vector of each pixel, `count` numbers of it, to `to`, `kind` apart. The next channel's pixels, `steps`
 * on, lie in pages of their own: the processor does not foresee that they are read. */
#define READ_PIXELS(name, LOAD, STORE)                                                                              \
    INLINE void NAME(name)(const real *const from[PIXELS], const ptrdiff_t steps[PIXELS], int64_t at,               \
                           int64_t count, real *to, ptrdiff_t kind) {                                               \
        NAME(vector) d[PIXELS];                                                                                     \
        (void)count;                                                                                                \
        EACH_OF_SIX for (int c = 0; c < SIDE; c++) {                                                                \
            EACH_OF_SIX for (int r = 0; r < SIDE; r++) {                                                            \
                d[SIDE * r + c] = LOAD(from[SIDE * r + c] + at, count);                                             \
                __builtin_prefetch(from[SIDE * r + c] + steps[SIDE * r + c] + at);                                  \
            }                                                                                                       \
            NAME(transform_six)(d + c, d + c, SIDE);                                                                \
        }                                                                                                           \
        for (int r = 0; r < SIDE; r++, to += SIDE * kind) {                                                         \
            NAME(vector) row[SIDE];                                                                                 \
            NAME(transform_six)(d + SIDE * r, row, 1);                                                              \
            EACH_OF_SIX for (int c = 0; c < SIDE; c++) {                                                            \
                STORE(to + c * kind + at, row[c], count);                                                           \
            }                                                                                                       \
        }                                                                                                           \
    }

READ_PIXELS(read_pixels, LOAD_ALL, STORE_ALL)
READ_PIXELS(read_some_pixels, NAME(load_some), NAME(store_some))
#undef READ_PIXELS

/* The tile's pixels of all channels of a group, transformed, to the strip (36, ins * STRIP + PAD). */
static void NAME(read_tile)(const WinogradPlan *plan, const real *x, int64_t group, const Segment *segment,
                            real *strip) {
    const int64_t *size = plan->in_sizes;
    ptrdiff_t kind = NAME(kind_of)(plan->ins), steps[PIXELS];
    const real *from[PIXELS];
    NAME(find_pixels)(x + group * plan->ins * size[0] * size[1] * plan->images, size, plan->images,
                      segment->row - plan->before[0], segment->column - plan->before[1], segment->image, SIDE, from,
                      steps);
    real *to = strip + segment->at;
    for (int64_t in = 0; in < plan->ins; in++, to += NAME(STRIP)) {
        int64_t at = 0;
        for (; at + NAME(LANES) <= segment->length; at += NAME(LANES)) {
            NAME(read_pixels)(from, steps, at, NAME(LANES), to, kind);
        }
        if (at < segment->length) {
            NAME(read_some_pixels)(from, steps, at, segment->length - at, to, kind);
        }
        for (int p = 0; p < PIXELS; p++) {
            from[p] += steps[p];
        }
    }
}

/* The tiles' pixels at the numbers [start, stop), at most a strip. */
static void NAME(read_strip)(const WinogradPlan *plan, const real *x, int64_t group, int64_t start, int64_t stop,
                             real *strip) {
    for (int64_t number = start; number < stop;) {
        Segment segment = segment_at(plan, number, start, stop);
        NAME(read_tile)(plan, x, group, &segment, strip);
        number += segment.length;
    }
}
