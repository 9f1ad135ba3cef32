// Every convolution's kernels.

function kernels() {
  const {scale, layers} = facts.kernels;
  let shared = true;
  const blocks = layers.map((layer) => {
    const readout = el("span", {class: "small dim", "aria-live": "polite"}),
      [outputs, inputs] = layer.shown,
      bytes = decoded(layer.bytes);
    const bar = el("span"),
      tiles = new Tiles({
        tiles: outputs * inputs,
        sizes: layer.sizes,
        group: inputs,
        target: inputs > 8 ? 15 : inputs > 1 ? 22 : 44,
        colours: SIGNED,
        label: `kernels of layer ${layer.name}`,
        onUnit: ({tile, place}) => {
          const weight =
            ((bytes[tile * product(layer.sizes) + place.reduce((sum, i, axis) => sum * layer.sizes[axis] + i, 0)] /
              255) *
              2 -
              1) *
            layer.scale;
          const which = `output ${Math.floor(tile / inputs)}, input ${tile % inputs}, tap ${place.join(", ")}`;
          readout.textContent = `${which}: ${weight.toPrecision(2)}`;
        },
      });
    const refresh = () => {
      const reach = shared ? scale : layer.scale;
      tiles.show(bytes.map((byte) => Math.round(127.5 + ((byte - 127.5) * layer.scale) / reach)));
      bar.replaceChildren(scaleBar(SIGNED, -reach, reach));
    };
    refresh();
    const all = outputs * inputs === layer.of[0] * layer.of[1];
    return {
      refresh,
      node: el(
        "div",
        {class: "of-layer"},
        el(
          "div",
          {class: "row"},
          el("h3", {}, `${layer.name} ${layer.kind}`),
          el(
            "span",
            {class: "dim small"},
            `${count(layer.of[0])} outputs × ${count(layer.of[1])} inputs of ${by(layer.sizes)}` +
              (all
                ? ""
                : `; showing ${outputs} of ${count(layer.of[0])} outputs, ${inputs} of ${count(layer.of[1])} inputs`),
          ),
          bar,
          readout,
        ),
        tiles.node,
      ),
    };
  });
  const said = el("p", {class: "hint", id: "kernel-scale"});
  const say = () => {
    said.textContent = shared
      ? `All kernels share one scale, symmetric about 0: blue is -${figure(scale)}, white 0, red ${figure(scale)}, ` +
        "the largest weight of any. The kernels of one output stand side by side, one per input."
      : "Each layer has a scale of its own, symmetric about 0, that ends at its largest weight: " +
        "colours of different layers do not compare.";
  };
  const box = el("input", {
    type: "checkbox",
    id: "own-scale",
    change: () => {
      shared = !box.checked;
      say();
      blocks.forEach((block) => block.refresh());
    },
  });
  say();
  return section(
    "kernels",
    "Kernels",
    null,
    said,
    layers.length > 1
      ? el("div", {class: "row"}, box, el("label", {for: "own-scale"}, "a scale for each layer"))
      : null,
    el("div", {class: "card"}, ...blocks.map((block) => block.node)),
  );
}
