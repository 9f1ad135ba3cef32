/* q = x / step + zero, rounded, in 8 bits. */
static inline void gpucnn_quantise(const float *x, int8_t *q, int count, float step, int zero)
{
    for (int i = 0; i < count; i++) {
        float level = x[i] / step + (float)zero;
        q[i] = (int8_t)(level <= -128 ? -128 : level >= 127 ? 127 : rintf(level));
    }
}
