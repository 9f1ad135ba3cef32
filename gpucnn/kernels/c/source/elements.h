/* What functions of each element of flat arrays read and write, and their loop; included for each real type. */
typedef struct {
    const real *x, *y;
    real a, b, *changed, *out;
    int64_t length;
} NAME(Elements);

/* A task that runs `statement` for each element i of its piece. */
#define EACH(name, statement)                                                                                       \
    static void NAME(name##_piece)(void *context, int64_t piece) {                                                  \
        const NAME(Elements) *e = context;                                                                          \
        const real *restrict x = e->x, *restrict y = e->y, a = e->a, b = e->b;                                      \
        real *restrict changed = e->changed, *restrict out = e->out;                                                \
        int64_t stop = piece_stop(piece, e->length);                                                                \
        (void)y, (void)a, (void)b, (void)changed;                                                                   \
        for (int64_t i = piece_start(piece); i < stop; i++) {                                                       \
            statement;                                                                                              \
        }                                                                                                           \
    }
