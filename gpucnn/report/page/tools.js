// Small tools that every part of the page uses.

const facts = JSON.parse(document.getElementById("facts").textContent);

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
const percent = (share) =>
  share === null ? "–" : share > 0.9995 && share < 1 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`;
const figure = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(4))));
const product = (sizes) => sizes.reduce((a, b) => a * b, 1);

function decoded(text) {
  const characters = atob(text),
    bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/** 256 colours (768 numbers) between the anchors of a palette. */
function ramp(anchors) {
  const colours = new Uint8ClampedArray(768);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (anchors.length - 1),
      left = Math.min(Math.floor(place), anchors.length - 2);
    for (let c = 0; c < 3; c++) {
      colours[3 * i + c] = anchors[left][c] + (place - left) * (anchors[left + 1][c] - anchors[left][c]);
    }
  }
  return colours;
}

const MAGNITUDES = ramp(facts.palettes.magnitudes),
  SIGNED = ramp(facts.palettes.signed);

/** What redraws itself when the width of its element changes. */
const drawn = new ResizeObserver((entries) =>
  entries.forEach((entry) => entry.target.redraw(entry.contentRect.width)),
);
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
  const context = bar.getContext("2d"),
    pixels = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++)
    pixels.data.set([colours[3 * i], colours[3 * i + 1], colours[3 * i + 2], 255], 4 * i);
  context.putImageData(pixels, 0, 0);
  return el("span", {class: "scale"}, figure(low), bar, figure(high));
}

/** A section with its heading and a line on how to read it. */
const sections = [];
function section(id, title, hint, ...children) {
  sections.push([id, title]);
  return el(
    "section",
    {id, "aria-labelledby": `${id}-title`},
    el("h2", {id: `${id}-title`}, title),
    hint ? el("p", {class: "hint"}, hint) : null,
    ...children,
  );
}
