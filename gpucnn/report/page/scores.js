// The figures of labels that are no classes: a table of labels or numbers, and numbers as predicted against the true.

function scores() {
  const {title, hint, header, rows, charts} = facts.scores;
  const numeric = header.map((_, column) => column > 0);
  return section(
    "scores",
    title,
    hint,
    el("div", {class: "card scroll"}, sortable(header, rows, numeric)),
    charts.length ? el("div", {class: "charts"}, ...charts.map(scatter)) : null,
  );
}

/** Predicted against true numbers of one output, as points, and the line where both are the same. */
function scatter({name, x, y, begin, end}, number) {
  const axis = {
    begin,
    end,
    label: "true",
    marks: (width) => ticks(begin, end, clamp(width / 70, 2, 10)).map((mark) => [mark, figure(mark)]),
    told: (value) => `true ${figure(value)}`,
  };
  return chart({
    id: `scatter-${number}`,
    title: name,
    unit: "predicted",
    curves: [
      {name: "test images", colour: COLOURS[0], loose: true, x, y},
      {name: "as they are", colour: COLOURS[1], dash: true, silent: true, x: [begin, end], y: [begin, end]},
    ],
    axis,
  });
}
