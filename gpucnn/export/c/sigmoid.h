static inline void gpucnn_sigmoid(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++)
        y[i] = 1 / (1 + expf(-x[i]));
}
