/* y = the largest number of x (channels, in) under each window. */
static inline void gpucnn_max_pool(const float *x, float *y, int channels, const gpucnn_window *w)
{
    for (int c = 0; c < channels; c++, x += w->in[0] * w->in[1] * w->in[2])
        for (int d = 0; d < w->out[0]; d++)
            for (int h = 0; h < w->out[1]; h++)
                for (int v = 0; v < w->out[2]; v++) {
                    const gpucnn_taps a = gpucnn_seen(w, 0, d), b = gpucnn_seen(w, 1, h), e = gpucnn_seen(w, 2, v);
                    float most = -FLT_MAX;
                    for (int i = a.first; i < a.last; i++)
                        for (int j = b.first; j < b.last; j++)
                            for (int k = e.first; k < e.last; k++) {
                                int row = (a.at + i * w->dilation[0]) * w->in[1] + b.at + j * w->dilation[1];
                                const float value = x[row * w->in[2] + e.at + k * w->dilation[2]];
                                if (value > most)
                                    most = value;
                            }
                    *y++ = most;
                }
}
