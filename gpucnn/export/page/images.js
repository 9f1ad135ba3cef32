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

const sizeOf = (picture) => [picture.height, picture.width];

/** A picture as planes of bytes, one grey by its luma, or three; on the ground where it is transparent. */
function planesOf(picture, channels, ground) {
  const [height, width] = sizeOf(picture);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return Array.from({ length: channels }, (_, channel) => {
    const plane = new Uint8Array(height * width);
    for (let index = 0, at = 0; index < plane.length; index++, at += 4) {
      const luma = (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 32768) >> 16;
      plane[index] = channels === 1 ? luma : data[at + channel];
    }
    return plane;
  });
}

const [NOISE, FAINT, ENOUGH, LEAST_BORDER, ROUNDS, NEAR] = [6, 0.2, 280, 24, 15, 1e-3]; // those of centring.py

/** The ink of a grey picture of bytes: how far pixels are from the ground, brighter or darker; large ones are reduced. */
function inkOfShades(plane, given) {
  const { shades, from } = reduced(Float64Array.from(plane, (value) => value / 255), given);
  const { ground, spread } = groundOf(shades, from);
  const away = shades.map((shade, index) => shade - ground[index]);
  const [high, low] = [away.reduce((a, b) => Math.max(a, b)), away.reduce((a, b) => Math.min(a, b))];
  const sign = high < -low ? -1 : 1;
  const strongest = Math.max(high, -low);
  const noise = NOISE * spread;
  if (strongest <= noise) return { ink: new Uint8Array(shades.length), from };
  const least = noise > 0 ? Math.max(noise, FAINT * strongest) : 0;
  return { ink: Uint8Array.from(away, (value) => (sign * value > least ? rint(sign * value * (255 / strongest)) : 0)), from };
}

/** Means over squares of pixels, where the picture is far larger than needed. */
function reduced(shades, [height, width]) {
  const factor = Math.floor(Math.min(height, width) / ENOUGH);
  if (factor < 2) return { shades, from: [height, width] };
  const from = [Math.floor(height / factor), Math.floor(width / factor)];
  const out = new Float64Array(from[0] * from[1]);
  for (let row = 0; row < from[0] * factor; row++) {
    const line = Math.floor(row / factor) * from[1];
    for (let x = 0; x < from[1] * factor; x++) out[line + Math.floor(x / factor)] += shades[row * width + x] / factor ** 2;
  }
  return { shades: out, from };
}

/** The ground below each pixel, nearly what the border is, and the median deviation of the border from it. */
function groundOf(shades, [height, width]) {
  const terms = (index) => {
    const [y, x] = [Math.floor(index / width), index % width];
    const [v, u] = [height > 1 ? (2 * y) / (height - 1) - 1 : -1, width > 1 ? (2 * x) / (width - 1) - 1 : -1];
    return [1, u, v, u * u, u * v, v * v];
  };
  const onBorder = (index) =>
    index < width || index >= (height - 1) * width || index % width === 0 || index % width === width - 1;
  const places = Array.from(shades.keys()).filter(onBorder);
  const border = places.map((index) => shades[index]);
  const even = median(border);
  const spread = median(border.map((shade) => Math.abs(shade - even)));
  if (spread === 0 || border.length < LEAST_BORDER) return { ground: shades.map(() => even), spread };
  const rows = places.map(terms);
  let weights = border.map(() => 1);
  let [factors, off] = [[], []];
  const value = (row) => row.reduce((sum, term, k) => sum + term * factors[k], 0);
  for (let round = 0; round < ROUNDS; round++) {
    factors = fitted(rows, border, weights);
    off = rows.map((row, index) => Math.abs(border[index] - value(row)));
    weights = off.map((deviation) => 1 / Math.sqrt(deviation + NEAR)); // squares become the deviations themselves
  }
  return { ground: shades.map((_, index) => value(terms(index))), spread: median(off) };
}

/** The factors of the rows whose weighted sum of squares from `wanted` is least: the normal equations, eliminated. */
function fitted(rows, wanted, weights) {
  const count = rows[0].length;
  const table = Array.from({ length: count }, () => new Float64Array(count + 1));
  rows.forEach((row, index) => {
    const square = weights[index] ** 2;
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < count; k++) table[i][k] += square * row[i] * row[k];
      table[i][count] += square * row[i] * wanted[index];
    }
  });
  for (let i = 0; i < count; i++) {
    for (let other = 0; other < count; other++) {
      if (other === i) continue;
      const times = table[other][i] / table[i][i];
      for (let k = i; k <= count; k++) table[other][k] -= times * table[i][k];
    }
  }
  return table.map((line, i) => line[count] / line[i]);
}

function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
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
