// The confusion matrix with examples, the table of classes, the surest mistakes.

const pictures = facts.examples ? new Pictures(facts.examples.pictures) : null;

/** A picture with what is said of it; `row` is its number, its class, the class that is said, their probabilities. */
function example(row, from, place, of, shown = from.canvas(place, `${of} image ${row[0]}`)) {
  const [number, truth, predicted, shareOfTruth, share] = row;
  const right = truth === predicted;
  const said = right ? `${facts.names[truth]} ${percent(share)}` : `${facts.names[predicted]} ${percent(share)}`;
  return el(
    "figure",
    {"data-image": number},
    shown,
    el(
      "figcaption",
      {},
      el("strong", {}, said),
      right ? null : el("div", {}, `is ${facts.names[truth]} (${percent(shareOfTruth)})`),
      el("div", {class: "dim"}, `image ${number}`),
    ),
  );
}

const testExample = (place) => example(facts.examples.images[place], pictures, place, "test");

function confusion() {
  const {matrix, names, merged} = facts.confusion,
    sums = matrix.map((row) => row.reduce((a, b) => a + b, 0));
  const side = el("div", {class: "card", "aria-live": "polite", id: "examples"});
  const upright = names.some((name) => name.length > 3);
  let rates = false,
    current = null;
  const cells = matrix.map((row, r) =>
    row.map((value, c) => {
      const share = value / Math.max(1, sums[r]),
        cell = el("td", {
          role: "gridcell",
          tabindex: -1,
          "data-row": r,
          "data-column": c,
          class: value ? null : "zero",
          "aria-label": `${value} of ${names[r]} called ${names[c]}`,
          focus: () => look(r, c),
          pointerenter: () => look(r, c),
          click: () => cell.focus(),
        });
      const strength = Math.sqrt(share);
      if (value) cell.style.background = `rgba(var(--${r === c ? "right" : "mistake"}), ${strength.toFixed(3)})`;
      if (strength > 0.75) cell.style.color = "#fff";
      return cell;
    }),
  );
  const write = () =>
    cells.forEach((row, r) =>
      row.forEach((cell, c) => {
        cell.textContent = rates
          ? matrix[r][c]
            ? ((100 * matrix[r][c]) / sums[r]).toFixed(1)
            : "0"
          : String(matrix[r][c]);
      }),
    );
  function look(r, c) {
    if (current) {
      current.removeAttribute("aria-selected");
      current.tabIndex = -1;
    }
    current = cells[r][c];
    current.setAttribute("aria-selected", "true");
    current.tabIndex = 0;
    const value = matrix[r][c],
      shown = facts.examples?.cells[`${r},${c}`] ?? [];
    side.replaceChildren(
      el("h3", {}, r === c ? `${names[r]}, classified correctly` : `${names[r]}, called ${names[c]}`),
      el(
        "p",
        {class: "dim small"},
        `${count(value)} of ${count(sums[r])} images (${percent(value / Math.max(1, sums[r]))})` +
          (shown.length
            ? `; ${shown.length === value ? "all" : `the ${shown.length} surest`} shown`
            : value && facts.examples
              ? "; no room for pictures of it"
              : ""),
      ),
      el("div", {class: "figures"}, ...shown.map(testExample)),
    );
  }
  const keys = (event) => {
    const moves = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      Home: [0, -Infinity],
      End: [0, Infinity],
    };
    if (!(event.key in moves) || !current) return;
    event.preventDefault();
    const [down, right] = moves[event.key],
      last = names.length - 1;
    cells[clamp(Number(current.dataset.row) + down, 0, last)][
      clamp(Number(current.dataset.column) + right, 0, last)
    ].focus();
  };
  const buttons = ["counts", "rates"].map((kind) =>
    el(
      "button",
      {
        type: "button",
        "aria-pressed": String(kind === "counts"),
        click: () => {
          rates = kind === "rates";
          buttons.forEach((button) =>
            button.setAttribute("aria-pressed", String(button.textContent.startsWith(kind))),
          );
          write();
        },
      },
      kind === "rates" ? "rates (% of the row)" : kind,
    ),
  );
  write();
  const worst = matrix
    .flatMap((row, r) => row.map((value, c) => [r === c ? -1 : value, r, c]))
    .sort((a, b) => b[0] - a[0])[0];
  if (worst[0] > 0) look(worst[1], worst[2]);
  else look(0, 0);
  return section(
    "confusion",
    "Confusion matrix",
    "A row to each true class, a column to each prediction. Colour is the share of the row (its square root, so " +
      "that few mistakes are seen): blue where right, orange where mistaken. Point at a cell, or move with the " +
      "arrow keys, to see its images." +
      (merged ? ` The ${names.length - 1} most mistaken classes have rows of their own.` : ""),
    el(
      "div",
      {class: "split"},
      el(
        "div",
        {class: "card"},
        el("div", {class: "row"}, ...buttons),
        el(
          "div",
          {class: "scroll"},
          el(
            "table",
            {class: "confusion", role: "grid", "aria-label": "confusion matrix", keydown: keys},
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                el("td", {"aria-hidden": "true"}),
                ...names.map((name) =>
                  el("th", {scope: "col", title: name, class: upright ? "upright" : null}, name),
                ),
              ),
            ),
            el(
              "tbody",
              {},
              ...cells.map((row, r) => el("tr", {}, el("th", {scope: "row", title: names[r]}, names[r]), ...row)),
            ),
          ),
        ),
      ),
      side,
    ),
  );
}

function sortable(headers, rows, numeric, footer) {
  const body = el("tbody"),
    heads = headers.map((name, column) =>
      el("th", {scope: "col"}, el("button", {type: "button", click: () => order(column)}, name)),
    );
  let by_ = -1,
    falling = false;
  function order(column) {
    falling = column === by_ ? !falling : column === headers.length - 1;
    by_ = column;
    const sorted = [...rows].sort(
      (a, b) =>
        (numeric[column]
          ? (a[column] ?? -1) - (b[column] ?? -1)
          : a[column].localeCompare(b[column], "en", {numeric: true})) * (falling ? -1 : 1),
    );
    heads.forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    fill(sorted);
  }
  const fill = (sorted) =>
    body.replaceChildren(
      ...sorted.map((row) =>
        el(
          "tr",
          {},
          ...row.map((value, i) =>
            el("td", {}, numeric[i] ? (i === row.length - 1 ? count(value) : value.toFixed(4)) : value),
          ),
        ),
      ),
    );
  fill(rows);
  return el("table", {class: "listing"}, el("thead", {}, el("tr", {}, ...heads)), body, footer);
}

function classes() {
  const {rows, means, left_out: left, images} = facts.classes;
  const foot = el(
    "tfoot",
    {},
    ...means.map((row) =>
      el(
        "tr",
        {},
        ...row.map((value, i) => el("td", {}, i ? value.toFixed(4) : value)),
        el("td", {}, count(images)),
      ),
    ),
  );
  return section(
    "classes",
    "Precision, recall and F1",
    "Precision: of what was called so, the share that is. Recall: of what is, the share that was called so. F1 is " +
      "their harmonic mean. A heading sorts." +
      (left ? ` The ${count(rows.length)} classes with the lowest F1; ${count(left)} more are left out.` : ""),
    el(
      "div",
      {class: "card scroll"},
      sortable(["class", "precision", "recall", "F1", "images"], rows, [false, true, true, true, true], foot),
    ),
  );
}

function mistakes() {
  const {mistakes: places, images, note} = facts.examples;
  const cams = facts.cams && decoded(facts.cams.bytes),
    size = cams && cams.length / places.length;
  const figures = el("div", {class: "figures"});
  const why = el("button", {type: "button", "aria-pressed": "false", click: () => show(!pressed())}, "Why? Grad-CAM");
  const pressed = () => why.getAttribute("aria-pressed") === "true";
  const said = el("span", {class: "dim small", "aria-live": "polite"});
  const show = (explained) => {
    why.setAttribute("aria-pressed", String(explained));
    said.textContent = explained
      ? `What layer ${facts.cams.layer} found that speaks for the class that was said: the brighter, the more. `
      : "";
    figures.replaceChildren(
      ...places.map((place, i) => {
        const map = explained ? cams.subarray(i * size, (i + 1) * size) : null;
        const label = `test image ${images[place][0]}` + (explained ? ", with Grad-CAM" : "");
        return example(images[place], pictures, place, "test", pictures.canvas(place, label, map));
      }),
    );
  };
  show(false);
  return section(
    "mistakes",
    "The surest mistakes",
    "Test images that were told wrong, the most confident first, with the probability of what was said and of what " +
      `is. ${note}`,
    places.length
      ? el("div", {class: "card"}, cams ? el("div", {class: "row"}, why, said) : null, figures)
      : el("p", {class: "card"}, "None: every test image was classified correctly."),
  );
}

/** The surest mistakes of the last validation, while a run trains. */
function worst() {
  const {pictures: shown, images, wrong, of, note} = facts.worst,
    small = new Pictures(shown);
  return section(
    "worst",
    "Mistakes of the last validation",
    `${count(wrong)} of ${count(of)} validation images were told wrong; the most confident first, with the probability ` +
      `of what was said and of what is. ${note}`,
    images.length
      ? el("div", {class: "card"}, el("div", {class: "figures"}, ...images.map((row, i) => example(row, small, i, "validation"))))
      : el("p", {class: "card"}, "None: every validation image was classified correctly."),
  );
}
