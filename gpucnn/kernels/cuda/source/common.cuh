// The beginning of every source. REAL, float or double, is given to the compiler.

#define KERNEL extern "C" __global__ void

typedef long long Integer;  // what a Python int arrives as

// In a block. A kernel that is launched with so many says so (__launch_bounds__), or it might need too many registers.
constexpr int MOST_THREADS = 1024;

// As bit patterns: NVRTC has no header that names them, and does not fold what computes them, such as -log(0.0).
__device__ inline float from_bits(unsigned high, float) { return __uint_as_float(high); }
__device__ inline double from_bits(unsigned high, double) { return __hiloint2double((int)high, 0); }
__device__ inline REAL infinity() { return from_bits(sizeof(REAL) == 4 ? 0x7f800000u : 0x7ff00000u, REAL()); }
__device__ inline REAL not_a_number() { return from_bits(sizeof(REAL) == 4 ? 0x7fc00000u : 0x7ff80000u, REAL()); }

// This thread's number among all threads of a launch along x.
__device__ inline Integer thread_number() { return (Integer)blockIdx.x * blockDim.x + threadIdx.x; }

// The sum of `value` over the threads of a block, a power of two; their number alone decides the order.
__device__ inline double block_sum(double value) {
    __shared__ double sums[MOST_THREADS];
    int thread = threadIdx.x;
    sums[thread] = value;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) {
            sums[thread] += sums[thread + half];
        }
    }
    __syncthreads();
    double sum = sums[0];
    __syncthreads();  // all have read it, before the next sum is written
    return sum;
}

// Neighbouring numbers that are read and written together, in pieces of at most 16 bytes.
template <int COUNT> struct alignas(COUNT * sizeof(REAL) < 16 ? COUNT * sizeof(REAL) : 16) Pack {
    REAL at[COUNT];
};

// A window along one axis. Tap t of place p reads source (p * scale + offset + t * slope) / divisor, where that is a
// whole number and one of the sources.
struct Axis {
    int places, sources, taps, scale, offset, slope, divisor;
    int tap_step, source_step;  // from one tap that meets the sources to the next
};

__device__ inline int places_of(const Axis *axes) { return axes[0].places * axes[1].places * axes[2].places; }

// Of neighbouring images, the taps that won under a window of max-pooling.
template <int COUNT> struct alignas(COUNT) Bytes {
    unsigned char at[COUNT];
};

// The gradient before max-pooling at one tap: that by the result where this tap won, else 0.
template <int COUNT> __device__ Pack<COUNT> won(const REAL *grad, const unsigned char *winners, int tap) {
    const Bytes<COUNT> by = *(const Bytes<COUNT> *)winners;
    Pack<COUNT> result = *(const Pack<COUNT> *)grad;
#pragma unroll
    for (int n = 0; n < COUNT; n++)
        if (by.at[n] != tap) result.at[n] = 0;
    return result;
}

// Four words that are written at once.
struct alignas(16) FourWords {
    unsigned at[4];
};

#ifdef __CUDACC__  // whoever compiles for a CPU gives the same

// A factor for tensor cores: rounded to TF32, 11 significant bits.
__device__ inline unsigned to_tf32(float value) {
    unsigned word = 0;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(value));
#endif
    return word;
}

// sums (16, 8) += a (16, 8) b (8, 8), by a warp. Thread `lane` has a[e] of row lane / 4 + e % 2 * 8, column lane % 4 +
// e / 2 * 4; b[e] of row lane % 4 + e * 4, column lane / 4; sums[e] of row lane / 4 + e / 2 * 8, column lane % 4 * 2 +
// e % 2. GPUs before compute capability 8.0 have no such instruction: nothing is launched there that asks for it.
__device__ inline void multiply_add(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

#endif
