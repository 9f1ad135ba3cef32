// Answers that are as large as the picture: test images beside their labels and what the network makes of them.

function answers() {
  const {columns, figure: unit, images, pictures: shown, legend} = facts.answers,
    all = new Pictures(shown);
  return section(
    "answers",
    "Answers",
    `From left to right: ${columns.join(", ")}, of test images evenly spread; those with the lowest ${unit} come first.`,
    legend.length
      ? el(
          "p",
          {class: "small"},
          ...legend.flatMap(([name, colour]) => [
            el("span", {class: "dot", style: `background:${colour}`}),
            el("span", {class: "named"}, name),
          ]),
        )
      : null,
    el(
      "div",
      {class: "card answers"},
      ...images.map(([number, value], place) =>
        el(
          "figure",
          {"data-image": number},
          ...columns.map((column, each) => all.canvas(columns.length * place + each, `${column} of test image ${number}`)),
          el(
            "figcaption",
            {},
            el("strong", {}, `${unit} ${figure(value)}`),
            el("div", {class: "dim"}, `image ${number}`),
          ),
        ),
      ),
    ),
  );
}
