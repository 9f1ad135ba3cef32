// A page to draw on: takes a drawing, asks `source` what the network makes of it, and shows the answer.
//
// `source` is another script's: `gpucnn draw` asks its server (server.js), an exported page has the network in it.
//   name: what comes before the title. pictures: whether it takes pictures in their own colours and size.
//   describe() -> the network: classes, layers, kernels. answer(drawing) -> image, probabilities, layers' outputs.

const LONGER_SIDE = 280; // pixels of the drawing's longer side; MNIST's images are a tenth of it
const STEP = 7; // pixels that an arrow key moves the pen
const MOST_BARS = 20;
const UNITS_PER_ROW = 32;
const UNIT_SIZE = 10; // pixels on the screen: a value of a layer without maps
const MAP_SIZE = 58; // the longer side of a map, and of a kernel
const MARK = [255, 140, 0]; // red, green, blue: of what speaks for the class that is said

const element = (id) => document.getElementById(id);
const canvas = element("canvas");
const paper = canvas.getContext("2d", { willReadFrequently: true });

// --- the drawing: strokes, pictures and wipings in the order they came, so that the last can be undone ---------------

let items = []; // {points, width} | {picture} | {} (wiped clean)
let scheduled = false;

function add(item) {
  items.push(item);
  changed();
}

function undo() {
  items.pop();
  changed();
}

/** Paint and ask again, once before the screen is next drawn however often this is called until then. */
function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    paint();
    ask();
  });
}

/** The items since the canvas was last wiped. */
function visible() {
  return items.slice(items.findLastIndex((item) => !item.points && !item.picture) + 1);
}

function paint() {
  paper.clearRect(0, 0, canvas.width, canvas.height);
  Object.assign(paper, { lineCap: "round", lineJoin: "round", strokeStyle: "white", fillStyle: "white" });
  for (const item of visible()) {
    if (item.picture) paintPicture(item.picture);
    else paintStroke(item);
  }
}

function paintStroke({ points, width }) {
  paper.beginPath();
  paper.arc(...points[0], width / 2, 0, 2 * Math.PI); // a stroke that goes nowhere has no line
  paper.fill();
  paper.lineWidth = width;
  paper.beginPath();
  for (const point of points) paper.lineTo(...point);
  paper.stroke();
}

/** How much ink there is at each pixel, 0 to 255: how opaque it is. */
function ink() {
  const pixels = paper.getImageData(0, 0, canvas.width, canvas.height).data;
  const opacity = new Uint8Array(pixels.length / 4);
  for (let index = 0; index < opacity.length; index++) opacity[index] = pixels[4 * index + 3];
  return opacity;
}

// --- pictures ---------------------------------------------------------------------------------------------------------

async function take(file) {
  if (!file) return;
  try {
    add({ picture: await createImageBitmap(file) });
    say("");
  } catch {
    say(`${file.name} is no picture that this browser can read; PNG and JPEG are.`);
  }
}

/** Centred, a picture is its ink; else its brightness, stretched over the canvas as `gpucnn predict` reads it. */
function paintPicture(picture) {
  const centre = element("centre").checked;
  const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
  const width = centre ? Math.max(1, Math.round(picture.width * scale)) : canvas.width;
  const height = centre ? Math.max(1, Math.round(picture.height * scale)) : canvas.height;
  const grey = greyOf(picture, width, height);
  const layer = new OffscreenCanvas(width, height);
  layer.getContext("2d").putImageData(asInk(centre ? inkOf(grey, width, height) : grey, width, height), 0, 0);
  paper.drawImage(layer, Math.floor((canvas.width - width) / 2), Math.floor((canvas.height - height) / 2));
}

/** The picture's luma (ITU-R 601) at that size, on white where it is transparent. */
function greyOf(picture, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = picture.width > width; // enlarged pixels stay sharp: scaled down they are as before
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return Uint8Array.from({ length: width * height }, (_, index) =>
    Math.round(0.299 * data[4 * index] + 0.587 * data[4 * index + 1] + 0.114 * data[4 * index + 2]),
  );
}

/** What differs from the picture's border, by more than most of the border differs from itself; light or dark. */
function inkOf(grey, width, height) {
  const border = grey.filter((_, index) => {
    const [x, y] = [index % width, Math.floor(index / width)];
    return x === 0 || y === 0 || x === width - 1 || y === height - 1;
  });
  const ground = quantile(border, 0.5);
  const noise = 2 * quantile(border.map((value) => Math.abs(value - ground)), 0.9);
  const away = Float32Array.from(grey, (value) => Math.max((ground > 127 ? ground - value : value - ground) - noise, 0));
  const most = away.reduce((largest, value) => Math.max(largest, value), 1);
  return Uint8Array.from(away, (value) => Math.round((255 * value) / most));
}

function quantile(values, share) {
  return values.slice().sort()[Math.floor(share * (values.length - 1))];
}

function asInk(opacity, width, height) {
  const data = new ImageData(width, height);
  opacity.forEach((alpha, index) => data.data.set([255, 255, 255, alpha], 4 * index));
  return data;
}

// --- asking: one request at a time, and what was drawn meanwhile in the next ---------------------------------------

let asking = false;
let outdated = false;

async function ask() {
  outdated = true;
  if (asking) return;
  asking = true;
  element("results").setAttribute("aria-busy", "true");
  while (outdated) {
    outdated = false;
    await exchange();
  }
  element("results").setAttribute("aria-busy", "false");
  asking = false;
}

async function exchange() {
  if (!visible().length) return showNothing();
  const began = performance.now();
  try {
    show(await source.answer(drawing()), began);
    say("");
  } catch (error) {
    say(`No answer: ${error.message}`);
  }
}

/** What is drawn, and how to make an image of it; `picture` where a picture is taken as it is. */
function drawing() {
  const [centre, invert] = [element("centre").checked, element("invert").checked];
  const { picture } = visible().at(-1);
  const [height, width] = [canvas.height, canvas.width];
  if (picture && source.pictures) return { picture, centre, exchange: invert !== network.bright };
  return { height, width, ink: ink(), centre, invert };
}

function say(message) {
  element("message").textContent = message;
}

// --- showing ----------------------------------------------------------------------------------------------------------

let network; // what the source tells of it
let answers = null; // what it last made of a drawing
let rows = []; // a bar to each of the classes that are shown
let layers = []; // {units: [{kernel, map}], peak} of each layer
let colours; // of the 256 bytes, as ImageData holds pixels

function show(latest, began) {
  answers = latest;
  showImage(answers.image, answers.why);
  showProbabilities(answers.probabilities);
  network.layers.forEach((layer, index) => showLayer(layers[index], layer, answers.layers[index]));
  const whole = performance.now() - began;
  element("times").textContent =
    `The network took ${answers.milliseconds.toFixed(1)} ms; from stroke to pictures it was ${whole.toFixed(1)} ms.`;
}

function showNothing() {
  answers = null;
  const [, height, width] = network.image;
  showImage(new Uint8Array(height * width));
  showField(null);
  showProbabilities(null);
  network.layers.forEach((layer, index) => showLayer(layers[index], layer, null));
  element("times").textContent = "";
}

/** An image of one plane, or of three: red, green, blue. `why`, where it is to be shown, colours it by its bytes. */
function showImage(image, why = null) {
  const [, height, width] = network.image;
  const data = new ImageData(width, height);
  const count = height * width;
  for (let index = 0; index < count; index++) {
    const share = why && element("why").checked ? (0.8 * why[index]) / 255 : 0;
    for (let plane = 0; plane < 3; plane++) {
      const own = image[(plane * count + index) % image.length];
      data.data[4 * index + plane] = own + share * (MARK[plane] - own);
    }
    data.data[4 * index + 3] = 255;
  }
  element("seen").getContext("2d").putImageData(data, 0, 0);
}

function showProbabilities(shares) {
  const order = network.classes.map((_, index) => index);
  if (shares && order.length > MOST_BARS) order.sort((one, other) => shares[other] - shares[one]);
  const best = shares ? shares.indexOf(Math.max(...shares)) : -1;
  rows.forEach(({ item, name, bar, share }, index) => {
    const number = order[index];
    item.classList.toggle("best", number === best);
    name.textContent = name.title = network.classes[number];
    bar.style.width = shares ? `${100 * shares[number]}%` : "0";
    share.textContent = shares ? percent(shares[number]) : "";
  });
  element("prediction").textContent = shares ? `${network.classes[best]}, ${percent(shares[best])}` : "Nothing drawn yet";
}

function percent(share) {
  return `${(100 * share).toFixed(1)}\u202f%`;
}

function showLayer({ units, peak }, layer, answer) {
  peak.textContent = answer ? `: ±${answer.peak.toPrecision(3)}` : "";
  const count = layer.size[0] * layer.size[1] || layer.shown;
  const bytes = answer ? answer.bytes : new Uint8Array(units.length * count).fill(network.zero);
  units.forEach(({ map }, index) => shade(map, bytes.subarray(index * count, (index + 1) * count)));
}

/** Bytes as a canvas's pixels, row by row; pixels without a byte stay clear. */
function shade(target, bytes) {
  const data = new ImageData(target.width, target.height);
  const pixels = new Uint32Array(data.data.buffer);
  bytes.forEach((value, index) => (pixels[index] = colours[value]));
  target.getContext("2d").putImageData(data, 0, 0);
}

/** The colours of the bytes: mixed of the page's for the largest magnitude below 0, for 0, and for that above. */
function mixColours() {
  const style = getComputedStyle(document.documentElement);
  const [minus, zero, plus] = ["--minus", "--zero", "--plus"].map((name) => components(style.getPropertyValue(name)));
  const mixed = new Uint8ClampedArray(4 * 256);
  for (let value = 0; value < 256; value++) {
    const towards = value < network.zero ? minus : plus;
    const share = Math.abs(value - network.zero) / network.zero;
    mixed.set([...zero.map((part, index) => part + share * (towards[index] - part)), 255], 4 * value);
  }
  colours = new Uint32Array(mixed.buffer);
}

function components(colour) {
  return colour.match(/[\d.]+/g).slice(0, 3).map(Number);
}

// --- what is there before anything is drawn ---------------------------------------------------------------------------

function make(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function makeCanvas(height, width, side) {
  const made = make("canvas", "");
  [made.width, made.height] = [width, height];
  const scale = side / Math.max(width, height);
  made.style.width = `${width * scale}px`;
  made.style.height = `${height * scale}px`;
  made.setAttribute("aria-hidden", "true"); // the layer's heading tells of it
  return made;
}

function makeRows() {
  return network.classes.slice(0, MOST_BARS).map(() => {
    const [name, bar, share] = [make("span", "name"), make("span", ""), make("span", "share")];
    const item = make("li", "", name, make("span", "bar", bar), share);
    element("bars").append(item);
    return { item, name, bar, share };
  });
}

function makeLayer(layer) {
  const peak = make("span", "peak");
  const units = make("div", "units");
  const section = make("article", "layer", make("h3", "", layer.name), makeWords(layer, peak), units);
  element("layers").append(section);
  return { units: layer.size.length ? makeMaps(layer, units) : makeUnits(layer, units), peak };
}

/** "6 maps of 28 × 28: ±1.23; kernels of 5 × 5: ±0.52", the maps' scale being written into `peak`. */
function makeWords({ shape, shown, size, kernels }, peak) {
  const part = (count, whole) => (count < whole ? `${count} of ${whole}` : `${whole}`);
  const by = (sizes) => sizes.join(" × ");
  if (!size.length) return make("p", "note", `${part(shown, shape[0])} units`, peak);
  const smaller = size[0] < shape[1] || size[1] < shape[2] ? `, shown at ${by(size)}` : "";
  const words = make("p", "note", `${part(shown, shape[0])} maps of ${by(shape.slice(1))}${smaller}`, peak);
  if (kernels) {
    const over = kernels.slices > 1 ? ` over ${part(kernels.shown, kernels.slices)} channels` : "";
    words.append(`; kernels of ${by(kernels.size)}${over}: ±${kernels.peak.toPrecision(3)}`);
  }
  return words;
}

function makeMaps(layer, into) {
  const [height, width] = layer.size;
  return Array.from({ length: layer.shown }, (_, index) => {
    const map = makeCanvas(height, width, MAP_SIZE);
    const kernel = layer.kernels && makeKernel(layer.kernels);
    const unit = make("div", "unit", ...(kernel ? [kernel] : []), map);
    unit.title = `map ${index}`;
    if (layer.field) showFieldsOf(map, layer);
    into.append(unit);
    return { kernel, map };
  });
}

/** Show which pixels of the image a unit of a map sees, while it is pointed at or touched. */
function showFieldsOf(map, layer) {
  const show = (event) => {
    const box = map.getBoundingClientRect();
    const share = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    showField(layer.field, share.map((part, axis) => Math.floor(part * layer.shape[axis + 1])));
  };
  for (const kind of ["pointermove", "pointerdown"]) map.addEventListener(kind, show);
  map.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && showField(null));
}

/** The image that the network gets, kept in sight where the page is scrolled past it; its place stays as it is. */
function keepInSight(wanted) {
  const [image, place] = [element("image"), element("image-place")];
  const { bottom, height } = place.getBoundingClientRect();
  place.style.height = wanted ? `${height}px` : "";
  image.classList.toggle("floating", wanted && bottom < 0.5 * height);
}

/** A frame around the receptive field of a unit (row, column) on the image that the network gets; none for null. */
function showField(field, unit) {
  const frame = element("field");
  frame.hidden = !field;
  element("field-note").textContent = "";
  keepInSight(Boolean(field));
  if (!field) return;
  const sides = network.image.slice(1);
  const begin = unit.map((place, axis) => field.start[axis] + place * field.jump[axis]); // a fraction, where maps grew
  const first = begin.map((start) => Math.max(0, Math.ceil(start - 1e-6)));
  const last = begin.map((start, axis) => Math.min(sides[axis], Math.floor(start + field.size[axis] + 1e-6)));
  const share = (pixels, axis) => `${(100 * pixels) / sides[axis]}%`;
  Object.assign(frame.style, { top: share(first[0], 0), height: share(last[0] - first[0], 0) });
  Object.assign(frame.style, { left: share(first[1], 1), width: share(last[1] - first[1], 1) });
  const words = first.map((begin, axis) => `${["rows", "columns"][axis]} ${begin} to ${last[axis] - 1}`);
  element("field-note").textContent = `Unit (${unit.join(", ")}) sees ${words.join(", ")}.`;
}

/** A canvas for one kernel: its slices, one for each input channel, side by side in a square with gaps. */
function makeKernel({ shown, size: [height, width] }) {
  const across = Math.ceil(Math.sqrt(shown));
  const down = Math.ceil(shown / across);
  return makeCanvas(down * (height + 1) - 1, across * (width + 1) - 1, MAP_SIZE);
}

function showKernels({ units }, { kernels }) {
  if (!kernels) return;
  const { bytes } = kernels;
  const [height, width] = kernels.size;
  const across = Math.ceil(Math.sqrt(kernels.shown));
  units.forEach(({ kernel }, unit) => {
    const data = new ImageData(kernel.width, kernel.height);
    const pixels = new Uint32Array(data.data.buffer);
    for (let slice = 0; slice < kernels.shown; slice++) {
      const [left, top] = [(slice % across) * (width + 1), Math.floor(slice / across) * (height + 1)];
      for (let place = 0; place < height * width; place++) {
        const [row, column] = [Math.floor(place / width), place % width];
        const value = bytes[(unit * kernels.shown + slice) * height * width + place];
        pixels[(top + row) * kernel.width + left + column] = colours[value];
      }
    }
    kernel.getContext("2d").putImageData(data, 0, 0);
  });
}

function makeUnits({ shown }, into) {
  const across = Math.min(shown, UNITS_PER_ROW);
  const map = makeCanvas(Math.ceil(shown / across), across, UNIT_SIZE * across);
  into.append(map);
  return [{ map }];
}

// --- pen and keys -----------------------------------------------------------------------------------------------------

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) / box.width) * canvas.width,
    ((event.clientY - box.top) / box.height) * canvas.height,
  ];
}

function penWidth() {
  return Number(element("width").value);
}

function listenToPointers() {
  const strokes = new Map(); // by pointer: several fingers draw several strokes
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    const stroke = { points: [place(event)], width: penWidth() };
    strokes.set(event.pointerId, stroke);
    add(stroke);
  });
  canvas.addEventListener("pointermove", (event) => {
    const stroke = strokes.get(event.pointerId);
    if (!stroke) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    stroke.points.push(...(passed.length ? passed : [event]).map(place));
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => strokes.delete(event.pointerId));
  }
}

function listenToKeys() {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const pen = element("pen");
  const at = [canvas.width / 2, canvas.height / 2];
  let stroke = null; // while the pen is down

  const showPen = () => {
    const scale = canvas.getBoundingClientRect().width / canvas.width;
    Object.assign(pen.style, { left: `${at[0] * scale}px`, top: `${at[1] * scale}px` });
    Object.assign(pen.style, { width: `${penWidth() * scale}px`, height: `${penWidth() * scale}px` });
    pen.classList.toggle("down", stroke !== null);
    pen.hidden = !canvas.matches(":focus-visible");
  };
  canvas.addEventListener("focus", showPen);
  canvas.addEventListener("blur", () => {
    stroke = null;
    showPen();
  });
  canvas.addEventListener("pointerdown", () => (pen.hidden = true));
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (move && !event.ctrlKey && !event.metaKey && !event.altKey) {
      at[0] = Math.min(Math.max(at[0] + STEP * move[0], 0), canvas.width);
      at[1] = Math.min(Math.max(at[1] + STEP * move[1], 0), canvas.height);
      if (stroke) {
        stroke.points.push([...at]);
        changed();
      }
    } else if (event.key === " ") {
      stroke = stroke ? null : { points: [[...at]], width: penWidth() };
      if (stroke) add(stroke);
    } else if (event.key === "Delete") {
      stroke = null;
      add({});
    } else return;
    event.preventDefault();
    showPen();
  });
}

function listenToControls() {
  document.addEventListener("pointerdown", ({ target }) => target.closest(".unit") || showField(null));
  element("undo").addEventListener("click", undo);
  element("clear").addEventListener("click", () => add({}));
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    undo();
  });
  const showWidth = () => (element("width-shown").textContent = penWidth());
  element("width").addEventListener("input", showWidth);
  showWidth();
  for (const option of ["centre", "invert"]) element(option).addEventListener("change", changed);
  element("why").addEventListener("change", ({ target }) => {
    element("why-note").hidden = !target.checked;
    if (answers) showImage(answers.image, answers.why);
  });
  element("file").addEventListener("change", ({ target }) => {
    take(target.files[0]);
    target.value = ""; // so that the same file may be chosen again
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    take(event.dataTransfer.files[0]);
  });
}

function listenToTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  element("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const now = root.dataset.theme ?? (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    recolour();
  });
  dark.addEventListener("change", recolour);
}

function recolour() {
  mixColours();
  network.layers.forEach((layer, index) => {
    showKernels(layers[index], layer);
    showLayer(layers[index], layer, answers && answers.layers[index]);
  });
}

// --- begin ------------------------------------------------------------------------------------------------------------

network = await source.describe();
const [channels, height, width] = network.image;
element("invert").checked = network.bright; // drawings are bright on dark
const scale = LONGER_SIDE / Math.max(height, width);
[canvas.height, canvas.width] = [Math.ceil(height * scale), Math.ceil(width * scale)];
[element("seen").height, element("seen").width] = [height, width];
element("title").textContent = document.title = `${source.name}: ${network.title}`;
element("seen-note").textContent = `${height} × ${width} pixels, black 0, white 255`;
if (channels > 1) element("seen-note").textContent += source.pictures ? "; what is drawn is grey" : "; all channels alike";
if (channels > 1 && source.pictures) element("centre").checked = false; // pictures are taken in their colours
element("why-choice").hidden = !network.explains;
element("why-note").textContent = `Grad-CAM: what layer ${network.explains} found that speaks for the class.`;
if (network.classes.length > MOST_BARS) element("cut").textContent = `The ${MOST_BARS} likeliest of ${network.classes.length}.`;
rows = makeRows();
layers = network.layers.map(makeLayer);
recolour();
listenToPointers();
listenToKeys();
listenToControls();
listenToTheme();
ask();
