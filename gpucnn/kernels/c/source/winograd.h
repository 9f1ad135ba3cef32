/* Convolution by 3 x 3 kernels of stride 1 with 36 products for 4 x 4 outputs in place of 144.
 *
 * S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015 (arXiv:1509.09308), F(4 x 4, 3 x 3): kernel g, the 6 x 6 pixels d that a tile of 4 x 4 outputs reads,
 *
 *     outputs = A' [ sum over channels of (G g G') * (B' d B) ] A        (' transposes, * is element by element)
 *
 *          4  0 -5  0  1  0          1/4   0    0
 *          0 -4 -4  1  1  0         -1/6 -1/6 -1/6            1  1  1  1  1  0
 *     B' = 0  4 -4 -1  1  0     G = -1/6  1/6 -1/6     A' =   0  1 -1  2 -2  0
 *          0 -2 -1  2  1  0         1/24 1/12  1/6            0  1  1  4  4  0
 *          0  2 -1 -2  1  0         1/24 -1/12 1/6            0  1 -1  8 -8  1
 *          0  4  0 -5  0  1           0    0    1
 *
 * The gradient by the input is the same, of kernels that are flipped and whose channels change places. The gradient by
 * the kernels follows from the outputs' gradient y (4 x 4):
 *
 *     gradient = G' [ sum over tiles of (A y A') * (B' d B) ] G
 *
 * Memory is batch-last: x (C, H, W, N), out (A, H', W', N). What is not finite in a pixel makes all outputs of its
 * tiles NaN or infinite, those of its own image and no others; sums of up to 100 times a pixel may become so where the
 * pixels are not.
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
    int64_t shares;                    /* of the outs, which different tasks take */
    int64_t parts;                     /* of the tiles, whose gradients by the kernels are added up in their order */
    int64_t strips;                    /* of numbers of which a task for that gradient transforms together */
} WinogradPlan;

/* Both also in winograd.py: neighbouring numbers that are multiplied together, and what keeps the 36 lots of them in a
 * strip from pushing each other out of the first cache. */
#define STRIP_BYTES 256
#define PAD_BYTES 64

/* `memory`: for the kernels groups * 36 * outs * ins numbers, then for each worker 36 * ((ins + outs) * STRIP_BYTES
 * + 2 * PAD_BYTES) bytes. `bias` may be NULL; with `relu` results below 0 become 0. */
void winograd_float(const WinogradPlan *plan, const float *x, const float *w, const float *bias, int relu,
                    float *memory, float *out);
void winograd_double(const WinogradPlan *plan, const double *x, const double *w, const double *bias, int relu,
                     double *memory, double *out);

/* The gradient by w: out (groups * outs, ins, 9). `memory`: for the gradients of the parts groups * parts * 36 * outs *
 * ins numbers, then for each worker strips * 36 * ((ins + outs) * STRIP_BYTES + 2 * PAD_BYTES) bytes. */
void winograd_weight_float(const WinogradPlan *plan, const float *x, const float *grad, float *memory, float *out);
void winograd_weight_double(const WinogradPlan *plan, const double *x, const double *grad, double *memory,
                            double *out);

#endif
