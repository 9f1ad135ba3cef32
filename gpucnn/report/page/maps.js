// Feature maps of test images, and what each of their units sees.

/** Numbers as near as this to a whole one are meant to be it: fields are fractions where a layer enlarges maps. */
const NEAR = 1e-6;

/** The most pixels per axis that a unit sees. */
const pixelsOf = (field) => field.size.map((size) => Math.floor(size + NEAR));

/** The pixels [first, stop) per axis that a unit of a layer sees. */
const fieldOf = (field, place) =>
  facts.input.slice(1).map((size, axis) => {
    const start = field.start[axis] + (place[axis] ?? 0) * field.jump[axis];
    return [clamp(Math.ceil(start - NEAR), 0, size), clamp(Math.floor(start + field.size[axis] + NEAR), 0, size)];
  });

/** The units [first, stop) per axis of maps of `sizes` that see a pixel. */
const unitsSeeing = (field, sizes, pixel) =>
  sizes.map((size, axis) => {
    const away = pixel[axis] - field.start[axis];
    return [
      clamp(Math.ceil((away - field.size[axis] + 1) / field.jump[axis] - NEAR), 0, size),
      clamp(Math.floor(away / field.jump[axis] + NEAR) + 1, 0, size),
    ];
  });

const spans = (ranges) =>
  ranges
    .map(
      ([first, stop], axis) => `${["column", "row", "slice"][ranges.length - 1 - axis]}s ${first} to ${stop - 1}`,
    )
    .join(", ");

function featureMaps() {
  const images = new Pictures(facts.maps.pictures),
    fields = new Map(facts.layers.map((layer) => [layer.name, layer.field]));
  const status = el("p", {class: "status", "aria-live": "polite", id: "status"}),
    shares = el("div", {class: "shares"});
  const overlay = el("svg", {
    viewBox: `0 0 ${images.across} ${images.height}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  const picture = el("div", {
    class: axes === 2 ? "picture" : "picture wide",
    id: "picture",
    tabindex: 0,
    role: "application",
    "aria-label": "the image; arrow keys move from pixel to pixel and mark the units that see it",
  });
  let shown = 0,
    pixel = null,
    owner = null; // whose outlines are shown
  const advice =
    "Point at a unit of a map: what it sees is outlined here. Point at a pixel here: the units that see it are " +
    "outlined in every map. Tab and the arrow keys do the same.";

  /** Outline ranges of pixels on the image. */
  function outline(ranges, kind) {
    const [slices, rows, columns] =
      axes === 1 ? [[0, 1], [0, images.height], ranges[0]] : [[0, 1], ...ranges].slice(-3);
    overlay.replaceChildren();
    for (let d = slices[0]; d < slices[1]; d++) {
      overlay.append(
        el("rect", {
          class: kind,
          x: d * (images.width + 1) + columns[0],
          y: rows[0],
          width: columns[1] - columns[0],
          height: rows[1] - rows[0],
        }),
      );
    }
    picture.dataset[kind] = JSON.stringify(ranges);
  }
  function clear() {
    overlay.replaceChildren();
    delete picture.dataset.field;
    delete picture.dataset.pixel;
    blocks.forEach(({tiles}) => {
      tiles.markSeen(null);
      tiles.mark(null);
    });
    status.textContent = advice;
  }
  const leave = (node) => {
    if (owner === node) clear();
  };
  function lookAtPixel(at) {
    clear();
    owner = picture;
    pixel = at;
    outline(
      at.map((i) => [i, i + 1]),
      "pixel",
    );
    let seeing = 0;
    blocks.forEach(({layer, tiles}) => {
      const ranges = unitsSeeing(fields.get(layer.name), layer.sizes.length === axes ? layer.sizes : [], at);
      if (layer.sizes.length === axes) tiles.markSeen(ranges);
      if (layer.sizes.length === axes)
        seeing += layer.maps * product(ranges.map(([first, stop]) => Math.max(0, stop - first)));
    });
    status.textContent = `pixel ${["column", "row", "slice"]
      .slice(0, axes)
      .reverse()
      .map((name, axis) => `${name} ${at[axis]}`)
      .join(", ")}: ${count(seeing)} units of the maps see it, beside the layers behind them`;
  }

  const blocks = facts.maps.layers.map((layer) => {
    const values = decoded(layer.bytes),
      each = layer.shown * product(layer.sizes),
      field = fields.get(layer.name);
    const colours = layer.low < 0 ? SIGNED : MAGNITUDES;
    const tiles = new Tiles({
      tiles: layer.shown,
      sizes: layer.sizes,
      target: 57,
      colours,
      label: `feature maps of layer ${layer.name}, ${layer.kind}`,
      onLeave: () => leave(tiles),
      onUnit: (unit, byte) => {
        clear();
        owner = tiles;
        tiles.mark(unit);
        const seen = fieldOf(field, unit.place),
          value = layer.low + (byte / 255) * (layer.high - layer.low);
        outline(seen, "field");
        const at = unit.place.length
          ? `map ${unit.tile}, ${["column", "row", "slice"]
              .slice(0, unit.place.length)
              .reverse()
              .map((name, axis) => `${name} ${unit.place[axis]}`)
              .join(", ")}`
          : `unit ${unit.tile}`;
        const sight = seen.some(([first, stop]) => stop <= first) ? "padding alone" : spans(seen);
        status.textContent = `layer ${layer.name} ${layer.kind}, ${at}: ${value.toPrecision(2)}; it sees ${sight}`;
      },
    });
    const of = layer.sizes.length
      ? `${count(layer.maps)} maps of ${by(layer.sizes)}`
      : `${count(layer.maps)} numbers`;
    const part = layer.shown < layer.maps ? `; showing ${layer.shown} of ${count(layer.maps)}` : "";
    const node = el(
      "div",
      {class: "of-layer", "data-layer": layer.name},
      el(
        "div",
        {class: "row"},
        el("h3", {}, `${layer.name} ${layer.kind}`),
        el("span", {class: "dim small"}, `${of}${part} · each sees ${by(pixelsOf(field))}`),
        scaleBar(colours, layer.low, layer.high),
      ),
      layer.shown ? tiles.node : el("p", {class: "dim small"}, "Too large to be shown."),
    );
    return {
      layer,
      tiles,
      node,
      show: () => layer.shown && tiles.show(values.subarray(shown * each, (shown + 1) * each)),
    };
  });

  function choose(number) {
    shown = number;
    picture.replaceChildren(images.canvas(number), overlay);
    const {number: test, true: truth, likeliest} = facts.maps.images[number];
    shares.replaceChildren(
      ...likeliest.flatMap(([label, share]) => [
        el("span", {title: facts.names[label]}, facts.names[label]),
        meter(share),
        el("span", {}, percent(share)),
      ]),
    );
    buttons.forEach((button, i) => {
      button.setAttribute("aria-checked", String(i === number));
      button.tabIndex = i === number ? 0 : -1;
    });
    caption.textContent = `Test image ${test}, class ${facts.names[truth]}`;
    blocks.forEach((block) => block.show());
    clear();
  }
  const caption = el("p", {class: "small wide"});
  const buttons = facts.maps.images.map((image, i) =>
    el(
      "button",
      {
        type: "button",
        role: "radio",
        "aria-label": `image ${image.number}, ${facts.names[image.true]}`,
        title: facts.names[image.true],
        click: () => choose(i),
        keydown: (event) => {
          const by_ = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
          if (!by_) return;
          event.preventDefault();
          const next = (i + by_ + buttons.length) % buttons.length;
          choose(next);
          buttons[next].focus();
        },
      },
      images.canvas(i),
    ),
  );

  const point = (event) => {
    const box = picture.firstChild.getBoundingClientRect();
    const column = clamp(
      Math.floor(((event.clientX - box.left) / box.width) * images.across),
      0,
      images.across - 1,
    );
    const row = clamp(Math.floor(((event.clientY - box.top) / box.height) * images.height), 0, images.height - 1);
    const slice = Math.floor(column / (images.width + 1)),
      across = column - slice * (images.width + 1);
    if (across < images.width) lookAtPixel(axes === 1 ? [across] : [slice, row, across].slice(3 - axes));
  };
  picture.addEventListener("pointermove", point);
  picture.addEventListener("pointerdown", point);
  picture.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch") leave(picture);
  });
  picture.addEventListener("blur", () => leave(picture));
  picture.addEventListener("focus", () => {
    if (picture.matches(":focus-visible")) lookAtPixel(pixel ?? facts.input.slice(1).map((size) => size >> 1));
  });
  picture.addEventListener("keydown", (event) => {
    const move = {
      ArrowLeft: [1, -1],
      ArrowRight: [1, 1],
      ArrowUp: [2, -1],
      ArrowDown: [2, 1],
      PageUp: [3, -1],
      PageDown: [3, 1],
    }[event.key];
    if (!move || move[0] > axes) return;
    event.preventDefault();
    const at = [...(pixel ?? facts.input.slice(1).map((size) => size >> 1))],
      axis = axes - move[0];
    at[axis] = clamp(at[axis] + move[1], 0, facts.input[1 + axis] - 1);
    lookAtPixel(at);
  });

  const looked = el(
    "div",
    {class: "looked-at"},
    el("div", {class: "choice", role: "radiogroup", "aria-label": "which test image"}, ...buttons),
    caption,
    picture,
    shares,
    status,
  );
  choose(0);
  return section(
    "maps",
    "Feature maps and receptive fields",
    "What every layer makes of a test image, the first of each class. Colours of a layer have one scale for all " +
      "images, told beside it: dark is 0 where nothing falls below, else white is 0, blue below and red above. " +
      `Values are told to 8 bits. ${facts.maps.note}`,
    el("div", {class: "card maps"}, looked, el("div", {}, ...blocks.map((block) => block.node))),
  );
}
