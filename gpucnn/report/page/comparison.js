// Tables of several runs.

/** A section with a table that can be scrolled: the texts over its columns, and the cells of each row. */
function tableSection(id, title, hint, style, header, rows) {
  return section(
    id,
    title,
    hint,
    el(
      "div",
      {class: "card scroll", tabindex: 0, role: "region", "aria-label": title},
      el(
        "table",
        {class: style},
        el("thead", {}, el("tr", {}, ...header.map((name) => el("th", {scope: "col"}, name)))),
        el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row))),
      ),
    ),
  );
}

const tableCells = (values) => values.map((value) => el("td", {}, value));

/** What `rows` say of each run, a column to a run. */
function listing(id, title, hint, first, rows) {
  const header = [first, ...facts.runs.map((run) => run.name)];
  const named = rows.map(([name, ...values]) => [el("th", {scope: "row"}, name), ...tableCells(values)]);
  return tableSection(id, title, hint, "listing texts", header, named);
}
