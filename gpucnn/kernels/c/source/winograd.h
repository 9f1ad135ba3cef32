/* Convolution by 3 x 3 kernels of stride 1 with 16 products for 2 x 2 outputs in place of 36.
 *
 * S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015 (arXiv:1509.09308), F(2 x 2, 3 x 3): kernel g, the 4 x 4 pixels d that 2 x 2 outputs read,
 *
 *     outputs = A' [ sum over channels of (G g G') * (B' d B) ] A        (' transposes, * is element by element)
 *
 *          1  0 -1  0         1   0   0          1  1  1  0
 *     B' = 0  1  1  0     G = 1/2 1/2 1/2   A' = 0  1 -1 -1
 *          0 -1  1  0         1/2 -1/2 1/2
 *          0  1  0 -1         0   0   1
 *
 * Memory is batch-last: x (C, H, W, N), out (A, H', W', N). The gradient by the input is the same, of kernels that are
 * flipped and whose channels change places. What is not finite in a pixel makes all outputs of its tiles NaN or
 * infinite, those of its own image and no others; sums of up to four pixels may become so where the pixels are not.
 */
#ifndef GPUCNN_WINOGRAD_H
#define GPUCNN_WINOGRAD_H

#include <stdint.h>

typedef struct {
    int64_t groups, outs, ins, images; /* outs and ins are those of one group */
    int64_t out_sizes[2], in_sizes[2];
    int64_t before[2];                 /* output p reads pixels p - before ... p - before + 2; it may be negative */
    int64_t w_group, w_out, w_in;      /* how far apart in w; the 9 taps are neighbours */
    int64_t flipped;                   /* whether the last tap is the first */
    int64_t workers;                   /* how many tasks share the work, each with memory of its own */
    int64_t strips;                    /* of numbers that a task transforms at a time */
} WinogradPlan;

/* Both also in winograd.py: neighbouring numbers that are multiplied together, and what keeps the 16 lots of them in a
 * strip from pushing each other out of the first cache. */
#define STRIP_BYTES 256
#define PAD_BYTES 64

/* `memory`: for the kernels groups * 16 * outs * ins numbers, then for each worker strips * 16 * (ins * STRIP_BYTES +
 * PAD_BYTES) bytes. `bias` may be NULL; with `relu` results below 0 become 0. */
void winograd_float(const WinogradPlan *plan, const float *x, const float *w, const float *bias, int relu,
                    float *memory, float *out);
void winograd_double(const WinogradPlan *plan, const double *x, const double *w, const double *bias, int relu,
                     double *memory, double *out);

#endif
