// What channels like: a picture made to excite each, and the patches of test images that excite it most.

function likes() {
  const {looked_at: looked, of, layers} = facts.likes;
  const block = ({name, kind, of: channels, patches, images, values, made}) => {
    const small = new Pictures(patches),
      whole = made && new Pictures(made),
      each = images[0].length;
    return el(
      "div",
      {class: "of-layer", "data-layer": name},
      el(
        "div",
        {class: "row"},
        el("h3", {}, `${name} ${kind}`),
        el(
          "span",
          {class: "dim small"},
          `${images.length < channels ? `${images.length} of ` : ""}${count(channels)} channels; a unit sees ` +
            `${by([small.slices, small.height, small.width].slice(-axes))} pixels at most`,
        ),
      ),
      el(
        "div",
        {class: "likes"},
        ...images.map((numbers, channel) =>
          el(
            "figure",
            {},
            el("figcaption", {class: "small"}, `channel ${channel}`),
            whole ? whole.canvas(channel, `patch made to excite channel ${channel}`) : null,
            el(
              "div",
              {class: "patches"},
              ...numbers.map((number, i) => {
                const patch = small.canvas(channel * each + i, `patch of test image ${number}`);
                patch.title = `test image ${number}: ${figure(values[channel][i])}`;
                return patch;
              }),
            ),
          ),
        ),
      ),
    );
  };
  return section(
    "likes",
    "What channels like",
    `Of ${looked < of ? `${count(looked)} of ` : ""}${count(of)} test images the patches that excite a channel most, the ` +
      "most exciting first: what its receptive field sees, black beyond the border." +
      (layers.some(({made}) => made) ? " The larger one is made to excite it: by gradient ascent from grey, smoothed." : ""),
    el("div", {class: "card"}, ...layers.map(block)),
  );
}
