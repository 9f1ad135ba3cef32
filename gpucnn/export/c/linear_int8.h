/* As of floats, with x - zero and weights in 8 bits; sums are multiplied by scale (outputs,). */
static inline void gpucnn_linear_int8(const int8_t *x, float *y, const int8_t *weight, const float *scale,
                                      const float *bias, int zero, int inputs, int outputs)
{
    for (int o = 0; o < outputs; o++, weight += inputs) {
        int32_t sum = 0;
        for (int i = 0; i < inputs; i++)
            sum += weight[i] * (x[i] - zero);
        y[o] = (float)sum * scale[o] + (bias ? bias[o] : 0);
    }
}
