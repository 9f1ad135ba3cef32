#ifndef real
#include "block.h"

#define LINE_VECTORS 8 /* of one row alone: fewer sums wait for each other */
#define MOST_VECTORS (BLOCK_VECTORS > LINE_VECTORS ? BLOCK_VECTORS : LINE_VECTORS)

#define TEMPLATE "block.c"
#include "each_real.h"
#else

/* rows x vectors of the result, all sums in registers. `first`: from the bias, where there is one, or from 0. `count`
 * is how many numbers of the last vector there are, where they do not fill it.
 *
 * Unless `nested`, only the last of the four loops runs more than once: what the others keep at hand costs a short last
 * one up to a fifth of its time.
 *
 * IN_REGISTER has a weight read when it is needed: all of them at once leave too few registers for the sums. A weight
 * less 0 is that weight; plus 0 would be an addition, as it turns -0 into 0. */
#define BLOCK(name, LOAD, STORE)                                                                                    \
    INLINE void NAME(name)(const int nested, const int rows, const int vectors, int64_t count, const Sums *sums,    \
                           const real *x, const real *w, ptrdiff_t w_row, const real *bias, int first, int relu,    \
                           real *out, ptrdiff_t out_row) {                                                          \
        (void)count;                                                                                                \
        NAME(vector) sum[TALL_ROWS][MOST_VECTORS];                                                                  \
        UNROLL for (int r = 0; r < rows; r++) {                                                                     \
            UNROLL for (int v = 0; v < vectors; v++) {                                                              \
                sum[r][v] = (NAME(vector)){0};                                                                      \
                if (!first) {                                                                                       \
                    const real *from = out + r * out_row + v * NAME(LANES);                                         \
                    sum[r][v] = v + 1 < vectors ? LOAD_ALL(from, count) : LOAD(from, count);                        \
                } else if (bias) {                                                                                  \
                    sum[r][v] += bias[r];                                                                           \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
        const real *x_i = x, *w_i = w;                                                                              \
        for (int64_t i = 0; i < (nested ? sums->count[0] : 1); i++, x_i += sums->x[0], w_i += sums->w[0]) {         \
            const real *x_j = x_i, *w_j = w_i;                                                                      \
            for (int64_t j = 0; j < (nested ? sums->count[1] : 1); j++, x_j += sums->x[1], w_j += sums->w[1]) {     \
                const real *x_k = x_j, *w_k = w_j;                                                                  \
                for (int64_t k = 0; k < (nested ? sums->count[2] : 1); k++, x_k += sums->x[2], w_k += sums->w[2]) { \
                    const real *xs = x_k, *ws = w_k;                                                                \
                    for (int64_t l = 0; l < sums->count[3]; l++, xs += sums->x[3], ws += sums->w[3]) {              \
                        NAME(vector) here[MOST_VECTORS];                                                            \
                        UNROLL for (int v = 0; v < vectors; v++) {                                                  \
                            const real *from = xs + v * NAME(LANES);                                                \
                            here[v] = v + 1 < vectors ? LOAD_ALL(from, count) : LOAD(from, count);                  \
                            IN_REGISTER(here[v]);                                                                   \
                        }                                                                                           \
                        UNROLL for (int r = 0; r < rows; r++) {                                                     \
                            NAME(vector) weight = ws[r * w_row] - (NAME(vector)){0};                                \
                            IN_REGISTER(weight);                                                                    \
                            UNROLL for (int v = 0; v < vectors; v++) {                                              \
                                sum[r][v] += weight * here[v];                                                      \
                            }                                                                                       \
                        }                                                                                           \
                    }                                                                                               \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
        UNROLL for (int r = 0; r < rows; r++) {                                                                     \
            UNROLL for (int v = 0; v < vectors; v++) {                                                              \
                const NAME(vector) result = relu ? NAME(positive)(sum[r][v]) : sum[r][v];                           \
                real *to = out + r * out_row + v * NAME(LANES);                                                     \
                if (v + 1 < vectors) {                                                                              \
                    STORE_ALL(to, result, count);                                                                   \
                } else {                                                                                            \
                    STORE(to, result, count);                                                                       \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
    }

BLOCK(whole_block, LOAD_ALL, STORE_ALL)
BLOCK(part_block, NAME(load_some), NAME(store_some))
#undef BLOCK

#define CASE(rows, nested, block, vectors)                                                                          \
    case rows: NAME(block)(nested, rows, vectors, last, sums, x, w, w_row, bias, first, relu, out, out_row); break;

#define EACH_CASE(nested, block, vectors)                                                                           \
    switch (rows) {                                                                                                 \
        CASE(1, nested, block, vectors)                                                                             \
        CASE(2, nested, block, vectors)                                                                             \
        CASE(3, nested, block, vectors)                                                                             \
        CASE(4, nested, block, vectors)                                                                             \
        CASE(5, nested, block, vectors)                                                                             \
        CASE(6, nested, block, vectors)                                                                             \
        MORE_CASES(nested, block, vectors)                                                                          \
    }

#define SIZED(name, block, vectors)                                                                                 \
    static void NAME(name)(int rows, int64_t count, const Sums *sums, const real *x, const real *w,                 \
                           ptrdiff_t w_row, const real *bias, int first, int relu, real *out, ptrdiff_t out_row) {  \
        const int64_t last = count - (vectors - 1) * NAME(LANES); /* numbers of the last vector */                  \
        if (sums->count[0] == 1 && sums->count[1] == 1 && sums->count[2] == 1) {                                    \
            EACH_CASE(0, block, vectors)                                                                            \
        } else {                                                                                                    \
            EACH_CASE(1, block, vectors)                                                                            \
        }                                                                                                           \
    }

#define MORE_CASES(nested, block, vectors) /* none */
SIZED(wide, whole_block, BLOCK_VECTORS)
SIZED(pair, whole_block, 2)
SIZED(pair_rest, part_block, 2)
#undef MORE_CASES

#define MORE_CASES(nested, block, vectors) CASE(7, nested, block, vectors) CASE(8, nested, block, vectors)
SIZED(single, whole_block, 1)
SIZED(rest, part_block, 1)
#undef MORE_CASES
#undef SIZED
#undef EACH_CASE
#undef CASE

/* One row. */
static void NAME(line)(int rows, int64_t count, const Sums *sums, const real *x, const real *w, ptrdiff_t w_row,
                       const real *bias, int first, int relu, real *out, ptrdiff_t out_row) {
    (void)rows;
    NAME(whole_block)(1, 1, LINE_VECTORS, count, sums, x, w, w_row, bias, first, relu, out, out_row);
}

NAME(Block) NAME(block_for)(int64_t rows, int64_t length, int64_t *taken) {
    static const struct {
        int64_t numbers;
        NAME(Block) block;
    } sizes[] = {{LINE_VECTORS * NAME(LANES), NAME(line)},
                 {BLOCK_VECTORS * NAME(LANES), NAME(wide)},
                 {2 * NAME(LANES), NAME(pair)}};
    for (int i = rows == 1 ? 0 : 1; i < 3; i++) {
        if (sizes[i].numbers <= length) {
            *taken = sizes[i].numbers;
            return sizes[i].block;
        }
    }
    *taken = length; /* less than two vectors */
    return length > NAME(LANES) ? NAME(pair_rest) : length == NAME(LANES) ? NAME(single) : NAME(rest);
}
#endif
