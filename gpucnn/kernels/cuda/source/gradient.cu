#include "gradient.cuh"
// By every thread for itself.

#define GRADIENT_KERNEL(name, Rows, ...)                                                                               \
    KERNEL name(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners, REAL *out,               \
                REAL *grad_bias, REAL *shared) {                                                                       \
        gradient<__VA_ARGS__, Rows>(plan, x, grad, winners, out, grad_bias, shared);                                   \
    }
GRADIENT_KERNEL(gradient_8x32x1, Outs<1>, Tile<8, 32, 64, 2, 4, 4, 1>)
GRADIENT_KERNEL(gradient_8x32x4, Outs<4>, Tile<8, 32, 64, 2, 4, 4, 4>)
GRADIENT_KERNEL(gradient_16x32x1, Outs<1>, Tile<16, 32, 64, 4, 4, 4, 1>)
GRADIENT_KERNEL(gradient_16x32x4, Outs<4>, Tile<16, 32, 64, 4, 4, 4, 4>)
GRADIENT_KERNEL(gradient_64x64x1, Outs<1>, Tile<64, 64, 32, 8, 4, 1, 1>)
GRADIENT_KERNEL(gradient_64x64x4, Outs<4>, Tile<64, 64, 32, 8, 4, 1, 4>)
GRADIENT_KERNEL(gradient_pooled_8x32x4, PooledOuts<4>, Tile<8, 32, 64, 2, 4, 4, 4>)
GRADIENT_KERNEL(gradient_pooled_16x32x4, PooledOuts<4>, Tile<16, 32, 64, 4, 4, 4, 4>)
