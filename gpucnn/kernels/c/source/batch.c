#include "batch.h"
#include "threads.h"

#include <stdbool.h>
#include <string.h>

#define WORTH_SHARING (1 << 17) /* pixels that outweigh waking a thread */

void choose(const int64_t *order, int64_t size, const int64_t *cursor, const int64_t *labels, int64_t count,
            int64_t *places, int64_t *chosen) {
    for (int64_t i = 0; i < count; i++) {
        places[i] = *cursor + i < size ? order[*cursor + i] : 0;
        chosen[i] = labels[places[i]];
    }
}

void copy_rows(const uint8_t *table, int64_t size, const int64_t *cursor, int64_t row, int64_t bytes, uint8_t *out) {
    int64_t left = size - *cursor * row;
    memcpy(out, table + *cursor * row, (size_t)(left < bytes ? left : bytes));
}

void copy_images(const uint8_t *images, const int64_t *places, int64_t count, int64_t *numbers, int64_t bytes,
                 uint8_t *out) {
    int64_t pixels = bytes / count;
    for (int64_t i = 0; i < count; i++) {
        memcpy(out + i * pixels, images + places[i] * pixels, (size_t)pixels);
        numbers[i] = i;
    }
}

typedef struct {
    const uint8_t *images, *flips;
    const int64_t *offsets, *boxes;
    int64_t border, hidden, channels, height, width;
    uint8_t *out;
} Move;

/* One row of a map: read from row `from` of it, -1 where that lies in the border. */
static void move_row(const Move *m, const uint8_t *map, int64_t from, int64_t across, bool flipped, uint8_t *out) {
    for (int64_t x = 0; x < m->width; x++) {
        int64_t source = (flipped ? m->width - 1 - x : x) + across;
        bool inside = from >= 0 && from < m->height && source >= 0 && source < m->width;
        out[x] = inside ? map[from * m->width + source] : 0;
    }
}

/* Set what one box (first row and column, and those behind the last) covers of a row of a map to 0. */
static void hide_row(const Move *m, const int64_t *box, int64_t y, uint8_t *out) {
    int64_t first = box[1] > 0 ? box[1] : 0, stop = box[3] < m->width ? box[3] : m->width;
    for (int64_t x = first; y >= box[0] && y < box[2] && x < stop; x++) {
        out[x] = 0;
    }
}

static void move_image(void *context, int64_t image) {
    const Move *m = context;
    const int64_t *offset = m->offsets ? m->offsets + 2 * image : NULL;
    int64_t down = offset ? offset[0] - m->border : 0, across = offset ? offset[1] - m->border : 0;
    bool flipped = m->flips && m->flips[image];
    for (int64_t channel = 0; channel < m->channels; channel++) {
        int64_t start = (image * m->channels + channel) * m->height * m->width;
        for (int64_t y = 0; y < m->height; y++) {
            uint8_t *out = m->out + start + y * m->width;
            move_row(m, m->images + start, y + down, across, flipped, out);
            for (int64_t box = 0; m->boxes && box < m->hidden; box++) {
                hide_row(m, m->boxes + 4 * (image * m->hidden + box), y, out);
            }
        }
    }
}

void move(const uint8_t *images, const int64_t *offsets, const uint8_t *flips, const int64_t *boxes, int64_t border,
          int64_t hidden, int64_t count, int64_t channels, int64_t height, int64_t width, uint8_t *out) {
    Move context = {images, flips, offsets, boxes, border, hidden, channels, height, width, out};
    run_if(count * channels * height * width >= WORTH_SHARING, move_image, &context, count);
}
