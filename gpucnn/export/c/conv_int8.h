/* As a convolution of floats, with x - zero and weights in 8 bits; sums are multiplied by scale (outputs,). */
static inline void gpucnn_conv_int8(const int8_t *x, float *y, const int8_t *weight, const float *scale,
                                    const float *bias, int zero, int channels, int outputs, int groups,
                                    const gpucnn_window *w)
{
    int inputs = channels / groups, taps = w->kernel[1] * w->kernel[2];
    for (int o = 0; o < outputs; o++) {
        const int8_t *begin = x + o / (outputs / groups) * inputs * w->in[0] * w->in[1] * w->in[2];
        const int8_t *kernel = weight + o * inputs * w->kernel[0] * taps;
        for (int d = 0; d < w->out[0]; d++)
            for (int h = 0; h < w->out[1]; h++)
                for (int v = 0; v < w->out[2]; v++) {
                    const gpucnn_taps a = gpucnn_seen(w, 0, d), b = gpucnn_seen(w, 1, h), e = gpucnn_seen(w, 2, v);
                    int32_t sum = 0;
                    for (int c = 0; c < inputs; c++)
                        for (int i = a.first; i < a.last; i++)
                            for (int j = b.first; j < b.last; j++) {
                                const int8_t *tap = kernel + (c * w->kernel[0] + i) * taps + j * w->kernel[2];
                                int row = (c * w->in[0] + a.at + i * w->dilation[0]) * w->in[1];
                                row = (row + b.at + j * w->dilation[1]) * w->in[2] + e.at;
                                for (int k = e.first; k < e.last; k++)
                                    sum += tap[k] * (begin[row + k * w->dilation[2]] - zero);
                            }
                    *y++ = (float)sum * scale[o] + (bias ? bias[o] : 0);
                }
    }
}
