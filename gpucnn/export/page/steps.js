// The network's steps, on typed arrays. `weights` holds all of them, float32; a step says where its own begin.

/** What a window sees along one axis at a place: where its first tap lies, and which taps lie on the input. */
function seen(window, axis, place) {
  const at = place * window.stride[axis] - window.before[axis];
  let [first, last] = [0, window.kernel[axis]];
  while (first < last && at + first * window.dilation[axis] < 0) first++;
  while (last > first && at + (last - 1) * window.dilation[axis] >= window.input[axis]) last--;
  return { at, first, last };
}

const STEPS = {
  convolution({ window, weight, bias, groups, given, shape }, weights, [x]) {
    const [outputs, height, width] = shape;
    const inputs = given[0] / groups;
    const [rows, columns] = window.kernel;
    const [down, across] = window.dilation;
    const plane = window.input[0] * window.input[1];
    const y = new Float32Array(outputs * height * width);
    const beside = Array.from({ length: width }, (_, column) => seen(window, 1, column));
    let out = 0;
    for (let o = 0; o < outputs; o++) {
      const begin = Math.floor(o / (outputs / groups)) * inputs * plane;
      const kernel = weight + o * inputs * rows * columns;
      for (let h = 0; h < height; h++) {
        const a = seen(window, 0, h);
        for (let v = 0; v < width; v++) {
          const b = beside[v];
          let sum = bias === null ? 0 : weights[bias + o];
          for (let c = 0; c < inputs; c++) {
            for (let j = a.first; j < a.last; j++) {
              const tap = kernel + (c * rows + j) * columns;
              const row = begin + c * plane + (a.at + j * down) * window.input[1] + b.at;
              for (let k = b.first; k < b.last; k++) sum += weights[tap + k] * x[row + k * across];
            }
          }
          y[out++] = sum;
        }
      }
    }
    return y;
  },

  linear({ weight, bias, shape }, weights, [x]) {
    const y = new Float32Array(shape[0]);
    for (let o = 0; o < y.length; o++) {
      let sum = bias === null ? 0 : weights[bias + o];
      for (let i = 0; i < x.length; i++) sum += weights[weight + o * x.length + i] * x[i];
      y[o] = sum;
    }
    return y;
  },

  max_pool({ window, shape }, weights, [x]) {
    return pooled(window, shape, x, (most, value) => Math.max(most, value), -Infinity, (most) => most);
  },

  average_pool({ window, counted, shape }, weights, [x]) {
    const taps = (axis, at) => {
      const first = Math.max(at, -counted[axis][0]);
      return Math.min(at + window.kernel[axis], window.input[axis] + counted[axis][1]) - first;
    };
    return pooled(window, shape, x, (sum, value) => sum + value, 0, (sum, a, b) => sum / (taps(0, a.at) * taps(1, b.at)));
  },

  pad({ sides, mode, given, shape }, weights, [x]) {
    const y = new Float32Array(shape[0] * shape[1] * shape[2]);
    const place = (at, length) => {
      if (at >= 0 && at < length) return at;
      if (mode === "replicate") return Math.min(Math.max(at, 0), length - 1);
      if (mode === "reflect") return at < 0 ? -at : 2 * (length - 1) - at;
      return -1;
    };
    let out = 0;
    for (let c = 0; c < shape[0]; c++) {
      for (let h = 0; h < shape[1]; h++) {
        for (let v = 0; v < shape[2]; v++, out++) {
          const [row, column] = [place(h - sides[0][0], given[1]), place(v - sides[1][0], given[2])];
          if (row >= 0 && column >= 0) y[out] = x[(c * given[1] + row) * given[2] + column];
        }
      }
    }
    return y;
  },

  normalise({ factor, summand, shape }, weights, [x]) {
    const count = x.length / shape[0];
    return x.map((value, index) => {
      const channel = Math.floor(index / count);
      return value * weights[factor + channel] + weights[summand + channel];
    });
  },

  relu: (step, weights, [x]) => x.map((value) => Math.max(value, 0)),
  leaky_relu: ({ numbers: [slope] }, weights, [x]) => x.map((value) => (value > 0 ? value : slope * value)),
  sigmoid: (step, weights, [x]) => x.map((value) => 1 / (1 + Math.exp(-value))),
  scaled_tanh: ({ numbers: [amplitude, slope] }, weights, [x]) => x.map((value) => amplitude * Math.tanh(slope * value)),

  softmax({ axis, log, shape }, weights, [x]) {
    const size = (sides) => sides.reduce((product, side) => product * side, 1);
    const [length, inner] = [shape[axis - 1], size(shape.slice(axis))];
    const y = new Float32Array(x.length);
    for (let begin = 0; begin < x.length; begin++) {
      if (Math.floor(begin / inner) % length) continue; // not the first along the axis
      const places = Array.from({ length }, (_, k) => begin + k * inner);
      const most = Math.max(...places.map((at) => x[at]));
      const sum = places.reduce((all, at) => all + Math.exp(x[at] - most), 0);
      for (const at of places) y[at] = log ? x[at] - most - Math.log(sum) : Math.exp(x[at] - most) / sum;
    }
    return y;
  },

  flatten: (step, weights, [x]) => x,
  add: (step, weights, [x, other]) => x.map((value, index) => value + other[index]),
};

function pooled(window, [channels, height, width], x, join, begin, end) {
  const y = new Float32Array(channels * height * width);
  let out = 0;
  for (let c = 0; c < channels; c++) {
    for (let h = 0; h < height; h++) {
      const a = seen(window, 0, h);
      for (let v = 0; v < width; v++) {
        const b = seen(window, 1, v);
        let value = begin;
        for (let j = a.first; j < a.last; j++) {
          const row = (c * window.input[0] + a.at + j * window.dilation[0]) * window.input[1] + b.at;
          for (let k = b.first; k < b.last; k++) value = join(value, x[row + k * window.dilation[1]]);
        }
        y[out++] = end(value, a, b);
      }
    }
  }
  return y;
}

/** The values of all steps, given the network's input: value 0 is that, value n the result of step n. */
function valuesOf(steps, weights, input) {
  const values = [input];
  for (const step of steps) {
    values.push(STEPS[step.operation](step, weights, step.sources.map((number) => values[number])));
  }
  return values;
}
