#include "common.cuh"

// Padding along any of five axes, a thread for each number that is written.
constexpr int AXES = 5;

enum Mode { CONSTANT, REPLICATE, REFLECT };

struct Borders {
    Integer size[AXES], before[AXES], after[AXES];
    Integer mode;
};

// Where a place of the padded axis, counted from the first pixel, has its value from; -1 where that is the constant.
__device__ inline Integer source(const Borders &b, int axis, Integer place) {
    const Integer last = b.size[axis] - 1;
    const bool inside = place >= 0 && place <= last;
    if (inside || b.mode == CONSTANT) {
        return inside ? place : -1;
    }
    if (b.mode == REPLICATE) {
        return place < 0 ? 0 : last;
    }
    return place < 0 ? -place : 2 * last - place;
}

KERNEL pad(Integer count, Borders borders, double value, const REAL *x, REAL *out) {
    const Integer number = thread_number();
    if (number >= count) {
        return;
    }
    Integer rest = number, from = 0, step = 1;
    bool inside = true;
#pragma unroll
    for (int axis = AXES - 1; axis >= 0; axis--) {
        const Integer padded = borders.before[axis] + borders.size[axis] + borders.after[axis];
        const Integer pixel = source(borders, axis, rest % padded - borders.before[axis]);
        inside = inside && pixel >= 0;
        from += pixel * step;
        step *= borders.size[axis];
        rest /= padded;
    }
    out[number] = inside ? x[from] : (REAL)value;
}

// The places that have their value from one pixel along an axis, counted from the first pixel.
struct Places {
    Integer count;
    Integer at[3];  // where they are neighbours, the first alone
    bool neighbours;
};

__device__ inline Places places_of(const Borders &b, int axis, Integer pixel) {
    const Integer last = b.size[axis] - 1;
    if (b.mode != REFLECT) {
        const bool spreads = b.mode == REPLICATE;
        const Integer first = spreads && pixel == 0 ? -b.before[axis] : pixel;
        const Integer stop = spreads && pixel == last ? last + b.after[axis] : pixel;
        return {stop - first + 1, {first}, true};
    }
    Places places = {0, {}, false};
    if (pixel > 0 && pixel <= b.before[axis]) {
        places.at[places.count++] = -pixel;
    }
    places.at[places.count++] = pixel;
    if (pixel < last && last - pixel <= b.after[axis]) {
        places.at[places.count++] = 2 * last - pixel;
    }
    return places;
}

// For each pixel the sum over the places that have their value from it.
KERNEL pad_backward(Integer count, Borders borders, const REAL *grad, REAL *out) {
    const Integer number = thread_number();
    if (number >= count) {
        return;
    }
    Places places[AXES];
    Integer rest = number, total = 1;
#pragma unroll
    for (int axis = AXES - 1; axis >= 0; axis--) {
        places[axis] = places_of(borders, axis, rest % borders.size[axis]);
        rest /= borders.size[axis];
        total *= places[axis].count;
    }
    REAL sum = 0;
    for (Integer chosen = 0; chosen < total; chosen++) {
        Integer left = chosen, at = 0, step = 1;
#pragma unroll
        for (int axis = AXES - 1; axis >= 0; axis--) {
            const Places &along = places[axis];
            const Integer k = left % along.count;
            const Integer place = along.neighbours ? along.at[0] + k : along.at[k];
            left /= along.count;
            at += (place + borders.before[axis]) * step;
            step *= borders.before[axis] + borders.size[axis] + borders.after[axis];
        }
        sum += grad[at];
    }
    out[number] = sum;
}
