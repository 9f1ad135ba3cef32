/* The products of rows by rows: what a linear map's gradient by its weight is, and that of a convolution by 1 x 1.
 *
 *     out[r, c] = sum over s of a[r, s] * b[c, s]
 *
 * Long rows are cut into parts whose sums are added up in their order: by the shapes alone, whatever the threads.
 */
#ifndef GPUCNN_ROWS_PRODUCT_H
#define GPUCNN_ROWS_PRODUCT_H

#include <stdint.h>

typedef struct {
    int64_t rows, columns, summed; /* a (rows, summed), b (columns, summed) */
    int64_t parts, shares;         /* of what is summed; of the columns, which different threads may take */
} RowsPlan;

/* `parts`: (plan->parts, rows, columns), or NULL where that is 1. */
void rows_product_float(const RowsPlan *plan, const float *a, const float *b, float *parts, float *out);
void rows_product_double(const RowsPlan *plan, const double *a, const double *b, double *parts, double *out);

#endif
