#include "random.h"

#include <stdbool.h>

#include <numpy/random/bitgen.h>

void uniform_float(void *bits, int64_t length, float *out) {
    bitgen_t *generator = bits;
    for (int64_t i = 0; i < length; i++) {
        out[i] = (float)(generator->next_uint32(generator->state) >> 8) * (1.0f / 16777216.0f);
    }
}

void uniform_double(void *bits, int64_t length, double *out) {
    bitgen_t *generator = bits;
    for (int64_t i = 0; i < length; i++) {
        out[i] = generator->next_double(generator->state);
    }
}
