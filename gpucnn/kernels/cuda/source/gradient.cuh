#include "tiles.cuh"
// The gradient of a convolution by its weight: a product whose columns are the inputs that a tap reads, fetched where
// they lie.

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
// this thread has, as multiply_each does. The next tile is fetched before the present one is multiplied.
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
