/* The taps along one axis that lie on the input or on the padding that counts, `before` and `after` it. */
static inline int gpucnn_counted(const gpucnn_window *w, int axis, int at, int before, int after)
{
    int first = at < -before ? -before : at, last = at + w->kernel[axis];
    if (last > w->in[axis] + after)
        last = w->in[axis] + after;
    return last - first;
}

/* y = the sum of x (channels, in) under each window over the taps that count. */
static inline void gpucnn_average_pool(const float *x, float *y, int channels, const gpucnn_window *w,
                                       const int (*counted)[2])
{
    for (int c = 0; c < channels; c++, x += w->in[0] * w->in[1] * w->in[2])
        for (int d = 0; d < w->out[0]; d++)
            for (int h = 0; h < w->out[1]; h++)
                for (int v = 0; v < w->out[2]; v++) {
                    const gpucnn_taps a = gpucnn_seen(w, 0, d), b = gpucnn_seen(w, 1, h), e = gpucnn_seen(w, 2, v);
                    int count = gpucnn_counted(w, 0, a.at, counted[0][0], counted[0][1]);
                    float sum = 0;
                    count *= gpucnn_counted(w, 1, b.at, counted[1][0], counted[1][1]);
                    count *= gpucnn_counted(w, 2, e.at, counted[2][0], counted[2][1]);
                    for (int i = a.first; i < a.last; i++)
                        for (int j = b.first; j < b.last; j++)
                            for (int k = e.first; k < e.last; k++) {
                                int row = (a.at + i * w->dilation[0]) * w->in[1] + b.at + j * w->dilation[1];
                                const float value = x[row * w->in[2] + e.at + k * w->dilation[2]];
                                sum += value;
                            }
                    *y++ = sum / (float)count;
                }
}
