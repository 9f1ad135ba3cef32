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

// What a contraction reads: an array, from this thread's images on.
struct Whole {
    const REAL *from;
    int height, width, images;
    Integer channel_step;

    __device__ Whole(const Contraction &plan, const REAL *source, const unsigned char *, int group, int image)
        : height(plan.axes[1].sources), width(plan.axes[2].sources), images(plan.images) {
        channel_step = (Integer)plan.axes[0].sources * height * width * images;
        from = source + (Integer)group * plan.ins * channel_step + image;
    }
    // What `step` after `step` of sources reads of one line, from `first` on.
    struct Line {
        const REAL *__restrict__ from;
        int step;
        template <int IMAGES> __device__ Pack<IMAGES> at(int k) const { return *(const Pack<IMAGES> *)(from + k * step); }
    };
    __device__ Line line(int channel, int slab, int row, int first, int step) const {
        return {from + channel * channel_step + ((slab * height + row) * width + first) * images, step * images};
    }
};

// The gradient by the input of max-pooling by 2 x 2, of which its gradient and the winners lie in memory.
struct Pooled {
    const REAL *from;
    const unsigned char *winners;
    int height, width, images;
    Integer channel_step;

    __device__ Pooled(const Contraction &plan, const REAL *source, const unsigned char *winners, int group, int image)
        : height(plan.axes[1].sources / 2), width(plan.axes[2].sources / 2), images(plan.images) {
        channel_step = (Integer)height * width * images;
        const Integer start = (Integer)group * plan.ins * channel_step + image;
        from = source + start;
        this->winners = winners + start;
    }
    struct Line {
        const REAL *__restrict__ from;
        const unsigned char *__restrict__ winners;
        int first, step, width, images, tap;
        template <int IMAGES> __device__ Pack<IMAGES> at(int k) const {
            const int place = first + k * step;
            if (place / 2 >= width) return {};
            return won<IMAGES>(from + place / 2 * images, winners + place / 2 * images, tap + place % 2);
        }
    };
    __device__ Line line(int channel, int, int row, int first, int step) const {
        const Integer start = channel * channel_step + row / 2 * width * images;
        return {from + start, winners + start, first, step, row / 2 < height ? width : 0, images, row % 2 * 2};
    }
};

// Add what the taps of one line meet: `count` of them, from number `begin` and one staged weight on. All TAPS are read
// before the first is used, so that they are waited for together.
template <int OUTS, int IMAGES, int TAPS, class Line>
__device__ inline void add_line(const Line &line, int begin, const REAL *by, int count, int by_step,
                                REAL (&sums)[OUTS][IMAGES]) {
    Pack<IMAGES> x[TAPS];
#pragma unroll
    for (int k = 0; k < TAPS; k++)
        if (k < count) x[k] = line.template at<IMAGES>(begin + k);
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
template <int OUTS, int IMAGES, int TAPS, class Source>
__device__ inline void add_channel(const Source &source, int channel, const REAL *staged, const Contraction &plan,
                                   const Meeting (&meets)[3], REAL (&sums)[OUTS][IMAGES]) {
    const Axis *axes = plan.axes;
    const int by_step = axes[2].tap_step * OUTS;
    for (int i = 0; i < meets[0].count; i++)
        for (int j = 0; j < meets[1].count; j++) {
            const int slab = meets[0].source + i * axes[0].source_step, row = meets[1].source + j * axes[1].source_step;
            const int tap = (meets[0].tap + i * axes[0].tap_step) * axes[1].taps + meets[1].tap + j * axes[1].tap_step;
            const auto line = source.line(channel, slab, row, meets[2].source, axes[2].source_step);
            const REAL *by = staged + (tap * axes[2].taps + meets[2].tap) * OUTS;
            for (int k = 0; k < meets[2].count; k += TAPS)
                add_line<OUTS, IMAGES, TAPS>(line, k, by + k * by_step, meets[2].count - k, by_step, sums);
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

// The place and images of a thread.
struct Spot {
    int place, image;
    bool inside;  // whether there is such a place
};

// The thread's number counts packs of images, then places.
template <int IMAGES> __device__ Spot spot(const Contraction &plan, unsigned number) {
    const unsigned packs = plan.images / IMAGES, place = number / packs;
    return {(int)place, (int)(number - place * packs) * IMAGES, place < (unsigned)places_of(plan.axes)};
}

const int NEAR = 8;  // threads of a warp that have packs of one place, where four neighbouring places are pooled

// The same where results are pooled by 2 x 2: NEAR packs, then the four places of a window, further packs, windows.
template <int IMAGES> __device__ Spot pooled_spot(const Contraction &plan, unsigned number) {
    const unsigned packs = plan.images / IMAGES, pieces = (packs + NEAR - 1) / NEAR, window = number / (4 * NEAR) / pieces;
    const unsigned pack = number / (4 * NEAR) % pieces * NEAR + number % NEAR, tap = number / NEAR % 4;
    const unsigned height = plan.axes[1].places / 2, width = plan.axes[2].places / 2, row = window / width;
    const unsigned place = (row * 2 + tap / 2) * plan.axes[2].places + window % width * 2 + tap % 2;
    return {(int)place, (int)pack * IMAGES, row < height && pack < packs};
}

// The sums of this thread's outs over all channels and taps; complete where this returns true.
template <class Source, int OUTS, int IMAGES>
__device__ bool accumulate(const Contraction &plan, const Source &source, const Spot &at, const REAL *weight, int tile,
                           int group, int lanes, REAL (&sums)[OUTS][IMAGES]) {
    alignas(16) __shared__ REAL shared[STAGED];
    const Axis *axes = plan.axes;
    const int slice = threadIdx.x / lanes, lane = threadIdx.x % lanes, row = at.place / axes[2].places;
    const int outs = min(OUTS, plan.outs - tile * OUTS), taps = axes[0].taps * axes[1].taps * axes[2].taps;
    const Meeting meets[3] = {
        at.inside ? meeting(axes[0], row / axes[1].places) : Meeting{0, 0, 0},
        meeting(axes[1], row % axes[1].places),
        meeting(axes[2], at.place - row * axes[2].places),
    };
    weight += (Integer)group * plan.group_step + (Integer)tile * OUTS * plan.out_step;
    for (int begin = 0; begin < plan.ins; begin += plan.chunk) {
        const int channels = min(plan.chunk, plan.ins - begin);
        stage<OUTS>(weight + (Integer)begin * plan.in_step, plan, taps, channels, outs, shared);
        __syncthreads();
        for (int s = slice; s < channels; s += plan.slices) {
            const REAL *by = shared + s * taps * OUTS;
            if (axes[2].taps <= 3)
                add_channel<OUTS, IMAGES, 3>(source, begin + s, by, plan, meets, sums);
            else
                add_channel<OUTS, IMAGES, 5>(source, begin + s, by, plan, meets, sums);
        }
        __syncthreads();
    }
    if (plan.slices > 1) add_slices<OUTS, IMAGES>(plan.slices, slice, lane, lanes, shared, sums);
    return !slice;
}

// What a block has. Blocks count tiles of outs, then groups, then places: neighbouring blocks read the same sources.
struct Part {
    int tile, group, first, outs, lanes;  // `outs` from the first on; lanes: threads that share no sums
    unsigned number;                      // of this thread among all of those

    __device__ Part(const Contraction &plan, int most) {
        const int tiles = (plan.outs + most - 1) / most;
        lanes = blockDim.x / plan.slices;
        tile = blockIdx.x % tiles;
        group = blockIdx.x / tiles % plan.groups;
        first = group * plan.outs + tile * most;
        outs = min(most, plan.outs - tile * most);
        number = blockIdx.x / tiles / plan.groups * lanes + threadIdx.x % lanes;
    }
};

// source: `given` or, with winners, what max-pooling by 2 x 2 makes of its gradient `given`.
template <class Source, int OUTS, int IMAGES>
__device__ void contract(const Contraction &plan, const REAL *given, const unsigned char *winners, const REAL *weight,
                         const REAL *bias, bool relu, REAL *out) {
    const Part part(plan, OUTS);
    const Spot at = spot<IMAGES>(plan, part.number);
    const Source source(plan, given, winners, part.group, at.image);
    REAL sums[OUTS][IMAGES] = {};
    if (!accumulate(plan, source, at, weight, part.tile, part.group, part.lanes, sums) || !at.inside) return;
    const Integer places = places_of(plan.axes), step = places * plan.images;
    out += (part.first * places + at.place) * plan.images + at.image;
#pragma unroll
    for (int r = 0; r < OUTS; r++) {
        const REAL more = bias && r < part.outs ? bias[part.first + r] : 0;
        Pack<IMAGES> result;
#pragma unroll
        for (int n = 0; n < IMAGES; n++) {
            const REAL sum = sums[r][n] + more;
            result.at[n] = relu && sum < 0 ? 0 : sum;  // NaN stays
        }
        if (r < part.outs) *(Pack<IMAGES> *)out = result;
        out += step;  // so, and not by an index, the compiler joins all stores of a Pack
    }
}

// A number and the tap it came from.
struct Candidate {
    REAL value;
    int tap;
};

// The larger of this thread's candidate and that of the one `apart`; of equal ones the first tap's. NaN is the largest.
__device__ inline Candidate larger(Candidate mine, int apart) {
    const Candidate other = {__shfl_xor_sync(0xffffffff, mine.value, apart), __shfl_xor_sync(0xffffffff, mine.tap, apart)};
    const Candidate first = mine.tap < other.tap ? mine : other, last = mine.tap < other.tap ? other : mine;
    return last.value > first.value || last.value != last.value ? last : first;
}

// A convolution, then max-pooling by 2 x 2, with relu no less than 0. winners: null, or the taps that won, 255 where
// ReLU gives no gradient. Arrays are of the pooled shape.
template <int OUTS>
__device__ void contract_pooled(const Contraction &plan, const REAL *given, const REAL *weight, const REAL *bias,
                                bool relu, unsigned char *winners, REAL *out) {
    const Part part(plan, OUTS);
    const Spot at = pooled_spot<4>(plan, part.number);
    const Whole source(plan, given, nullptr, part.group, at.image);
    REAL sums[OUTS][4] = {};
    if (!accumulate(plan, source, at, weight, part.tile, part.group, part.lanes, sums)) return;
    const int height = plan.axes[1].places / 2, width = plan.axes[2].places / 2, tap = part.number / NEAR % 4;
    const int row = at.place / plan.axes[2].places, column = at.place - row * plan.axes[2].places;
    const Integer step = (Integer)height * width * plan.images;
    const Integer start = part.first * step + (row / 2 * width + column / 2) * plan.images + at.image;
#pragma unroll
    for (int r = 0; r < OUTS; r++) {
        const REAL more = bias && r < part.outs ? bias[part.first + r] : 0;
        Pack<4> result;
        Bytes<4> won;
#pragma unroll
        for (int n = 0; n < 4; n++) {
            const Candidate best = larger(larger({sums[r][n] + more, tap}, NEAR), 2 * NEAR);
            won.at[n] = (unsigned char)(relu && !(best.value > 0) ? 255 : best.tap);
            result.at[n] = relu && best.value <= 0 ? 0 : best.value;
        }
        if (!at.inside || r >= part.outs || r % 4 != tap) continue;  // the four threads share the writing
        *(Pack<4> *)(out + start + r * step) = result;
        if (winners) *(Bytes<4> *)(winners + start + r * step) = won;
    }
}

#define CONTRACT_KERNEL(name, OUTS, IMAGES)                                                                            \
    KERNEL name(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu, REAL *out) { \
        contract<Whole, OUTS, IMAGES>(plan, source, nullptr, weight, bias, relu, out);                                 \
    }
CONTRACT_KERNEL(contract_1x1, 1, 1)
CONTRACT_KERNEL(contract_4x1, 4, 1)
CONTRACT_KERNEL(contract_8x1, 8, 1)
CONTRACT_KERNEL(contract_1x4, 1, 4)
CONTRACT_KERNEL(contract_2x4, 2, 4)
CONTRACT_KERNEL(contract_4x4, 4, 4)
CONTRACT_KERNEL(contract_8x4, 8, 4)
CONTRACT_KERNEL(contract_16x4, 16, 4)

#define POOLED_KERNEL(name, OUTS)                                                                                      \
    KERNEL name(Contraction plan, const REAL *source, const REAL *weight, const REAL *bias, Integer relu,              \
                unsigned char *winners, REAL *out) {                                                                   \
        contract_pooled<OUTS>(plan, source, weight, bias, relu, winners, out);                                         \
    }
POOLED_KERNEL(contract_pooled_4x4, 4)
POOLED_KERNEL(contract_pooled_8x4, 8)
POOLED_KERNEL(contract_pooled_16x4, 16)

KERNEL contract_unpooled_2x4(Contraction plan, const REAL *grad, const unsigned char *winners, const REAL *weight,
                             REAL *out) {
    contract<Pooled, 2, 4>(plan, grad, winners, weight, nullptr, false, out);
}

KERNEL contract_unpooled_8x4(Contraction plan, const REAL *grad, const unsigned char *winners, const REAL *weight,
                             REAL *out) {
    contract<Pooled, 8, 4>(plan, grad, winners, weight, nullptr, false, out);
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
