static inline void gpucnn_relu(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}
