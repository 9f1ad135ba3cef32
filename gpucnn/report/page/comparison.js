// Tables of several runs.

function listing(id, title, hint, first, rows) {
  return section(
    id,
    title,
    hint,
    el(
      "div",
      {class: "card scroll", tabindex: 0, role: "region", "aria-label": title},
      el(
        "table",
        {class: "listing texts"},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", {scope: "col"}, first),
            ...facts.runs.map((run) => el("th", {scope: "col"}, run.name)),
          ),
        ),
        el(
          "tbody",
          {},
          ...rows.map(([name, ...values]) =>
            el("tr", {}, el("th", {scope: "row"}, name), ...values.map((value) => el("td", {}, value))),
          ),
        ),
      ),
    ),
  );
}
