// The page, put together from what its data tells of.

const headline = () =>
  el(
    "dl",
    {class: "headline"},
    ...facts.headline.map(([what, value, remark]) =>
      el("div", {}, el("dt", {}, what), el("dd", {class: "figure"}, value), el("dd", {class: "dim small"}, remark)),
    ),
  );

/** Put the page together, in the place of what was there before. */
function assemble() {
  const parts = [];
  sections.length = 0;
  drawn.disconnect();
  if (facts.results) parts.push(listing("results", "Results", null, "figure", facts.results));
  if (facts.layers) parts.push(architecture());
  if (facts.sweep) parts.push(...sweepSections());
  if (facts.runs) parts.push(curvesSection());
  if (facts.health) parts.push(health());
  if (facts.worst) parts.push(worst());
  if (facts.differences) {
    parts.push(
      facts.differences.length
        ? listing("differences", "Differences in their configurations", null, "option", facts.differences)
        : section(
            "differences",
            "Differences in their configurations",
            null,
            el("p", {class: "card"}, "None: they have the same configuration."),
          ),
    );
  }
  if (facts.scores) parts.push(scores());
  if (facts.answers) parts.push(answers());
  if (facts.confusion) parts.push(confusion(), classes());
  if (facts.examples) parts.push(mistakes());
  if (facts.belief) parts.push(belief());
  if (facts.space) parts.push(space());
  if (facts.data) parts.push(dataset());
  if (facts.kernels?.layers.length) parts.push(kernels());
  if (facts.forming) parts.push(forming());
  if (facts.likes) parts.push(likes());
  if (facts.maps) parts.push(featureMaps());
  document.querySelectorAll(".skip, header, .bar, main").forEach((node) => node.remove());
  document.body.append(
    el("a", {class: "skip", href: "#main"}, "Skip to the content"),
    el(
      "header",
      {},
      el("h1", {}, facts.title),
      facts.path ? el("p", {class: "path"}, facts.path) : null,
      ...facts.notes.map((note) => el("p", {class: "note"}, note)),
      facts.headline ? headline() : null,
    ),
    el(
      "div",
      {class: "bar"},
      el(
        "div",
        {},
        el("nav", {"aria-label": "sections"}, ...sections.map(([id, title]) => el("a", {href: `#${id}`}, title))),
        themeButton,
      ),
    ),
    el("main", {id: "main", tabindex: -1}, ...parts),
  );
}
assemble();
