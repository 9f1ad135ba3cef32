#include "tiles.cuh"
// Products of matrices.

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
        const REAL read = from[at];  // before y is known: both are waited for together
        return {{y && !(y[at] > 0) ? 0 : read}};
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

// x (batch, rows, columns) plus bias (rows,), with relu no less than 0, in place. So many blocks have one row each.
KERNEL finish(Integer blocks, Integer rows, Integer columns, const REAL *bias, Integer relu, REAL *x) {
    const unsigned row = blockIdx.x / (unsigned)blocks;
    const Integer column = (Integer)(blockIdx.x - row * (unsigned)blocks) * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    const REAL sum = x[row * columns + column] + (bias ? bias[row % (unsigned)rows] : 0);
    x[row * columns + column] = relu && sum < 0 ? 0 : sum;  // NaN stays
}
