/* Along the middle axis of x (outer, length, inner); its logarithm where `logarithm` is 1. */
static inline void gpucnn_softmax(const float *x, float *y, int outer, int length, int inner, int logarithm)
{
    for (int o = 0; o < outer; o++)
        for (int i = 0; i < inner; i++) {
            float most = -FLT_MAX, sum = 0;
            for (int k = 0, at = o * length * inner + i; k < length; k++, at += inner)
                if (x[at] > most)
                    most = x[at];
            for (int k = 0, at = o * length * inner + i; k < length; k++, at += inner)
                sum += expf(x[at] - most);
            for (int k = 0, at = o * length * inner + i; k < length; k++, at += inner)
                y[at] = logarithm ? x[at] - most - logf(sum) : expf(x[at] - most) / sum;
        }
}
