// CUDA's words in C++17, so that the kernels compile and run on a CPU.
//
// Blocks run one after the other, and so do the threads of a block. A thread that comes to a barrier is set aside on
// its stack (a fiber), and others run until all have come. Order and memory are made as unlike a sequential program's
// as CUDA allows: every other block runs from its last thread to its first, and shared memory begins as NaN. Arrays
// are moved to where a step over their end is a fault.

#include <cmath>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <math.h>
#include <sys/mman.h>
#include <tuple>
#include <ucontext.h>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static  // behind every declaration compiler.py writes SHARED(name);
#define SHARED(name)                                                    \
    do {                                                                \
        static long poisoned_in;                                        \
        emulation::poison(poisoned_in, (void *)&name, sizeof(name));    \
    } while (0)

struct dim3 {
    unsigned x, y, z;
};

static dim3 threadIdx, blockIdx, blockDim, gridDim;
static const int warpSize = 32;

namespace emulation {

constexpr int WARP = 32, MOST_THREADS = 1024, MOST_ARGUMENTS = 64;
constexpr size_t STACK_BYTES = 1 << 17, PAGE = 1 << 16;  // no machine has larger pages
constexpr unsigned ALL = 0xffffffff;

static char failure[300];

// --- barriers ---------------------------------------------------------------------------------------------------------

enum State : char { NOT_BEGUN, RUNS, AT_BLOCK_BARRIER, AT_WARP_BARRIER, DONE };

struct Thread {
    State state;
    int line;       // of the barrier it waits at
    unsigned mask;  // the lanes that the barrier is for
    int fiber;      // on which it waits
    int source;     // the thread of which it is to receive a value there, or -1
    char offered[8], received[8];
    int turn;  // of `factors`: 0 or 1
};

struct Fiber {
    bool started;
    ucontext_t start;
    jmp_buf place;
    char *stack;
};

static Thread threads[MOST_THREADS];
static Fiber fibers[MOST_THREADS];
static int free_fibers[MOST_THREADS], free_count = -1;
static int count, begun, current, running_fiber;  // threads in a block, begun, the one that runs, and on which fiber
static bool backwards;
static long block_number;  // of all blocks ever run
static jmp_buf scheduler;
static void (*run_kernel)();

inline int in_order(int index) { return backwards ? count - 1 - index : index; }

inline void enter(int thread) {
    unsigned x = blockDim.x, y = blockDim.y;
    current = thread;
    threads[thread].state = RUNS;
    threadIdx = {thread % x, thread / x % y, thread / x / y};
}

// The life of a fiber: to run what has not begun, thread after thread; where one waits, the next fiber goes on.
static void live(int fiber) {
    for (;;) {
        while (begun < count) {
            enter(in_order(begun++));
            run_kernel();
            threads[current].state = DONE;
        }
        free_fibers[free_count++] = fiber;
        if (_setjmp(fibers[fiber].place) == 0) _longjmp(scheduler, 1);
    }
}

static void resume(int number) {
    Fiber &fiber = fibers[running_fiber = number];
    if (_setjmp(scheduler)) return;
    if (fiber.started) _longjmp(fiber.place, 1);
    fiber.started = true;
    if (!fiber.stack) fiber.stack = new char[STACK_BYTES];
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack;
    fiber.start.uc_stack.ss_size = STACK_BYTES;
    makecontext(&fiber.start, (void (*)())live, 1, number);
    setcontext(&fiber.start);
}

static void wait_here(State state, int line, unsigned mask, int source) {
    Thread &thread = threads[current];
    thread.state = state, thread.line = line, thread.mask = mask, thread.source = source;
    thread.fiber = running_fiber;
    if (_setjmp(fibers[running_fiber].place) == 0) _longjmp(scheduler, 1);
}

static void (*volatile barrier)(State, int, unsigned, int) = wait_here;  // volatile: all memory may change behind it

inline bool same_barrier(const Thread &a, const Thread &b) {
    return a.state == b.state && a.line == b.line && a.mask == b.mask;
}

// Whether all threads wait at the barrier of `waiting` that it is for and that have not ended.
inline bool all_have_come(int waiting) {
    bool block = threads[waiting].state == AT_BLOCK_BARRIER;
    int first = block ? 0 : waiting / WARP * WARP, last = block || first + WARP > count ? count : first + WARP;
    for (int thread = first; thread < last; thread++) {
        bool asked = threads[waiting].mask >> thread % WARP & 1;
        if (asked && threads[thread].state != DONE && !same_barrier(threads[thread], threads[waiting])) return false;
    }
    return true;
}

// Let all threads go on that wait at the barrier of `waiting`; before, they exchange values.
static void release(int waiting) {
    static int released[MOST_THREADS];
    const Thread place = threads[waiting];
    int total = 0;
    for (int index = 0; index < count; index++) {
        int thread = in_order(index);
        bool here = place.state == AT_BLOCK_BARRIER || thread / WARP == waiting / WARP;
        if (here && same_barrier(threads[thread], place)) released[total++] = thread;
    }
    for (int index = 0; index < total; index++) {
        Thread &thread = threads[released[index]];
        bool given = thread.source >= 0 && thread.source < count && same_barrier(threads[thread.source], place);
        if (given) memcpy(thread.received, threads[thread.source].offered, 8);
        else memset(thread.received, 0xff, 8);
    }
    for (int index = 0; index < total; index++) {
        enter(released[index]);
        resume(threads[current].fiber);
    }
}

static bool run_block() {
    backwards = block_number++ % 2;
    for (int thread = 0; thread < count; thread++) threads[thread].state = NOT_BEGUN, threads[thread].turn = 0;
    for (begun = 0; begun < count;) resume(free_fibers[--free_count]);
    for (;;) {
        int waiting = -1, ready = -1;
        for (int index = 0; index < count && ready < 0; index++) {
            int thread = in_order(index);
            if (threads[thread].state == DONE) continue;
            waiting = thread;
            if (all_have_come(thread)) ready = thread;
        }
        if (waiting < 0) return true;
        if (ready < 0) {
            int other = 0;
            while (threads[other].state == DONE || same_barrier(threads[other], threads[waiting])) other++;
            snprintf(failure, sizeof failure, "thread %d of block (%u, %u, %u) waits in line %d for threads that do not "
                     "come: thread %d waits in line %d", waiting, blockIdx.x, blockIdx.y, blockIdx.z,
                     threads[waiting].line, other < count ? other : waiting, threads[other % count].line);
            return false;
        }
        release(ready);
    }
}

template <class T> T exchange(int line, unsigned mask, T value, int lane, int width, bool valid) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "CUDA shuffles 4 or 8 bytes");
    Thread &thread = threads[current];
    int own = current % WARP;
    memcpy(thread.offered, &value, sizeof value);
    barrier(AT_WARP_BARRIER, line, mask, current - own + (valid ? own / width * width + lane : own));
    memcpy(&value, thread.received, sizeof value);
    return value;
}

inline void poison(long &poisoned_in, void *memory, size_t bytes) {
    if (poisoned_in == block_number) return;
    poisoned_in = block_number;
    memset(memory, 0xff, bytes);
}

// --- arrays -----------------------------------------------------------------------------------------------------------

enum Kind : int { VALUE, INPUT, OUTPUT };  // INPUT: a pointer to const

struct Argument {
    char *data;
    size_t bytes;
    int kind;
};

// Memory that ends where no memory is, and before which lies a page of NaN.
struct Room {
    size_t capacity;
    char *memory, *guard;

    char *make(size_t bytes, const char *like) {
        if (bytes + 2 * PAGE > capacity) {
            if (memory) munmap(memory, capacity + PAGE);
            capacity = (bytes / PAGE + 4) * PAGE;
            memory = (char *)mmap(nullptr, capacity + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            guard = memory + capacity;
            mprotect(guard, PAGE, PROT_NONE);
        }
        size_t off = (size_t)(guard - bytes - like) % 16;  // as well aligned as `like`
        memset(guard - bytes - off - BEFORE, 0xff, bytes + off + BEFORE);
        return guard - bytes - off;
    }

    bool intact_around(const char *start, const char *end) const {
        for (const char *place = start - BEFORE; place < guard; place++)
            if ((place < start || place >= end) && *place != (char)0xff) return false;
        return true;
    }

    static constexpr size_t BEFORE = 512;
};

// What several arguments that overlap share.
struct Span {
    char *start, *end, *moved;
    bool written;
};

static Room rooms[MOST_ARGUMENTS];
static Span spans[MOST_ARGUMENTS];
static int span_count;

inline void find_spans(const Argument *arguments, int total) {
    span_count = 0;
    for (int index = 0; index < total; index++) {
        const Argument &it = arguments[index];
        if (it.kind == VALUE || !it.data) continue;
        Span found = {it.data, it.data + it.bytes, nullptr, it.kind == OUTPUT};
        int kept = 0;
        for (int other = 0; other < span_count; other++) {
            const Span &span = spans[other];
            if (found.start < span.end && span.start < found.end) {
                found.start = span.start < found.start ? span.start : found.start;
                found.end = span.end > found.end ? span.end : found.end;
                found.written |= span.written;
            } else {
                spans[kept++] = span;
            }
        }
        spans[kept] = found;
        span_count = kept + 1;
    }
}

inline void move_there() {
    for (int index = 0; index < span_count; index++) {
        Span &span = spans[index];
        span.moved = rooms[index].make(span.end - span.start, span.start);
        memcpy(span.moved, span.start, span.end - span.start);
    }
}

inline void move_back() {
    for (int index = 0; index < span_count; index++) {
        const Span &span = spans[index];
        if (span.written) memcpy(span.start, span.moved, span.end - span.start);
        if (!failure[0] && !rooms[index].intact_around(span.moved, span.moved + (span.end - span.start)))
            snprintf(failure, sizeof failure, "writes outside of an array");
    }
}

inline char *moved(const Argument &argument) {
    for (int index = 0; index < span_count; index++) {
        const Span &span = spans[index];
        if (span.start <= argument.data && argument.data + argument.bytes <= span.end && span.moved)
            return span.moved + (argument.data - span.start);
    }
    return nullptr;
}

// --- launches ---------------------------------------------------------------------------------------------------------

static sigjmp_buf out_of_kernel;

static void fault(int) {
    snprintf(failure, sizeof failure, "thread %d of block (%u, %u, %u) reads or writes outside of every array", current,
             blockIdx.x, blockIdx.y, blockIdx.z);
    siglongjmp(out_of_kernel, 1);
}

static void run_grid() {
    if (free_count < 0)
        for (free_count = 0; free_count < MOST_THREADS; free_count++)
            free_fibers[free_count] = MOST_THREADS - 1 - free_count;
    count = blockDim.x * blockDim.y * blockDim.z;
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)
                if (!run_block()) return;
}

// While a kernel runs, denormal numbers are 0 where NVRTC is told so: of float alone, and all here is of one type.
struct Flushing {
#if defined(FLUSHED) && defined(REAL) && defined(__x86_64__)
    static constexpr unsigned ZEROS = std::is_same_v<REAL, float> ? 0x8040 : 0;  // results, and what is read
    const unsigned before = __builtin_ia32_stmxcsr();
    Flushing() { __builtin_ia32_ldmxcsr(before | ZEROS); }
    ~Flushing() { __builtin_ia32_ldmxcsr(before); }
#endif
};

static const char *run_guarded() {
    [[maybe_unused]] Flushing flushing;
    struct sigaction ours = {}, before_segv, before_bus;
    ours.sa_handler = fault;
    sigaction(SIGSEGV, &ours, &before_segv);
    sigaction(SIGBUS, &ours, &before_bus);
    if (sigsetjmp(out_of_kernel, 1) == 0) run_grid();
    sigaction(SIGSEGV, &before_segv, nullptr);
    sigaction(SIGBUS, &before_bus, nullptr);
    move_back();
    if (!failure[0]) return nullptr;
    free_count = -1;  // threads that wait are given up
    for (Fiber &fiber : fibers) fiber.started = false;
    return failure;
}

template <class T> T value_of(const Argument &argument) {
    if constexpr (std::is_pointer_v<T>) return (T)moved(argument);
    else return *(const T *)argument.data;
}

template <auto kernel, class... Parameters, size_t... index>
const char *launch(void (*)(Parameters...), const unsigned *sizes, const Argument *arguments,
                   std::index_sequence<index...>) {
    gridDim = {sizes[0], sizes[1], sizes[2]};
    blockDim = {sizes[3], sizes[4], sizes[5]};
    failure[0] = 0;
    find_spans(arguments, sizeof...(Parameters));
    move_there();
    static std::tuple<Parameters...> *values;
    std::tuple<Parameters...> here(value_of<Parameters>(arguments[index])...);
    values = &here;
    run_kernel = [] { std::apply(kernel, *values); };
    return run_guarded();
}

template <class... Parameters> constexpr size_t parameter_count(void (*)(Parameters...)) {
    return sizeof...(Parameters);
}

template <class... Parameters> size_t parameter_bytes(void (*)(Parameters...), size_t index) {
    const size_t bytes[] = {sizeof(Parameters)..., 0};
    return bytes[index];
}

}  // namespace emulation

#define EMULATED(name)                                                                                                 \
    extern "C" const char *emulated_##name(const unsigned *sizes, const emulation::Argument *arguments) {              \
        return emulation::launch<name>(name, sizes, arguments,                                                         \
                                       std::make_index_sequence<emulation::parameter_count(name)>());                  \
    }                                                                                                                  \
    extern "C" size_t bytes_of_##name(size_t index) { return emulation::parameter_bytes(name, index); }

// --- what kernels call ------------------------------------------------------------------------------------------------

#define __syncthreads() emulation::barrier(emulation::AT_BLOCK_BARRIER, __LINE__, emulation::ALL, -1)
#define __syncwarp(...) emulation::WarpBarrier{__LINE__}(__VA_ARGS__)
#define __shfl_sync(...) emulation::shuffle(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) emulation::shuffle_xor(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) emulation::shuffle_down(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) emulation::shuffle_up(__LINE__, __VA_ARGS__)

namespace emulation {

struct WarpBarrier {
    int line;
    void operator()(unsigned mask = ALL) { barrier(AT_WARP_BARRIER, line, mask, -1); }
};

template <class T> T shuffle(int line, unsigned mask, T value, int lane, int width = WARP) {
    return exchange(line, mask, value, lane & (width - 1), width, true);
}

template <class T> T shuffle_xor(int line, unsigned mask, T value, int bits, int width = WARP) {
    int lane = (current % width) ^ bits;
    return exchange(line, mask, value, lane, width, lane < width);
}

template <class T> T shuffle_down(int line, unsigned mask, T value, unsigned distance, int width = WARP) {
    int lane = current % width + distance;
    return exchange(line, mask, value, lane, width, lane < width);
}

template <class T> T shuffle_up(int line, unsigned mask, T value, unsigned distance, int width = WARP) {
    int lane = current % width - (int)distance;
    return exchange(line, mask, value, lane, width, lane >= 0);
}

}  // namespace emulation

using std::isfinite;
using std::isinf;
using std::isnan;

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }

inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}

inline float __uint_as_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
inline double __hiloint2double(int high, int low) {
    const unsigned long long bits = (unsigned long long)(unsigned)high << 32 | (unsigned)low;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T> T __ldg(const T *place) { return *place; }

// Blocks run one after the other: what one has written the next sees.
inline void __threadfence() {}
inline int atomicAdd(int *place, int more) {
    const int before = *place;
    *place += more;
    return before;
}

#define VECTOR(type, name)                                                                                             \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; };                                                           \
    struct alignas(sizeof(type) == 8 ? 16 : 4 * sizeof(type)) name##4 { type x, y, z, w; };                            \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                                   \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
VECTOR(float, float)
VECTOR(double, double)
VECTOR(int, int)
VECTOR(unsigned, uint)
#undef VECTOR

// --- tensor cores -----------------------------------------------------------------------------------------------------

namespace emulation {

struct Factors {
    unsigned a[4], b[2];
};

static Factors factors[2][MOST_THREADS];  // of this product, and of the one before, which other threads may still read

inline float factor(unsigned word) {
    if (word & 0x1fff) snprintf(failure, sizeof failure, "a factor for tensor cores is not rounded to TF32");
    return __uint_as_float(word);
}

inline void multiply_add(int line, float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    Thread &thread = threads[current];
    Factors *const all = factors[thread.turn] + current / WARP * WARP;
    const int lane = current % WARP, row = lane / 4, pair = lane % 4 * 2;
    thread.turn ^= 1;
    memcpy(all[lane].a, a, sizeof a);
    memcpy(all[lane].b, b, sizeof b);
    barrier(AT_WARP_BARRIER, line, ALL, -1);
    for (int e = 0; e < 4; e++)
        for (int k = 0; k < 8; k++) {
            const Factors &left = all[row * 4 + k % 4], &right = all[(pair + e % 2) * 4 + k % 4];
            sums[e] += factor(left.a[k / 4 * 2 + e / 2]) * factor(right.b[k / 4]);
        }
}

}  // namespace emulation

#define multiply_add(...) emulation::multiply_add(__LINE__, __VA_ARGS__)

// To 11 significant bits, halves away from 0.
inline unsigned to_tf32(float value) {
    unsigned word;
    memcpy(&word, &value, sizeof word);
    return isfinite(value) ? (word + 0x1000) & ~0x1fffu : word & ~0x1fffu | (isnan(value) ? 0x400000 : 0);
}
