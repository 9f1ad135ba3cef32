// The data: balance and mean picture of its classes, likely label errors, near duplicates.

function classBalance({rows, images, of, pictures}) {
  const means = new Pictures(pictures),
    most = Math.max(...rows.map(([, train]) => train));
  return el(
    "div",
    {class: "card", id: "balance"},
    el("h3", {}, "Classes: their mean training picture, and how many images there are"),
    rows.length < of
      ? el("p", {class: "dim small"}, `${rows.length} of ${count(of)} classes, from the rarest to the commonest.`)
      : null,
    el(
      "div",
      {class: "figures"},
      ...rows.map(([label, train, test], place) =>
        el(
          "figure",
          {},
          means.canvas(place, `mean picture of ${facts.names[label]}`),
          el(
            "figcaption",
            {},
            el("strong", {}, facts.names[label]),
            el("div", {}, `${count(train)} (${percent(train / images[0])})`),
            el("div", {class: "meter"}, el("i", {style: `width:${(100 * train) / most}%`})),
            el("div", {class: "dim"}, `${count(test)} in the test`),
          ),
        ),
      ),
    ),
  );
}

function likelyLabelErrors({of, read, images, pictures: shown}) {
  const looked = read < of ? `${count(read)} of the ${count(of)} training images, evenly spread,` : "All training images";
  return el(
    "div",
    {class: "card", id: "suspects"},
    el("h3", {}, "Likely label errors: training images with the largest loss"),
    el(
      "p",
      {class: "dim small"},
      `${looked} were looked at. Where the network insists on another class, its label may be wrong, or it is hard to ` +
        "read. One that was learnt by heart is not found so.",
    ),
    images.length
      ? el("div", {class: "figures"}, ...images.map((row, place) => example(row, new Pictures(shown), place, "training")))
      : el("p", {}, "None: every one is classified as it is labelled."),
  );
}

const exact = (share) => `${(100 * share).toFixed(2)} %`;

function twins({count: found, of, otherwise_labelled: other, accuracy, without, pairs, mine, theirs}) {
  const children = [el("h3", {}, "Test images that training has seen: near duplicates")];
  if (!found) {
    children.push(el("p", {class: "dim small"}, `None of the ${count(of)} test images is nearly one of the training images.`));
    return el("div", {class: "card", id: "twins"}, ...children);
  }
  const [tests, trainings] = [new Pictures(mine), new Pictures(theirs)];
  children.push(
    el(
      "p",
      {class: "dim small"},
      `${count(found)} of the ${count(of)} test images are the same as a training image but for noise. They flatter the ` +
        `test: accuracy is ${exact(accuracy)} with them` +
        (without === null ? "." : ` and ${exact(without)} without.`) +
        (other ? ` ${count(other)} of them have another label there.` : "") +
        (pairs.length < found ? ` The ${pairs.length} most alike are shown.` : ""),
    ),
    el(
      "div",
      {class: "figures"},
      ...pairs.map(([test, training, alike, is, there], place) =>
        el(
          "figure",
          {class: "pair", "data-image": test},
          tests.canvas(place, `test image ${test}`),
          trainings.canvas(place, `training image ${training}`),
          el(
            "figcaption",
            {},
            el("strong", {}, is === there ? facts.names[is] : `${facts.names[is]}, there ${facts.names[there]}`),
            el("div", {class: "dim"}, `test ${test}, training ${training}: ${percent(alike)} alike`),
          ),
        ),
      ),
    ),
  );
  return el("div", {class: "card", id: "twins"}, ...children);
}

const dataset = () =>
  section(
    "data",
    "The data",
    "What the run was trained and tested on.",
    el(
      "div",
      {class: "stack"},
      classBalance(facts.data.classes),
      likelyLabelErrors(facts.data.suspects),
      twins(facts.data.twins),
    ),
  );
