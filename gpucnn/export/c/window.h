/* A window that slides over depth, height and width: sizes of input and output, taps, stride, padding before, gaps. */
typedef struct {
    int in[3], out[3], kernel[3], stride[3], before[3], dilation[3];
} gpucnn_window;

/* What a window sees along one axis: the taps from first to below last lie on the input, the first of all at `at`. */
typedef struct {
    int at, first, last;
} gpucnn_taps;

static inline gpucnn_taps gpucnn_seen(const gpucnn_window *w, int axis, int place)
{
    gpucnn_taps t;
    t.at = place * w->stride[axis] - w->before[axis];
    t.first = 0;
    t.last = w->kernel[axis];
    while (t.first < t.last && t.at + t.first * w->dilation[axis] < 0)
        t.first++;
    while (t.last > t.first && t.at + (t.last - 1) * w->dilation[axis] >= w->in[axis])
        t.last--;
    return t;
}
