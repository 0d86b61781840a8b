// The footprints of the tiles on a map: to pan, to zoom, and to draw a box to search within.

import { count, element, shape, shown } from "./dom.js";
import { around, corners, place, point, step, unrolled } from "./mercator.js";

/** Height by width. */
const RATIO = 0.75;

/** Pixels of the world from side to side: of one tile at level 0, and at level 22, where a pixel is two centimeters. */
const [LEAST_SCALE, MOST_SCALE] = [256, 256 * 2 ** 22];

/** The deepest level of a tile layer that is asked for: few layers go deeper. */
const DEEPEST = 19;

/** Tiles of a layer that a view takes at most. */
const MOST_TILES = 64;

/** What a key or a turn of the wheel does to the scale, and which part of the map an arrow pans by. */
const [ZOOM, PAN] = [1.5, 0.2];

/** How far the pointer may go for a press to be a click, in pixels. */
const CLICK = 4;

/** The least side of a place on the map: a smaller one is marked by a point that can be seen and touched. */
const LEAST_SIDE = 10;

/** Places whose rank is written where there is room: those that are seen first in the list. */
const NAMED = 24;

/** Width and height of a rank on the map, in pixels. */
const NAME = [22, 15];

/** Pixels between lines of longitude and latitude, at least: room for their names. */
const LINES = 90;

/** A margin around what the map is fitted to, as a part of it. */
const MARGIN = 0.12;

export class Places {
  /** `places` is what the archive says of its places; `on` has `open` and `point`, called with a hit, and `within`. */
  constructor(node, places, basemap, on) {
    Object.assign(this, { all: places.bounds, basemap, on, hits: [], within: null, isDrawing: false, isMoved: false });
    this.svg = shape("svg", { tabindex: 0, role: "application", class: "ground", "aria-describedby": "map-help", "aria-label":
      "Map of the tiles; north is up" });
    const button = (text, words, act) => element("button", { type: "button", text, "aria-label": words, title: words, onclick: act });
    this.draws = button("Draw a box", "Draw a box to search within", () => this.drawing(!this.isDrawing));
    this.draws.setAttribute("aria-pressed", "false");
    this.clears = button("Everywhere", "Search everywhere again", () => this.on.within(null));
    node.replaceChildren(
      element("div", { class: "map-frame" }, this.svg, element("div", { class: "map-zoom" },
        button("+", "Zoom in", () => this.zoom(ZOOM)), button("−", "Zoom out", () => this.zoom(1 / ZOOM)),
        button("Fit", "Fit the map to the tiles of the answer", () => this.fit()))),
      element("div", { class: "row map-row" },
        this.draws, button("This view", "This view: search within what the map shows", () => this.on.within(this.shownBox())), this.clears),
      element("p", { id: "map-help", class: "note" }));
    this.help = node.lastElementChild;
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.svg);
    this.resize();
    this.look(this.all);
  }

  /** Shows the places of an answer. `isNew` tells that it answers another query, which is looked at afresh. */
  show(hits, within, isNew) {
    this.hits = hits.filter((hit) => hit.rings?.length);
    this.nowhere = hits.length - this.hits.length;
    this.within = within;
    this.clears.disabled = !within;
    if (isNew && !this.isMoved && !within) this.fit();
    else this.draw();
  }

  /** Marks the place of a key, or none. */
  mark(key) {
    for (const node of this.svg.querySelectorAll(".place")) node.classList.toggle("marked", node.dataset.key === key);
  }

  /** Shows all places of the answer, or the archive's where it has none. */
  fit() {
    const points = this.hits.flatMap(({ rings }) => rings.flatMap((ring) => unrolled(ring, this.middle?.[0] ?? 0.5)));
    if (this.within) points.push(...unrolled(corners(this.within), points[0]?.[0] ?? 0.5));
    this.isMoved = false;
    if (points.length) this.lookAt(around(points));
    else this.look(this.all);
  }

  look(bounds) {
    this.lookAt(around(unrolled(corners(bounds), 0.5)));
  }

  lookAt([left, top, right, bottom]) {
    this.middle = [(left + right) / 2, (top + bottom) / 2];
    const fits = Math.min(this.width / (right - left || 1e-9), this.height / (bottom - top || 1e-9));
    this.scale = this.held(fits / (1 + 2 * MARGIN));
    this.draw();
  }

  held(scale) {
    return Math.max(Math.min(LEAST_SCALE, this.width), Math.min(MOST_SCALE, scale));
  }

  resize() {
    const width = this.svg.clientWidth || 360;
    if (width === this.width) return;
    this.width = width;
    this.height = Math.round(width * RATIO);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    if (this.middle) this.draw();
  }

  /** Where a point of the world is on the map, and the other way. */
  at([x, y]) {
    return [(x - this.middle[0]) * this.scale + this.width / 2, (y - this.middle[1]) * this.scale + this.height / 2];
  }

  under([x, y]) {
    return [(x - this.width / 2) / this.scale + this.middle[0], (y - this.height / 2) / this.scale + this.middle[1]];
  }

  /** The box between two points of the map, as the API has it. */
  box(a, b) {
    const [west, north] = place(this.under([Math.min(a[0], b[0]), Math.min(a[1], b[1])]));
    const [east, south] = place(this.under([Math.max(a[0], b[0]), Math.max(a[1], b[1])]));
    const isWorld = Math.abs(a[0] - b[0]) >= this.scale;
    return [isWorld ? -180 : west, south, isWorld ? 180 : east, north].map((degrees) => Number(degrees.toFixed(6)));
  }

  shownBox() {
    return this.box([0, 0], [this.width, this.height]);
  }

  zoom(by, [x, y] = [this.width / 2, this.height / 2]) {
    const fixed = this.under([x, y]);
    this.scale = this.held(this.scale * by);
    const moved = this.under([x, y]);
    this.pan([(moved[0] - fixed[0]) * this.scale, (moved[1] - fixed[1]) * this.scale]);
  }

  pan([x, y]) {
    this.middle = [this.middle[0] - x / this.scale, Math.max(0, Math.min(1, this.middle[1] - y / this.scale))];
    this.isMoved = true;
    this.draw();
  }

  drawing(is) {
    this.isDrawing = is;
    this.draws.setAttribute("aria-pressed", String(is));
    this.svg.classList.toggle("drawing", is);
    this.say();
  }

  say() {
    const nowhere = this.nowhere ? ` ${count(this.nowhere, "tile has", "tiles have")} no place.` : "";
    this.help.textContent = this.isDrawing
      ? "Drag from one corner of the box to the other; Escape leaves it."
      : `Drag to pan; arrow keys, + and − once the map has the focus.${nowhere}`;
  }

  listen() {
    const { svg, pointers } = this;
    const where = (event) => {
      const frame = svg.getBoundingClientRect();
      return [((event.clientX - frame.left) * this.width) / frame.width, ((event.clientY - frame.top) * this.height) / frame.height];
    };
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      svg.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, where(event));
      this.pressed = { at: where(event), target: event.target, isClick: pointers.size === 1 };
    });
    svg.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before || !this.pressed) return;
      const now = where(event);
      const far = Math.hypot(now[0] - this.pressed.at[0], now[1] - this.pressed.at[1]);
      if (far > CLICK) this.pressed.isClick = false;
      pointers.set(event.pointerId, now);
      if (pointers.size === 2) {
        const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
        const apart = (a) => Math.max(1, Math.hypot(a[0] - other[0], a[1] - other[1]));
        this.zoom(apart(now) / apart(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
      } else if (this.isDrawing) {
        this.drawn = [this.pressed.at, now];
        this.draw();
      } else if (!this.pressed.isClick) {
        this.pan([now[0] - before[0], now[1] - before[1]]);
      }
    });
    const end = (event) => {
      pointers.delete(event.pointerId);
      const { pressed, drawn } = this;
      if (!pressed || pointers.size) return;
      this.pressed = this.drawn = null;
      if (event.type === "pointercancel") return this.draw();
      if (drawn && !pressed.isClick) {
        this.drawing(false);
        this.on.within(this.box(...drawn));
      } else if (pressed.isClick) {
        const hit = this.hits.find(({ key }) => key === pressed.target.closest(".place")?.dataset.key);
        if (hit) this.on.open(hit);
      }
    };
    svg.addEventListener("pointerup", end);
    svg.addEventListener("pointercancel", end);
    svg.addEventListener("pointerover", (event) => {
      const key = event.target.closest(".place")?.dataset.key;
      this.on.point(this.hits.find((hit) => hit.key === key) ?? null);
    });
    svg.addEventListener("pointerleave", () => this.on.point(null));
    svg.addEventListener("wheel", (event) => {
      // A page that is scrolled goes on under the pointer; a map that has the focus, or a pinch, zooms.
      if (!event.ctrlKey && document.activeElement !== svg) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? ZOOM ** 0.5 : ZOOM ** -0.5, where(event));
    }, { passive: false });
    svg.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const by = PAN * this.width;
    const pans = { ArrowLeft: [by, 0], ArrowRight: [-by, 0], ArrowUp: [0, by], ArrowDown: [0, -by] };
    const zooms = { "+": ZOOM, "=": ZOOM, "-": 1 / ZOOM };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (pans[event.key]) this.pan(pans[event.key]);
    else if (zooms[event.key]) this.zoom(zooms[event.key]);
    else if (event.key === "Escape" && this.isDrawing) this.drawing(false);
    else return;
    event.preventDefault();
  }

  draw() {
    // Many moves of the pointer come before a picture is painted.
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.paint();
    });
  }

  paint() {
    this.say();
    const path = (rings, near = this.middle[0]) => rings.map((ring) => unrolled(ring, near).map((corner, i) => {
      const [x, y] = this.at(corner);
      return `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    }).join("") + "Z").join("");
    const parts = [...this.layer(), ...this.lines()];
    const named = this.named();
    // The best lies on top.
    for (const hit of [...this.hits].reverse()) parts.push(this.footprint(hit, path(hit.rings)));
    parts.push(...named);
    // On a light edge, as a footprint is.
    const box = (name, attributes) => parts.push(...["within edge", "within"].map((kind) => shape(name, { class: kind, ...attributes })));
    if (this.within) box("path", { d: path([corners(this.within)]) });
    if (this.drawn) {
      const [a, b] = this.drawn;
      box("rect", { x: Math.min(a[0], b[0]), y: Math.min(a[1], b[1]), width: Math.abs(a[0] - b[0]), height: Math.abs(a[1] - b[1]) });
    }
    this.svg.replaceChildren(...parts);
  }

  footprint(hit, outline) {
    const { x, y, isSmall } = this.spot(hit);
    const node = shape("g", { class: "place" },
      shape("title", { text: `${hit.rank ?? ""} ${shown(hit.key)}`.trim() }),
      // On a light edge, a line is seen on any ground.
      shape("path", { class: "edge", d: outline }), shape("path", { d: outline }),
      isSmall ? shape("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: LEAST_SIDE / 2 }) : null);
    node.dataset.key = hit.key;
    return node;
  }

  /** The middle of a tile on the map, and whether it is too small to be seen. */
  spot(hit) {
    const points = hit.rings.flatMap((ring) => unrolled(ring, this.middle[0]).map((corner) => this.at(corner)));
    const [left, top, right, bottom] = around(points);
    const side = Math.max(right - left, bottom - top);
    return { x: (left + right) / 2, y: (top + bottom) / 2, top, side, isSmall: side < LEAST_SIDE };
  }

  /** The ranks of the best tiles, but for those that would cover the rank of a better one. */
  named() {
    const names = [];
    for (const hit of this.hits.slice(0, NAMED)) {
      const { x, y: middle, top, side } = this.spot(hit);
      // A number in a small place would hide it.
      const y = side < 2 * NAME[1] ? top - NAME[1] / 2 : middle;
      const isFree = names.every((other) => Math.abs(other.x - x) > NAME[0] || Math.abs(other.y - y) > NAME[1]);
      if (isFree && hit.rank) names.push({ x, y, rank: hit.rank });
    }
    return names.map(({ x, y, rank }) =>
      shape("text", { class: "place-name", x: x.toFixed(1), y: (y + 4.5).toFixed(1), text: String(rank) }));
  }

  /** The pictures of the tile layer that a reader chose, if any. */
  layer() {
    if (!this.basemap) return [];
    const level = Math.max(0, Math.min(DEEPEST, Math.round(Math.log2(this.scale / 256))));
    const n = 2 ** level;
    const [left, top] = this.under([0, 0]).map((at) => Math.floor(at * n));
    const [right, bottom] = this.under([this.width, this.height]).map((at) => Math.floor(at * n));
    const side = this.scale / n;
    const tiles = [];
    for (let y = Math.max(0, top); y <= Math.min(n - 1, bottom); y++) {
      for (let x = left; x <= right && tiles.length < MOST_TILES; x++) {
        const [px, py] = this.at([x / n, y / n]);
        const address = this.basemap.replace("{z}", level).replace("{x}", ((x % n) + n) % n).replace("{y}", y);
        // A little larger than it is, or the ground shows between two.
        tiles.push(shape("image", { href: address, x: px, y: py, width: side + 0.5, height: side + 0.5 }));
      }
    }
    return tiles;
  }

  /** Lines of longitude and latitude with their names. */
  lines() {
    const degrees = (LINES / this.scale) * 360;
    const by = step(degrees);
    const digits = Math.max(0, Math.ceil(-Math.log10(by)));
    const [west, north] = [(this.under([0, 0])[0] - 0.5) * 360, place(this.under([0, 0]))[1]];
    const [east, south] = [(this.under([this.width, 0])[0] - 0.5) * 360, place(this.under([0, this.height]))[1]];
    const shapes = [];
    const line = (d) => shapes.push(shape("path", { class: "line", d }));
    const name = (x, y, value, [plus, minus]) => shapes.push(shape("text", { class: "line-name", x: x.toFixed(1), y: y.toFixed(1),
      text: `${Math.abs(value).toFixed(digits)}° ${value < 0 ? minus : plus}` }));
    for (let i = Math.ceil(west / by); i * by <= east; i++) {
      const longitude = (((i * by + 180) % 360) + 360) % 360 - 180;
      const x = this.at([i * by / 360 + 0.5, 0])[0];
      line(`M${x.toFixed(1)} 0V${this.height}`);
      if (x < this.width - 70) name(x + 4, 14, longitude, ["E", "W"]);
    }
    for (let i = Math.ceil(south / by); i * by <= north; i++) {
      const y = this.at(point([0, i * by]))[1];
      line(`M0 ${y.toFixed(1)}H${this.width}`);
      if (y > 34) name(4, y - 4, i * by, ["N", "S"]);
    }
    return shapes;
  }
}

