// A sweep: its settings ranked, their curves over each other, the effect of each option, every run.

function sweepSections() {
  const {measure, share, settings, curves, effects, members} = facts.sweep;
  const show = share ? percent : figure;
  const sections = [
    sweepTable("ranking", "Ranking", facts.sweep.ranked, settings),
    sweepCurves(curves),
    effects.length ? sweepEffects(effects, measure, show) : null,
    sweepTable("members", "All runs", "In the order in which they were made; the name is that of the run's folder.", members),
  ];
  return sections.filter((each) => each !== null);
}

function sweepTable(id, title, hint, {header, rows}) {
  return tableSection(id, title, hint, "listing", header, rows.map(tableCells));
}

function sweepCurves(charts) {
  const log = el("input", {type: "checkbox", id: "log", change: () => drawnCharts.forEach((each) => each.draw())});
  const drawnCharts = charts.map(({title, unit, share, curves}, number) =>
    chart({
      id: `curve-${number}`,
      title,
      unit,
      curves: curves.map((curve, i) => ({...curve, colour: COLOURS[i]})),
      show: share ? percent : figure,
      zero: !share,
      logarithmic: () => !share && log.checked,
    }),
  );
  return section(
    "curves",
    "Curves",
    `The best ${charts[0]?.curves.length ?? 0} settings. A line is the mean over a setting's seeds; the band, where ` +
      "there are several, is from the least to the greatest of them.",
    el("div", {class: "row"}, log, el("label", {for: "log"}, "logarithmic loss")),
    el("div", {class: "charts"}, ...drawnCharts),
  );
}

function sweepEffects(effects, measure, show) {
  return section(
    "effects",
    "Effect of each option",
    "A point is a setting, with the mean over its seeds; the line joins the means of all settings with the same " +
      "value, or, where values were drawn from a range, of each quarter of them. The share says how much of the " +
      "differences between settings the option alone accounts for; combinations of options account for the rest.",
    el(
      "div",
      {class: "charts"},
      ...effects.map(({key, share, points, means, axis}, number) =>
        chart({
          id: `effect-${number}`,
          title: key,
          unit: `${measure}; ${percent(share)} of the differences`,
          curves: [
            {name: "a setting", colour: COLOURS[0], loose: true, silent: true, ...points},
            {name: "mean", colour: COLOURS[1], ...means},
          ],
          axis: {
            ...axis,
            label: key,
            marks: () => axis.marks,
            told: (value) => means.told[means.x.indexOf(value)],
          },
          show,
        }),
      ),
    ),
  );
}
