#ifndef real
#include "pad.h"

#include <string.h>

#define TEMPLATE "pad.c"
#include "each_real.h"
#else

void NAME(pad)(const Border *border, const real *x, real *out) {
    const int64_t numbers = border->numbers, after = border->out_numbers - border->before - numbers;
    const int64_t below = border->out_rows - border->above - border->rows;
    for (int64_t map = 0; map < border->maps; map++) {
        memset(out, 0, (size_t)(border->above * border->out_numbers) * sizeof(real));
        out += border->above * border->out_numbers;
        for (int64_t row = 0; row < border->rows; row++, x += numbers, out += border->out_numbers) {
            memset(out, 0, (size_t)border->before * sizeof(real));
            memcpy(out + border->before, x, (size_t)numbers * sizeof(real));
            memset(out + border->before + numbers, 0, (size_t)after * sizeof(real));
        }
        memset(out, 0, (size_t)(below * border->out_numbers) * sizeof(real));
        out += below * border->out_numbers;
    }
}
#endif
