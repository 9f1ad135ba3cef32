#include "gradient.cuh"
// On tensor cores.

KERNEL __launch_bounds__(128) gradient_tensor(Gradient plan, const REAL *x, const REAL *grad,
                                              const unsigned char *winners, REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<TensorTile<64, 80>, Outs<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL __launch_bounds__(128) gradient_pooled_tensor(Gradient plan, const REAL *x, const REAL *grad,
                                                     const unsigned char *winners, REAL *out, REAL *grad_bias,
                                                     REAL *shared) {
    gradient<TensorTile<64, 80>, PooledOuts<4>>(plan, x, grad, winners, out, grad_bias, shared);
}
