static inline void gpucnn_leaky_relu(const float *x, float *y, int count, float slope)
{
    for (int i = 0; i < count; i++)
        y[i] = x[i] > 0 ? x[i] : x[i] * slope;
}
