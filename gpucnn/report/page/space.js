// The space: test images as points by what the last hidden layer makes of them. A lasso opens those inside.

/** Whether a point lies in a polygon of points: a ray from it crosses the outline an odd number of times. */
function inside([x, y], outline) {
  let odd = false;
  outline.forEach(([ax, ay], i) => {
    const [bx, by_] = outline[(i + 1) % outline.length];
    if (ay > y !== by_ > y && x < ax + ((y - ay) / (by_ - ay)) * (bx - ax)) odd = !odd;
  });
  return odd;
}

function space() {
  const {layer, shares, x, y, of, images, pictures: shown} = facts.space;
  const MOST_OPENED = 48,
    NEAREST = 12,
    EDGE = 14,
    TILE = 20,
    STEP = 12,
    MOST_BUTTONS = 24;
  const small = new Pictures(shown),
    drawings = images.map((_, i) => small.canvas(i)),
    labels = [...new Set(images.map(([, truth]) => truth))].sort((a, b) => a - b);
  const canvas = el("canvas", {
    class: "space",
    tabindex: 0,
    role: "application",
    "aria-label": "test images as points; arrow keys move a cursor, Enter opens the nearest",
  });
  const opened = el("div", {class: "card", "aria-live": "polite", id: "opened"});
  let size = null, // width and height in pixels of the page
    lasso = [],
    cursor = null,
    only = null, // the class that is not dimmed
    asPictures = false;

  const hue = (label) => {
    const dark = root.dataset.theme === "dark",
      place = labels.indexOf(label);
    return `hsl(${(360 * place) / labels.length} 75% ${(dark ? 58 : 40) + (place % 2 ? 10 : 0)}%)`;
  };
  const tall = Math.max(...y) || 1,
    wide = Math.max(...x) || 1;
  const scale = () => Math.min((size[0] - 2 * EDGE) / wide, (size[1] - 2 * EDGE) / tall);
  const place = (i) => [EDGE + x[i] * scale(), size[1] - EDGE - y[i] * scale()];

  function draw() {
    if (!size) return;
    const ratio = window.devicePixelRatio || 1,
      brush = canvas.getContext("2d"),
      style = getComputedStyle(root);
    [canvas.width, canvas.height] = size.map((side) => Math.round(side * ratio));
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.imageSmoothingEnabled = false;
    const placed = []; // where there are pictures: no two lie on each other
    images.forEach(([, truth, said], i) => {
      const [left, top] = place(i);
      const pictured =
        asPictures && placed.every(([x_, y_]) => Math.max(Math.abs(x_ - left), Math.abs(y_ - top)) > TILE + 3);
      const reach = pictured ? TILE / 2 + 1.5 : asPictures ? 1.5 : 2.8;
      brush.globalAlpha = only === null || only === truth ? 0.85 : 0.12;
      brush.fillStyle = hue(truth);
      brush.beginPath();
      if (pictured) {
        placed.push([left, top]);
        brush.rect(left - reach, top - reach, 2 * reach, 2 * reach);
      } else brush.arc(left, top, reach, 0, 2 * Math.PI);
      brush.fill();
      if (pictured) brush.drawImage(drawings[i], left - TILE / 2, top - TILE / 2, TILE, TILE);
      if (truth === said || (asPictures && !pictured)) return;
      brush.beginPath();
      brush.arc(left, top, 1.45 * reach + 1, 0, 2 * Math.PI);
      brush.strokeStyle = style.getPropertyValue("--text");
      brush.lineWidth = 1.4;
      brush.stroke();
    });
    brush.globalAlpha = 1;
    brush.strokeStyle = style.getPropertyValue("--focus");
    brush.lineWidth = 1.5;
    brush.beginPath();
    lasso.forEach((point) => brush.lineTo(...point));
    if (cursor) {
      brush.moveTo(cursor[0] - 9, cursor[1]);
      brush.lineTo(cursor[0] + 9, cursor[1]);
      brush.moveTo(cursor[0], cursor[1] - 9);
      brush.lineTo(cursor[0], cursor[1] + 9);
    }
    brush.stroke();
  }

  function open(numbers, what) {
    const wrong = numbers.filter((i) => images[i][1] !== images[i][2]);
    const first = [...wrong, ...numbers.filter((i) => images[i][1] === images[i][2])].slice(0, MOST_OPENED);
    opened.replaceChildren(
      el("h3", {}, what),
      el(
        "p",
        {class: "dim small"},
        `${count(numbers.length)} images, ${count(wrong.length)} of them mistakes, which come first` +
          (first.length < numbers.length ? `; ${first.length} shown` : ""),
      ),
      el("div", {class: "figures"}, ...first.map((i) => example(images[i], small, i, "test"))),
    );
  }

  const every = images.map((_, i) => i);
  function openNearest(point) {
    const away = every.map((i) => Math.hypot(...place(i).map((at, axis) => at - point[axis])));
    const nearest = [...every].sort((a, b) => away[a] - away[b]).slice(0, NEAREST);
    open(nearest, `The ${nearest.length} nearest`);
  }
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let drawing = false;
  canvas.addEventListener("pointerdown", (event) => {
    drawing = true;
    cursor = null;
    canvas.setPointerCapture(event.pointerId);
    lasso = [at(event)];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    lasso.push(at(event));
    draw();
  });
  canvas.addEventListener("pointerup", () => {
    drawing = false;
    const reach = [0, 1].map((axis) => {
      const along = lasso.map((point) => point[axis]);
      return Math.max(...along) - Math.min(...along);
    });
    if (Math.max(...reach) < 6) openNearest(lasso[0]);
    else {
      open(
        every.filter((i) => inside(place(i), lasso)),
        "Inside the lasso",
      );
      lasso.push(lasso[0]);
    }
    draw();
  });
  canvas.addEventListener("pointercancel", () => {
    drawing = false;
    lasso = [];
    draw();
  });
  canvas.addEventListener("keydown", (event) => {
    const moves = {ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP]};
    if (event.key in moves) {
      cursor = (cursor ?? size.map((side) => side / 2)).map((value, axis) =>
        clamp(value + moves[event.key][axis], 0, size[axis]),
      );
    } else if (event.key === "Enter" && cursor) openNearest(cursor);
    else return;
    event.preventDefault();
    draw();
  });

  const kinds = (labels.length > MOST_BUTTONS ? [] : labels).map((label) => {
    const dot = el("i", {class: "dot"});
    const button = el(
      "button",
      {
        type: "button",
        "aria-pressed": "false",
        click: () => {
          only = only === label ? null : label;
          kinds.forEach((each) => each.button.setAttribute("aria-pressed", String(each.label === only)));
          if (only !== null)
            open(
              every.filter((i) => images[i][1] === label),
              `Those that are ${facts.names[label]}`,
            );
          draw();
        },
      },
      dot,
      facts.names[label],
    );
    return {label, button, paint: () => (dot.style.background = hue(label))};
  });
  const asPicturesButton = el(
    "button",
    {
      type: "button",
      "aria-pressed": "false",
      click: () => {
        asPictures = !asPictures;
        asPicturesButton.setAttribute("aria-pressed", String(asPictures));
        draw();
      },
    },
    "Pictures at the points",
  );
  const paint = () => {
    kinds.forEach((kind) => kind.paint());
    draw();
  };
  new MutationObserver(paint).observe(root, {attributes: true, attributeFilter: ["data-theme"]});
  paint();
  opened.append(
    el("p", {class: "dim"}, "Draw around points, or point at one, to open their images; or choose a class."),
  );
  const [first, second] = shares.map(percent);
  return section(
    "space",
    "The space",
    `${count(images.length)} of ${count(of)} test images, at the two principal components of what layer ${layer}, the ` +
      `last with weights, is given (${first} and ${second} of its variance): near images are alike to the network. A ` +
      "colour for each class; mistakes have a ring. On a touch screen begin a lasso sideways.",
    el(
      "div",
      {class: "split even"},
      el(
        "div",
        {class: "card"},
        el("div", {class: "row"}, asPicturesButton, ...kinds.map((kind) => kind.button)),
        redrawn(el("div", {}, canvas), (width) => {
          size = [width, clamp((width * tall) / wide, 240, 560)];
          [canvas.style.width, canvas.style.height] = size.map((side) => `${side}px`);
          [lasso, cursor] = [[], null];
          draw();
        }),
      ),
      opened,
    ),
  );
}
