// Charts of loss, accuracy, learning rate and speed.

const COLOURS = facts.palettes.series,
  DASH = "6 4";

/** Round numbers from `low` to `high`, about `most` of them. */
function ticks(low, high, most) {
  const raw = (high - low) / most || 1,
    power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= raw * 0.999);
  const marks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
    marks.push(Number((i * step).toPrecision(12)));
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

/** The axis of epochs, from 0 to the last: where it begins and ends, its marks, and how a place on it is told. */
function epochAxis(end) {
  return {
    begin: 0,
    end,
    label: "epochs done",
    marks: (width) => ticks(0, end, clamp(width / 70, 2, 10)).map((mark) => [mark, figure(mark)]),
    told: (value) => `epoch ${figure(value)}`,
  };
}

/**
 * A chart of curves {name, colour, dash, loose, silent, x, y, low, high} over an axis, by default of epochs, drawn for
 * the width there is. `loose` ones are points without a line, `low` and `high` a band. Pointing at it, or the arrow
 * keys, read the values, but for `silent` ones.
 */
function chart({id, title, unit, curves, axis = null, show = figure, zero = false, logarithmic = () => false}) {
  const readout = el(
    "p",
    {class: "readout", "aria-live": "polite"},
    el("span", {class: "dim"}, "Point at the chart, or use the arrow keys, to read it."),
  );
  const box = el("div", {});
  const picture = el("svg", {
    role: "img",
    tabindex: 0,
    "aria-label": `${title}; arrow keys read the values`,
    height: 240,
  });
  box.append(picture);
  const height = 240,
    edge = {left: 52, right: 12, top: 10, bottom: 34};
  const xs = [...new Set(curves.flatMap((curve) => (curve.silent ? [] : curve.x)))].sort((a, b) => a - b);
  const along = axis ?? epochAxis(Math.max(1, ...xs));
  let reading = null,
    toX = null,
    cursor = null,
    width = 0;

  function draw() {
    const log = logarithmic();
    const at = (value) => (log ? Math.log10(value) : value);
    const usable = (value) => value !== null && value !== undefined && (!log || value > 0);
    const values = curves
      .flatMap((curve) => [...curve.y, ...(curve.low ?? []), ...(curve.high ?? [])])
      .filter(usable)
      .map(at);
    let low = Math.min(...values),
      high = Math.max(...values);
    if (!values.length) [low, high] = [0, 1];
    if (zero && !log) low = Math.min(0, low);
    if (high - low < 1e-12)
      [low, high] = log
        ? [low - 0.5, high + 0.5]
        : [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
    const x = (value) =>
      edge.left + ((value - along.begin) / (along.end - along.begin)) * (width - edge.left - edge.right);
    const y = (value) =>
      height - edge.bottom - ((at(value) - low) / (high - low)) * (height - edge.top - edge.bottom);
    toX = x;
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.replaceChildren();
    for (const mark of log ? logTicks(low, high) : ticks(low, high, 5)) {
      const place = height - edge.bottom - ((mark - low) / (high - low)) * (height - edge.top - edge.bottom);
      picture.append(
        el("line", {class: "grid", x1: edge.left, x2: width - edge.right, y1: place, y2: place}),
        el("text", {x: edge.left - 6, y: place + 4, "text-anchor": "end"}, show(log ? 10 ** mark : mark)),
      );
    }
    for (const [mark, text] of along.marks(width)) {
      picture.append(el("text", {x: x(mark), y: height - edge.bottom + 16, "text-anchor": "middle"}, text));
    }
    picture.append(
      el("line", {
        class: "axis",
        x1: edge.left,
        x2: width - edge.right,
        y1: height - edge.bottom,
        y2: height - edge.bottom,
      }),
      el("text", {x: (edge.left + width - edge.right) / 2, y: height - 4, "text-anchor": "middle"}, along.label),
    );
    for (const curve of curves) {
      if (curve.low) {
        const band = curve.x.map((_, i) => i).filter((i) => usable(curve.low[i]) && usable(curve.high[i]));
        const upper = band.map((i) => `${x(curve.x[i]).toFixed(1)},${y(curve.high[i]).toFixed(1)}`);
        const lower = band.map((i) => `${x(curve.x[i]).toFixed(1)},${y(curve.low[i]).toFixed(1)}`).reverse();
        if (band.length > 1)
          picture.append(el("path", {d: `M${[...upper, ...lower].join("L")}Z`, fill: curve.colour, opacity: 0.2}));
      }
      const points = curve.x.map((_, i) => i).filter((i) => usable(curve.y[i]));
      const line = points.map((i) => `${x(curve.x[i]).toFixed(1)},${y(curve.y[i]).toFixed(1)}`).join("L");
      if (!curve.loose && points.length > 1)
        picture.append(
          el("path", {
            d: `M${line}`,
            fill: "none",
            stroke: curve.colour,
            "stroke-width": 1.7,
            "stroke-dasharray": curve.dash ? DASH : null,
          }),
        );
      if (curve.loose || points.length <= 40) {
        for (const i of points)
          picture.append(
            el("circle", {
              cx: x(curve.x[i]).toFixed(1),
              cy: y(curve.y[i]).toFixed(1),
              r: curve.loose ? 1.8 : 2.6,
              fill: curve.colour,
            }),
          );
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
    const there = curves.filter(
      (curve) => !curve.silent && wanted >= curve.x[0] - 1 && wanted <= curve.x.at(-1) + 0.5,
    );
    readout.textContent =
      `${along.told(wanted)}: ` +
      there
        .map((curve) => {
          const i = nearest(curve.x, wanted);
          const range =
            curve.low && curve.low[i] !== curve.high[i] ? ` (${show(curve.low[i])} to ${show(curve.high[i])})` : "";
          return `${curve.name} ${show(curve.y[i])}${range}`;
        })
        .join(", ");
  }

  const point = (event) => {
    const inside =
      (event.clientX - picture.getBoundingClientRect().left - edge.left) / (width - edge.left - edge.right);
    read(nearest(xs, along.begin + clamp(inside, 0, 1) * (along.end - along.begin)));
  };
  picture.addEventListener("pointermove", point);
  picture.addEventListener("pointerdown", point);
  picture.addEventListener("keydown", (event) => {
    const moves = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity};
    if (!(event.key in moves)) return;
    event.preventDefault();
    read(clamp((reading ?? (moves[event.key] > 0 ? -1 : xs.length)) + moves[event.key], 0, xs.length - 1));
  });
  redrawn(box, (now) => {
    width = now;
    draw();
  });
  const node = el(
    "div",
    {class: "card chart", id},
    el("h3", {}, title, el("span", {class: "dim"}, unit ? ` (${unit})` : "")),
    legend(curves),
    box,
    readout,
  );
  node.draw = () => width && draw();
  return node;
}

function nearest(sorted, wanted) {
  let low = 0,
    high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle;
    else high = middle;
  }
  return high < 0 || Math.abs(sorted[low] - wanted) <= Math.abs(sorted[high] - wanted) ? low : high;
}

const legend = (curves) =>
  el(
    "div",
    {class: "legend"},
    ...curves.map((curve) =>
      el(
        "span",
        {},
        el(
          "svg",
          {viewBox: "0 0 26 10", "aria-hidden": "true"},
          curve.loose
            ? el("circle", {cx: 13, cy: 5, r: 3, fill: curve.colour})
            : el("line", {
                x1: 0,
                x2: 26,
                y1: 5,
                y2: 5,
                stroke: curve.colour,
                "stroke-width": 2.5,
                "stroke-dasharray": curve.dash ? DASH : null,
              }),
        ),
        curve.name,
      ),
    ),
  );

function curvesSection() {
  const several = facts.runs.length > 1;
  const colour = (run, split) => COLOURS[several ? run : split === "train" ? 0 : 1];
  const name = (run, split) =>
    (several ? `${facts.runs[run].name}, ` : "") + (split === "train" ? "training" : "validation");
  const whole = (values) => values?.some((value) => value !== null);
  const perEpoch = (quantity) =>
    facts.runs.flatMap(({epochs}, run) =>
      ["train", "validation"]
        .filter((split) => whole(epochs[`${split}_${quantity}`]))
        .map((split) => ({
          name: name(run, split),
          colour: colour(run, split),
          dash: split !== "train",
          x: epochs.epoch,
          y: epochs[`${split}_${quantity}`],
        })),
    );
  const perBatch = (quantity) =>
    facts.runs.flatMap(({batches}, run) =>
      Object.entries(batches).map(([split, {size, x, [quantity]: values}]) => ({
        name: name(run, split) + (size > 1 ? `, means of ${size}` : ""),
        colour: colour(run, split),
        loose: split !== "train",
        x,
        y: values.mean,
        low: size > 1 && split === "train" && !several ? values.low : null,
        high: size > 1 && split === "train" && !several ? values.high : null,
      })),
    );
  const line = (field) =>
    facts.runs.map(({epochs, name: of}, run) => ({
      name: several ? of : field,
      colour: several ? COLOURS[run] : "var(--accent)",
      x: epochs.epoch,
      y: epochs[field],
    }));
  const log = el("input", {type: "checkbox", id: "log", change: () => losses.forEach((each) => each.draw())});
  const losses = [
    chart({
      id: "loss",
      title: "Loss per epoch",
      unit: "mean per image",
      curves: perEpoch("loss"),
      zero: true,
      logarithmic: () => log.checked,
    }),
    chart({
      id: "batch-loss",
      title: "Loss per minibatch",
      unit: "mean per image",
      curves: perBatch("loss"),
      zero: true,
      logarithmic: () => log.checked,
    }),
  ];
  return section(
    "curves",
    "Curves",
    "Training figures are taken while the weights change, validation figures after each epoch. Where many " +
      "minibatches are drawn as one point, the band is from the least to the greatest of them.",
    el("div", {class: "row"}, log, el("label", {for: "log"}, "logarithmic loss")),
    el(
      "div",
      {class: "charts"},
      ...losses,
      ...(perEpoch("score").length
        ? [
            chart({
              id: "score",
              title: "Score per epoch",
              unit: "share of images whose labels are all right, or mean R²",
              curves: perEpoch("score"),
            }),
          ]
        : []),
      ...(perEpoch("accuracy").length
        ? [
            chart({
              id: "accuracy",
              title: "Accuracy per epoch",
              unit: "share of images",
              curves: perEpoch("accuracy"),
              show: percent,
            }),
            chart({
              id: "batch-accuracy",
              title: "Accuracy per minibatch",
              unit: "share of images",
              curves: perBatch("accuracy"),
              show: percent,
            }),
          ]
        : []),
      chart({
        id: "lr",
        title: "Learning rate",
        unit: "of the epoch's last step",
        curves: line("lr").map((each) => ({...each, name: several ? each.name : "learning rate"})),
        zero: true,
      }),
      chart({
        id: "speed",
        title: "Training speed",
        unit: "images/s",
        curves: line("images_per_second").map((each) => ({...each, name: several ? each.name : "images/s"})),
        zero: true,
        show: (value) => (value === null ? "–" : count(Math.round(value))),
      }),
    ),
  );
}
