/* Work on the elements of flat arrays, cut into pieces by their length alone. */
#ifndef GPUCNN_PIECES_H
#define GPUCNN_PIECES_H

#include "threads.h"
#include "vector.h"

#define PIECE_LENGTH (1 << 13)
#define PIECES_WORTH_SHARING 6 /* they outweigh waking a thread */

/* The elements of piece number `index`: for (int64_t i = piece_start(index); i < piece_stop(index, length); i++). */
INLINE int64_t piece_start(int64_t index) {
    return index * PIECE_LENGTH;
}

INLINE int64_t piece_stop(int64_t index, int64_t length) {
    return (index + 1) * PIECE_LENGTH < length ? (index + 1) * PIECE_LENGTH : length;
}

INLINE void run_pieces(Task task, void *context, int64_t length) {
    int64_t pieces = (length + PIECE_LENGTH - 1) / PIECE_LENGTH;
    run_if(pieces >= PIECES_WORTH_SHARING, task, context, pieces);
}

#endif
