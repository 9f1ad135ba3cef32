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
