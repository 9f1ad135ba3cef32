// The network as a diagram: a block to each layer.

/** A stack of squares for maps, a row of short bars for numbers. */
function glyph(shape) {
  const picture = el("svg", {class: "glyph", viewBox: "0 0 58 40", "aria-hidden": "true"});
  const [channels, ...sizes] = shape;
  const sheets = clamp(Math.ceil(Math.log2(channels + 1)), 1, 8);
  if (!sizes.length) {
    const long = clamp(6 * Math.log2(channels + 1), 6, 54);
    picture.append(el("rect", {x: (58 - long) / 2, y: 16, width: long, height: 8, rx: 2}));
    return picture;
  }
  const largest = Math.max(...facts.input.slice(1)),
    side = (size) => clamp(28 * Math.sqrt(size / largest), 5, 28);
  const width = side(sizes.at(-1)),
    height = sizes.length > 1 ? side(sizes.at(-2)) : 5,
    step = 2.6;
  const left = (58 - width - step * (sheets - 1)) / 2,
    top = (40 - height - (step * (sheets - 1)) / 2) / 2;
  for (let i = 0; i < sheets; i++) {
    picture.append(el("rect", {x: left + step * i, y: top + (step / 2) * i, width, height, rx: 1}));
  }
  return picture;
}

const words = (value) =>
  Array.isArray(value) ? (value.some(Array.isArray) ? value.map(words).join(", ") : by(value)) : String(value);
const optionWords = (options) =>
  Object.entries(options)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${words(value)}`)
    .join(" · ");

function architecture() {
  const most = {
    parameters: Math.max(1, ...facts.layers.map((layer) => layer.parameters)),
    multiply_adds: Math.max(1, ...facts.layers.map((layer) => layer.multiply_adds)),
  };
  const cost = (layer, name) =>
    el(
      "div",
      {class: layer[name] ? "cost" : "cost none"},
      el("span", {class: "label"}, `${name.replace("_", "-")} `),
      layer[name] ? count(layer[name]) : "–",
      layer[name] ? meter(layer[name] / most[name]) : null,
    );
  const line = (layer) =>
    el(
      "li",
      {class: "layer", "data-layer": layer.name},
      glyph(layer.output),
      el(
        "div",
        {class: "what"},
        el("strong", {}, `${layer.name} ${layer.kind}`),
        el("div", {class: "dim small"}, optionWords(layer.options)),
      ),
      el("div", {class: "shape"}, by(layer.output)),
      cost(layer, "parameters"),
      cost(layer, "multiply_adds"),
      el("div", {class: "sight"}, el("span", {class: "label"}, "sees "), by(pixelsOf(layer.field))),
    );
  const branches = (layer) =>
    el(
      "li",
      {class: "branches", "data-layer": layer.name},
      el("p", {class: "small"}, el("strong", {}, `${layer.name} branches`), " – its input goes through each of these"),
      el(
        "div",
        {class: "paths"},
        ...Array.from({length: layer.paths}, (_, path) => {
          const inside = flow(facts.layers, `${layer.name}.${path}.`);
          return el("ol", {class: "flow"}, ...(inside.length ? inside : [el("li", {class: "small dim"}, "as it is")]));
        }),
      ),
      el(
        "p",
        {class: "small sum"},
        `${layer.options.merge === "sum" ? "⊕ all are added" : "⧺ their channels are joined"}: ${by(layer.output)}`,
      ),
    );
  const flow = (layers, prefix) =>
    layers
      .filter((layer) => layer.name.startsWith(prefix) && !layer.name.slice(prefix.length).includes("."))
      .map((layer) =>
        layer.kind === "branches"
          ? branches(layer)
          : layer.kind === "residual"
          ? el(
              "li",
              {class: "residual", "data-layer": layer.name},
              el(
                "p",
                {class: "small"},
                el("strong", {}, `${layer.name} residual block`),
                " – its input goes through the layers, and around them",
              ),
              el("ol", {class: "flow"}, ...flow(layers, `${layer.name}.`)),
              el("p", {class: "small sum"}, `⊕ both are added: ${by(layer.output)}`),
            )
          : line(layer),
      );
  return section(
    "architecture",
    "Architecture",
    "From the image at the top to the classes at the bottom. Sizes are channels × sizes; “sees” is the " +
      "receptive field of one output, in pixels of the image.",
    el(
      "div",
      {class: "card"},
      el(
        "ol",
        {class: "flow"},
        el(
          "li",
          {class: "layer columns", "aria-hidden": "true"},
          ...["", "layer", "output", "parameters", "multiply-adds", "sees"].map((name) => el("div", {}, name)),
        ),
        el(
          "li",
          {class: "input"},
          glyph(facts.input),
          el("div", {class: "what"}, el("strong", {}, "input")),
          el("div", {class: "shape"}, by(facts.input)),
        ),
        ...flow(facts.layers, ""),
      ),
    ),
  );
}

const meter = (share) => {
  const inside = el("i");
  inside.style.width = `${100 * share}%`;
  return el("div", {class: "meter", "aria-hidden": "true"}, inside);
};
