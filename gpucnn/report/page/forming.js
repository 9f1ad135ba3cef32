// The first convolution's kernels as they form: a row to each kernel, a column to each moment.

function forming() {
  const {layer, epochs, rows, inputs, size, scale, bytes} = facts.forming;
  const values = decoded(bytes),
    [height, width] = size,
    plane = height * width;
  const canvas = (row, moment) => {
    const output = Math.floor(row / inputs),
      of = inputs > 1 ? `output ${output}, input ${row % inputs}` : `output ${output}`;
    const node = el("canvas", {width, height, role: "img", "aria-label": `kernel of ${of}, epoch ${epochs[moment]}`});
    node.title = `${of}, epoch ${epochs[moment]}`;
    const context = node.getContext("2d"),
      pixels = context.createImageData(width, height),
      start = (row * epochs.length + moment) * plane;
    for (let i = 0; i < plane; i++) {
      const colour = 3 * values[start + i];
      pixels.data.set([SIGNED[colour], SIGNED[colour + 1], SIGNED[colour + 2], 255], 4 * i);
    }
    context.putImageData(pixels, 0, 0);
    return node;
  };
  const grid = el("div", {class: "forming"});
  grid.style.gridTemplateColumns = `repeat(${epochs.length}, minmax(0, 44px))`;
  grid.append(...epochs.map((epoch) => el("span", {class: "small dim"}, count(epoch))));
  for (let row = 0; row < rows; row++)
    for (let moment = 0; moment < epochs.length; moment++) grid.append(canvas(row, moment));
  return section(
    "forming",
    "Kernels as they form",
    `Kernels of layer ${layer}, a row to each ${inputs > 1 ? "output and input" : "output"}, after the epochs that stand above; ` +
      "0 is before training. All share one scale, symmetric about 0.",
    el("div", {class: "card"}, el("div", {class: "row"}, scaleBar(SIGNED, -scale, scale)), grid),
  );
}
