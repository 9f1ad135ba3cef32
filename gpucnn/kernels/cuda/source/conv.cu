#include "common.cuh"
// Convolution and its gradient by the input, without a column matrix: both are
//     out[r, place, n] = sum over channels s and taps t of weight[r, s, t] * source[s, source of (place, t), n]
// and differ in which source a tap reads, which is linear along each axis, and in the steps through the weight.
// Arrays are (channels, places..., images). A thread has IMAGES neighbouring images of one place and OUTS outs.

const int STAGED = 2048;  // weights, or sums, that a block keeps in shared memory: plans.py knows this number

struct Contraction {
    int groups, outs, ins, images;      // outs and ins of one group
    int group_step, out_step, in_step;  // in the weight, whose taps are neighbours
    int slices;                         // threads that share a sum, by channels
    int chunk;                          // channels whose weights are staged at once
    Axis axes[3];
};

// The taps of one place that meet the source: how many, the first of them, and where it meets it.
struct Meeting {
    int count, tap, source;
};

__device__ inline Meeting meeting(const Axis &axis, int place) {
    Meeting found = {0, 0, 0};
#pragma unroll 1
    for (int tap = 0; tap < axis.taps; tap++) {
        const int reached = place * axis.scale + axis.offset + tap * axis.slope;
        const int source = axis.divisor == 1 ? reached : reached / axis.divisor;
        if (reached < 0 || source * axis.divisor != reached || source >= axis.sources) continue;
        if (!found.count) found.tap = tap, found.source = source;
        found.count++;
    }
    return found;
}

// Stage the weights of some channels as [channel][tap][OUTS]; those of outs that do not exist are 0.
template <int OUTS>
__device__ void stage(const REAL *weight, const Contraction &plan, int taps, int channels, int outs, REAL *staged) {
    for (int k = threadIdx.x; k < channels * taps; k += blockDim.x) {
        const int channel = k / taps;
        const REAL *from = weight + (Integer)channel * plan.in_step + (k - channel * taps);
        Pack<OUTS> column;
#pragma unroll
        for (int r = 0; r < OUTS; r++) column.at[r] = r < outs ? from[(Integer)r * plan.out_step] : 0;
        *(Pack<OUTS> *)(staged + k * OUTS) = column;
    }
}

// Add what the taps of one line meet: `count` of them, from one source and one staged weight on, by these steps. All TAPS
// are read before the first is used, so that they are waited for together.
template <int OUTS, int IMAGES, int TAPS>
__device__ inline void add_line(const REAL *__restrict__ from, const REAL *by, int count, int step, int by_step,
                                REAL (&sums)[OUTS][IMAGES]) {
    Pack<IMAGES> x[TAPS];
#pragma unroll
    for (int k = 0; k < TAPS; k++)
        if (k < count) x[k] = *(const Pack<IMAGES> *)(from + k * step);
#pragma unroll
    for (int k = 0; k < TAPS; k++) {
        if (k >= count) continue;
        const Pack<OUTS> w = *(const Pack<OUTS> *)(by + k * by_step);
#pragma unroll
        for (int r = 0; r < OUTS; r++)
#pragma unroll
            for (int n = 0; n < IMAGES; n++) sums[r][n] += w.at[r] * x[k].at[n];
    }
}

// Add what the taps of one channel meet, TAPS at a time along the last axis.
template <int OUTS, int IMAGES, int TAPS>
__device__ inline void add_channel(const REAL *__restrict__ source, const REAL *staged, const Contraction &plan,
                                   const Meeting (&meets)[3], REAL (&sums)[OUTS][IMAGES]) {
    const Axis *axes = plan.axes;
    const int step = axes[2].source_step * plan.images, by_step = axes[2].tap_step * OUTS;
    for (int i = 0; i < meets[0].count; i++)
        for (int j = 0; j < meets[1].count; j++) {
            const int above = meets[0].source + i * axes[0].source_step;
            const int beside = above * axes[1].sources + meets[1].source + j * axes[1].source_step;
            const int tap = (meets[0].tap + i * axes[0].tap_step) * axes[1].taps + meets[1].tap + j * axes[1].tap_step;
            const REAL *from = source + (beside * axes[2].sources + meets[2].source) * plan.images;
            const REAL *by = staged + (tap * axes[2].taps + meets[2].tap) * OUTS;
            for (int k = 0; k < meets[2].count; k += TAPS)
                add_line<OUTS, IMAGES, TAPS>(from + k * step, by + k * by_step, meets[2].count - k, step, by_step, sums);
        }
}

// The sums of all slices, in their order, to those of the first.
template <int OUTS, int IMAGES>
__device__ void add_slices(int slices, int slice, int lane, int lanes, REAL *shared, REAL (&sums)[OUTS][IMAGES]) {
    const int count = OUTS * IMAGES;
    if (slice)
#pragma unroll
        for (int e = 0; e < count; e++) shared[((slice - 1) * count + e) * lanes + lane] = sums[e / IMAGES][e % IMAGES];
    __syncthreads();
    if (slice) return;
    for (int other = 0; other < slices - 1; other++)
#pragma unroll
        for (int e = 0; e < count; e++) sums[e / IMAGES][e % IMAGES] += shared[(other * count + e) * lanes + lane];
}

// Blocks count tiles of outs, then groups, then places: neighbouring blocks read the same sources.
template <int OUTS, int IMAGES>
__device__ void contract(const Contraction &plan, const REAL *source, const REAL *weight, const REAL *bias, bool relu,
                         REAL *out) {
    alignas(16) __shared__ REAL shared[STAGED];
    const Axis *axes = plan.axes;
    const int lanes = blockDim.x / plan.slices, slice = threadIdx.x / lanes, lane = threadIdx.x % lanes;
    const int tiles = (plan.outs + OUTS - 1) / OUTS, tile = blockIdx.x % tiles;
    const int group = blockIdx.x / tiles % plan.groups, outs = min(OUTS, plan.outs - tile * OUTS);
    const int packs = plan.images / IMAGES, places = axes[0].places * axes[1].places * axes[2].places;
    const unsigned number = blockIdx.x / tiles / plan.groups * lanes + lane;  // of this thread's place and images
    const bool inside = number < (unsigned)places * packs;
    const int place = number / packs, image = (number - place * packs) * IMAGES, row = place / axes[2].places;
    const Meeting meets[3] = {
        inside ? meeting(axes[0], row / axes[1].places) : Meeting{0, 0, 0},
        meeting(axes[1], row % axes[1].places),
        meeting(axes[2], place - row * axes[2].places),
    };
    const int taps = axes[0].taps * axes[1].taps * axes[2].taps;
    const Integer sources = (Integer)axes[0].sources * axes[1].sources * axes[2].sources * plan.images;
    source += (Integer)group * plan.ins * sources + image;
    const int first = group * plan.outs + tile * OUTS;  // of this thread's outs
    weight += (Integer)group * plan.group_step + (Integer)tile * OUTS * plan.out_step;
    REAL sums[OUTS][IMAGES] = {};
    for (int begin = 0; begin < plan.ins; begin += plan.chunk) {
        const int channels = min(plan.chunk, plan.ins - begin);
        stage<OUTS>(weight + (Integer)begin * plan.in_step, plan, taps, channels, outs, shared);
        __syncthreads();
        for (int s = slice; s < channels; s += plan.slices) {
            const REAL *from = source + (begin + s) * sources, *by = shared + s * taps * OUTS;
            if (axes[2].taps <= 3)
                add_channel<OUTS, IMAGES, 3>(from, by, plan, meets, sums);
            else
                add_channel<OUTS, IMAGES, 5>(from, by, plan, meets, sums);
        }
        __syncthreads();
    }
    if (plan.slices > 1) add_slices<OUTS, IMAGES>(plan.slices, slice, lane, lanes, shared, sums);
    if (!inside || slice) return;
    out += ((Integer)first * places + place) * plan.images + image;
    const Integer step = (Integer)places * plan.images;
#pragma unroll
    for (int r = 0; r < OUTS; r++) {
        const REAL more = bias && r < outs ? bias[first + r] : 0;
        Pack<IMAGES> result;
#pragma unroll
        for (int n = 0; n < IMAGES; n++) {
            const REAL sum = sums[r][n] + more;
            result.at[n] = relu && sum < 0 ? 0 : sum;  // NaN stays
        }
        if (r < outs) *(Pack<IMAGES> *)out = result;
        out += step;  // so, and not by an index, the compiler joins all stores of a Pack
    }
}

KERNEL contract_1x1(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,
                    REAL *out) {
    contract<1, 1>(plan, source, weight, bias, relu, out);
}

KERNEL contract_4x1(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,
                    REAL *out) {
    contract<4, 1>(plan, source, weight, bias, relu, out);
}

KERNEL contract_8x1(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,
                    REAL *out) {
    contract<8, 1>(plan, source, weight, bias, relu, out);
}

KERNEL contract_1x4(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,
                    REAL *out) {
    contract<1, 4>(plan, source, weight, bias, relu, out);
}

KERNEL contract_2x4(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,
                    REAL *out) {
    contract<2, 4>(plan, source, weight, bias, relu, out);
}

KERNEL contract_4x4(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,
                    REAL *out) {
    contract<4, 4>(plan, source, weight, bias, relu, out);
}

KERNEL contract_8x4(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,
                    REAL *out) {
    contract<8, 4>(plan, source, weight, bias, relu, out);
}

KERNEL contract_16x4(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,
                     REAL *out) {
    contract<16, 4>(plan, source, weight, bias, relu, out);
}

// A column row for each channel of the tile and tap, of `packs` of IMAGES for the tile's places; a tile has
// `channels` of each group's `ins` channels, from the first on, and places from `start` on.
struct Columns {
    int ins, first, channels, images;
    int start, places;
    int blocks;  // for one channel, of x or of the result
    Axis axes[3];
};

// columns (groups, channels, taps, places, images) = what each tap reads of x, 0 beside it; a thread has all taps of one
// channel and place. axes are the outputs'.
template <int IMAGES> __device__ void to_columns(const Columns &plan, const REAL *x, REAL *columns) {
    const Axis *axes = plan.axes;
    const unsigned packs = plan.images / IMAGES, number = blockIdx.x % plan.blocks * blockDim.x + threadIdx.x;
    if (number >= plan.places * packs) return;
    const int channel = blockIdx.x / plan.blocks, taps = axes[0].taps * axes[1].taps * axes[2].taps;
    const int place = plan.start + number / packs, image = number % packs * IMAGES, row = place / axes[2].places;
    const int i = row / axes[1].places * axes[0].scale + axes[0].offset;  // where the first tap is
    const int j = row % axes[1].places * axes[1].scale + axes[1].offset;
    const int k = place % axes[2].places * axes[2].scale + axes[2].offset;
    const Integer from = (Integer)channel / plan.channels * plan.ins + plan.first + channel % plan.channels;
    const Integer step = (Integer)plan.places * plan.images;  // from one tap's column row to the next
    x += from * axes[0].sources * axes[1].sources * axes[2].sources * plan.images + image;
    columns += (Integer)channel * taps * step + (Integer)number * IMAGES;
    for (int a = 0, d = i; a < axes[0].taps; a++, d += axes[0].slope)
        for (int b = 0, h = j; b < axes[1].taps; b++, h += axes[1].slope) {
            const bool inside = d >= 0 && d < axes[0].sources && h >= 0 && h < axes[1].sources;
            const Integer line = ((Integer)d * axes[1].sources + h) * axes[2].sources;
            for (int c = 0, w = k; c < axes[2].taps; c++, w += axes[2].slope) {
                Pack<IMAGES> result = {};
                if (inside && w >= 0 && w < axes[2].sources)
                    result = *(const Pack<IMAGES> *)(x + (line + w) * plan.images);
                *(Pack<IMAGES> *)columns = result;
                columns += step;
            }
        }
}

// out = for each pixel the sum over the columns of the taps that read it, in their order. axes are the pixels'.
template <int IMAGES> __device__ void from_columns(const Columns &plan, const REAL *columns, REAL *out) {
    const Axis *axes = plan.axes;
    const int pixels = axes[0].places * axes[1].places * axes[2].places;
    const unsigned packs = plan.images / IMAGES, number = blockIdx.x % plan.blocks * blockDim.x + threadIdx.x;
    if (number >= pixels * packs) return;
    const int channel = blockIdx.x / plan.blocks, pixel = number / packs, image = number % packs * IMAGES;
    const int row = pixel / axes[2].places;
    const Meeting slabs = meeting(axes[0], row / axes[1].places), rows = meeting(axes[1], row % axes[1].places);
    const Meeting places = meeting(axes[2], pixel % axes[2].places);
    Pack<IMAGES> sums = {};
    for (int i = 0; i < slabs.count; i++)
        for (int j = 0; j < rows.count; j++)
            for (int k = 0; k < places.count; k++) {
                const int slab_tap = slabs.tap + i * axes[0].tap_step, slab = slabs.source + i * axes[0].source_step;
                const int row_tap = rows.tap + j * axes[1].tap_step, row_of = rows.source + j * axes[1].source_step;
                const int last_tap = places.tap + k * axes[2].tap_step, last = places.source + k * axes[2].source_step;
                Integer at = ((Integer)channel * axes[0].taps + slab_tap) * axes[1].taps + row_tap;  // the column's row
                at = ((at * axes[2].taps + last_tap) * axes[0].sources + slab) * axes[1].sources + row_of;
                at = (at * axes[2].sources + last) * plan.images + image;
                const Pack<IMAGES> read = *(const Pack<IMAGES> *)(columns + at);
#pragma unroll
                for (int n = 0; n < IMAGES; n++) sums.at[n] += read.at[n];
            }
    const Integer to = (Integer)channel / plan.channels * plan.ins + plan.first + channel % plan.channels;
    *(Pack<IMAGES> *)(out + ((to * pixels + pixel) * plan.images + image)) = sums;
}

KERNEL to_columns_1(Columns plan, const REAL *x, REAL *columns) { to_columns<1>(plan, x, columns); }

KERNEL to_columns_4(Columns plan, const REAL *x, REAL *columns) { to_columns<4>(plan, x, columns); }

KERNEL from_columns_1(Columns plan, const REAL *columns, REAL *out) { from_columns<1>(plan, columns, out); }

KERNEL from_columns_4(Columns plan, const REAL *columns, REAL *out) { from_columns<4>(plan, columns, out); }
