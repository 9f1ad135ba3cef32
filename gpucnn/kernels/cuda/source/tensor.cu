#include "common.cuh"
// Convolution and its gradient by the input on tensor cores, whose factors are rounded to TF32: the contraction of conv.cu
// as a product of weights (outs, depths) and what taps read (depths, columns). Depths are DEPTH channels of one tap after
// another. Columns are images and places; four images of one place are read at once.

const int WARPS = 4, LANES = 32, DEPTH = 16, WARP_ROWS = 32, RUN = 4;
const int NEAR = 8;  // columns of one place in a tile of a product, 16 x 8, where results are pooled

struct Contraction {
    int groups, outs, ins, images;      // outs and ins of one group
    int group_step, out_step, in_step;  // in the weight, whose taps are neighbours
    Axis axes[3];
};

// What a column is of; `inside`: whether there is such a column.
struct Spot {
    int place, image;
    bool inside;
};

// Columns count images, then places; or where results are pooled by 2 x 2 NEAR images, then the four places of a window,
// further images, windows.
template <bool POOLED> __device__ Spot spot(const Contraction &plan, unsigned column) {
    const Axis *axes = plan.axes;
    if (!POOLED) {
        const unsigned place = column / plan.images;
        return {(int)place, (int)(column - place * plan.images), place < (unsigned)places_of(axes)};
    }
    const unsigned pieces = (plan.images + NEAR - 1) / NEAR, tap = column / NEAR % 4, window = column / (4 * NEAR) / pieces;
    const unsigned image = column / (4 * NEAR) % pieces * NEAR + column % NEAR;
    const unsigned height = axes[1].places / 2, width = axes[2].places / 2, row = window / width;
    const unsigned place = (row * 2 + tap / 2) * axes[2].places + window % width * 2 + tap % 2;
    return {(int)place, (int)image, row < height && image < (unsigned)plan.images};
}

// Where taps read along one axis; -1: beside the sources.
__device__ inline int source_of(const Axis &axis, int place, int tap) {
    const int reached = place * axis.scale + axis.offset + tap * axis.slope;
    const int source = axis.divisor == 1 ? reached : reached / axis.divisor;
    return reached < 0 || source * axis.divisor != reached || source >= axis.sources ? -1 : source;
}

// What a thread reads of the sources: four images of one place, of every channel of its group. With UNPOOLED they are
// the gradient by the input of max-pooling by 2 x 2, of which its gradient and the winners lie in memory.
template <bool UNPOOLED> struct Source {
    const REAL *from;
    const unsigned char *winners;
    const Axis *axes;
    int place[3], images, tap;  // tap: of the window of max-pooling
    bool inside, read;          // read: whether the last `move` led to a source
    Integer channel_step, at;

    __device__ Source(const Contraction &plan, const REAL *source, const unsigned char *winners, int group, const Spot &spot)
        : from(source), winners(winners), axes(plan.axes), images(plan.images), tap(0), inside(spot.inside), read(false),
          at(0) {
        const int row = spot.place / axes[2].places;
        place[0] = row / axes[1].places;
        place[1] = row - place[0] * axes[1].places;
        place[2] = spot.place - row * axes[2].places;
        const int side = UNPOOLED ? 2 : 1;
        channel_step = (Integer)axes[0].sources * (axes[1].sources / side) * (axes[2].sources / side) * images;
        const Integer start = (Integer)group * plan.ins * channel_step + spot.image;
        from += start;
        if (UNPOOLED) this->winners += start;
    }
    __device__ void move(int slab_tap, int row_tap, int last_tap) {
        const int side = UNPOOLED ? 2 : 1;
        const int i = source_of(axes[0], place[0], slab_tap), j = source_of(axes[1], place[1], row_tap);
        const int k = source_of(axes[2], place[2], last_tap), height = axes[1].sources / side;
        const int width = axes[2].sources / side;
        read = inside && i >= 0 && j >= 0 && k >= 0 && j / side < height && k / side < width;
        at = (Integer)((i * height + j / side) * width + k / side) * images;
        tap = j % 2 * 2 + k % 2;
    }
    __device__ Pack<RUN> get(int channel) const {
        if (!read) return {};
        const Integer place = at + channel * channel_step;
        return UNPOOLED ? won<RUN>(from + place, winners + place, tap) : *(const Pack<RUN> *)(from + place);
    }
};

// A block's tile of ROWS outs and COLUMNS columns, of which a warp has WARP_ROWS x WIDE, in tiles of 16 x 8.
template <int ROWS_, int COLUMNS_> struct Tile {
    static const int ROWS = ROWS_, COLUMNS = COLUMNS_, ACROSS = WARPS / (ROWS / WARP_ROWS), WIDE = COLUMNS / ACROSS;
    static const int HIGH_TILES = WARP_ROWS / 16, WIDE_TILES = WIDE / 8;
    static const int ROW_STEP = ROWS + 8, COLUMN_STEP = COLUMNS + 8;  // from one depth to the next: 8 more for the banks
    static const int WEIGHTS = ROWS * DEPTH / (WARPS * LANES), RUNS = COLUMNS / RUN * DEPTH / (WARPS * LANES);
    static const int RUNS_ACROSS = COLUMNS / RUN, RUN_DEPTHS = WARPS * LANES / RUNS_ACROSS;
};

// The sums of a warp's tiles.
template <class T> struct Sums {
    float at[T::HIGH_TILES][T::WIDE_TILES][4];
};

// What a block has: blocks count tiles of outs, then groups, then columns.
template <class T> struct Part {
    int group, first, rows, column;  // first: of the outs; rows: how many there are from there on

    __device__ Part(const Contraction &plan) {
        const int tiles = (plan.outs + T::ROWS - 1) / T::ROWS, tile = blockIdx.x % tiles;
        group = blockIdx.x / tiles % plan.groups;
        first = group * plan.outs + tile * T::ROWS;
        rows = plan.outs - tile * T::ROWS;
        column = blockIdx.x / tiles / plan.groups * T::COLUMNS;
    }
};

template <class T, bool UNPOOLED>
__device__ void contract(const Contraction &plan, const Part<T> &part, Source<UNPOOLED> &&source, const REAL *weight,
                         Sums<T> &sums) {
    weight += (Integer)part.group * plan.group_step + (Integer)(part.first - part.group * plan.outs) * plan.out_step;
    __shared__ unsigned weights[2][DEPTH][T::ROW_STEP];
    alignas(16) __shared__ unsigned sources[2][DEPTH][T::COLUMN_STEP];
    const Axis *axes = plan.axes;
    const int taps = axes[0].taps * axes[1].taps * axes[2].taps, run = threadIdx.x % T::RUNS_ACROSS;
    const int row = threadIdx.x % T::ROWS, depth_of_row = threadIdx.x / T::ROWS, row_depths = WARPS * LANES / T::ROWS;
    const int depth_of_run = threadIdx.x / T::RUNS_ACROSS;
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const int first_row = warp / T::ACROSS * WARP_ROWS + lane / 4, first_column = warp % T::ACROSS * T::WIDE + lane / 4;
    REAL next_weights[T::WEIGHTS];
    Pack<RUN> next_sources[T::RUNS];
    int channel = 0, tap = 0, tap_at[3] = {0, 0, 0};  // of what is fetched next
    const auto fetch = [&] {
        source.move(tap_at[0], tap_at[1], tap_at[2]);
#pragma unroll
        for (int i = 0; i < T::RUNS; i++) {
            const int s = channel + depth_of_run + i * T::RUN_DEPTHS;
            next_sources[i] = s < plan.ins ? source.get(s) : Pack<RUN>{};
        }
        const REAL *from = weight + (Integer)row * plan.out_step + tap;
#pragma unroll
        for (int i = 0; i < T::WEIGHTS; i++) {
            const int s = channel + depth_of_row + i * row_depths;
            next_weights[i] = row < part.rows && s < plan.ins ? from[s * plan.in_step] : 0;
        }
        tap++;
        if (++tap_at[2] == axes[2].taps) tap_at[2] = 0, tap_at[1]++;
        if (tap_at[1] == axes[1].taps) tap_at[1] = 0, tap_at[0]++;
        if (tap == taps) tap = 0, tap_at[0] = 0, channel += DEPTH;
    };
    const int stages = (plan.ins + DEPTH - 1) / DEPTH * taps;
    fetch();
    for (int stage = 0; stage < stages; stage++) {
        unsigned(*const a)[T::ROW_STEP] = weights[stage % 2];
        unsigned(*const b)[T::COLUMN_STEP] = sources[stage % 2];
#pragma unroll
        for (int i = 0; i < T::WEIGHTS; i++) a[depth_of_row + i * row_depths][row] = to_tf32(next_weights[i]);
#pragma unroll
        for (int i = 0; i < T::RUNS; i++) {
            const Pack<RUN> read = next_sources[i];
            const FourWords words = {{to_tf32(read.at[0]), to_tf32(read.at[1]), to_tf32(read.at[2]), to_tf32(read.at[3])}};
            *(FourWords *)&b[depth_of_run + i * T::RUN_DEPTHS][run * RUN] = words;
        }
        __syncthreads();  // what is read below is written again two stages later, behind the next barrier
        if (stage + 1 < stages) fetch();
#pragma unroll
        for (int step = 0; step < DEPTH; step += 8) {
            const int k = step + lane % 4;
            unsigned left[T::HIGH_TILES][4], right[T::WIDE_TILES][2];
#pragma unroll
            for (int i = 0; i < T::HIGH_TILES; i++)
#pragma unroll
                for (int e = 0; e < 4; e++) left[i][e] = a[k + e / 2 * 4][first_row + i * 16 + e % 2 * 8];
#pragma unroll
            for (int j = 0; j < T::WIDE_TILES; j++)
#pragma unroll
                for (int e = 0; e < 2; e++) right[j][e] = b[k + e * 4][first_column + j * 8];
#pragma unroll
            for (int i = 0; i < T::HIGH_TILES; i++)
#pragma unroll
                for (int j = 0; j < T::WIDE_TILES; j++) multiply_add(sums.at[i][j], left[i], right[j]);
        }
    }
}

struct Pair {
    REAL at[2];
};

__device__ inline REAL clipped(REAL value, bool relu) { return relu && value <= 0 ? 0 : value; }  // NaN stays

template <class T, bool UNPOOLED>
__device__ void convolve(const Contraction &plan, const REAL *given, const unsigned char *given_winners,
                         const REAL *weight, const REAL *bias, bool relu, REAL *out) {
    const Part<T> part(plan);
    const Spot at = spot<false>(plan, part.column + threadIdx.x % T::RUNS_ACROSS * RUN);
    Sums<T> sums = {};
    contract<T>(plan, part, Source<UNPOOLED>(plan, given, given_winners, part.group, at), weight, sums);
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const Integer columns = (Integer)places_of(plan.axes) * plan.images;
    out += part.first * columns;
#pragma unroll
    for (int i = 0; i < T::HIGH_TILES * 2; i++) {
        const int row = warp / T::ACROSS * WARP_ROWS + lane / 4 + i * 8;
        const REAL more = bias && row < part.rows ? bias[part.first + row] : 0;
#pragma unroll
        for (int j = 0; j < T::WIDE_TILES; j++) {
            const Integer column = part.column + warp % T::ACROSS * T::WIDE + j * 8 + lane % 4 * 2;
            const float *sum = sums.at[i / 2][j] + i % 2 * 2;
            if (row < part.rows && column < columns)
                *(Pair *)(out + row * columns + column) = {clipped(sum[0] + more, relu), clipped(sum[1] + more, relu)};
        }
    }
}

// A convolution, then max-pooling by 2 x 2, with relu no less than 0: four neighbouring tiles of a warp are the places of
// a window. winners: null, or the taps that won, 255 where ReLU gives no gradient. Arrays are of the pooled shape.
template <class T>
__device__ void convolve_pooled(const Contraction &plan, const REAL *given, const REAL *weight, const REAL *bias,
                                bool relu, unsigned char *winners, REAL *out) {
    const Part<T> part(plan);
    const Spot at = spot<true>(plan, part.column + threadIdx.x % T::RUNS_ACROSS * RUN);
    Sums<T> sums = {};
    contract<T>(plan, part, Source<false>(plan, given, nullptr, part.group, at), weight, sums);
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const int height = plan.axes[1].places / 2, width = plan.axes[2].places / 2;
    const Integer columns = (Integer)height * width * plan.images;
#pragma unroll
    for (int i = 0; i < T::HIGH_TILES * 2; i++) {
        const int row = warp / T::ACROSS * WARP_ROWS + lane / 4 + i * 8;
        const REAL more = bias && row < part.rows ? bias[part.first + row] : 0;
#pragma unroll
        for (int j = 0; j < T::WIDE_TILES; j += 4) {
            const Spot first = spot<true>(plan, part.column + warp % T::ACROSS * T::WIDE + j * 8 + lane % 4 * 2);
            if (row >= part.rows || !first.inside) continue;
            Pair best;
            Bytes<2> won;
#pragma unroll
            for (int n = 0; n < 2; n++) {
                best.at[n] = sums.at[i / 2][j][i % 2 * 2 + n] + more;
                won.at[n] = 0;
#pragma unroll
                for (int tap = 1; tap < 4; tap++) {
                    const REAL value = sums.at[i / 2][j + tap][i % 2 * 2 + n] + more;
                    if (value > best.at[n] || value != value) best.at[n] = value, won.at[n] = (unsigned char)tap;
                }
                if (relu && !(best.at[n] > 0)) won.at[n] = 255;
                best.at[n] = clipped(best.at[n], relu);
            }
            const int line = first.place / plan.axes[2].places, column = first.place - line * plan.axes[2].places;
            const Integer place = (part.first + row) * columns + (line / 2 * width + column / 2) * plan.images + first.image;
            *(Pair *)(out + place) = best;
            if (winners) *(Bytes<2> *)(winners + place) = won;
        }
    }
}

#define TENSOR_KERNEL(name, ROWS)                                                                                      \
    KERNEL __launch_bounds__(WARPS *LANES)                                                                             \
    name(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu, REAL *out) {        \
        convolve<Tile<ROWS, 128>, false>(plan, source, nullptr, weight, bias, relu, out);                              \
    }
TENSOR_KERNEL(tensor_64, 64)
TENSOR_KERNEL(tensor_32, 32)

#define POOLED_KERNEL(name, ROWS)                                                                                      \
    KERNEL __launch_bounds__(WARPS *LANES)                                                                             \
    name(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,                     \
         unsigned char *winners, REAL *out) {                                                                          \
        convolve_pooled<Tile<ROWS, 128>>(plan, source, weight, bias, relu, winners, out);                              \
    }
POOLED_KERNEL(tensor_pooled_64, 64)
POOLED_KERNEL(tensor_pooled_32, 32)

#define UNPOOLED_KERNEL(name, ROWS)                                                                                    \
    KERNEL __launch_bounds__(WARPS *LANES)                                                                             \
    name(Contraction plan, const REAL *grad, const unsigned char *winners, const REAL *weight, REAL *out) {            \
        convolve<Tile<ROWS, 128>, true>(plan, grad, winners, weight, nullptr, false, out);                             \
    }
UNPOOLED_KERNEL(tensor_unpooled_64, 64)
UNPOOLED_KERNEL(tensor_unpooled_32, 32)
