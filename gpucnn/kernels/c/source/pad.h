/* Maps with zeros around them: out (maps, rows + above + below, numbers + before + after) = x (maps, rows, numbers),
 * whose first number is number `before` of row `above`.
 */
#ifndef GPUCNN_PAD_H
#define GPUCNN_PAD_H

#include <stdint.h>

typedef struct {
    int64_t maps, rows, numbers; /* of x */
    int64_t above, before;
    int64_t out_rows, out_numbers;
} Border;

void pad_float(const Border *border, const float *x, float *out);
void pad_double(const Border *border, const double *x, double *out);

#endif
