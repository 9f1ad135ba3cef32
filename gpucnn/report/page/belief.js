// How far the probabilities are to be believed: reliability, accuracy by coverage.

function belief() {
  const {temperature, curves, coverage} = facts.belief;
  const share = {begin: 0, end: 1, marks: () => [0, 20, 40, 60, 80, 100].map((mark) => [mark / 100, String(mark)])};
  const least = Math.min(...coverage.accuracy);
  const warm = temperature === 1 ? "" : ` The run's temperature is ${figure(temperature)} (gpucnn eval --calibrate).`;
  return section(
    "belief",
    "Calibration",
    "Images are grouped by confidence, the probability of the likeliest class. Where the network is to be believed, " +
      "as many of a group are right as it is confident: the points lie on the dashed line; below it the network is too " +
      "sure. The expected calibration error is the mean distance from the line. Where only the surest images are " +
      `answered, accuracy rises.${warm}`,
    el(
      "div",
      {class: "charts"},
      chart({
        id: "reliability",
        title: "Right answers by confidence",
        unit: `expected calibration error: ${curves.map(({name, error}) => `${name} ${percent(error)}`).join(", ")}`,
        curves: [
          {name: "to be believed", colour: "var(--dim)", dash: true, silent: true, x: [0, 1], y: [0, 1]},
          ...curves.map(({name, confidence, accuracy}, i) => ({name, colour: COLOURS[i], x: confidence, y: accuracy})),
        ],
        axis: {
          ...share,
          label: "confidence (%)",
          told: (value) => {
            const at = curves.find(({confidence}) => confidence.includes(value));
            return `confidence ${percent(value)}, ${count(at.images[at.confidence.indexOf(value)])} images`;
          },
        },
        show: percent,
        zero: true,
      }),
      chart({
        id: "coverage",
        title: "Accuracy where only the surest are answered",
        unit: "share of the answered",
        curves: [{name: "accuracy", colour: COLOURS[0], x: coverage.share, y: coverage.accuracy}],
        axis: {
          ...share,
          label: "share of test images that are answered (%)",
          told: (value) => {
            const confidence = coverage.confidence[coverage.share.indexOf(value)];
            return `${percent(value)} answered, those with a confidence from ${percent(confidence)}`;
          },
        },
        show: (value) => (least > 0.9 ? `${(100 * value).toFixed(2)} %` : percent(value)),
      }),
    ),
  );
}
