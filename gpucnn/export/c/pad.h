/* y (channels, rows, columns) = x (channels, height, width) with a border; mode 0: zeros, 1: nearest, 2: mirrored. */
static inline void gpucnn_pad(const float *x, float *y, int channels, int height, int width, int rows, int columns,
                              int top, int left, int mode)
{
    for (int c = 0; c < channels; c++, x += height * width)
        for (int h = 0; h < rows; h++)
            for (int v = 0; v < columns; v++) {
                int row = h - top, column = v - left;
                const int inside = row >= 0 && row < height && column >= 0 && column < width;
                if (mode == 1) {
                    row = row < 0 ? 0 : row >= height ? height - 1 : row;
                    column = column < 0 ? 0 : column >= width ? width - 1 : column;
                } else if (mode == 2) {
                    row = row < 0 ? -row : row >= height ? 2 * (height - 1) - row : row;
                    column = column < 0 ? -column : column >= width ? 2 * (width - 1) - column : column;
                }
                *y++ = inside || mode ? x[row * width + column] : 0;
            }
}
