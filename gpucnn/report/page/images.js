// Test images on canvases.

const axes = facts.input ? facts.input.length - 1 : 0; // of an image: 2, of a signal 1, of a volume 3

/** Pictures of one shape (channels, slices, height, width), each drawn on a canvas, its slices side by side. */
class Pictures {
  constructor({shape, bytes}) {
    [this.channels, this.slices, this.height, this.width] = shape;
    this.bytes = decoded(bytes);
    this.across = this.slices * (this.width + 1) - 1; // a pixel between two slices
  }

  /** `map`, where given, has a byte to each pixel: the larger, the more of its colour lies on the picture. */
  canvas(number, label, map = null) {
    const {channels, slices, height, width, across} = this,
      plane = slices * height * width;
    const canvas = el("canvas", {
      width: across,
      height,
      role: label ? "img" : null,
      "aria-label": label,
      "aria-hidden": label ? null : "true",
    });
    const context = canvas.getContext("2d"),
      pixels = context.createImageData(across, height);
    const start = number * channels * plane;
    for (let d = 0; d < slices; d++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const from = start + (d * height + y) * width + x,
            to = 4 * (y * across + d * (width + 1) + x);
          const value = map ? map[from - start] : 0,
            share = (0.75 * value) / 255;
          for (let c = 0; c < 3; c++) {
            const own = this.bytes[from + (channels === 3 ? c * plane : 0)];
            pixels.data[to + c] = own + share * (MAGNITUDES[3 * value + c] - own);
          }
          pixels.data[to + 3] = 255;
        }
    context.putImageData(pixels, 0, 0);
    if (axes === 1) canvas.style.height = `${Math.max(30, 14 * height)}px`; // rows of a signal, which are channels
    return canvas;
  }
}
