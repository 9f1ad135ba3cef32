#include "common.cuh"
// Products whose tiles are staged in shared memory: matrices, and the gradient of a convolution by its weight, whose
// columns are the inputs that a tap reads, fetched where they lie.

const int WARP = 32, UNIT_BYTES = 16;  // threads that read or write at once, and the most that one of them reads

// A block's tile of ROWS x COLUMNS, summed over DEPTH at a time. A thread has HIGH x WIDE of it and one of SLICES of
// every DEPTH; operands are fetched RUN at a time along the depth.
template <int ROWS_, int COLUMNS_, int DEPTH_, int HIGH_, int WIDE_, int SLICES_, int RUN_> struct Tile {
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

// The operand of a matrix product from one line on, which lies in memory line by line or depth by depth.
struct Lines {
    const REAL *from;
    int lines, end;  // lines from the first on; depths
    int line_step, depth_step;
    bool ones;  // whether a line of ones follows the last

    __device__ bool along() const { return depth_step == 1; }
    __device__ Pack<1> run(int line, int depth) const {
        if (depth >= end || line > lines || (line == lines && !ones)) return {{0}};
        return {{line < lines ? from[line * line_step + depth * depth_step] : 1}};
    }
};

// out (batch, rows, columns) = a (batch or 1, rows, depth) b (batch, depth, columns), plus bias (rows,); with relu no
// less than 0. Turned: a or b lies transposed. a_step and b_step lead from one matrix of the batch to the next. gemm.py
// gives no more than fits into an int.
struct Product {
    int rows, columns, depth, a_turned, b_turned;
    int row_tiles, column_tiles;
    int a_step, b_step;
};

// a_sums (rows,), or null, are the sums of a's rows: as if a column of ones stood in b behind the last.
template <class T>
__device__ void matmul(const Product &plan, const REAL *a, const REAL *b, const REAL *bias, bool relu, REAL *out,
                       REAL *a_sums) {
    const int column = blockIdx.x % plan.column_tiles * T::COLUMNS;
    const int row = blockIdx.x / plan.column_tiles % plan.row_tiles * T::ROWS;
    const int batch = blockIdx.x / plan.column_tiles / plan.row_tiles;
    const int a_row = plan.a_turned ? 1 : plan.depth, a_depth = plan.a_turned ? plan.rows : 1;
    const int b_column = plan.b_turned ? plan.depth : 1, b_depth = plan.b_turned ? 1 : plan.columns;
    const Lines left = {a + (batch * plan.a_step + row * a_row), plan.rows - row, plan.depth, a_row, a_depth, false};
    const Lines right = {b + (batch * plan.b_step + column * b_column), plan.columns - column, plan.depth, b_column,
                         b_depth, a_sums != nullptr};
    REAL sums[T::HIGH][T::WIDE] = {};
    multiply<T>(left, right, 0, plan.depth, sums);
    if (threadIdx.x >= T::MEMBERS) return;
    const int r = row + row_in_tile<T>(), c = column + column_in_tile<T>();
    out += ((Integer)batch * plan.rows + r) * plan.columns + c;
#pragma unroll
    for (int i = 0; i < T::HIGH; i++)
#pragma unroll
        for (int j = 0; j < T::WIDE; j++) {
            if (r + i >= plan.rows || c + j > plan.columns) continue;
            if (c + j == plan.columns) {
                if (a_sums) a_sums[r + i] = sums[i][j];
                continue;
            }
            const REAL sum = sums[i][j] + (bias ? bias[r + i] : 0);
            out[(Integer)i * plan.columns + j] = relu && sum < 0 ? 0 : sum;  // NaN stays
        }
}

KERNEL matmul_8x8(Product plan, const REAL *a, const REAL *b, const REAL *bias, Integer relu, REAL *out,
                  REAL *a_sums) {
    matmul<Tile<8, 8, 128, 2, 2, 16, 1>>(plan, a, b, bias, relu, out, a_sums);
}

KERNEL matmul_16x16(Product plan, const REAL *a, const REAL *b, const REAL *bias, Integer relu, REAL *out,
                    REAL *a_sums) {
    matmul<Tile<16, 16, 64, 2, 2, 4, 1>>(plan, a, b, bias, relu, out, a_sums);
}

KERNEL __launch_bounds__(256, 2) matmul_32x32(Product plan, const REAL *a, const REAL *b, const REAL *bias,
                                              Integer relu, REAL *out, REAL *a_sums) {
    matmul<Tile<32, 32, 64, 4, 4, 4, 1>>(plan, a, b, bias, relu, out, a_sums);
}

// x (batch, rows, columns) plus bias (rows,), with relu no less than 0, in place. So many blocks have one row each.
KERNEL finish(Integer blocks, Integer rows, Integer columns, const REAL *bias, Integer relu, REAL *x) {
    const unsigned row = blockIdx.x / (unsigned)blocks;
    const Integer column = (Integer)(blockIdx.x - row * (unsigned)blocks) * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    const REAL sum = x[row * columns + column] + (bias ? bias[row % (unsigned)rows] : 0);
    x[row * columns + column] = relu && sum < 0 ? 0 : sum;  // NaN stays
}

struct Gradient {
    int groups, outs, ins, images;  // outs and ins of one group
    int row_tiles, column_tiles;
    int share;      // of places times images, in every part but the last
    int part_step;  // from one part of the results to the next
    Axis axes[3];
};

template <int COUNT> __device__ inline Pack<COUNT> all_ones() {
    Pack<COUNT> pack;
#pragma unroll
    for (int i = 0; i < COUNT; i++) pack.at[i] = 1;
    return pack;
}

// Where the tap of a column lies: its channel and tap, in x and along each axis.
struct Column {
    Integer start;
    int shifts[3];
};

// The columns of the gradient by the weight: what a tap reads of a channel of x, over all places and images; and, where
// `ones`, one more for the gradient by the bias.
template <int RUN> struct Taps {
    const REAL *x;
    const Column *table;
    const Gradient *plan;
    int columns, end;
    bool ones;

    __device__ bool along() const { return true; }
    __device__ Pack<RUN> run(int column, int depth) const {
        const Axis *axes = plan->axes;
        const int place = (unsigned)depth / plan->images, image = depth - place * plan->images;
        const int row = (unsigned)place / axes[2].places, slab = (unsigned)row / axes[1].places;
        const int i = slab * axes[0].scale, j = (row - slab * axes[1].places) * axes[1].scale;
        const int k = (place - row * axes[2].places) * axes[2].scale;
        Pack<RUN> zeros = {};
        if (depth >= end) return zeros;  // not before the divisions: every column shares them
        if (column >= columns) return ones && column == columns ? all_ones<RUN>() : zeros;
        const Column &tap = table[column];
        if ((unsigned)(i + tap.shifts[0]) >= (unsigned)axes[0].sources) return zeros;
        if ((unsigned)(j + tap.shifts[1]) >= (unsigned)axes[1].sources) return zeros;
        if ((unsigned)(k + tap.shifts[2]) >= (unsigned)axes[2].sources) return zeros;
        const int pixel = (i * axes[1].sources + j) * axes[2].sources + k;
        return *(const Pack<RUN> *)(x + tap.start + (pixel * plan->images + image));
    }
};

// The rows of the gradient by the weight: the gradients of outs.
template <int RUN> struct Outs {
    const REAL *grad;
    int outs, depths, end;

    __device__ bool along() const { return true; }
    __device__ Pack<RUN> run(int row, int depth) const {
        Pack<RUN> zeros = {};
        return row < outs && depth < end ? *(const Pack<RUN> *)(grad + ((Integer)row * depths + depth)) : zeros;
    }
};

// Blocks count columns, then rows, then groups, then parts: out (outs, ins of a group, taps) and grad_bias (outs,), or
// null, of every part.
template <class T>
__device__ void gradient(const Gradient &plan, const REAL *x, const REAL *grad, REAL *out, REAL *grad_bias) {
    __shared__ Column table[T::COLUMNS];
    const Axis *axes = plan.axes;
    const int taps = axes[0].taps * axes[1].taps * axes[2].taps, all_columns = plan.ins * taps;
    const int depths = axes[0].places * axes[1].places * axes[2].places * plan.images;
    const int first_column = blockIdx.x % plan.column_tiles * T::COLUMNS;
    const int first_row = blockIdx.x / plan.column_tiles % plan.row_tiles * T::ROWS;
    const int group = blockIdx.x / plan.column_tiles / plan.row_tiles % plan.groups;
    const int part = blockIdx.x / plan.column_tiles / plan.row_tiles / plan.groups;
    for (int c = threadIdx.x; c < T::COLUMNS && first_column + c < all_columns; c += T::THREADS) {
        const int channel = (first_column + c) / taps, tap = (first_column + c) % taps, line = tap / axes[2].taps;
        Column &column = table[c];
        column.shifts[0] = axes[0].offset + line / axes[1].taps * axes[0].slope;
        column.shifts[1] = axes[1].offset + line % axes[1].taps * axes[1].slope;
        column.shifts[2] = axes[2].offset + tap % axes[2].taps * axes[2].slope;
        const Integer slab = ((Integer)group * plan.ins + channel) * axes[0].sources + column.shifts[0];
        const Integer start = (slab * axes[1].sources + column.shifts[1]) * axes[2].sources + column.shifts[2];
        column.start = start * plan.images;
    }
    __syncthreads();
    const int row = group * plan.outs + first_row, begin = part * plan.share, end = min(begin + plan.share, depths);
    const Outs<T::RUN> left = {grad + (Integer)row * depths, plan.outs - first_row, depths, end};
    const Taps<T::RUN> right = {x, table, &plan, all_columns - first_column, end, grad_bias != nullptr};
    REAL sums[T::HIGH][T::WIDE] = {};
    multiply<T>(left, right, begin, end, sums);
    if (threadIdx.x >= T::MEMBERS) return;
    const int r = row_in_tile<T>(), c = column_in_tile<T>();
    const Integer start = (Integer)part * plan.part_step;
    out += start + (Integer)(row + r) * all_columns + first_column + c;
#pragma unroll
    for (int i = 0; i < T::HIGH; i++)
#pragma unroll
        for (int j = 0; j < T::WIDE; j++) {
            if (r + i >= left.outs) continue;
            if (c + j < right.columns) out[(Integer)i * all_columns + j] = sums[i][j];
            if (right.ones && c + j == right.columns) grad_bias[start + row + r + i] = sums[i][j];
        }
}

KERNEL gradient_8x32x1(Gradient plan, const REAL *x, const REAL *grad, REAL *out, REAL *grad_bias) {
    gradient<Tile<8, 32, 64, 2, 4, 4, 1>>(plan, x, grad, out, grad_bias);
}

KERNEL gradient_8x32x4(Gradient plan, const REAL *x, const REAL *grad, REAL *out, REAL *grad_bias) {
    gradient<Tile<8, 32, 64, 2, 4, 4, 4>>(plan, x, grad, out, grad_bias);
}

KERNEL gradient_16x32x1(Gradient plan, const REAL *x, const REAL *grad, REAL *out, REAL *grad_bias) {
    gradient<Tile<16, 32, 64, 4, 4, 4, 1>>(plan, x, grad, out, grad_bias);
}

KERNEL gradient_16x32x4(Gradient plan, const REAL *x, const REAL *grad, REAL *out, REAL *grad_bias) {
    gradient<Tile<16, 32, 64, 4, 4, 4, 4>>(plan, x, grad, out, grad_bias);
}

KERNEL gradient_64x64x1(Gradient plan, const REAL *x, const REAL *grad, REAL *out, REAL *grad_bias) {
    gradient<Tile<64, 64, 32, 8, 4, 1, 1>>(plan, x, grad, out, grad_bias);
}

KERNEL gradient_64x64x4(Gradient plan, const REAL *x, const REAL *grad, REAL *out, REAL *grad_bias) {
    gradient<Tile<64, 64, 32, 8, 4, 1, 4>>(plan, x, grad, out, grad_bias);
}
