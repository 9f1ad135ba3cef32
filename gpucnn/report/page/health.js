// The health of every layer over the epochs: small multiples, a strip for each.

const HEALTH = {
  weights: {name: "weights", show: figure},
  gradients: {name: "gradients", show: figure},
  updates: {name: "updates", show: percent},
  dead: {name: "dead", show: percent, top: 1},
  saturated: {name: "saturated", show: percent, top: 1},
};
const HIGH = 42; // pixels of a small chart

/** A small chart of one figure, with its name and the value at the epoch that is read. `at` reads the epoch's number. */
function healthCell(what, epochs, values) {
  const {name, show, top} = HEALTH[what];
  const told = el("output"),
    picture = el("svg", {"aria-hidden": "true"});
  const known = values.filter((value) => value !== null),
    greatest = top ?? (Math.max(...known) || 1);
  let width = 0,
    reading = epochs.length - 1;
  const x = (i) => 4 + (epochs.length > 1 ? ((epochs[i] - epochs[0]) / (epochs.at(-1) - epochs[0])) * (width - 8) : 0);
  const y = (value) => HIGH - 4 - (value / greatest) * (HIGH - 8);

  function draw() {
    told.textContent = show(values[reading]);
    if (!width) return;
    picture.setAttribute("viewBox", `0 0 ${width} ${HIGH}`);
    const points = epochs.map((_, i) => i).filter((i) => values[i] !== null);
    const path = points.map((i) => `${x(i).toFixed(1)},${y(values[i]).toFixed(1)}`).join("L");
    picture.replaceChildren(
      el("line", {class: "cursor", x1: x(reading), x2: x(reading), y1: 0, y2: HIGH}),
      ...(points.length > 1 ? [el("path", {class: "line", d: `M${path}`})] : []),
      ...(values[reading] === null ? [] : [el("circle", {class: "dot", cx: x(reading), cy: y(values[reading]), r: 2.6})]),
    );
  }
  const node = el("div", {class: "cell", "data-what": what}, el("div", {}, el("span", {class: "dim"}, name), told), picture);
  redrawn(node, (now) => {
    width = now;
    draw();
  });
  return {
    node,
    at(number) {
      reading = number;
      draw();
    },
  };
}

function health() {
  const {epochs, layers, images, part} = facts.health;
  const said = el("p", {class: "readout", "aria-live": "polite"}),
    cells = [];
  let reading = epochs.length - 1;
  const read = (number) => {
    reading = number;
    cells.forEach((cell) => cell.at(number));
    said.textContent = `After epoch ${epochs[number]} of ${epochs.at(-1)}. Point at a strip, or use the arrow keys, to read another.`;
  };
  const moves = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity};
  const strip = ({layer, title, curves}) => {
    const own = Object.entries(curves).map(([what, values]) => healthCell(what, epochs, values));
    cells.push(...own);
    const point = (event) => {
      const cell = event.target.closest(".cell")?.getBoundingClientRect();
      if (!cell) return;
      const wanted = epochs[0] + clamp((event.clientX - cell.left) / cell.width, 0, 1) * (epochs.at(-1) - epochs[0]);
      read(nearest(epochs, wanted));
    };
    return el(
      "div",
      {
        class: "strip",
        "data-layer": layer,
        tabindex: 0,
        role: "group",
        "aria-label": `layer ${title}; arrow keys go from epoch to epoch`,
        pointermove: point,
        pointerdown: point,
        keydown: (event) => {
          if (!(event.key in moves)) return;
          event.preventDefault();
          read(clamp(reading + moves[event.key], 0, epochs.length - 1));
        },
      },
      el("h3", {}, title),
      el("div", {class: "cells"}, ...own.map((cell) => cell.node)),
    );
  };
  const strips = layers.map(strip);
  read(reading);
  return section(
    "health",
    "Health",
    "Euclidean norms of a layer's weights, of their gradients at the epoch's last step, and of their change over the " +
      "epoch as a share of the weights. Dead units of a ReLU are 0 for every image; saturated ones of sigmoid and tanh " +
      `are where the slope is below 5 % of its steepest; by ${count(images)} ${part} images. Charts begin at 0; those of ` +
      "shares end at 100 %, the others at their largest value.",
    el("div", {class: "card"}, said, ...strips),
  );
}
