#include "common.cuh"

// Pooling of (C, D, H, W, N), a thread for each number that is written, or for each four of neighbouring images: forward
// an output and the pixels under its window, backward a pixel and the outputs whose windows reach it. One and two spatial
// axes are three. Kernels come for one number and for four, and "wide", with indices of 64 bits.
struct Pooling {
    int channels, images;  // images: those of one number, or the fours of them
    int size[3], outputs[3];  // of the input, and of the outputs
    int kernel[3], stride[3], before[3], dilation[3];
    int least[3], most[3];  // where what is counted of the padded input begins, and where it ends
};

// The images of one place that a thread has.
template <class Number, int COUNT> struct alignas(COUNT * sizeof(Number) < 16 ? COUNT * sizeof(Number) : 16) Images {
    Number at[COUNT];
};

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
        channel = sizes[0] == 1 ? number : number / sizes[0];  // one and two axes spare the division
        at[0] = (int)(number - channel * sizes[0]);
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

// The outputs along one axis whose windows may reach a pixel: from `last` down to the first that is not `beyond`.
__device__ inline int last_output(const Pooling &p, int axis, int pixel) {
    const unsigned from = pixel + p.before[axis];
    const int last = (int)(p.stride[axis] == 1 ? from : from / (unsigned)p.stride[axis]);
    return last < p.outputs[axis] ? last : p.outputs[axis] - 1;
}

__device__ inline bool beyond(const Pooling &p, int axis, int pixel, int output) {
    return output < 0 || pixel + p.before[axis] - output * p.stride[axis] >= p.kernel[axis] * p.dilation[axis];
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
    const int *pixel = place.at;
    const int lasts[3] = {last_output(p, 0, pixel[0]), last_output(p, 1, pixel[1]), last_output(p, 2, pixel[2])};
    for (int d = lasts[0]; !beyond(p, 0, pixel[0], d); d--) {
        const int i = tap_on(p, 0, pixel[0], d);
        for (int h = lasts[1]; !beyond(p, 1, pixel[1], h); h--) {
            const int j = tap_on(p, 1, pixel[1], h);
            const Index row = ((place.channel * p.outputs[0] + d) * p.outputs[1] + h) * p.outputs[2];
            for (int w = lasts[2]; !beyond(p, 2, pixel[2], w); w--) {
                const int k = tap_on(p, 2, pixel[2], w);
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
template <class Index, int COUNT, int SIDE>
__device__ void largest(const Pooling &p, Index number, const REAL *x, bool relu, unsigned char *bytes, int *numbers,
                        REAL *out) {
    Pack<COUNT> best = {};
    Images<int, COUNT> winner;
#pragma unroll
    for (int n = 0; n < COUNT; n++) winner.at[n] = -1;
    each_pixel<Index, SIDE>(p, Place<Index>(p, p.outputs, number), [&](Index i, int tap) {
        const Pack<COUNT> given = ((const Pack<COUNT> *)x)[i];
#pragma unroll
        for (int n = 0; n < COUNT; n++)
            if (given.at[n] > best.at[n] || given.at[n] != given.at[n] || winner.at[n] < 0) {
                best.at[n] = given.at[n];
                winner.at[n] = tap;
            }
    });
    Images<unsigned char, COUNT> in_bytes;
#pragma unroll
    for (int n = 0; n < COUNT; n++) {
        if (winner.at[n] < 0) best.at[n] = -infinity();
        if (relu && !(best.at[n] > 0)) winner.at[n] = -1;
        if (relu && best.at[n] <= 0) best.at[n] = 0;
        in_bytes.at[n] = (unsigned char)winner.at[n];  // -1: 255
    }
    ((Pack<COUNT> *)out)[number] = best;
    if (bytes) {
        ((Images<unsigned char, COUNT> *)bytes)[number] = in_bytes;
    } else if (numbers) {
        ((Images<int, COUNT> *)numbers)[number] = winner;
    }
}

template <class Index, int COUNT>
__device__ void largest_of_kernel(const Pooling &p, Index number, const REAL *x, bool relu, unsigned char *bytes,
                                  int *numbers, REAL *out) {
    const int *kernel = p.kernel;
    if (kernel[0] == 1 && kernel[1] == 2 && kernel[2] == 2) {
        largest<Index, COUNT, 2>(p, number, x, relu, bytes, numbers, out);
    } else if (kernel[0] == 1 && kernel[1] == 3 && kernel[2] == 3) {
        largest<Index, COUNT, 3>(p, number, x, relu, bytes, numbers, out);
    } else {
        largest<Index, COUNT, 0>(p, number, x, relu, bytes, numbers, out);
    }
}

// The winners are written to `bytes` or to `numbers`, whichever is not null.
#define MAX_FORWARD_KERNEL(name, Index, COUNT)                                                                         \
    KERNEL name(Integer count, Pooling pooling, const REAL *x, Integer relu, unsigned char *bytes, int *numbers,       \
                REAL *out) {                                                                                           \
        const Index number = (Index)thread_number();                                                                   \
        if (thread_number() < count) largest_of_kernel<Index, COUNT>(pooling, number, x, relu, bytes, numbers, out);   \
    }
MAX_FORWARD_KERNEL(max_forward_1, unsigned, 1)
MAX_FORWARD_KERNEL(max_forward_4, unsigned, 4)
MAX_FORWARD_KERNEL(max_forward_wide, Integer, 1)

template <class Index, int COUNT>
__device__ void handed_on(const Pooling &p, Index number, const REAL *grad, const unsigned char *bytes,
                          const int *numbers, REAL *out) {
    Pack<COUNT> sum = {};
    each_output(p, Place<Index>(p, p.size, number), [&](Index i, int tap, const int *) {
        const Pack<COUNT> given = ((const Pack<COUNT> *)grad)[i];
        Images<unsigned char, COUNT> in_bytes = {};
        Images<int, COUNT> winner = {};
        if (bytes) {
            in_bytes = ((const Images<unsigned char, COUNT> *)bytes)[i];
        } else {
            winner = ((const Images<int, COUNT> *)numbers)[i];
        }
#pragma unroll
        for (int n = 0; n < COUNT; n++)
            if ((bytes ? in_bytes.at[n] : winner.at[n]) == tap) sum.at[n] += given.at[n];
    });
    ((Pack<COUNT> *)out)[number] = sum;
}

#define MAX_BACKWARD_KERNEL(name, Index, COUNT)                                                                        \
    KERNEL name(Integer count, Pooling pooling, const REAL *grad, const unsigned char *bytes, const int *numbers,      \
                REAL *out) {                                                                                           \
        const Index number = (Index)thread_number();                                                                   \
        if (thread_number() < count) handed_on<Index, COUNT>(pooling, number, grad, bytes, numbers, out);              \
    }
MAX_BACKWARD_KERNEL(max_backward_1, unsigned, 1)
MAX_BACKWARD_KERNEL(max_backward_4, unsigned, 4)
MAX_BACKWARD_KERNEL(max_backward_wide, Integer, 1)

template <class Index, int COUNT>
__device__ void average(const Pooling &p, Index number, const REAL *x, REAL *out) {
    const Place<Index> place(p, p.outputs, number);
    Pack<COUNT> sum = {};
    each_pixel<Index, 0>(p, place, [&](Index i, int) {
        const Pack<COUNT> given = ((const Pack<COUNT> *)x)[i];
#pragma unroll
        for (int n = 0; n < COUNT; n++) sum.at[n] += given.at[n];
    });
    const REAL taps = taps_counted(p, place.at);
#pragma unroll
    for (int n = 0; n < COUNT; n++) sum.at[n] /= taps;
    ((Pack<COUNT> *)out)[number] = sum;
}

template <class Index, int COUNT>
__device__ void shares(const Pooling &p, Index number, const REAL *grad, REAL *out) {
    Pack<COUNT> sum = {};
    each_output(p, Place<Index>(p, p.size, number), [&](Index i, int, const int *at) {
        const Pack<COUNT> given = ((const Pack<COUNT> *)grad)[i];
        const REAL taps = taps_counted(p, at);
#pragma unroll
        for (int n = 0; n < COUNT; n++) sum.at[n] += given.at[n] / taps;
    });
    ((Pack<COUNT> *)out)[number] = sum;
}

#define AVERAGE_KERNEL(name, function, Index, COUNT)                                                                   \
    KERNEL name(Integer count, Pooling pooling, const REAL *given, REAL *out) {                                        \
        const Index number = (Index)thread_number();                                                                   \
        if (thread_number() < count) function<Index, COUNT>(pooling, number, given, out);                              \
    }
AVERAGE_KERNEL(average_forward_1, average, unsigned, 1)
AVERAGE_KERNEL(average_forward_4, average, unsigned, 4)
AVERAGE_KERNEL(average_forward_wide, average, Integer, 1)
AVERAGE_KERNEL(average_backward_1, shares, unsigned, 1)
AVERAGE_KERNEL(average_backward_4, shares, unsigned, 4)
AVERAGE_KERNEL(average_backward_wide, shares, Integer, 1)

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
