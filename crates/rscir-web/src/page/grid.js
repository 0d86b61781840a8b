// Tiles in the order of their rank. Places stay where they are, and tiles move from one to another: nothing on the page jumps,
// and a reader of the list hears it in its order.

import { breakable, element, isStill, shown } from "./dom.js";

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

  /** Shows hits in their order. `isAsked` tells if they have a rank. */
  show(hits, isAsked) {
    const before = this.places();
    const focused = this.node.contains(document.activeElement) ? document.activeElement : null;
    const focusedSlot = focused?.closest("li");
    const slots = this.node.children;
    while (slots.length > hits.length) this.node.lastElementChild.remove();
    while (slots.length < hits.length) this.node.append(element("li"));
    hits.forEach((hit, i) => {
      const card = this.card(hit);
      card.update(hit, isAsked);
      if (slots[i].firstChild !== card.node) slots[i].replaceChildren(card.node);
    });
    this.hits = hits;
    this.forget();
    if (focused && document.activeElement !== focused) this.focus(focused, focusedSlot);
    this.move(before);
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

  /** Where the tiles are that can be seen. */
  places() {
    const places = new Map();
    if (isStill()) return places;
    for (const { key } of this.hits) {
      const place = this.cards.get(key)?.node.getBoundingClientRect();
      if (place?.width && place.bottom > 0 && place.top < innerHeight) places.set(key, place);
    }
    return places;
  }

  move(before) {
    if (isStill()) return;
    const moves = this.hits.map(({ key }) => {
      const card = this.cards.get(key);
      card.animation?.cancel();
      return [card, before.get(key)];
    }).map(([card, from]) => [card, from, card.node.getBoundingClientRect()]);
    for (const [card, from, to] of moves) {
      if (to.bottom < 0 || to.top > innerHeight) continue;
      if (!from) {
        if (before.size) card.animation = card.node.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MOVE, easing: "ease-out" });
        continue;
      }
      const [x, y] = [from.left - to.left, from.top - to.top];
      if (!x && !y) continue;
      card.animation = card.node.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], { duration: MOVE, easing: "ease-out" });
    }
  }
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
    const missing = () => this.frame.replaceChildren(element("span", { class: "missing", text: "no picture" }));
    if (!source) return missing();
    this.frame.replaceChildren(element("img", {
      src: source, alt: "", width: 256, height: 256, loading: "lazy", decoding: "async", onerror: missing,
    }));
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
