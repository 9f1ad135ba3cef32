static inline void gpucnn_exp(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++)
        y[i] = expf(x[i]);
}
