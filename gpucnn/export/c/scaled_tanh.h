static inline void gpucnn_scaled_tanh(const float *x, float *y, int count, float amplitude, float slope)
{
    for (int i = 0; i < count; i++)
        y[i] = amplitude * tanhf(slope * x[i]);
}
