#include "common.cuh"

// Element by element, a thread for each. A NaN stays one.

KERNEL relu(Integer count, const REAL *x, REAL *out) {
    Integer i = thread_number();
    if (i < count) {
        REAL value = x[i];
        out[i] = value <= 0 ? 0 : value;
    }
}

KERNEL relu_backward(Integer count, const REAL *grad, const REAL *y, REAL *out) {
    Integer i = thread_number();
    if (i < count) {
        out[i] = y[i] > 0 ? grad[i] : 0;
    }
}

KERNEL leaky_relu(Integer count, const REAL *value, const REAL *x, double slope, REAL *out) {
    Integer i = thread_number();
    if (i < count) {
        out[i] = x[i] > 0 ? value[i] : (REAL)slope * value[i];
    }
}

KERNEL scaled_tanh(Integer count, const REAL *x, double amplitude, double slope, REAL *kept, REAL *out) {
    Integer i = thread_number();
    if (i < count) {
        REAL value = tanh((REAL)slope * x[i]);
        kept[i] = value;
        out[i] = (REAL)amplitude * value;
    }
}

KERNEL scaled_tanh_backward(Integer count, const REAL *grad, const REAL *kept, double factor, REAL *out) {
    Integer i = thread_number();
    if (i < count) {
        out[i] = (1 - kept[i] * kept[i]) * (REAL)factor * grad[i];
    }
}

KERNEL sigmoid(Integer count, const REAL *x, REAL *out) {
    Integer i = thread_number();
    if (i < count) {
        REAL value = x[i], small = exp(value < 0 ? value : -value);  // at most 1: small results keep their digits
        out[i] = (value >= 0 ? 1 : small) / (1 + small);
    }
}

KERNEL sigmoid_backward(Integer count, const REAL *grad, const REAL *y, REAL *out) {
    Integer i = thread_number();
    if (i < count) {
        out[i] = grad[i] * y[i] * (1 - y[i]);
    }
}

KERNEL multiply(Integer count, const REAL *x, const REAL *y, REAL *out) {
    Integer i = thread_number();
    if (i < count) {
        out[i] = x[i] * y[i];
    }
}

typedef unsigned int Word;
typedef unsigned long long Words;

struct Four {
    Word at[4];
};

// Philox4x32-10: four random words for each counter, by ten rounds under a key.
// J. Salmon, M. Moraes, R. Dror, D. Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, 2011.
__device__ inline Four philox(Four counter, Words key) {
    Word key0 = (Word)key, key1 = (Word)(key >> 32);
    for (int round = 0; round < 10; round++) {
        Words product0 = (Words)0xD2511F53u * counter.at[0], product1 = (Words)0xCD9E8D57u * counter.at[2];
        counter = {(Word)(product1 >> 32) ^ counter.at[1] ^ key0, (Word)product1,
                   (Word)(product0 >> 32) ^ counter.at[3] ^ key1, (Word)product0};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

// Each thread draws for four elements, a block's width apart, so that neighbouring threads take neighbouring elements.
// An element is kept where its word is `least` or more. The key is the seed: that in device memory, where `seeds` is
// not null. Counters: the thread's number, then the stream's.
KERNEL dropout(Integer length, const Integer *seeds, Integer seed, Integer stream, Integer least,
               double scale, const REAL *x, REAL *scales, REAL *out) {
    Integer number = thread_number();
    Words low = (Words)number, high = (Words)stream;
    Four counter = {{(Word)low, (Word)(low >> 32), (Word)high, (Word)(high >> 32)}};
    Four words = philox(counter, (Words)(seeds ? *seeds : seed));
    Integer first = (Integer)blockIdx.x * blockDim.x * 4 + threadIdx.x;
    for (int k = 0; k < 4; k++) {
        Integer i = first + k * (Integer)blockDim.x;
        if (i < length) {
            REAL kept = words.at[k] >= least ? (REAL)scale : 0;
            scales[i] = kept;
            out[i] = x[i] * kept;
        }
    }
}
