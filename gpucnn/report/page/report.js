
"use strict";
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);

  // --- small tools ---------------------------------------------------------------------------------------------------

  /** An element: el("p", {class: "x"}, "text", child). Text is never parsed as HTML. */
  function el(tag, attributes = {}, ...children) {
    const svg = ["svg", "path", "rect", "line", "circle", "text", "g"].includes(tag);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") node.addEventListener(name, value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const count = (value) => value.toLocaleString("en");
  const by = (sizes) => sizes.join(" × ");
  const percent = (share) => (share === null ? "–" : share > 0.9995 && share < 1 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`);
  const figure = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(4))));
  const product = (sizes) => sizes.reduce((a, b) => a * b, 1);

  function decoded(text) {
    const characters = atob(text), bytes = new Uint8Array(characters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
    return bytes;
  }

  /** 256 colours (768 numbers) between the anchors of a palette. */
  function ramp(anchors) {
    const colours = new Uint8ClampedArray(768);
    for (let i = 0; i < 256; i++) {
      const place = (i / 255) * (anchors.length - 1), left = Math.min(Math.floor(place), anchors.length - 2);
      for (let c = 0; c < 3; c++) {
        colours[3 * i + c] = anchors[left][c] + (place - left) * (anchors[left + 1][c] - anchors[left][c]);
      }
    }
    return colours;
  }

  const MAGNITUDES = ramp(facts.palettes.magnitudes), SIGNED = ramp(facts.palettes.signed);

  /** What redraws itself when the width of its element changes. */
  const drawn = new ResizeObserver((entries) => entries.forEach((entry) => entry.target.redraw(entry.contentRect.width)));
  function redrawn(node, draw) {
    let before = 0;
    node.redraw = (width) => {
      if (Math.abs(width - before) < 1 || width < 1) return;
      before = width;
      draw(width);
    };
    drawn.observe(node);
    return node;
  }

  function scaleBar(colours, low, high) {
    const bar = el("canvas", {width: 256, height: 1, "aria-hidden": "true"});
    const context = bar.getContext("2d"), pixels = context.createImageData(256, 1);
    for (let i = 0; i < 256; i++) pixels.data.set([colours[3 * i], colours[3 * i + 1], colours[3 * i + 2], 255], 4 * i);
    context.putImageData(pixels, 0, 0);
    return el("span", {class: "scale"}, figure(low), bar, figure(high));
  }

  /** A section with its heading and a line on how to read it. */
  const sections = [];
  function section(id, title, hint, ...children) {
    sections.push([id, title]);
    return el("section", {id, "aria-labelledby": `${id}-title`},
      el("h2", {id: `${id}-title`}, title), hint ? el("p", {class: "hint"}, hint) : null, ...children);
  }

  // --- theme ---------------------------------------------------------------------------------------------------------

  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  let chosen = null; // by the button; else the system's
  try { chosen = localStorage.getItem("gpucnn-theme"); } catch { /* storage is off: the choice is for this visit */ }
  const themeButton = el("button", {type: "button", click: () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("gpucnn-theme", chosen); } catch { /* as above */ }
    applyTheme();
  }});
  function applyTheme() {
    root.dataset.theme = chosen === "dark" || chosen === "light" ? chosen : preferred.matches ? "dark" : "light";
    themeButton.textContent = root.dataset.theme === "dark" ? "Light" : "Dark";
    themeButton.setAttribute("aria-label", `Change to the ${root.dataset.theme === "dark" ? "light" : "dark"} theme`);
  }
  preferred.addEventListener("change", applyTheme);
  applyTheme();

  // --- headline ------------------------------------------------------------------------------------------------------

  const headline = () => el("dl", {class: "headline"}, ...facts.headline.map(([what, value, remark]) =>
    el("div", {}, el("dt", {}, what), el("dd", {class: "figure"}, value), el("dd", {class: "dim small"}, remark))));

  // --- architecture --------------------------------------------------------------------------------------------------

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
    const largest = Math.max(...facts.input.slice(1)), side = (size) => clamp(28 * Math.sqrt(size / largest), 5, 28);
    const width = side(sizes.at(-1)), height = sizes.length > 1 ? side(sizes.at(-2)) : 5, step = 2.6;
    const left = (58 - width - step * (sheets - 1)) / 2, top = (40 - height - step * (sheets - 1) / 2) / 2;
    for (let i = 0; i < sheets; i++) {
      picture.append(el("rect", {x: left + step * i, y: top + step / 2 * (i), width, height, rx: 1}));
    }
    return picture;
  }

  const words = (value) => (Array.isArray(value) ? (value.some(Array.isArray) ? value.map(words).join(", ") : by(value)) : String(value));
  const optionWords = (options) => Object.entries(options).map(([name, value]) => `${name.replaceAll("_", " ")} ${words(value)}`).join(" · ");

  function architecture() {
    const most = {
      parameters: Math.max(1, ...facts.layers.map((layer) => layer.parameters)),
      multiply_adds: Math.max(1, ...facts.layers.map((layer) => layer.multiply_adds)),
    };
    const cost = (layer, name) => el("div", {class: layer[name] ? "cost" : "cost none"},
      el("span", {class: "label"}, `${name.replace("_", "-")} `), layer[name] ? count(layer[name]) : "–",
      layer[name] ? meter(layer[name] / most[name]) : null);
    const line = (layer) => el("li", {class: "layer", "data-layer": layer.name}, glyph(layer.output),
      el("div", {class: "what"}, el("strong", {}, `${layer.name} ${layer.kind}`),
        el("div", {class: "dim small"}, optionWords(layer.options))),
      el("div", {class: "shape"}, by(layer.output)), cost(layer, "parameters"), cost(layer, "multiply_adds"),
      el("div", {class: "sight"}, el("span", {class: "label"}, "sees "), by(layer.field.size)));
    const flow = (layers, prefix) => layers.filter((layer) => layer.name.startsWith(prefix)
      && !layer.name.slice(prefix.length).includes(".")).map((layer) => layer.kind === "residual"
      ? el("li", {class: "residual"},
        el("p", {class: "small"}, el("strong", {}, `${layer.name} residual block`), " – its input goes through the layers, and around them"),
        el("ol", {class: "flow"}, ...flow(layers, `${layer.name}.`)),
        el("p", {class: "small sum"}, `⊕ both are added: ${by(layer.output)}`))
      : line(layer));
    return section("architecture", "Architecture",
      "From the image at the top to the classes at the bottom. Sizes are channels × sizes; “sees” is the receptive field of one output, in pixels of the image.",
      el("div", {class: "card"}, el("ol", {class: "flow"},
        el("li", {class: "layer columns", "aria-hidden": "true"}, ...["", "layer", "output", "parameters", "multiply-adds", "sees"].map((name) => el("div", {}, name))),
        el("li", {class: "input"}, glyph(facts.input), el("div", {class: "what"}, el("strong", {}, "input")), el("div", {class: "shape"}, by(facts.input))),
        ...flow(facts.layers, ""))));
  }

  const meter = (share) => {
    const inside = el("i");
    inside.style.width = `${100 * share}%`;
    return el("div", {class: "meter", "aria-hidden": "true"}, inside);
  };

  // --- curves --------------------------------------------------------------------------------------------------------

  const COLOURS = facts.palettes.series, DASH = "6 4";

  /** Round numbers from `low` to `high`, about `most` of them. */
  function ticks(low, high, most) {
    const raw = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= raw * 0.999);
    const marks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) marks.push(Number((i * step).toPrecision(12)));
    return marks;
  }

  function logTicks(low, high) {
    const marks = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
      for (const factor of high - low > 2.5 ? [1] : [1, 2, 5]) {
        const mark = power + Math.log10(factor);
        if (mark >= low - 1e-9 && mark <= high + 1e-9) marks.push(mark);
      }
    }
    return marks;
  }

  /**
   * A chart of curves {name, colour, dash, x, y, low, high, dots} over epochs, drawn for the width there is. Pointing at it,
   * or the arrow keys, read the values.
   */
  function chart({id, title, unit, curves, show = figure, zero = false, logarithmic = () => false}) {
    const readout = el("p", {class: "readout", "aria-live": "polite"}, el("span", {class: "dim"}, "Point at the chart, or use the arrow keys, to read it."));
    const box = el("div", {});
    const picture = el("svg", {role: "img", tabindex: 0, "aria-label": `${title}; arrow keys read the values`, height: 240});
    box.append(picture);
    const height = 240, edge = {left: 52, right: 12, top: 10, bottom: 34};
    const xs = [...new Set(curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
    const end = Math.max(1, ...xs);
    let reading = null, toX = null, cursor = null, width = 0;

    function draw() {
      const log = logarithmic();
      const at = (value) => (log ? Math.log10(value) : value);
      const usable = (value) => value !== null && value !== undefined && (!log || value > 0);
      const values = curves.flatMap((curve) => [...curve.y, ...(curve.low ?? []), ...(curve.high ?? [])]).filter(usable).map(at);
      let low = Math.min(...values), high = Math.max(...values);
      if (!values.length) [low, high] = [0, 1];
      if (zero && !log) low = Math.min(0, low);
      if (high - low < 1e-12) [low, high] = log ? [low - 0.5, high + 0.5] : [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
      const x = (value) => edge.left + (value / end) * (width - edge.left - edge.right);
      const y = (value) => height - edge.bottom - ((at(value) - low) / (high - low)) * (height - edge.top - edge.bottom);
      toX = x;
      picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
      picture.replaceChildren();
      for (const mark of log ? logTicks(low, high) : ticks(low, high, 5)) {
        const place = height - edge.bottom - ((mark - low) / (high - low)) * (height - edge.top - edge.bottom);
        picture.append(el("line", {class: "grid", x1: edge.left, x2: width - edge.right, y1: place, y2: place}),
          el("text", {x: edge.left - 6, y: place + 4, "text-anchor": "end"}, show(log ? 10 ** mark : mark)));
      }
      for (const mark of ticks(0, end, clamp(width / 70, 2, 10))) {
        picture.append(el("text", {x: x(mark), y: height - edge.bottom + 16, "text-anchor": "middle"}, figure(mark)));
      }
      picture.append(el("line", {class: "axis", x1: edge.left, x2: width - edge.right, y1: height - edge.bottom, y2: height - edge.bottom}),
        el("text", {x: (edge.left + width - edge.right) / 2, y: height - 4, "text-anchor": "middle"}, "epochs done"));
      for (const curve of curves) {
        if (curve.low) {
          const band = curve.x.map((_, i) => i).filter((i) => usable(curve.low[i]) && usable(curve.high[i]));
          const upper = band.map((i) => `${x(curve.x[i]).toFixed(1)},${y(curve.high[i]).toFixed(1)}`);
          const lower = band.map((i) => `${x(curve.x[i]).toFixed(1)},${y(curve.low[i]).toFixed(1)}`).reverse();
          if (band.length > 1) picture.append(el("path", {d: `M${[...upper, ...lower].join("L")}Z`, fill: curve.colour, opacity: 0.2}));
        }
        const points = curve.x.map((_, i) => i).filter((i) => usable(curve.y[i]));
        const line = points.map((i) => `${x(curve.x[i]).toFixed(1)},${y(curve.y[i]).toFixed(1)}`).join("L");
        if (!curve.loose && points.length > 1) picture.append(el("path", {d: `M${line}`, fill: "none", stroke: curve.colour, "stroke-width": 1.7, "stroke-dasharray": curve.dash ? DASH : null}));
        if (curve.loose || points.length <= 40) {
          for (const i of points) picture.append(el("circle", {cx: x(curve.x[i]).toFixed(1), cy: y(curve.y[i]).toFixed(1), r: curve.loose ? 1.8 : 2.6, fill: curve.colour}));
        }
      }
      cursor = el("line", {class: "cursor", y1: edge.top, y2: height - edge.bottom, visibility: "hidden"});
      picture.append(cursor);
      read(reading);
    }

    function read(place) {
      reading = place;
      if (place === null || !xs.length || !cursor) return;
      const wanted = xs[place];
      cursor.setAttribute("x1", toX(wanted));
      cursor.setAttribute("x2", toX(wanted));
      cursor.setAttribute("visibility", "visible");
      const there = curves.filter((curve) => wanted >= curve.x[0] - 1 && wanted <= curve.x.at(-1) + 0.5);
      readout.textContent = `epoch ${figure(wanted)}: ` + there.map((curve) => {
        const i = nearest(curve.x, wanted);
        const range = curve.low && curve.low[i] !== curve.high[i] ? ` (${show(curve.low[i])} to ${show(curve.high[i])})` : "";
        return `${curve.name} ${show(curve.y[i])}${range}`;
      }).join(", ");
    }

    const point = (event) => {
      const inside = (event.clientX - picture.getBoundingClientRect().left - edge.left) / (width - edge.left - edge.right);
      read(nearest(xs, clamp(inside, 0, 1) * end));
    };
    picture.addEventListener("pointermove", point);
    picture.addEventListener("pointerdown", point);
    picture.addEventListener("keydown", (event) => {
      const moves = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity};
      if (!(event.key in moves)) return;
      event.preventDefault();
      read(clamp((reading ?? (moves[event.key] > 0 ? -1 : xs.length)) + moves[event.key], 0, xs.length - 1));
    });
    redrawn(box, (now) => { width = now; draw(); });
    const node = el("div", {class: "card chart", id}, el("h3", {}, title, el("span", {class: "dim"}, unit ? ` (${unit})` : "")), legend(curves), box, readout);
    node.draw = () => width && draw();
    return node;
  }

  function nearest(sorted, wanted) {
    let low = 0, high = sorted.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < wanted) low = middle; else high = middle;
    }
    return high < 0 || Math.abs(sorted[low] - wanted) <= Math.abs(sorted[high] - wanted) ? low : high;
  }

  const legend = (curves) => el("div", {class: "legend"}, ...curves.map((curve) => el("span", {},
    el("svg", {viewBox: "0 0 26 10", "aria-hidden": "true"}, curve.loose
      ? el("circle", {cx: 13, cy: 5, r: 3, fill: curve.colour})
      : el("line", {x1: 0, x2: 26, y1: 5, y2: 5, stroke: curve.colour, "stroke-width": 2.5, "stroke-dasharray": curve.dash ? DASH : null})),
    curve.name)));

  function curvesSection() {
    const several = facts.runs.length > 1;
    const colour = (run, split) => COLOURS[several ? run : split === "train" ? 0 : 1];
    const name = (run, split) => (several ? `${facts.runs[run].name}, ` : "") + (split === "train" ? "training" : "validation");
    const whole = (values) => values.some((value) => value !== null);
    const perEpoch = (quantity) => facts.runs.flatMap(({epochs}, run) => ["train", "validation"]
      .filter((split) => whole(epochs[`${split}_${quantity}`]))
      .map((split) => ({name: name(run, split), colour: colour(run, split), dash: split !== "train", x: epochs.epoch, y: epochs[`${split}_${quantity}`]})));
    const perBatch = (quantity) => facts.runs.flatMap(({batches}, run) => Object.entries(batches)
      .map(([split, {size, x, [quantity]: values}]) => ({
        name: name(run, split) + (size > 1 ? `, means of ${size}` : ""), colour: colour(run, split), loose: split !== "train", x, y: values.mean,
        low: size > 1 && split === "train" && !several ? values.low : null, high: size > 1 && split === "train" && !several ? values.high : null,
      })));
    const line = (field) => facts.runs.map(({epochs, name: of}, run) => ({
      name: several ? of : field, colour: several ? COLOURS[run] : "var(--accent)", x: epochs.epoch, y: epochs[field]}));
    const log = el("input", {type: "checkbox", id: "log", change: () => losses.forEach((each) => each.draw())});
    const losses = [
      chart({id: "loss", title: "Loss per epoch", unit: "mean per image", curves: perEpoch("loss"), zero: true, logarithmic: () => log.checked}),
      chart({id: "batch-loss", title: "Loss per minibatch", unit: "mean per image", curves: perBatch("loss"), zero: true, logarithmic: () => log.checked}),
    ];
    return section("curves", "Curves",
      "Training figures are taken while the weights change, validation figures after each epoch. Where many minibatches are drawn as one point, the band is from the least to the greatest of them.",
      el("div", {class: "row"}, log, el("label", {for: "log"}, "logarithmic loss")),
      el("div", {class: "charts"}, ...losses,
        chart({id: "accuracy", title: "Accuracy per epoch", unit: "share of images", curves: perEpoch("accuracy"), show: percent}),
        chart({id: "batch-accuracy", title: "Accuracy per minibatch", unit: "share of images", curves: perBatch("accuracy"), show: percent}),
        chart({id: "lr", title: "Learning rate", unit: "of the epoch's last step", curves: line("lr").map((each) => ({...each, name: several ? each.name : "learning rate"})), zero: true}),
        chart({id: "speed", title: "Training speed", unit: "images/s", curves: line("images_per_second").map((each) => ({...each, name: several ? each.name : "images/s"})), zero: true, show: (value) => (value === null ? "–" : count(Math.round(value)))})));
  }

  const axes = facts.input ? facts.input.length - 1 : 0; // of an image: 2, of a signal 1, of a volume 3

  // --- images --------------------------------------------------------------------------------------------------------

  /** Pictures of one shape (channels, slices, height, width), each drawn on a canvas, its slices side by side. */
  class Pictures {
    constructor({shape, bytes}) {
      [this.channels, this.slices, this.height, this.width] = shape;
      this.bytes = decoded(bytes);
      this.across = this.slices * (this.width + 1) - 1; // a pixel between two slices
    }

    canvas(number, label) {
      const {channels, slices, height, width, across} = this, plane = slices * height * width;
      const canvas = el("canvas", {width: across, height, role: label ? "img" : null, "aria-label": label, "aria-hidden": label ? null : "true"});
      const context = canvas.getContext("2d"), pixels = context.createImageData(across, height);
      const start = number * channels * plane;
      for (let d = 0; d < slices; d++) for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
        const from = start + (d * height + y) * width + x, to = 4 * (y * across + d * (width + 1) + x);
        for (let c = 0; c < 3; c++) pixels.data[to + c] = this.bytes[from + (channels === 3 ? c * plane : 0)];
        pixels.data[to + 3] = 255;
      }
      context.putImageData(pixels, 0, 0);
      if (axes === 1) canvas.style.height = `${Math.max(30, 14 * height)}px`; // rows of a signal, which are channels
      return canvas;
    }
  }

  // --- confusion matrix, classes, mistakes ---------------------------------------------------------------------------

  const pictures = facts.examples ? new Pictures(facts.examples.pictures) : null;

  function example(place) {
    const [number, truth, predicted, shareOfTruth, share] = facts.examples.images[place];
    const right = truth === predicted;
    const said = right ? `${facts.names[truth]} ${percent(share)}` : `${facts.names[predicted]} ${percent(share)}`;
    return el("figure", {"data-image": number}, pictures.canvas(place, `test image ${number}`), el("figcaption", {},
      el("strong", {}, said), right ? null : el("div", {}, `is ${facts.names[truth]} (${percent(shareOfTruth)})`), el("div", {class: "dim"}, `image ${number}`)));
  }

  function confusion() {
    const {matrix, names, merged} = facts.confusion, sums = matrix.map((row) => row.reduce((a, b) => a + b, 0));
    const side = el("div", {class: "card", "aria-live": "polite", id: "examples"});
    const upright = names.some((name) => name.length > 3);
    let rates = false, current = null;
    const cells = matrix.map((row, r) => row.map((value, c) => {
      const share = value / Math.max(1, sums[r]), cell = el("td", {
        role: "gridcell", tabindex: -1, "data-row": r, "data-column": c, class: value ? null : "zero",
        "aria-label": `${value} of ${names[r]} called ${names[c]}`, focus: () => look(r, c), pointerenter: () => look(r, c), click: () => cell.focus(),
      });
      const strength = Math.sqrt(share);
      if (value) cell.style.background = `rgba(var(--${r === c ? "right" : "mistake"}), ${strength.toFixed(3)})`;
      if (strength > 0.75) cell.style.color = "#fff";
      return cell;
    }));
    const write = () => cells.forEach((row, r) => row.forEach((cell, c) => {
      cell.textContent = rates ? (matrix[r][c] ? (100 * matrix[r][c] / sums[r]).toFixed(1) : "0") : String(matrix[r][c]);
    }));
    function look(r, c) {
      if (current) { current.removeAttribute("aria-selected"); current.tabIndex = -1; }
      current = cells[r][c];
      current.setAttribute("aria-selected", "true");
      current.tabIndex = 0;
      const value = matrix[r][c], shown = facts.examples?.cells[`${r},${c}`] ?? [];
      side.replaceChildren(el("h3", {}, r === c ? `${names[r]}, told right` : `${names[r]}, called ${names[c]}`),
        el("p", {class: "dim small"}, `${count(value)} of ${count(sums[r])} images (${percent(value / Math.max(1, sums[r]))})` +
          (shown.length ? `; ${shown.length === value ? "all" : `the ${shown.length} surest`} shown` : value && facts.examples ? "; no room for pictures of it" : "")),
        el("div", {class: "figures"}, ...shown.map(example)));
    }
    const keys = (event) => {
      const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity]};
      if (!(event.key in moves) || !current) return;
      event.preventDefault();
      const [down, right] = moves[event.key], last = names.length - 1;
      cells[clamp(Number(current.dataset.row) + down, 0, last)][clamp(Number(current.dataset.column) + right, 0, last)].focus();
    };
    const buttons = ["counts", "rates"].map((kind) => el("button", {type: "button", "aria-pressed": String(kind === "counts"), click: () => {
      rates = kind === "rates";
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent.startsWith(kind))));
      write();
    }}, kind === "rates" ? "rates (% of the row)" : kind));
    write();
    const worst = matrix.flatMap((row, r) => row.map((value, c) => [r === c ? -1 : value, r, c])).sort((a, b) => b[0] - a[0])[0];
    if (worst[0] > 0) look(worst[1], worst[2]); else look(0, 0);
    return section("confusion", "Confusion matrix",
      "A row to each true class, a column to each prediction. Colour is the share of the row (its square root, so that few mistakes are seen): blue where right, orange where mistaken. Point at a cell, or move with the arrow keys, to see its images."
      + (merged ? ` The ${names.length - 1} most mistaken classes have rows of their own.` : ""),
      el("div", {class: "split"}, el("div", {class: "card"}, el("div", {class: "row"}, ...buttons),
        el("div", {class: "scroll"}, el("table", {class: "confusion", role: "grid", "aria-label": "confusion matrix", keydown: keys},
          el("thead", {}, el("tr", {}, el("td", {"aria-hidden": "true"}), ...names.map((name) => el("th", {scope: "col", title: name, class: upright ? "upright" : null}, name)))),
          el("tbody", {}, ...cells.map((row, r) => el("tr", {}, el("th", {scope: "row", title: names[r]}, names[r]), ...row)))))), side));
  }

  function sortable(headers, rows, numeric, footer) {
    const body = el("tbody"), heads = headers.map((name, column) => el("th", {scope: "col"}, el("button", {type: "button", click: () => order(column)}, name)));
    let by_ = -1, falling = false;
    function order(column) {
      falling = column === by_ ? !falling : column === headers.length - 1;
      by_ = column;
      const sorted = [...rows].sort((a, b) => (numeric[column] ? (a[column] ?? -1) - (b[column] ?? -1) : a[column].localeCompare(b[column], "en", {numeric: true})) * (falling ? -1 : 1));
      heads.forEach((head, i) => { if (i === column) head.setAttribute("aria-sort", falling ? "descending" : "ascending"); else head.removeAttribute("aria-sort"); });
      fill(sorted);
    }
    const fill = (sorted) => body.replaceChildren(...sorted.map((row) => el("tr", {}, ...row.map((value, i) => el("td", {}, numeric[i] ? (i === row.length - 1 ? count(value) : value.toFixed(4)) : value)))));
    fill(rows);
    return el("table", {class: "listing"}, el("thead", {}, el("tr", {}, ...heads)), body, footer);
  }

  function classes() {
    const {rows, means, left_out: left, images} = facts.classes;
    const foot = el("tfoot", {}, ...means.map((row) => el("tr", {}, ...row.map((value, i) => el("td", {}, i ? value.toFixed(4) : value)), el("td", {}, count(images)))));
    return section("classes", "Precision, recall and F1",
      "Precision: of what was called so, the share that is. Recall: of what is, the share that was called so. F1 is their harmonic mean. A heading sorts."
      + (left ? ` The ${count(rows.length)} classes with the lowest F1; ${count(left)} more are left out.` : ""),
      el("div", {class: "card scroll"}, sortable(["class", "precision", "recall", "F1", "images"], rows, [false, true, true, true, true], foot)));
  }

  const mistakes = () => section("mistakes", "The surest mistakes",
    `Test images that were told wrong, the most confident first, with the probability of what was said and of what is. ${facts.examples.note}`,
    facts.examples.mistakes.length
      ? el("div", {class: "card"}, el("div", {class: "figures"}, ...facts.examples.mistakes.map(example)))
      : el("p", {class: "card"}, "None: every test image was told right."));

  // --- tiles: kernels and feature maps -------------------------------------------------------------------------------

  /**
   * Many small pictures (tiles) of the same sizes, with a value from 0 to 255 at each unit. `group` tiles stay side by side.
   * Pointing at a unit, or moving to it with the keys, calls `onUnit({tile, place})`; `place` has an entry per axis.
   */
  class Tiles {
    constructor({tiles, sizes, group = 1, target, label, colours, onUnit, onLeave}) {
      Object.assign(this, {tiles, sizes, group, target, colours, onUnit});
      [this.slices, this.height, this.width] = [1, 1, 1, ...sizes].slice(-3);
      this.values = null;
      this.current = null;
      this.canvas = el("canvas", {"aria-hidden": "true"});
      this.overlay = el("svg", {"aria-hidden": "true"});
      this.seen = el("path", {class: "seen"});
      this.units = [el("path", {class: "unit"}), el("path", {class: "unit"})];
      this.overlay.append(this.seen, ...this.units);
      this.node = el("div", {class: "tiles", tabindex: 0, role: "application", "aria-label": `${label}; arrow keys move from unit to unit, Page Up and Page Down from picture to picture`,
        pointermove: (event) => this.point(event), pointerdown: (event) => this.point(event), pointerleave: (event) => { if (event.pointerType !== "touch") onLeave?.(); },
        keydown: (event) => this.key(event), focus: () => { if (this.node.matches(":focus-visible")) this.go(this.current ?? this.first()); }, blur: () => onLeave?.(),
      }, this.canvas, this.overlay);
      redrawn(this.node, (width) => this.layout(width));
    }

    first() { return {tile: 0, place: this.sizes.map((size) => size >> 1)}; }

    layout(width) {
      const {slices, height, width: across, group} = this;
      const single = product(this.sizes) === 1;
      const wide = slices * across + (slices - 1);
      let zoom = single ? 13 : clamp(Math.floor((width > 640 ? 1.5 : 1) * this.target / Math.max(height, wide / Math.min(slices, 4))), 1, 14);
      this.gap = single ? 2 : group > 1 ? 3 : 6;
      let tall = this.sizes.length === 1 ? 14 : null; // a row of a signal
      if (this.sizes.length === 1) zoom = clamp(Math.floor(140 / across), 1, 10);
      const room = (z) => group * (wide * z + this.gap) - this.gap;
      if (room(zoom) > width) zoom = (width - (group - 1) * this.gap) / group / wide;
      this.zoom = [tall ?? zoom, zoom];
      this.tileWidth = wide * this.zoom[1];
      this.tileHeight = height * this.zoom[0];
      [this.apart, this.below] = group > 1 ? [12, 8] : [this.gap, this.gap]; // between groups
      this.groupWidth = group * (this.tileWidth + this.gap) - this.gap;
      this.across = Math.max(1, Math.floor((width + this.apart + 0.01) / (this.groupWidth + this.apart)));
      const rows = Math.ceil(this.tiles / group / this.across);
      this.total = [Math.ceil(width), Math.ceil(rows * (this.tileHeight + this.below) - this.below)];
      const ratio = window.devicePixelRatio || 1;
      this.canvas.width = Math.round(this.total[0] * ratio);
      this.canvas.height = Math.round(this.total[1] * ratio);
      for (const node of [this.canvas, this.overlay]) { node.style.width = `${this.total[0]}px`; node.style.height = `${this.total[1]}px`; }
      this.node.style.height = `${this.total[1]}px`;
      this.draw();
      if (this.current) this.mark(this.current);
    }

    corner(tile) {
      const number = Math.floor(tile / this.group), inside = tile % this.group;
      return [(number % this.across) * (this.groupWidth + this.apart) + inside * (this.tileWidth + this.gap),
        Math.floor(number / this.across) * (this.tileHeight + this.below)];
    }

    show(values) { this.values = values; this.draw(); }

    draw() {
      if (!this.values || !this.total) return;
      const {slices, height, width, colours} = this, wide = slices * (width + 1) - 1, ratio = this.canvas.width / this.total[0];
      const small = el("canvas", {width: wide, height}), brush = small.getContext("2d"), context = this.canvas.getContext("2d");
      const pixels = brush.createImageData(wide, height), size = slices * height * width;
      context.imageSmoothingEnabled = false;
      context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      for (let tile = 0; tile < this.tiles; tile++) {
        for (let d = 0; d < slices; d++) for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
          const value = 3 * this.values[tile * size + (d * height + y) * width + x], to = 4 * (y * wide + d * (width + 1) + x);
          pixels.data[to] = colours[value]; pixels.data[to + 1] = colours[value + 1]; pixels.data[to + 2] = colours[value + 2]; pixels.data[to + 3] = 255;
        }
        brush.putImageData(pixels, 0, 0);
        const [left, top] = this.corner(tile);
        context.drawImage(small, left * ratio, top * ratio, this.tileWidth * ratio, this.tileHeight * ratio);
      }
    }

    /** The unit at a point of the node, or null between two. */
    at(x, y) {
      const row = Math.floor(y / (this.tileHeight + this.below)), number = Math.floor(x / (this.groupWidth + this.apart));
      const inGroup = x - number * (this.groupWidth + this.apart), inside = Math.floor(inGroup / (this.tileWidth + this.gap));
      const tile = (row * this.across + number) * this.group + inside;
      if (number >= this.across || inside >= this.group || tile < 0 || tile >= this.tiles) return null;
      const column = Math.floor((inGroup - inside * (this.tileWidth + this.gap)) / this.zoom[1]), line = Math.floor((y - row * (this.tileHeight + this.below)) / this.zoom[0]);
      const slice = Math.floor(column / (this.width + 1)), across = column - slice * (this.width + 1);
      if (line >= this.height || across >= this.width || slice >= this.slices) return null;
      return {tile, place: this.sizes.length ? [slice, line, across].slice(3 - this.sizes.length) : []};
    }

    /** Where a range of units, [first, stop) per axis, lies in a tile: a path. */
    outline(tile, ranges) {
      const [left, top] = this.corner(tile), [slices, rows, columns] = [[0, 1], [0, 1], [0, 1], ...ranges].slice(-3);
      let path = "";
      for (let d = slices[0]; d < slices[1]; d++) {
        const x = left + (d * (this.width + 1) + columns[0]) * this.zoom[1], y = top + rows[0] * this.zoom[0];
        path += `M${x},${y}h${(columns[1] - columns[0]) * this.zoom[1]}v${(rows[1] - rows[0]) * this.zoom[0]}h${-(columns[1] - columns[0]) * this.zoom[1]}z`;
      }
      return path;
    }

    mark(unit) {
      const path = unit ? this.outline(unit.tile, unit.place.map((i) => [i, i + 1])) : "";
      this.units.forEach((each) => each.setAttribute("d", path));
    }

    /** Outline a range of units in every tile; null for none. */
    markSeen(ranges) {
      let path = "";
      if (ranges && ranges.every(([first, stop]) => stop > first) && this.total) for (let tile = 0; tile < this.tiles; tile++) path += this.outline(tile, ranges);
      this.seen.setAttribute("d", path);
      if (ranges) this.node.dataset.seen = JSON.stringify(ranges); else delete this.node.dataset.seen;
    }

    index({tile, place}) { return tile * product(this.sizes) + place.reduce((sum, i, axis) => sum * this.sizes[axis] + i, 0); }

    go(unit) { this.current = unit; this.mark(unit); this.onUnit?.(unit, this.values[this.index(unit)]); }

    point(event) {
      if (!this.total) return;
      const box = this.node.getBoundingClientRect(), unit = this.at(event.clientX - box.left, event.clientY - box.top);
      if (unit) this.go(unit);
    }

    key(event) {
      const unit = this.current ?? this.first(), place = [...unit.place], last = place.length - 1;
      let {tile} = unit;
      const line = this.group === 1 ? this.across : this.group * this.across;
      const step = (axis, by_) => {
        if (axis < 0) { tile += by_; return; }
        place[axis] += by_;
        if (place[axis] < 0 || place[axis] >= this.sizes[axis]) {
          const over = place.length === 3 && axis === 2 ? place[0] + by_ : -1; // into the next slice
          place[axis] = by_ > 0 ? 0 : this.sizes[axis] - 1;
          if (over >= 0 && over < this.sizes[0]) place[0] = over;
          else { tile += by_; if (place.length === 3 && axis === 2) place[0] = by_ > 0 ? 0 : this.sizes[0] - 1; }
        }
      };
      if (event.key === "ArrowRight") step(last, 1);
      else if (event.key === "ArrowLeft") step(last, -1);
      else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const by_ = event.key === "ArrowDown" ? 1 : -1;
        if (last < 1) tile += by_ * line;
        else if (place[last - 1] + by_ >= 0 && place[last - 1] + by_ < this.sizes[last - 1]) place[last - 1] += by_;
        else { tile += by_ * line; place[last - 1] = by_ > 0 ? 0 : this.sizes[last - 1] - 1; }
      } else if (event.key === "PageDown") tile += 1;
      else if (event.key === "PageUp") tile -= 1;
      else if (event.key === "Home") tile = 0;
      else if (event.key === "End") tile = this.tiles - 1;
      else return;
      event.preventDefault();
      if (tile >= 0 && tile < this.tiles) this.go({tile, place});
    }
  }

  function kernels() {
    const {scale, layers} = facts.kernels;
    let shared = true;
    const blocks = layers.map((layer) => {
      const readout = el("span", {class: "small dim", "aria-live": "polite"}), [outputs, inputs] = layer.shown, bytes = decoded(layer.bytes);
      const bar = el("span"), tiles = new Tiles({tiles: outputs * inputs, sizes: layer.sizes, group: inputs, target: inputs > 8 ? 15 : inputs > 1 ? 22 : 44, colours: SIGNED, label: `kernels of layer ${layer.name}`,
        onUnit: ({tile, place}) => {
          const weight = (bytes[tile * product(layer.sizes) + place.reduce((sum, i, axis) => sum * layer.sizes[axis] + i, 0)] / 255 * 2 - 1) * layer.scale;
          readout.textContent = `output ${Math.floor(tile / inputs)}, input ${tile % inputs}, tap ${place.join(", ")}: ${weight.toPrecision(2)}`;
        }});
      const refresh = () => {
        const reach = shared ? scale : layer.scale;
        tiles.show(bytes.map((byte) => Math.round(127.5 + (byte - 127.5) * layer.scale / reach)));
        bar.replaceChildren(scaleBar(SIGNED, -reach, reach));
      };
      refresh();
      const all = outputs * inputs === layer.of[0] * layer.of[1];
      return {refresh, node: el("div", {class: "of-layer"}, el("div", {class: "row"},
        el("h3", {}, `${layer.name} ${layer.kind}`), el("span", {class: "dim small"}, `${count(layer.of[0])} outputs × ${count(layer.of[1])} inputs of ${by(layer.sizes)}`
          + (all ? "" : `; showing ${outputs} of ${count(layer.of[0])} outputs, ${inputs} of ${count(layer.of[1])} inputs`)), bar, readout), tiles.node)};
    });
    const said = el("p", {class: "hint", id: "kernel-scale"});
    const say = () => { said.textContent = shared
      ? `All kernels share one scale, symmetric about 0: blue is -${figure(scale)}, white 0, red ${figure(scale)}, the largest weight of any. The kernels of one output stand side by side, one per input.`
      : "Each layer has a scale of its own, symmetric about 0, that ends at its largest weight: colours of different layers do not compare."; };
    const box = el("input", {type: "checkbox", id: "own-scale", change: () => { shared = !box.checked; say(); blocks.forEach((block) => block.refresh()); }});
    say();
    return section("kernels", "Kernels", null, said,
      layers.length > 1 ? el("div", {class: "row"}, box, el("label", {for: "own-scale"}, "a scale for each layer")) : null,
      el("div", {class: "card"}, ...blocks.map((block) => block.node)));
  }

  // --- feature maps and receptive fields -----------------------------------------------------------------------------

  /** The pixels [first, stop) per axis that a unit of a layer sees. */
  const fieldOf = (field, place) => facts.input.slice(1).map((size, axis) => {
    const start = field.start[axis] + (place[axis] ?? 0) * field.jump[axis];
    return [clamp(start, 0, size), clamp(start + field.size[axis], 0, size)];
  });

  /** The units [first, stop) per axis of maps of `sizes` that see a pixel. */
  const unitsSeeing = (field, sizes, pixel) => sizes.map((size, axis) => {
    const away = pixel[axis] - field.start[axis];
    return [clamp(Math.ceil((away - field.size[axis] + 1) / field.jump[axis]), 0, size), clamp(Math.floor(away / field.jump[axis]) + 1, 0, size)];
  });

  const spans = (ranges) => ranges.map(([first, stop], axis) => `${["column", "row", "slice"][ranges.length - 1 - axis]}s ${first} to ${stop - 1}`).join(", ");

  function featureMaps() {
    const images = new Pictures(facts.maps.pictures), fields = new Map(facts.layers.map((layer) => [layer.name, layer.field]));
    const status = el("p", {class: "status", "aria-live": "polite", id: "status"}), shares = el("div", {class: "shares"});
    const overlay = el("svg", {viewBox: `0 0 ${images.across} ${images.height}`, preserveAspectRatio: "none", "aria-hidden": "true"});
    const picture = el("div", {class: axes === 2 ? "picture" : "picture wide", id: "picture", tabindex: 0, role: "application", "aria-label": "the image; arrow keys move from pixel to pixel and mark the units that see it"});
    let shown = 0, pixel = null, owner = null; // whose outlines are shown
    const advice = "Point at a unit of a map: what it sees is outlined here. Point at a pixel here: the units that see it are outlined in every map. Tab and the arrow keys do the same.";

    /** Outline ranges of pixels on the image. */
    function outline(ranges, kind) {
      const [slices, rows, columns] = axes === 1 ? [[0, 1], [0, images.height], ranges[0]] : [[0, 1], ...ranges].slice(-3);
      overlay.replaceChildren();
      for (let d = slices[0]; d < slices[1]; d++) {
        overlay.append(el("rect", {class: kind, x: d * (images.width + 1) + columns[0], y: rows[0], width: columns[1] - columns[0], height: rows[1] - rows[0]}));
      }
      picture.dataset[kind] = JSON.stringify(ranges);
    }
    function clear() {
      overlay.replaceChildren();
      delete picture.dataset.field; delete picture.dataset.pixel;
      blocks.forEach(({tiles}) => { tiles.markSeen(null); tiles.mark(null); });
      status.textContent = advice;
    }
    const leave = (node) => { if (owner === node) clear(); };
    function lookAtPixel(at) {
      clear();
      owner = picture;
      pixel = at;
      outline(at.map((i) => [i, i + 1]), "pixel");
      let seeing = 0;
      blocks.forEach(({layer, tiles}) => {
        const ranges = unitsSeeing(fields.get(layer.name), layer.sizes.length === axes ? layer.sizes : [], at);
        if (layer.sizes.length === axes) tiles.markSeen(ranges);
        if (layer.sizes.length === axes) seeing += layer.maps * product(ranges.map(([first, stop]) => Math.max(0, stop - first)));
      });
      status.textContent = `pixel ${["column", "row", "slice"].slice(0, axes).reverse().map((name, axis) => `${name} ${at[axis]}`).join(", ")}: ${count(seeing)} units of the maps see it, beside the layers behind them`;
    }

    const blocks = facts.maps.layers.map((layer) => {
      const values = decoded(layer.bytes), each = layer.shown * product(layer.sizes), field = fields.get(layer.name);
      const colours = layer.low < 0 ? SIGNED : MAGNITUDES;
      const tiles = new Tiles({tiles: layer.shown, sizes: layer.sizes, target: 57, colours, label: `feature maps of layer ${layer.name}, ${layer.kind}`, onLeave: () => leave(tiles),
        onUnit: (unit, byte) => {
          clear();
          owner = tiles;
          tiles.mark(unit);
          const seen = fieldOf(field, unit.place), value = layer.low + byte / 255 * (layer.high - layer.low);
          outline(seen, "field");
          const at = unit.place.length ? `map ${unit.tile}, ${["column", "row", "slice"].slice(0, unit.place.length).reverse().map((name, axis) => `${name} ${unit.place[axis]}`).join(", ")}` : `unit ${unit.tile}`;
          status.textContent = `layer ${layer.name} ${layer.kind}, ${at}: ${value.toPrecision(2)}; it sees ${seen.some(([first, stop]) => stop <= first) ? "padding alone" : spans(seen)}`;
        }});
      const of = layer.sizes.length ? `${count(layer.maps)} maps of ${by(layer.sizes)}` : `${count(layer.maps)} numbers`;
      const part = layer.shown < layer.maps ? `; showing ${layer.shown} of ${count(layer.maps)}` : "";
      const node = el("div", {class: "of-layer", "data-layer": layer.name}, el("div", {class: "row"}, el("h3", {}, `${layer.name} ${layer.kind}`),
        el("span", {class: "dim small"}, `${of}${part} · each sees ${by(field.size)}`), scaleBar(colours, layer.low, layer.high)),
        layer.shown ? tiles.node : el("p", {class: "dim small"}, "Too large to be shown."));
      return {layer, tiles, node, show: () => layer.shown && tiles.show(values.subarray(shown * each, (shown + 1) * each))};
    });

    function choose(number) {
      shown = number;
      picture.replaceChildren(images.canvas(number), overlay);
      const {number: test, true: truth, likeliest} = facts.maps.images[number];
      shares.replaceChildren(...likeliest.flatMap(([label, share]) => [el("span", {title: facts.names[label]}, facts.names[label]), meter(share), el("span", {}, percent(share))]));
      buttons.forEach((button, i) => { button.setAttribute("aria-checked", String(i === number)); button.tabIndex = i === number ? 0 : -1; });
      caption.textContent = `Test image ${test}, class ${facts.names[truth]}`;
      blocks.forEach((block) => block.show());
      clear();
    }
    const caption = el("p", {class: "small wide"});
    const buttons = facts.maps.images.map((image, i) => el("button", {type: "button", role: "radio", "aria-label": `image ${image.number}, ${facts.names[image.true]}`, title: facts.names[image.true],
      click: () => choose(i), keydown: (event) => {
        const by_ = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
        if (!by_) return;
        event.preventDefault();
        const next = (i + by_ + buttons.length) % buttons.length;
        choose(next);
        buttons[next].focus();
      }}, images.canvas(i)));

    const point = (event) => {
      const box = picture.firstChild.getBoundingClientRect();
      const column = clamp(Math.floor((event.clientX - box.left) / box.width * images.across), 0, images.across - 1);
      const row = clamp(Math.floor((event.clientY - box.top) / box.height * images.height), 0, images.height - 1);
      const slice = Math.floor(column / (images.width + 1)), across = column - slice * (images.width + 1);
      if (across < images.width) lookAtPixel(axes === 1 ? [across] : [slice, row, across].slice(3 - axes));
    };
    picture.addEventListener("pointermove", point);
    picture.addEventListener("pointerdown", point);
    picture.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") leave(picture); });
    picture.addEventListener("blur", () => leave(picture));
    picture.addEventListener("focus", () => { if (picture.matches(":focus-visible")) lookAtPixel(pixel ?? facts.input.slice(1).map((size) => size >> 1)); });
    picture.addEventListener("keydown", (event) => {
      const move = {ArrowLeft: [1, -1], ArrowRight: [1, 1], ArrowUp: [2, -1], ArrowDown: [2, 1], PageUp: [3, -1], PageDown: [3, 1]}[event.key];
      if (!move || move[0] > axes) return;
      event.preventDefault();
      const at = [...(pixel ?? facts.input.slice(1).map((size) => size >> 1))], axis = axes - move[0];
      at[axis] = clamp(at[axis] + move[1], 0, facts.input[1 + axis] - 1);
      lookAtPixel(at);
    });

    const looked = el("div", {class: "looked-at"}, el("div", {class: "choice", role: "radiogroup", "aria-label": "which test image"}, ...buttons), caption, picture, shares, status);
    choose(0);
    return section("maps", "Feature maps and receptive fields",
      `What every layer makes of a test image, the first of each class. Colours of a layer have one scale for all images, told beside it: dark is 0 where nothing falls below, else white is 0, blue below and red above. Values are told to 8 bits. ${facts.maps.note}`,
      el("div", {class: "card maps"}, looked, el("div", {}, ...blocks.map((block) => block.node))));
  }

  // --- comparison ----------------------------------------------------------------------------------------------------

  function listing(id, title, hint, first, rows) {
    return section(id, title, hint, el("div", {class: "card scroll", tabindex: 0, role: "region", "aria-label": title}, el("table", {class: "listing texts"},
      el("thead", {}, el("tr", {}, el("th", {scope: "col"}, first), ...facts.runs.map((run) => el("th", {scope: "col"}, run.name)))),
      el("tbody", {}, ...rows.map(([name, ...values]) => el("tr", {}, el("th", {scope: "row"}, name), ...values.map((value) => el("td", {}, value))))))));
  }

  // --- the page ------------------------------------------------------------------------------------------------------

  const parts = [];
  if (facts.results) parts.push(listing("results", "Results", null, "figure", facts.results));
  if (facts.layers) parts.push(architecture());
  parts.push(curvesSection());
  if (facts.differences) {
    parts.push(facts.differences.length ? listing("differences", "Differences in their configurations", null, "option", facts.differences)
      : section("differences", "Differences in their configurations", null, el("p", {class: "card"}, "None: they have the same configuration.")));
  }
  if (facts.confusion) parts.push(confusion(), classes());
  if (facts.examples) parts.push(mistakes());
  if (facts.kernels?.layers.length) parts.push(kernels());
  if (facts.maps) parts.push(featureMaps());
  document.body.append(
    el("a", {class: "skip", href: "#main"}, "Skip to the content"),
    el("header", {}, el("h1", {}, facts.title), facts.path ? el("p", {class: "path"}, facts.path) : null,
      ...facts.notes.map((note) => el("p", {class: "note"}, note)), facts.headline ? headline() : null),
    el("div", {class: "bar"}, el("div", {}, el("nav", {"aria-label": "sections"}, ...sections.map(([id, title]) => el("a", {href: `#${id}`}, title))), themeButton)),
    el("main", {id: "main", tabindex: -1}, ...parts));
})();
