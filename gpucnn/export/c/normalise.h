/* y = x (channels, count) * factor + summand, for each channel. */
static inline void gpucnn_normalise(const float *x, float *y, const float *factor, const float *summand, int channels,
                                    int count)
{
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < count; i++)
            *y++ = *x++ * factor[c] + summand[c];
}
