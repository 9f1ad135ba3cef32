#include "common.cuh"
// Products whose tiles are staged in shared memory.

const int WARP = 32, UNIT_BYTES = 16;  // threads that read or write at once, and the most that one of them reads

// A block's tile of ROWS x COLUMNS, summed over DEPTH at a time. A thread has HIGH x WIDE of it and one of SLICES of
// every DEPTH; operands are fetched RUN at a time along the depth.
template <int ROWS_, int COLUMNS_, int DEPTH_, int HIGH_, int WIDE_, int SLICES_, int RUN_> struct Tile {
    static const bool ON_TENSOR_CORES = false;
    static const int ROWS = ROWS_, COLUMNS = COLUMNS_, DEPTH = DEPTH_, HIGH = HIGH_, WIDE = WIDE_, SLICES = SLICES_,
                     RUN = RUN_, MEMBERS = ROWS / HIGH * COLUMNS / WIDE, THREADS = MEMBERS * SLICES;
};

// SIZE lines of an operand over DEPTH, on their way from memory through registers to shared memory.
//
// There a warp's stores are to lie in different ones of the 32 banks of 4 bytes. They are of 8 neighbouring runs, of 4
// lines each; runs are as long as a unit more than their numbers, so that these lie one unit further among the banks.
template <class T, int SIZE> struct Stage {
    static const int COUNT = SIZE * T::DEPTH / T::RUN / T::THREADS, RUNS = T::DEPTH / T::RUN;
    static const int UNIT = UNIT_BYTES / sizeof(REAL), RUN_STEP = T::RUN * SIZE + UNIT, ROOM = RUNS * RUN_STEP;
    // What a block fetches in one of COUNT passes along the depth; and a warp: fewer lines, where these are fewer.
    static const int PASS_LINES = T::THREADS / RUNS, WARP_LINES = PASS_LINES < 4 ? PASS_LINES : 4,
                     WARP_RUNS = WARP / WARP_LINES, WARPS = RUNS / WARP_RUNS;
    Pack<T::RUN> runs[COUNT];

    // Neighbouring threads take what lies side by side: along the depth, or neighbouring lines.
    __device__ static int line(int i, bool along) {
        const unsigned warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
        return along ? i * PASS_LINES + warp / WARPS * WARP_LINES + lane / WARP_RUNS
                     : (threadIdx.x + i * T::THREADS) % SIZE;
    }
    __device__ static int depth(int i, bool along) {
        const unsigned warp = threadIdx.x / WARP;
        return (along ? warp % WARPS * WARP_RUNS + threadIdx.x % WARP_RUNS : (threadIdx.x + i * T::THREADS) / SIZE) *
               T::RUN;
    }
    template <class Operand> __device__ void fetch(const Operand &operand, int begin) {
#pragma unroll
        for (int i = 0; i < COUNT; i++)
            runs[i] = operand.run(line(i, operand.along()), begin + depth(i, operand.along()));
    }
    __device__ static int place(int line, unsigned depth) {
        return depth / T::RUN * RUN_STEP + depth % T::RUN * SIZE + line;
    }
    __device__ void put(REAL *shared, bool along) const {
#pragma unroll
        for (int i = 0; i < COUNT; i++)
#pragma unroll
            for (int k = 0; k < T::RUN; k++) shared[place(line(i, along), depth(i, along) + k)] = runs[i].at[k];
    }
    // Neighbouring lines of one depth.
    template <int LINES> __device__ static Pack<LINES> get(const REAL *shared, int line, int depth) {
        return *(const Pack<LINES> *)(shared + place(line, depth));
    }
};

// The slice of every depth that a thread has, and where its sums belong within the tile.
template <class T> __device__ inline int slice_of_tile() { return T::SLICES > 1 ? threadIdx.x / T::MEMBERS : 0; }
template <class T> __device__ inline int row_in_tile() {
    return threadIdx.x % T::MEMBERS / (T::COLUMNS / T::WIDE) * T::HIGH;
}
template <class T> __device__ inline int column_in_tile() {
    return threadIdx.x % T::MEMBERS % (T::COLUMNS / T::WIDE) * T::WIDE;
}

// The sums of all slices, in their order, to those of the first.
template <class T> __device__ void add_slices(int slice, int member, REAL *shared, REAL (&sums)[T::HIGH][T::WIDE]) {
    const int count = T::HIGH * T::WIDE;
    if (slice)
#pragma unroll
        for (int e = 0; e < count; e++)
            shared[((slice - 1) * count + e) * T::MEMBERS + member] = sums[e / T::WIDE][e % T::WIDE];
    __syncthreads();
    if (slice) return;
    for (int other = 0; other < T::SLICES - 1; other++)
#pragma unroll
        for (int e = 0; e < count; e++)
            sums[e / T::WIDE][e % T::WIDE] += shared[(other * count + e) * T::MEMBERS + member];
}

// sums = left rows times right columns over depths begin to end. The next tile is fetched before the present one is
// multiplied. The sums are complete in the threads of the first slice only.
template <class T, class Left, class Right>
__device__ void multiply(const Left &left, const Right &right, int begin, int end, REAL (&sums)[T::HIGH][T::WIDE]) {
    typedef Stage<T, T::ROWS> Rows;
    typedef Stage<T, T::COLUMNS> Columns;
    alignas(16) __shared__ REAL shared[Rows::ROOM + Columns::ROOM];
    REAL *const lefts = shared, *const rights = shared + Rows::ROOM;
    const int slice = slice_of_tile<T>(), row = row_in_tile<T>(), column = column_in_tile<T>();
    Rows rows;
    Columns columns;
    rows.fetch(left, begin);
    columns.fetch(right, begin);
    for (int depth = begin; depth < end; depth += T::DEPTH) {
        rows.put(lefts, left.along());
        columns.put(rights, right.along());
        __syncthreads();
        if (depth + T::DEPTH < end) {
            rows.fetch(left, depth + T::DEPTH);
            columns.fetch(right, depth + T::DEPTH);
        }
#pragma unroll 4
        for (int k = slice; k < T::DEPTH; k += T::SLICES) {
            const Pack<T::HIGH> a = Rows::template get<T::HIGH>(lefts, row, k);
            const Pack<T::WIDE> b = Columns::template get<T::WIDE>(rights, column, k);
#pragma unroll
            for (int i = 0; i < T::HIGH; i++)
#pragma unroll
                for (int j = 0; j < T::WIDE; j++) sums[i][j] += a.at[i] * b.at[j];
        }
        __syncthreads();
    }
    if (T::SLICES > 1) add_slices<T>(slice, threadIdx.x % T::MEMBERS, shared, sums);
}

// Calls `visit` with the row, column and sum of left rows times right columns over depths begin to end, for every sum that
// this thread has.
template <class T, class Left, class Right, class Visit>
__device__ void multiply_each(const Left &left, const Right &right, int begin, int end, Visit visit) {
    REAL sums[T::HIGH][T::WIDE] = {};
    multiply<T>(left, right, begin, end, sums);
    if (threadIdx.x >= T::MEMBERS) return;
#pragma unroll
    for (int i = 0; i < T::HIGH; i++)
#pragma unroll
        for (int j = 0; j < T::WIDE; j++) visit(row_in_tile<T>() + i, column_in_tile<T>() + j, sums[i][j]);
}
