#include "common.cuh"
// Products whose tiles are staged in shared memory: matrices, and the gradient of a convolution by its weight, whose
// columns are the inputs that a tap reads, fetched where they lie.

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

// A tile that tensor cores compute, from factors rounded to TF32: by two warps down and two across, in tiles of 16 x 8.
template <int ROWS_, int COLUMNS_> struct TensorTile {
    static const bool ON_TENSOR_CORES = true;
    static const int ROWS = ROWS_, COLUMNS = COLUMNS_, DEPTH = 32, RUN = 4, THREADS = 128, SIDE = 2;
    static const int HIGH_TILES = ROWS / SIDE / 16, WIDE_TILES = COLUMNS / SIDE / 8;
    // Threads that fetch a line, and lines that they fetch together; a line's depths in shared memory, four more than
    // there are, so that what a warp reads at once lies in different banks.
    static const int RUNS = DEPTH / RUN, LINES = THREADS / RUNS, LINE_STEP = DEPTH + 4;
};

// SIZE lines of an operand over DEPTH, on their way from memory through registers to shared memory, where a line's depths
// are neighbours.
template <class T, int SIZE> struct TensorStage {
    Pack<T::RUN> runs[SIZE / T::LINES];

    template <class Operand> __device__ void fetch(const Operand &operand, int begin) {
#pragma unroll
        for (int i = 0; i < SIZE / T::LINES; i++)
            runs[i] = operand.run(threadIdx.x / T::RUNS + i * T::LINES, begin + threadIdx.x % T::RUNS * T::RUN);
    }
    __device__ void put(unsigned (*shared)[T::LINE_STEP]) const {
#pragma unroll
        for (int i = 0; i < SIZE / T::LINES; i++) {
            const REAL *run = runs[i].at;
            const FourWords words = {{to_tf32(run[0]), to_tf32(run[1]), to_tf32(run[2]), to_tf32(run[3])}};
            *(FourWords *)(shared[threadIdx.x / T::RUNS + i * T::LINES] + threadIdx.x % T::RUNS * T::RUN) = words;
        }
    }
};

// Calls `visit` with the row, column and sum of left rows times right columns over depths begin to end, for every sum that
// this thread has. The next tile is fetched before the present one is multiplied.
template <class T, class Left, class Right, class Visit>
__device__ void multiply_on_tensor_cores(const Left &left, const Right &right, int begin, int end, Visit visit) {
    alignas(16) __shared__ unsigned lefts[2][T::ROWS][T::LINE_STEP];
    alignas(16) __shared__ unsigned rights[2][T::COLUMNS][T::LINE_STEP];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, near = lane % 4;
    const int row = warp / T::SIDE * T::ROWS / T::SIDE + lane / 4;
    const int column = warp % T::SIDE * T::COLUMNS / T::SIDE + lane / 4;
    TensorStage<T, T::ROWS> rows;
    TensorStage<T, T::COLUMNS> columns;
    float sums[T::HIGH_TILES][T::WIDE_TILES][4] = {};
    rows.fetch(left, begin);
    columns.fetch(right, begin);
    for (int depth = begin, stage = 0; depth < end; depth += T::DEPTH, stage ^= 1) {
        rows.put(lefts[stage]);
        columns.put(rights[stage]);
        __syncthreads();  // what is read below is written again two stages later, behind the next barrier
        if (depth + T::DEPTH < end) {
            rows.fetch(left, depth + T::DEPTH);
            columns.fetch(right, depth + T::DEPTH);
        }
#pragma unroll
        for (int k = 0; k < T::DEPTH; k += 8) {
            unsigned a[T::HIGH_TILES][4], b[T::WIDE_TILES][2];
#pragma unroll
            for (int i = 0; i < T::HIGH_TILES; i++)
#pragma unroll
                for (int e = 0; e < 4; e++) a[i][e] = lefts[stage][row + i * 16 + e % 2 * 8][k + near + e / 2 * 4];
#pragma unroll
            for (int j = 0; j < T::WIDE_TILES; j++)
#pragma unroll
                for (int e = 0; e < 2; e++) b[j][e] = rights[stage][column + j * 8][k + near + e * 4];
#pragma unroll
            for (int i = 0; i < T::HIGH_TILES; i++)
#pragma unroll
                for (int j = 0; j < T::WIDE_TILES; j++) multiply_add(sums[i][j], a[i], b[j]);
        }
    }
#pragma unroll
    for (int i = 0; i < T::HIGH_TILES; i++)
#pragma unroll
        for (int j = 0; j < T::WIDE_TILES; j++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                visit(row + i * 16 + e / 2 * 8, column - lane / 4 + j * 8 + near * 2 + e % 2, sums[i][j][e]);
}

// The same by every thread for itself.
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

// The operand of a matrix product from one line on, which lies in memory line by line or depth by depth.
struct Lines {
    const REAL *from, *y;  // y: null, or what ReLU gave: where that is not above 0 the operand is 0
    int lines, end;        // lines from the first on; depths
    int line_step, depth_step;
    bool ones;  // whether a line of ones follows the last

    __device__ bool along() const { return depth_step == 1; }
    __device__ Pack<1> run(int line, int depth) const {
        if (depth >= end || line > lines || (line == lines && !ones)) return {{0}};
        if (line == lines) return {{1}};
        const int at = line * line_step + depth * depth_step;
        return {{y && !(y[at] > 0) ? 0 : from[at]}};
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

// What a product is of. y is of the shape of the factor that is a gradient, or null. a_sums (rows,), or null, are the
// sums of a's rows: as if a column of ones stood in b behind the last.
struct Factors {
    const REAL *a, *a_y, *b, *b_y, *bias;
    REAL *out, *a_sums;
};

template <class T> __device__ void matmul(const Product &plan, int block, const Factors &given, bool relu) {
    const int column = block % plan.column_tiles * T::COLUMNS, row = block / plan.column_tiles % plan.row_tiles * T::ROWS;
    const int batch = block / plan.column_tiles / plan.row_tiles;
    const int a_row = plan.a_turned ? 1 : plan.depth, a_depth = plan.a_turned ? plan.rows : 1;
    const int b_column = plan.b_turned ? plan.depth : 1, b_depth = plan.b_turned ? 1 : plan.columns;
    const int a_start = batch * plan.a_step + row * a_row, b_start = batch * plan.b_step + column * b_column;
    const Lines left = {given.a + a_start, given.a_y ? given.a_y + a_start : nullptr, plan.rows - row, plan.depth,
                        a_row, a_depth, false};
    const Lines right = {given.b + b_start, given.b_y ? given.b_y + b_start : nullptr, plan.columns - column,
                         plan.depth, b_column, b_depth, given.a_sums != nullptr};
    REAL sums[T::HIGH][T::WIDE] = {};
    multiply<T>(left, right, 0, plan.depth, sums);
    if (threadIdx.x >= T::MEMBERS) return;
    const int r = row + row_in_tile<T>(), c = column + column_in_tile<T>();
    REAL *out = given.out + ((Integer)batch * plan.rows + r) * plan.columns + c;
#pragma unroll
    for (int i = 0; i < T::HIGH; i++)
#pragma unroll
        for (int j = 0; j < T::WIDE; j++) {
            if (r + i >= plan.rows || c + j > plan.columns) continue;
            if (c + j == plan.columns) {
                if (given.a_sums) given.a_sums[r + i] = sums[i][j];
                continue;
            }
            const REAL sum = sums[i][j] + (given.bias ? given.bias[r + i] : 0);
            out[(Integer)i * plan.columns + j] = relu && sum < 0 ? 0 : sum;  // NaN stays
        }
}

typedef Tile<8, 8, 128, 2, 2, 16, 1> Tile8;
typedef Tile<16, 16, 64, 2, 2, 4, 1> Tile16;
typedef Tile<32, 32, 64, 4, 4, 4, 1> Tile32;

KERNEL matmul_8x8(Product plan, const REAL *a, const REAL *b, const REAL *bias, Integer relu, REAL *out,
                  REAL *a_sums) {
    matmul<Tile8>(plan, blockIdx.x, {a, nullptr, b, nullptr, bias, out, a_sums}, relu);
}

KERNEL matmul_16x16(Product plan, const REAL *a, const REAL *b, const REAL *bias, Integer relu, REAL *out,
                    REAL *a_sums) {
    matmul<Tile16>(plan, blockIdx.x, {a, nullptr, b, nullptr, bias, out, a_sums}, relu);
}

KERNEL __launch_bounds__(256, 2) matmul_32x32(Product plan, const REAL *a, const REAL *b, const REAL *bias,
                                              Integer relu, REAL *out, REAL *a_sums) {
    matmul<Tile32>(plan, blockIdx.x, {a, nullptr, b, nullptr, bias, out, a_sums}, relu);
}

// The gradients of a linear layer with ReLU, whose result is y, or without it, where y is null: the first `blocks` have
// those by weight and bias, grad xT and the sums of grad's rows; the others that by x, weightT grad.
template <class T>
__device__ void linear_gradients(const Product &weights, const Product &inputs, int blocks, const REAL *grad,
                                 const REAL *y, const REAL *x, const REAL *weight, REAL *by_weight, REAL *by_bias,
                                 REAL *by_x) {
    const bool first = (int)blockIdx.x < blocks;
    const Product plan = first ? weights : inputs;
    const Factors given = {first ? grad : weight, first ? y : nullptr, first ? x : grad, first ? nullptr : y, nullptr,
                           first ? by_weight : by_x, first ? by_bias : nullptr};
    matmul<T>(plan, blockIdx.x - (first ? 0 : blocks), given, false);
}

KERNEL linear_gradients_8x8(Product weights, Product inputs, Integer blocks, const REAL *grad, const REAL *y,
                            const REAL *x, const REAL *weight, REAL *by_weight, REAL *by_bias, REAL *by_x) {
    linear_gradients<Tile8>(weights, inputs, blocks, grad, y, x, weight, by_weight, by_bias, by_x);
}

KERNEL linear_gradients_16x16(Product weights, Product inputs, Integer blocks, const REAL *grad, const REAL *y,
                              const REAL *x, const REAL *weight, REAL *by_weight, REAL *by_bias, REAL *by_x) {
    linear_gradients<Tile16>(weights, inputs, blocks, grad, y, x, weight, by_weight, by_bias, by_x);
}

KERNEL __launch_bounds__(256, 2) linear_gradients_32x32(Product weights, Product inputs, Integer blocks,
                                                        const REAL *grad, const REAL *y, const REAL *x,
                                                        const REAL *weight, REAL *by_weight, REAL *by_bias,
                                                        REAL *by_x) {
    linear_gradients<Tile32>(weights, inputs, blocks, grad, y, x, weight, by_weight, by_bias, by_x);
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
    int row_tiles, column_tiles, parts;
    int share;  // of places times images, in every part but the last
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

    __device__ Outs(const Gradient &plan, const REAL *grad, const unsigned char *, int row, int outs, int end)
        : outs(outs), depths(places_of(plan.axes) * plan.images), end(end) {
        this->grad = grad + (Integer)row * depths;
    }
    __device__ bool along() const { return true; }
    __device__ Pack<RUN> run(int row, int depth) const {
        Pack<RUN> zeros = {};
        return row < outs && depth < end ? *(const Pack<RUN> *)(grad + ((Integer)row * depths + depth)) : zeros;
    }
};

// The same before max-pooling by 2 x 2: grad is by its results, each of which one of the four taps won.
template <int RUN> struct PooledOuts {
    const REAL *grad;
    const unsigned char *winners;
    int outs, end, images, width, pooled_height, pooled_width;

    __device__ PooledOuts(const Gradient &plan, const REAL *grad, const unsigned char *winners, int row, int outs, int end)
        : outs(outs), end(end), images(plan.images), width(plan.axes[2].places),
          pooled_height(plan.axes[1].places / 2), pooled_width(plan.axes[2].places / 2) {
        const Integer start = (Integer)row * pooled_height * pooled_width * images;
        this->grad = grad + start;
        this->winners = winners + start;
    }
    __device__ bool along() const { return true; }
    __device__ Pack<RUN> run(int row, int depth) const {
        const int place = (unsigned)depth / images, image = depth - place * images;
        const int j = (unsigned)place / width, k = place - j * width;
        if (row >= outs || depth >= end || j / 2 >= pooled_height || k / 2 >= pooled_width) return {};
        const Integer at = (((Integer)row * pooled_height + j / 2) * pooled_width + k / 2) * images + image;
        return won<RUN>(grad + at, winners + at, j % 2 * 2 + k % 2);
    }
};

const int GROUP = 16;                // parts that one block adds up
const int MOST_COUNTERS = 1 << 13;   // plans.py makes no more blocks that share sums
__device__ int finished[MOST_COUNTERS];  // 0 between launches

// Whether this block is the last of `count` to come here; it sees what the others wrote before.
__device__ inline bool is_last(int *counter, int count) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (!threadIdx.x) {
        last = atomicAdd(counter, 1) == count - 1;
        if (last) *counter = 0;
        __threadfence();
    }
    __syncthreads();
    const bool result = last;
    __syncthreads();  // all have read it, before the next is written
    return result;
}

// The sum of number `e` of `count` parts of `size`, in their order; GROUP are read at a time.
__device__ inline REAL sum_of_parts(const REAL *parts, int count, int size, int e) {
    REAL sum = 0;
    for (int first = 0; first < count; first += GROUP) {
        REAL read[GROUP];
#pragma unroll
        for (int p = 0; p < GROUP; p++) read[p] = first + p < count ? parts[(Integer)(first + p) * size + e] : 0;
#pragma unroll
        for (int p = 0; p < GROUP; p++) sum += read[p];
    }
    return sum;
}

// Blocks count columns, then rows, then groups, then parts: out (outs, ins of a group, taps) and grad_bias (outs,), or
// null. Where there are parts, the last block of each GROUP of them adds these up, and the last of those the groups:
// shared has room for ROWS x COLUMNS numbers of each part of each tile, then for those of each group of each tile.
template <class T, class Rows>
__device__ void gradient(const Gradient &plan, const REAL *x, const REAL *grad, const unsigned char *winners, REAL *out,
                         REAL *grad_bias, REAL *shared) {
    __shared__ Column table[T::COLUMNS];
    const Axis *axes = plan.axes;
    const int taps = axes[0].taps * axes[1].taps * axes[2].taps, all_columns = plan.ins * taps;
    const int first_column = blockIdx.x % plan.column_tiles * T::COLUMNS;
    const int first_row = blockIdx.x / plan.column_tiles % plan.row_tiles * T::ROWS;
    const int group = blockIdx.x / plan.column_tiles / plan.row_tiles % plan.groups;
    const int tiles = plan.column_tiles * plan.row_tiles * plan.groups, part = blockIdx.x / tiles;
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
    const int row = group * plan.outs + first_row, begin = part * plan.share;
    const int end = min(begin + plan.share, places_of(axes) * plan.images);
    const Rows left(plan, grad, winners, row, plan.outs - first_row, end);
    const Taps<T::RUN> right = {x, table, &plan, all_columns - first_column, end, grad_bias != nullptr};
    const bool whole = plan.parts == 1;
    const int tile = blockIdx.x % tiles, teams = (plan.parts + GROUP - 1) / GROUP, team = part / GROUP;
    const int size = T::ROWS * T::COLUMNS;
    REAL *const parts = shared + (Integer)tile * plan.parts * size;
    REAL *const team_sums = shared + ((Integer)tiles * plan.parts + tile * teams) * size;
    const auto finish = [&](int i, int j, REAL sum) {
        if (i >= plan.outs - first_row) return;
        if (first_column + j < all_columns) out[(Integer)(row + i) * all_columns + first_column + j] = sum;
        if (grad_bias && first_column + j == all_columns) grad_bias[row + i] = sum;
    };
    const auto keep = [&](int i, int j, REAL sum) {
        if (whole) finish(i, j, sum);
        else parts[(Integer)part * size + i * T::COLUMNS + j] = sum;
    };
    if constexpr (T::ON_TENSOR_CORES) multiply_on_tensor_cores<T>(left, right, begin, end, keep);
    else multiply_each<T>(left, right, begin, end, keep);
    if (whole) return;
    const int together = min(GROUP, plan.parts - team * GROUP);
    if (!is_last(finished + tile * (teams + 1) + team, together)) return;
    for (int e = threadIdx.x; e < size; e += T::THREADS)
        team_sums[team * size + e] = sum_of_parts(parts + (Integer)team * GROUP * size, together, size, e);
    if (!is_last(finished + tile * (teams + 1) + teams, teams)) return;
    for (int e = threadIdx.x; e < size; e += T::THREADS)
        finish(e / T::COLUMNS, e % T::COLUMNS, sum_of_parts(team_sums, teams, size, e));
}

KERNEL gradient_8x32x1(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<8, 32, 64, 2, 4, 4, 1>, Outs<1>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_8x32x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<8, 32, 64, 2, 4, 4, 4>, Outs<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_16x32x1(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<16, 32, 64, 4, 4, 4, 1>, Outs<1>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_16x32x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<16, 32, 64, 4, 4, 4, 4>, Outs<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_64x64x1(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<64, 64, 32, 8, 4, 1, 1>, Outs<1>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_64x64x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<64, 64, 32, 8, 4, 1, 4>, Outs<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_pooled_8x32x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<8, 32, 64, 2, 4, 4, 4>, PooledOuts<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL gradient_pooled_16x32x4(Gradient plan, const REAL *x, const REAL *grad, const unsigned char *winners,
    REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<Tile<16, 32, 64, 4, 4, 4, 4>, PooledOuts<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL __launch_bounds__(128) gradient_tensor(Gradient plan, const REAL *x, const REAL *grad,
                                              const unsigned char *winners, REAL *out, REAL *grad_bias, REAL *shared) {
    gradient<TensorTile<64, 80>, Outs<4>>(plan, x, grad, winners, out, grad_bias, shared);
}

KERNEL __launch_bounds__(128) gradient_pooled_tensor(Gradient plan, const REAL *x, const REAL *grad,
                                                     const unsigned char *winners, REAL *out, REAL *grad_bias,
                                                     REAL *shared) {
    gradient<TensorTile<64, 80>, PooledOuts<4>>(plan, x, grad, winners, out, grad_bias, shared);
}
