#include "common.cuh"

// Pooling of (C, D, H, W, N), a thread for each number that is written: forward an output and the pixels under its
// window, backward a pixel and the outputs whose windows reach it. One and two spatial axes are three.
struct Pooling {
    int channels, images;
    int size[3], outputs[3];  // of the input, and of the outputs
    int kernel[3], stride[3], before[3], dilation[3];
    int least[3], most[3];  // where what is counted of the padded input begins, and where it ends
};

// There are two versions of a kernel: with indices of 32 bits, and "wide" for arrays of more numbers than these count.

// A number's place in an array (channels, sizes..., images): `row` is that of channel and axes before `at`.
template <class Index> struct Place {
    Index channel, image;
    int at[3];

    __device__ Place(const Pooling &p, const int *sizes, Index number) {
        image = number % p.images;
        number /= p.images;
        at[2] = (int)(number % sizes[2]);
        number /= sizes[2];
        at[1] = (int)(number % sizes[1]);
        number /= sizes[1];
        at[0] = (int)(number % sizes[0]);
        channel = number / sizes[0];
    }
};

// Calls `visit` with every pixel under the window of `place`, as its number in x, and with its tap, in the taps' order.
// The kernel's last two axes are SIDE by SIDE taps where that is not 0, and its first is one: so loops unroll.
template <class Index, int SIDE, class Visit>
__device__ void each_pixel(const Pooling &p, const Place<Index> &place, Visit visit) {
    const int depth = SIDE ? 1 : p.kernel[0], height = SIDE ? SIDE : p.kernel[1], width = SIDE ? SIDE : p.kernel[2];
    for (int i = 0; i < depth; i++) {
        const int d = place.at[0] * p.stride[0] - p.before[0] + i * p.dilation[0];
#pragma unroll
        for (int j = 0; j < height; j++) {
            const int h = place.at[1] * p.stride[1] - p.before[1] + j * p.dilation[1];
            const bool inside = d >= 0 && d < p.size[0] && h >= 0 && h < p.size[1];
            const Index row = ((place.channel * p.size[0] + d) * p.size[1] + h) * p.size[2];
#pragma unroll
            for (int k = 0; k < width; k++) {
                const int w = place.at[2] * p.stride[2] - p.before[2] + k * p.dilation[2];
                if (inside && w >= 0 && w < p.size[2]) {
                    visit((row + w) * p.images + place.image, (i * height + j) * width + k);
                }
            }
        }
    }
}

// The outputs along one axis whose windows may reach a pixel: from `last` down to `first`.
struct Reach {
    int first, last;
};

__device__ inline Reach reach(const Pooling &p, int axis, int pixel) {
    const int from = pixel + p.before[axis], furthest = from - (p.kernel[axis] - 1) * p.dilation[axis];
    const int first = furthest <= 0 ? 0 : (furthest + p.stride[axis] - 1) / p.stride[axis];
    const int last = from / p.stride[axis];
    return {first, last < p.outputs[axis] ? last : p.outputs[axis] - 1};
}

// The tap along one axis that an output has on a pixel; -1 where the pixel lies between two of them.
__device__ inline int tap_on(const Pooling &p, int axis, int pixel, int output) {
    const int apart = pixel + p.before[axis] - output * p.stride[axis];
    return p.dilation[axis] == 1 ? apart : apart % p.dilation[axis] ? -1 : apart / p.dilation[axis];
}

// Calls `visit` with every output whose window has a tap on `place`: its number, that tap, and where it stands. In the
// taps' order.
template <class Index, class Visit>
__device__ void each_output(const Pooling &p, const Place<Index> &place, Visit visit) {
    const Reach reaches[3] = {reach(p, 0, place.at[0]), reach(p, 1, place.at[1]), reach(p, 2, place.at[2])};
    for (int d = reaches[0].last; d >= reaches[0].first; d--) {
        const int i = tap_on(p, 0, place.at[0], d);
        for (int h = reaches[1].last; h >= reaches[1].first; h--) {
            const int j = tap_on(p, 1, place.at[1], h);
            const Index row = ((place.channel * p.outputs[0] + d) * p.outputs[1] + h) * p.outputs[2];
            for (int w = reaches[2].last; w >= reaches[2].first; w--) {
                const int k = tap_on(p, 2, place.at[2], w);
                if (i >= 0 && j >= 0 && k >= 0) {
                    const int at[3] = {d, h, w};
                    visit((row + w) * p.images + place.image, (i * p.kernel[1] + j) * p.kernel[2] + k, at);
                }
            }
        }
    }
}

// How many taps of an output's window count: those that lie on what is counted.
__device__ inline REAL taps_counted(const Pooling &p, const int *at) {
    int count = 1;
    for (int axis = 0; axis < 3; axis++) {
        const int first = at[axis] * p.stride[axis] - p.before[axis], stop = first + p.kernel[axis];
        count *= (stop < p.most[axis] ? stop : p.most[axis]) - (first > p.least[axis] ? first : p.least[axis]);
    }
    return (REAL)count;
}

// The largest value, and the first tap it came from; no tap (-1) where ReLU gives no gradient. NaN is the largest.
template <class Index, int SIDE>
__device__ void largest(const Pooling &p, Index number, const REAL *x, bool relu, unsigned char *bytes, int *numbers,
                        REAL *out) {
    REAL best = -infinity();
    int winner = -1;
    each_pixel<Index, SIDE>(p, Place<Index>(p, p.outputs, number), [&](Index i, int tap) {
        const REAL given = x[i];
        if (given > best || given != given || winner < 0) {
            best = given;
            winner = tap;
        }
    });
    if (relu && best <= 0) {
        best = 0;
    }
    if (relu && !(best > 0)) {
        winner = -1;
    }
    out[number] = best;
    if (bytes) {
        bytes[number] = (unsigned char)winner;  // -1: 255
    } else if (numbers) {
        numbers[number] = winner;
    }
}

template <class Index>
__device__ void largest_of_kernel(const Pooling &p, Index number, const REAL *x, bool relu, unsigned char *bytes,
                                  int *numbers, REAL *out) {
    const int *kernel = p.kernel;
    if (kernel[0] == 1 && kernel[1] == 2 && kernel[2] == 2) {
        largest<Index, 2>(p, number, x, relu, bytes, numbers, out);
    } else if (kernel[0] == 1 && kernel[1] == 3 && kernel[2] == 3) {
        largest<Index, 3>(p, number, x, relu, bytes, numbers, out);
    } else {
        largest<Index, 0>(p, number, x, relu, bytes, numbers, out);
    }
}

// The winners are written to `bytes` or to `numbers`, whichever is not null.
KERNEL max_forward(Integer count, Pooling pooling, const REAL *x, Integer relu, unsigned char *bytes, int *numbers,
                   REAL *out) {
    if (thread_number() < count) {
        largest_of_kernel(pooling, (int)thread_number(), x, relu, bytes, numbers, out);
    }
}

KERNEL max_forward_wide(Integer count, Pooling pooling, const REAL *x, Integer relu, unsigned char *bytes,
                        int *numbers, REAL *out) {
    if (thread_number() < count) {
        largest_of_kernel(pooling, thread_number(), x, relu, bytes, numbers, out);
    }
}

template <class Index>
__device__ void handed_on(const Pooling &p, Index number, const REAL *grad, const unsigned char *bytes,
                          const int *numbers, REAL *out) {
    REAL sum = 0;
    each_output(p, Place<Index>(p, p.size, number), [&](Index i, int tap, const int *) {
        if ((bytes ? bytes[i] : numbers[i]) == tap) {
            sum += grad[i];
        }
    });
    out[number] = sum;
}

KERNEL max_backward(Integer count, Pooling pooling, const REAL *grad, const unsigned char *bytes, const int *numbers,
                    REAL *out) {
    if (thread_number() < count) {
        handed_on(pooling, (int)thread_number(), grad, bytes, numbers, out);
    }
}

KERNEL max_backward_wide(Integer count, Pooling pooling, const REAL *grad, const unsigned char *bytes,
                         const int *numbers, REAL *out) {
    if (thread_number() < count) {
        handed_on(pooling, thread_number(), grad, bytes, numbers, out);
    }
}

template <class Index> __device__ void average(const Pooling &p, Index number, const REAL *x, REAL *out) {
    const Place<Index> place(p, p.outputs, number);
    REAL sum = 0;
    each_pixel<Index, 0>(p, place, [&](Index i, int) { sum += x[i]; });
    out[number] = sum / taps_counted(p, place.at);
}

KERNEL average_forward(Integer count, Pooling pooling, const REAL *x, REAL *out) {
    if (thread_number() < count) {
        average(pooling, (int)thread_number(), x, out);
    }
}

KERNEL average_forward_wide(Integer count, Pooling pooling, const REAL *x, REAL *out) {
    if (thread_number() < count) {
        average(pooling, thread_number(), x, out);
    }
}

template <class Index> __device__ void shares(const Pooling &p, Index number, const REAL *grad, REAL *out) {
    REAL sum = 0;
    each_output(p, Place<Index>(p, p.size, number),
                [&](Index i, int, const int *at) { sum += grad[i] / taps_counted(p, at); });
    out[number] = sum;
}

KERNEL average_backward(Integer count, Pooling pooling, const REAL *grad, REAL *out) {
    if (thread_number() < count) {
        shares(pooling, (int)thread_number(), grad, out);
    }
}

KERNEL average_backward_wide(Integer count, Pooling pooling, const REAL *grad, REAL *out) {
    if (thread_number() < count) {
        shares(pooling, thread_number(), grad, out);
    }
}

// The mean over each map of `pixels`: x is (C, pixels, images), out (C, images).
KERNEL global_average_forward(Integer count, Integer pixels, Integer images, const REAL *x, REAL *out) {
    const Integer number = thread_number();
    if (number < count) {
        const REAL *map = x + number / images * pixels * images + number % images;
        REAL sum = 0;
        for (Integer pixel = 0; pixel < pixels; pixel++) {
            sum += map[pixel * images];
        }
        out[number] = sum / pixels;
    }
}

KERNEL global_average_backward(Integer count, Integer pixels, Integer images, const REAL *grad, REAL *out) {
    const Integer number = thread_number();
    if (number < count) {
        out[number] = grad[number / (pixels * images) * images + number % images] / pixels;
    }
}
