/* Random numbers of NumPy's generators, the same that NumPy draws. */
#ifndef GPUCNN_RANDOM_H
#define GPUCNN_RANDOM_H

#include <stdint.h>

/* Fill `out` with numbers uniform in [0, 1) from a bitgen_t of NumPy's; its lock is held by the caller. */
void uniform_float(void *bits, int64_t length, float *out);
void uniform_double(void *bits, int64_t length, double *out);

#endif
