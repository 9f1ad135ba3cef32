static inline void gpucnn_add(const float *x, const float *other, float *y, int count)
{
    for (int i = 0; i < count; i++)
        y[i] = x[i] + other[i];
}
