#ifndef real
#include "arithmetic.h"
#include "pieces.h"

#define ROWS_WORTH_SHARING (PIECE_LENGTH * PIECES_WORTH_SHARING) /* numbers */

#define TEMPLATE "arithmetic.c"
#include "each_real.h"
#else

typedef struct {
    const real *x, *y;
    real *out;
    int64_t length;
} NAME(Arrays);

static void NAME(add_piece)(void *context, int64_t piece) {
    const NAME(Arrays) *a = context;
    for (int64_t i = piece_start(piece), stop = piece_stop(piece, a->length); i < stop; i++) {
        a->out[i] = a->x[i] + a->y[i];
    }
}

static void NAME(scale_piece)(void *context, int64_t piece) {
    const NAME(Arrays) *a = context;
    real factor = *a->y;
    for (int64_t i = piece_start(piece), stop = piece_stop(piece, a->length); i < stop; i++) {
        a->out[i] = a->x[i] * factor;
    }
}

static void NAME(copy_piece)(void *context, int64_t piece) {
    const NAME(Arrays) *a = context;
    int64_t start = piece_start(piece), count = piece_stop(piece, a->length) - start;
    memcpy(a->out + start, a->x + start, (size_t)count * sizeof(real));
}

void NAME(add)(const real *x, const real *y, int64_t length, real *out) {
    run_pieces(NAME(add_piece), &(NAME(Arrays)){x, y, out, length}, length);
}

void NAME(scale_by)(const real *x, const real *factor, int64_t length, real *out) {
    run_pieces(NAME(scale_piece), &(NAME(Arrays)){x, factor, out, length}, length);
}

void NAME(copy)(const real *x, int64_t length, real *out) {
    run_pieces(NAME(copy_piece), &(NAME(Arrays)){x, NULL, out, length}, length);
}

static void NAME(add_to_row)(void *context, int64_t row) {
    const NAME(Arrays) *a = context;
    const real value = a->x[row];
    for (int64_t i = row * a->length, stop = i + a->length; i < stop; i++) {
        a->out[i] += value;
    }
}

void NAME(add_to_rows)(const real *values, int64_t rows, int64_t length, real *out) {
    NAME(Arrays) context = {values, NULL, out, length};
    run_if(rows * length >= ROWS_WORTH_SHARING, NAME(add_to_row), &context, rows);
}

void NAME(fill)(double value, int64_t length, real *out) {
    for (int64_t i = 0; i < length; i++) {
        out[i] = (real)value;
    }
}
#endif
