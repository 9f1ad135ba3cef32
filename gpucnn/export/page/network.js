// The network behind an exported page: it is in the page, and computes here. Nothing leaves the page.

const exported = JSON.parse(document.getElementById("network").textContent);

const source = {
  name: "gpucnn",
  pictures: true,

  async describe() {
    this.weights = new Float32Array(fromBase64(exported.weights).buffer);
    for (const { kernels } of exported.page.layers) if (kernels) kernels.bytes = fromBase64(kernels.bytes);
    return exported.page;
  },

  async answer(drawing) {
    const began = performance.now();
    const image = imageOf(drawing);
    const values = valuesOf(exported.steps, this.weights, inputOf(image, this.weights));
    const layers = exported.page.layers.map((layer, index) => shades(layer, values[exported.shown[index]]));
    const probabilities = probabilitiesOf(values.at(-1));
    return { image, probabilities, layers, milliseconds: performance.now() - began };
  },
};

/** A drawing as the network's images before they are normalised: (channels, height, width) of bytes. */
function imageOf(drawing) {
  const [channels, ...size] = exported.page.image;
  const { picture, exchange } = drawing;
  if (picture && !drawing.centre) {
    const planes = planesOf(picture, channels, exported.background).map((plane) => stretched(plane, sizeOf(picture), size));
    const image = Uint8Array.from(planes.flatMap((plane) => Array.from(plane)));
    return exchange !== exported.invert ? image.map((value) => 255 - value) : image;
  }
  const invert = picture ? exchange !== exported.page.bright : drawing.invert;
  const { ink, from } = picture
    ? inkOfShades(planesOf(picture, 1, exported.background)[0], sizeOf(picture))
    : { ink: drawing.ink, from: [drawing.height, drawing.width] };
  const plane = (drawing.centre ? centred : whole)(ink, from, size);
  const shown = invert ? plane.map((value) => 255 - value) : plane;
  const image = new Uint8Array(channels * shown.length);
  for (let channel = 0; channel < channels; channel++) image.set(shown, channel * shown.length);
  return image;
}

/** Bytes in the range of the training's pixels, normalised. */
function inputOf(image, weights) {
  const { gain, offset, levels, shift, scale } = exported.entry;
  const place = ({ begin, length }, index) => begin + Math.floor((index * length) / image.length);
  return Float32Array.from(image, (value, index) => {
    const pixel = Math.fround(value * gain + offset);
    return ((levels ? rint(pixel) : pixel) - weights[place(shift, index)]) * weights[place(scale, index)];
  });
}

function probabilitiesOf(outputs) {
  const numbers = Array.from(outputs);
  if (exported.outputs === "probabilities") return numbers;
  if (exported.outputs === "log_probabilities") return numbers.map(Math.exp);
  const most = Math.max(...numbers);
  const powers = numbers.map((value) => Math.exp(value - most));
  const sum = powers.reduce((all, power) => all + power, 0);
  return powers.map((power) => power / sum);
}

/** The part of a layer's output that is shown, as bytes about the one that stands for 0, and what 127 of them are. */
function shades({ shape, shown, size }, values) {
  let part = values.subarray(0, shown * (shape.length > 1 ? shape[1] * shape[2] : 1));
  if (size.length && size[0] * size[1] < shape[1] * shape[2]) part = resampled(part, shown, shape.slice(1), size);
  const peak = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!Number.isFinite(peak)) throw new Error("the network's answers are not finite");
  const { zero } = exported.page;
  return { peak, bytes: Uint8Array.from(part, (value) => rint(peak ? (value * zero) / peak : 0) + zero) };
}

function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes;
}
