static inline void gpucnn_copy(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++)
        y[i] = x[i];
}
