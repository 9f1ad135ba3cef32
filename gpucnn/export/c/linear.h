/* y (outputs,) = weight (outputs, inputs) x + bias, or nothing. */
static inline void gpucnn_linear(const float *x, float *y, const float *weight, const float *bias, int inputs,
                                 int outputs)
{
    for (int o = 0; o < outputs; o++, weight += inputs) {
        float sum = bias ? bias[o] : 0;
        for (int i = 0; i < inputs; i++)
            sum += weight[i] * x[i];
        y[o] = sum;
    }
}
