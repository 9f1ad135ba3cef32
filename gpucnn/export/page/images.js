// From drawings and pictures to the network's images, as gpucnn/data/centring.py and Pillow make them.

const BOX = 20 / 28; // of an image's side: what the ink fits

/** Half to even, as NumPy and Python round. */
function rint(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Maps (count, rows, columns) resampled to (count, height, width): means over the area that each new pixel covers. */
function resampled(maps, count, [rows, columns], [height, width]) {
  const [down, across] = [cover(rows, height), cover(columns, width)];
  const out = new Float64Array(count * height * width);
  const lines = new Float64Array(height * columns);
  for (let map = 0; map < count; map++) {
    lines.fill(0);
    down.forEach(({ first, shares }, y) =>
      shares.forEach((share, k) => {
        const row = (map * rows + first + k) * columns;
        for (let x = 0; x < columns; x++) lines[y * columns + x] += share * maps[row + x];
      }),
    );
    for (let y = 0; y < height; y++) {
      across.forEach(({ first, shares }, x) => {
        let sum = 0;
        shares.forEach((share, k) => (sum += share * lines[y * columns + first + k]));
        out[(map * height + y) * width + x] = sum;
      });
    }
  }
  return out;
}

/** For each of `after` pixels of the length of `before`: the first that it covers, and the share of each. */
function cover(before, after) {
  const step = before / after;
  return Array.from({ length: after }, (_, index) => {
    const [begin, end] = [index * step, (index + 1) * step];
    const first = Math.min(Math.floor(begin), before - 1);
    const shares = [];
    for (let old = first; old < Math.min(Math.ceil(end), before); old++) {
      shares.push(Math.max(0, Math.min(end, old + 1) - Math.max(begin, old)) / step);
    }
    return { first, shares };
  });
}

/** Ink of (rows, columns) as an image of `size`, stretched to it as it is. */
function whole(ink, from, size) {
  return Uint8Array.from(resampled(ink, 1, from, size), rint);
}

/** Ink of (rows, columns) as an image of `size`: scaled into a box, its centre of mass in the middle. */
function centred(ink, from, size) {
  const image = new Uint8Array(size[0] * size[1]);
  const part = trimmed(ink, from);
  if (!part) return image;
  const scale = Math.min(...size.map((side, axis) => (BOX * side) / part.size[axis]));
  const box = part.size.map((length) => Math.max(1, rint(scale * length)));
  const boxed = resampled(part.ink, 1, part.size, box);
  const begin = middle(boxed, box).map((centre, axis) => {
    const wanted = Math.ceil(Number((size[axis] / 2 - 0.5 - centre).toFixed(6)));
    return Math.min(Math.max(wanted, 0), size[axis] - box[axis]);
  });
  boxed.forEach((value, index) => {
    const [row, column] = [Math.floor(index / box[1]), index % box[1]];
    image[(begin[0] + row) * size[1] + begin[1] + column] = rint(value);
  });
  return image;
}

/** The smallest part that holds all ink; null without any. */
function trimmed(ink, [rows, columns]) {
  let [top, bottom, left, right] = [rows, -1, columns, -1];
  ink.forEach((value, index) => {
    if (!value) return;
    const [row, column] = [Math.floor(index / columns), index % columns];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
    [left, right] = [Math.min(left, column), Math.max(right, column)];
  });
  if (bottom < 0) return null;
  const size = [bottom - top + 1, right - left + 1];
  const part = new Uint8Array(size[0] * size[1]);
  for (let row = 0; row < size[0]; row++) {
    part.set(ink.subarray((top + row) * columns + left, (top + row) * columns + right + 1), row * size[1]);
  }
  return { ink: part, size };
}

/** The centre of mass: row, column. */
function middle(mass, [, columns]) {
  let [all, down, across] = [0, 0, 0];
  mass.forEach((value, index) => {
    all += value;
    down += value * Math.floor(index / columns);
    across += value * (index % columns);
  });
  return [down / all, across / all];
}

/** A picture as planes (channels, height, width) of bytes: on the ground where it is transparent, grey by its luma. */
function planesOf(picture, channels, size, ground) {
  const [height, width] = [picture.height, picture.width];
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const out = new Uint8Array(channels * size[0] * size[1]);
  for (let channel = 0; channel < channels; channel++) {
    const plane = new Uint8Array(height * width);
    for (let index = 0; index < plane.length; index++) {
      const [red, green, blue] = data.subarray(4 * index, 4 * index + 3);
      const luma = (red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16;
      plane[index] = channels === 1 ? luma : data[4 * index + channel];
    }
    out.set(stretched(plane, [height, width], size), channel * size[0] * size[1]);
  }
  return out;
}

/** A plane of bytes stretched, as Pillow does: bilinear, over all pixels that a new one covers; across first. */
function stretched(plane, [rows, columns], [height, width]) {
  const across = triangles(columns, width);
  const down = triangles(rows, height);
  const lines = new Uint8Array(rows * width);
  for (let row = 0; row < rows; row++) {
    across.forEach(({ first, weights }, x) => (lines[row * width + x] = sumOf(plane, row * columns + first, 1, weights)));
  }
  const out = new Uint8Array(height * width);
  down.forEach(({ first, weights }, y) => {
    for (let x = 0; x < width; x++) out[y * width + x] = sumOf(lines, first * width + x, width, weights);
  });
  return out;
}

const ONE = 2 ** 22; // Pillow's weights are whole numbers, and this is 1

/** For each new pixel along an axis the first old one, and the weights from there on: a triangle about its centre. */
function triangles(before, after) {
  const scale = before / after;
  const reach = Math.max(scale, 1);
  return Array.from({ length: after }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(before, Math.trunc(centre + reach + 0.5));
    const shares = [];
    for (let old = first; old < last; old++) shares.push(Math.max(0, 1 - Math.abs((old - centre + 0.5) / reach)));
    const all = shares.reduce((sum, share) => sum + share, 0);
    return { first, weights: shares.map((share) => Math.trunc(0.5 + (share / all) * ONE)) };
  });
}

function sumOf(values, first, step, weights) {
  let sum = ONE / 2;
  for (let k = 0; k < weights.length; k++) sum += values[first + k * step] * weights[k];
  return Math.min(255, Math.floor(sum / ONE));
}
