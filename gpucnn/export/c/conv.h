/* y = cross-correlation of x (channels, in) with weight (outputs, channels / groups, kernel), plus bias or nothing. */
static inline void gpucnn_conv(const float *x, float *y, const float *weight, const float *bias, int channels,
                               int outputs, int groups, const gpucnn_window *w)
{
    int inputs = channels / groups, taps = w->kernel[1] * w->kernel[2];
    for (int o = 0; o < outputs; o++) {
        const float *begin = x + o / (outputs / groups) * inputs * w->in[0] * w->in[1] * w->in[2];
        const float *kernel = weight + o * inputs * w->kernel[0] * taps;
        for (int d = 0; d < w->out[0]; d++)
            for (int h = 0; h < w->out[1]; h++)
                for (int v = 0; v < w->out[2]; v++) {
                    const gpucnn_taps a = gpucnn_seen(w, 0, d), b = gpucnn_seen(w, 1, h), e = gpucnn_seen(w, 2, v);
                    float sum = bias ? bias[o] : 0;
                    for (int c = 0; c < inputs; c++)
                        for (int i = a.first; i < a.last; i++)
                            for (int j = b.first; j < b.last; j++) {
                                const float *tap = kernel + (c * w->kernel[0] + i) * taps + j * w->kernel[2];
                                int row = (c * w->in[0] + a.at + i * w->dilation[0]) * w->in[1];
                                row = (row + b.at + j * w->dilation[1]) * w->in[2] + e.at;
                                for (int k = e.first; k < e.last; k++)
                                    sum += tap[k] * begin[row + k * w->dilation[2]];
                            }
                    *y++ = sum;
                }
    }
}
