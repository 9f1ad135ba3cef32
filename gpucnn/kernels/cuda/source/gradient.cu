#include "gradient.cuh"
// By every thread for itself.

KERNEL gradient_8x32x1(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<8, 32, 64, 2, 4, 4, 1>, Outs<1>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_8x32x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<8, 32, 64, 2, 4, 4, 4>, Outs<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_16x32x1(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<16, 32, 64, 4, 4, 4, 1>, Outs<1>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_16x32x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<16, 32, 64, 4, 4, 4, 4>, Outs<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_64x64x1(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<64, 64, 32, 8, 4, 1, 1>, Outs<1>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_64x64x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<64, 64, 32, 8, 4, 1, 4>, Outs<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_pooled_8x32x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<8, 32, 64, 2, 4, 4, 4>, PooledOuts<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_pooled_16x32x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<16, 32, 64, 4, 4, 4, 4>, PooledOuts<4>>(plan, x, grad, winners, out, grad_bias, shared);
}
