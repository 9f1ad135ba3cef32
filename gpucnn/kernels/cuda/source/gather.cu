#include "common.cuh"

// Minibatches: a thread for each number of out (pixels, N), which is (x - shift) * scale of one pixel of one image, moved
// and hidden as the tables say. Images are (M, pixels), of bytes or floats. A number of no image makes NaN, and nothing
// is read.

// There are two versions of a kernel: with indices of 32 bits, and "wide" for arrays of more numbers than these count.

struct Shape {
    int images, channels, height, width, batch, border, hidden;
};

// What happens to the images of an epoch, a row for each, in this order; null where nothing of that kind does.
struct Changes {
    const float *maps, *displacements;
    const Integer *offsets;
    const bool *flips;
    const Integer *boxes;
};

__device__ inline float clipped(float value, int size) {
    return value < -1 ? -1.0f : value > (float)size ? (float)size : value;
}

// A pixel of one channel; 0 outside.
template <class Pixel> __device__ float pixel_at(const Shape &shape, const Pixel *channel, int row, int column) {
    const bool inside = row >= 0 && row < shape.height && column >= 0 && column < shape.width;
    return inside ? (float)channel[row * shape.width + column] : 0.0f;
}

__device__ inline float rounded(float value, const unsigned char *) { return floorf(value + 0.5f); }
__device__ inline float rounded(float value, const float *) { return value; }

// A pixel of one channel after its map and displacement, as numpy/warp.py has it: the four about its origin, each weighted
// by its nearness.
template <class Pixel>
__device__ float mapped(const Shape &shape, const Pixel *channel, const float *map, const float *further, int row,
                        int column) {
    const float middle_row = (shape.height - 1) / 2.0f, middle_column = (shape.width - 1) / 2.0f;
    const float down = row - middle_row - map[2], right = column - middle_column - map[3];
    float y = map[0] * down + map[1] * right + middle_row, x = map[0] * right - map[1] * down + middle_column;
    if (further) {
        y += further[row * shape.width + column];
        x += further[(shape.height + row) * shape.width + column];
    }
    y = clipped(y, shape.height);
    x = clipped(x, shape.width);
    const float top = floorf(y), left = floorf(x), below = y - top, beyond = x - left;
    const int r = (int)top, c = (int)left;
    const float value = (1 - below) * (1 - beyond) * pixel_at(shape, channel, r, c) +
                        (1 - below) * beyond * pixel_at(shape, channel, r, c + 1) +
                        below * (1 - beyond) * pixel_at(shape, channel, r + 1, c) +
                        below * beyond * pixel_at(shape, channel, r + 1, c + 1);
    return rounded(value, channel);
}

// Where a pixel of the changed image comes from, read backwards: through the boxes, the flip, the crop and the map.
template <class Pixel>
__device__ float changed(const Shape &shape, const Pixel *channel, int row, int column, const Changes &changes,
                         int place) {
    for (int i = 0; i < shape.hidden; i++) {
        const Integer *box = changes.boxes + 4 * ((Integer)place * shape.hidden + i);
        if (row >= box[0] && column >= box[1] && row < box[2] && column < box[3]) {
            return 0;
        }
    }
    if (changes.flips && changes.flips[place]) {
        column = shape.width - 1 - column;
    }
    if (changes.offsets) {
        row += (int)changes.offsets[2 * place] - shape.border;
        column += (int)changes.offsets[2 * place + 1] - shape.border;
    }
    if (!changes.maps || row < 0 || row >= shape.height || column < 0 || column >= shape.width) {
        return pixel_at(shape, channel, row, column);
    }
    const Integer numbers = (Integer)2 * shape.height * shape.width;
    const float *further = changes.displacements ? changes.displacements + place * numbers : nullptr;
    return mapped(shape, channel, changes.maps + 4 * place, further, row, column);
}

template <class Index, class Pixel>
__device__ void batch_pixel(Index number, const Shape &shape, const Pixel *images, const Integer *labels,
                            const Integer *order, Integer start, const Changes &changes, const REAL *shift,
                            const REAL *scale, REAL *out, Integer *chosen) {
    const Index pixel = number / shape.batch, row = pixel / shape.width, channel = row / shape.height;
    const int place = (int)start + (int)(number - pixel * shape.batch);
    const Integer image = order[place];
    const bool known = image >= 0 && image < shape.images;
    if (pixel == 0) {
        chosen[number] = known ? labels[image] : -1;
    }
    if (!known) {
        out[number] = not_a_number();
        return;
    }
    const Pixel *from = images + ((Index)image * shape.channels + channel) * shape.height * shape.width;
    const float value = changed(shape, from, (int)(row - channel * shape.height), (int)(pixel - row * shape.width),
                                changes, place);
    out[number] = ((REAL)value - shift[pixel]) * scale[pixel];
}

// The batch that begins at place *cursor of the epoch's order; all changes are by place, too.
#define BATCH_KERNEL(name, Index, Pixel)                                                                              \
    KERNEL name(Integer count, Shape shape, const Pixel *images, const Integer *labels, const Integer *order,          \
                const Integer *cursor, const float *maps, const float *displacements, const Integer *offsets,          \
                const bool *flips, const Integer *boxes, const REAL *shift, const REAL *scale, REAL *out,              \
                Integer *chosen) {                                                                                     \
        if (thread_number() < count) {                                                                                 \
            batch_pixel<Index>(thread_number(), shape, images, labels, order, *cursor,                                 \
                               {maps, displacements, offsets, flips, boxes}, shift, scale, out, chosen);               \
        }                                                                                                              \
    }

BATCH_KERNEL(batch_bytes, int, unsigned char)
BATCH_KERNEL(batch_bytes_wide, Integer, unsigned char)
BATCH_KERNEL(batch_floats, int, float)
BATCH_KERNEL(batch_floats_wide, Integer, float)
