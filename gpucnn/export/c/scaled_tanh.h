static inline void gpucnn_scaled_tanh(const float *x, float *y, int count, float amplitude, float slope)
{
    int i;
    for (i = 0; i < count; i++)
        y[i] = amplitude * tanhf(slope * x[i]);
}
