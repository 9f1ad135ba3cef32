/* Lengths cut into parts that are as equal as can be, and into blocks of one size. */
#ifndef GPUCNN_CUTS_H
#define GPUCNN_CUTS_H

#include "vector.h"

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Where part number `part` of so many begins; part + 1 gives its end. */
INLINE int64_t cut(int64_t length, int64_t part, int64_t parts) { return length * part / parts; }

/* How many blocks of `size` hold the length. */
INLINE int64_t blocks_of(int64_t length, int64_t size) { return (length + size - 1) / size; }

#endif
