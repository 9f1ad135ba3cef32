// Many small pictures whose units can be pointed at: kernels and feature maps.

/**
 * Many small pictures (tiles) of the same sizes, with a value from 0 to 255 at each unit. `group` tiles stay together.
 * Pointing at a unit, or moving to it with the keys, calls `onUnit({tile, place})`; `place` has an entry per axis.
 */
class Tiles {
  constructor({tiles, sizes, group = 1, target, label, colours, onUnit, onLeave}) {
    Object.assign(this, {tiles, sizes, group, target, colours, onUnit});
    [this.slices, this.height, this.width] = [1, 1, 1, ...sizes].slice(-3);
    this.values = null;
    this.current = null;
    this.canvas = el("canvas", {"aria-hidden": "true"});
    this.overlay = el("svg", {"aria-hidden": "true"});
    this.seen = el("path", {class: "seen"});
    this.units = [el("path", {class: "unit"}), el("path", {class: "unit"})];
    this.overlay.append(this.seen, ...this.units);
    this.node = el(
      "div",
      {
        class: "tiles",
        tabindex: 0,
        role: "application",
        "aria-label": `${label}; arrow keys move from unit to unit, Page Up and Page Down from picture to picture`,
        pointermove: (event) => this.point(event),
        pointerdown: (event) => this.point(event),
        pointerleave: (event) => {
          if (event.pointerType !== "touch") onLeave?.();
        },
        keydown: (event) => this.key(event),
        focus: () => {
          if (this.node.matches(":focus-visible")) this.go(this.current ?? this.first());
        },
        blur: () => onLeave?.(),
      },
      this.canvas,
      this.overlay,
    );
    redrawn(this.node, (width) => this.layout(width));
  }

  first() {
    return {tile: 0, place: this.sizes.map((size) => size >> 1)};
  }

  layout(width) {
    const {slices, height, width: across, group} = this;
    const single = product(this.sizes) === 1;
    const wide = slices * across + (slices - 1);
    let zoom = single
      ? 13
      : clamp(
          Math.floor(((width > 640 ? 1.5 : 1) * this.target) / Math.max(height, wide / Math.min(slices, 4))),
          1,
          14,
        );
    this.gap = single ? 2 : group > 1 ? 3 : 6;
    let tall = this.sizes.length === 1 ? 14 : null; // a row of a signal
    if (this.sizes.length === 1) zoom = clamp(Math.floor(140 / across), 1, 10);
    const room = (z) => group * (wide * z + this.gap) - this.gap;
    if (room(zoom) > width) zoom = (width - (group - 1) * this.gap) / group / wide;
    this.zoom = [tall ?? zoom, zoom];
    this.tileWidth = wide * this.zoom[1];
    this.tileHeight = height * this.zoom[0];
    [this.apart, this.below] = group > 1 ? [12, 8] : [this.gap, this.gap]; // between groups
    this.groupWidth = group * (this.tileWidth + this.gap) - this.gap;
    this.across = Math.max(1, Math.floor((width + this.apart + 0.01) / (this.groupWidth + this.apart)));
    const rows = Math.ceil(this.tiles / group / this.across);
    this.total = [Math.ceil(width), Math.ceil(rows * (this.tileHeight + this.below) - this.below)];
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.total[0] * ratio);
    this.canvas.height = Math.round(this.total[1] * ratio);
    for (const node of [this.canvas, this.overlay]) {
      node.style.width = `${this.total[0]}px`;
      node.style.height = `${this.total[1]}px`;
    }
    this.node.style.height = `${this.total[1]}px`;
    this.draw();
    if (this.current) this.mark(this.current);
  }

  corner(tile) {
    const number = Math.floor(tile / this.group),
      inside = tile % this.group;
    return [
      (number % this.across) * (this.groupWidth + this.apart) + inside * (this.tileWidth + this.gap),
      Math.floor(number / this.across) * (this.tileHeight + this.below),
    ];
  }

  show(values) {
    this.values = values;
    this.draw();
  }

  draw() {
    if (!this.values || !this.total) return;
    const {slices, height, width, colours} = this,
      wide = slices * (width + 1) - 1,
      ratio = this.canvas.width / this.total[0];
    const small = el("canvas", {width: wide, height}),
      brush = small.getContext("2d"),
      context = this.canvas.getContext("2d");
    const pixels = brush.createImageData(wide, height),
      size = slices * height * width;
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (let tile = 0; tile < this.tiles; tile++) {
      for (let d = 0; d < slices; d++)
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++) {
            const value = 3 * this.values[tile * size + (d * height + y) * width + x],
              to = 4 * (y * wide + d * (width + 1) + x);
            pixels.data[to] = colours[value];
            pixels.data[to + 1] = colours[value + 1];
            pixels.data[to + 2] = colours[value + 2];
            pixels.data[to + 3] = 255;
          }
      brush.putImageData(pixels, 0, 0);
      const [left, top] = this.corner(tile);
      context.drawImage(small, left * ratio, top * ratio, this.tileWidth * ratio, this.tileHeight * ratio);
    }
  }

  /** The unit at a point of the node, or null between two. */
  at(x, y) {
    const row = Math.floor(y / (this.tileHeight + this.below)),
      number = Math.floor(x / (this.groupWidth + this.apart));
    const inGroup = x - number * (this.groupWidth + this.apart),
      inside = Math.floor(inGroup / (this.tileWidth + this.gap));
    const tile = (row * this.across + number) * this.group + inside;
    if (number >= this.across || inside >= this.group || tile < 0 || tile >= this.tiles) return null;
    const column = Math.floor((inGroup - inside * (this.tileWidth + this.gap)) / this.zoom[1]),
      line = Math.floor((y - row * (this.tileHeight + this.below)) / this.zoom[0]);
    const slice = Math.floor(column / (this.width + 1)),
      across = column - slice * (this.width + 1);
    if (line >= this.height || across >= this.width || slice >= this.slices) return null;
    return {tile, place: this.sizes.length ? [slice, line, across].slice(3 - this.sizes.length) : []};
  }

  /** Where a range of units, [first, stop) per axis, lies in a tile: a path. */
  outline(tile, ranges) {
    const [left, top] = this.corner(tile),
      [slices, rows, columns] = [[0, 1], [0, 1], [0, 1], ...ranges].slice(-3);
    let path = "";
    for (let d = slices[0]; d < slices[1]; d++) {
      const x = left + (d * (this.width + 1) + columns[0]) * this.zoom[1],
        y = top + rows[0] * this.zoom[0];
      const wide = (columns[1] - columns[0]) * this.zoom[1],
        high = (rows[1] - rows[0]) * this.zoom[0];
      path += `M${x},${y}h${wide}v${high}h${-wide}z`;
    }
    return path;
  }

  mark(unit) {
    const path = unit
      ? this.outline(
          unit.tile,
          unit.place.map((i) => [i, i + 1]),
        )
      : "";
    this.units.forEach((each) => each.setAttribute("d", path));
  }

  /** Outline a range of units in every tile; null for none. */
  markSeen(ranges) {
    let path = "";
    if (ranges && ranges.every(([first, stop]) => stop > first) && this.total)
      for (let tile = 0; tile < this.tiles; tile++) path += this.outline(tile, ranges);
    this.seen.setAttribute("d", path);
    if (ranges) this.node.dataset.seen = JSON.stringify(ranges);
    else delete this.node.dataset.seen;
  }

  index({tile, place}) {
    return tile * product(this.sizes) + place.reduce((sum, i, axis) => sum * this.sizes[axis] + i, 0);
  }

  go(unit) {
    this.current = unit;
    this.mark(unit);
    this.onUnit?.(unit, this.values[this.index(unit)]);
  }

  point(event) {
    if (!this.total) return;
    const box = this.node.getBoundingClientRect(),
      unit = this.at(event.clientX - box.left, event.clientY - box.top);
    if (unit) this.go(unit);
  }

  key(event) {
    const unit = this.current ?? this.first(),
      place = [...unit.place],
      last = place.length - 1;
    let {tile} = unit;
    const line = this.group === 1 ? this.across : this.group * this.across;
    const step = (axis, by_) => {
      if (axis < 0) {
        tile += by_;
        return;
      }
      place[axis] += by_;
      if (place[axis] < 0 || place[axis] >= this.sizes[axis]) {
        const over = place.length === 3 && axis === 2 ? place[0] + by_ : -1; // into the next slice
        place[axis] = by_ > 0 ? 0 : this.sizes[axis] - 1;
        if (over >= 0 && over < this.sizes[0]) place[0] = over;
        else {
          tile += by_;
          if (place.length === 3 && axis === 2) place[0] = by_ > 0 ? 0 : this.sizes[0] - 1;
        }
      }
    };
    if (event.key === "ArrowRight") step(last, 1);
    else if (event.key === "ArrowLeft") step(last, -1);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const by_ = event.key === "ArrowDown" ? 1 : -1;
      if (last < 1) tile += by_ * line;
      else if (place[last - 1] + by_ >= 0 && place[last - 1] + by_ < this.sizes[last - 1]) place[last - 1] += by_;
      else {
        tile += by_ * line;
        place[last - 1] = by_ > 0 ? 0 : this.sizes[last - 1] - 1;
      }
    } else if (event.key === "PageDown") tile += 1;
    else if (event.key === "PageUp") tile -= 1;
    else if (event.key === "Home") tile = 0;
    else if (event.key === "End") tile = this.tiles - 1;
    else return;
    event.preventDefault();
    if (tile >= 0 && tile < this.tiles) this.go({tile, place});
  }
}
