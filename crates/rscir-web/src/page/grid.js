// Tiles in the order of their rank. Places stay where they are, and tiles move from one to another: nothing on the page jumps,
// and a reader of the list hears it in its order.

import { afterPaint, breakable, element, isStill, shown } from "./dom.js";
import { load } from "./pictures.js";

/** How long a tile takes to its new place, in ms: long enough to be followed, shorter than the time between two thoughts. */
const MOVE = 220;

/** Tiles that are kept after they left the answer: a slider that goes back finds their pictures at hand. */
const KEPT = 400;

/** The buttons below a tile: what they do, the sign that stands for it, and the words. */
const ACTIONS = [
  ["ask", "Ask", "Ask with"],
  ["more", "More", "More like"],
  ["less", "Less", "Less like"],
];

/** One ranking as a list of tiles. */
export class Grid {
  /**
   * `on` has the functions `open`, `ask`, `more`, `less` and `point`, which are called with the hit.
   * `kind` is "full", "look" for pictures and names, or "small" for pictures alone.
   */
  constructor(name, on, kind = "full") {
    this.node = element("ol", { class: `tiles ${kind}`, "aria-label": name });
    this.on = on;
    this.kind = kind;
    this.cards = new Map();
    this.hits = [];
  }

  /**
   * Shows hits in their order: those that are seen at once, the others once these are on the screen. `isAsked` tells if they have
   * a rank.
   */
  show(hits, isAsked) {
    const slots = this.node.children;
    // A list that is not on the page, or gets another length, is shown as a whole.
    const isSame = this.node.isConnected && slots.length === hits.length;
    while (slots.length > hits.length) this.node.lastElementChild.remove();
    while (slots.length < hits.length) this.node.append(element("li"));
    const seen = hits.map((_, i) => i).filter((i) => !isSame || isInView(slots[i].getBoundingClientRect()));
    const before = this.places(seen);
    const focused = this.node.contains(document.activeElement) ? document.activeElement : null;
    const focusedSlot = focused?.closest("li");
    const place = (i) => {
      const card = this.card(hits[i]);
      card.update(hits[i], isAsked);
      if (slots[i].firstChild !== card.node) slots[i].replaceChildren(card.node);
    };
    this.hits = hits;
    seen.forEach(place);
    this.move(seen, before);
    const rest = () => {
      // A newer answer has its own order.
      if (this.hits !== hits) return;
      const isSeen = new Set(seen);
      hits.forEach((_, i) => isSeen.has(i) || place(i));
      this.forget();
      if (focused && document.activeElement !== focused) this.focus(focused, focusedSlot);
    };
    if (seen.length === hits.length) rest();
    else afterPaint(rest);
  }

  /** Marks the tile of a key, or none. */
  mark(key) {
    for (const { key: other } of this.hits) this.cards.get(other)?.node.classList.toggle("marked", other === key);
  }

  card(hit) {
    const known = this.cards.get(hit.key);
    // The last that was asked for is the last that is forgotten.
    this.cards.delete(hit.key);
    const card = known ?? new Card(hit, this.on, this.kind);
    this.cards.set(hit.key, card);
    return card;
  }

  forget() {
    for (const [key, card] of this.cards) {
      if (this.cards.size <= Math.max(KEPT, this.hits.length)) break;
      if (!card.node.isConnected) this.cards.delete(key);
    }
  }

  /** The keyboard stays with its tile, or with its place in the list where the tile has left. */
  focus(focused, slot) {
    const name = focused.dataset.action;
    const there = this.node.contains(focused) ? focused : slot?.querySelector(`[data-action="${name}"]`);
    (there ?? this.node.querySelector("button"))?.focus({ preventScroll: true });
  }

  /** Where the tiles in some places are, on their way to them or not. */
  places(seen) {
    const places = new Map();
    if (isStill()) return places;
    for (const i of seen) {
      const key = this.hits[i]?.key;
      const place = this.cards.get(key)?.node.getBoundingClientRect();
      if (place?.width) places.set(key, place);
    }
    return places;
  }

  /** Lets the tiles in some places come from where they were. */
  move(seen, before) {
    if (isStill()) return;
    const cards = seen.map((i) => this.cards.get(this.hits[i].key));
    cards.forEach((card) => card.animation?.cancel());
    const places = cards.map(({ node }) => node.getBoundingClientRect());
    cards.forEach((card, i) => {
      const [from, to] = [before.get(card.hit.key), places[i]];
      if (!isInView(to) || !before.size) return;
      const [x, y] = from ? [from.left - to.left, from.top - to.top] : [0, 0];
      if (from && !x && !y) return;
      const start = from ? { transform: `translate(${x}px, ${y}px)` } : { opacity: 0 };
      const end = from ? { transform: "none" } : { opacity: 1 };
      card.animation = card.node.animate([start, end], { duration: MOVE, easing: "ease-out" });
    });
  }
}

function isInView({ top, bottom }) {
  return bottom > 0 && top < innerHeight;
}

/** A tile: its picture, its name, how well it fits image and words, and what can be done with it. */
class Card {
  constructor(hit, on, kind) {
    this.hit = hit;
    const name = shown(hit.key);
    this.rank = element("span", { class: "rank" });
    this.frame = element("span", { class: "picture" });
    this.open = element("button", {
      type: "button", class: "open", "data-action": "open", onclick: () => on.open(this.hit),
    }, this.frame, this.rank);
    this.node = element("article", {
      class: "card",
      onpointerenter: () => on.point(this.hit), onpointerleave: () => on.point(null),
      onfocusin: () => on.point(this.hit), onfocusout: () => on.point(null),
    }, this.open);
    if (kind === "small") this.open.title = name;
    else this.node.append(element("h3", { class: "key", title: name }, ...breakable(name)));
    if (kind !== "full") return;
    this.bars = { image: new Bar("image"), text: new Bar("words", "text") };
    this.node.append(element("div", { class: "bars" }, this.bars.image.node, this.bars.text.node));
    this.actions = element("div", { class: "actions" }, ...ACTIONS.map(([action, sign, words]) => element("button", {
      type: "button", "data-action": action, "aria-label": `${words} ${name}`, title: `${words} this`, text: sign,
      onclick: () => on[action](this.hit),
    })));
    this.node.append(this.actions);
  }

  update(hit, isAsked) {
    this.hit = hit;
    const name = shown(hit.key);
    this.rank.textContent = isAsked ? String(hit.rank) : "";
    this.rank.hidden = !isAsked;
    this.open.setAttribute("aria-label", isAsked ? `${hit.rank}: ${name}. Why it is here` : `Ask with ${name}`);
    for (const [part, bar] of Object.entries(this.bars ?? {})) bar.update(hit[part]);
    // Once the archive has grown, the picture has another address.
    if (this.source !== hit.picture) this.show(hit.picture);
  }

  show(source) {
    this.source = source;
    const missing = () => this.frame.replaceChildren(element("span", { class: "missing", "aria-hidden": "true", text: "no picture" }));
    if (!source) return missing();
    const image = element("img", { alt: "", width: 256, height: 256, decoding: "async", onerror: missing });
    this.frame.replaceChildren(image);
    load(image, source);
  }
}

/** How well a tile fits one part of the query: the normal CDF of its similarity. */
class Bar {
  constructor(name, part = name) {
    this.fill = element("span", { class: `fill ${part}` });
    this.value = element("span", { class: "value" });
    this.node = element("div", { class: "bar" },
      element("span", { class: "bar-name", text: name }),
      element("span", { class: "track", "aria-hidden": "true" }, this.fill),
      this.value);
  }

  update(measure) {
    const cdf = measure?.cdf ?? null;
    this.node.classList.toggle("absent", cdf === null);
    this.fill.style.transform = `scaleX(${cdf ?? 0})`;
    this.value.textContent = cdf === null ? "–" : cdf.toFixed(3);
  }
}
