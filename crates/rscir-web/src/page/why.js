// Says why a tile is where it is: the two distributions with the tile marked, how they were mixed, and what is known of it.

import { larger } from "./api.js";
import { distribution } from "./chart.js";
import { element, number, shown } from "./dom.js";

/** How far a score may be from the mix of its parts to be explained by it: the digits that are shown. */
const SAME = 5e-4;

/** The longer side of the large picture, in pixels. */
const LARGE = 768;

/** The dialog of one tile. */
export class Why {
  /** `on` has the functions `ask`, `more`, `less` and `step`. */
  constructor(dialog, on) {
    this.dialog = dialog;
    this.on = on;
    // A click beside the dialog closes it, as the key Escape does.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("keydown", (event) => this.turn(event));
  }

  /** Opens the dialog on a hit of an answer. `others` are the hits that one can go on to. */
  open(hit, answer, others) {
    this.others = others;
    this.answer = answer;
    this.at = others.indexOf(hit);
    this.dialog.replaceChildren(this.body(hit, answer));
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
  }

  body(hit, answer) {
    const name = shown(hit.key);
    const act = (action, text) => element("button", {
      type: "button", text, onclick: () => {
        this.dialog.close();
        this.on[action](hit);
      },
    });
    const step = (by, text, words) => element("button", {
      type: "button", text, "aria-label": words, "data-step": by, disabled: !this.others[this.at + by],
      onclick: () => this.step(by),
    });
    return element("div", { class: "why" },
      element("header", {},
        element("h2", { id: "why-title", text: `Why is it number ${hit.rank}?` }),
        element("div", { class: "row" },
          step(-1, "←", "The tile before"), step(1, "→", "The tile after"),
          element("button", { type: "button", class: "close", text: "Close", onclick: () => this.dialog.close() }))),
      element("div", { class: "why-columns" },
        element("div", {},
          hit.picture
            ? element("img", { class: "large", src: larger(hit.picture, LARGE), alt: `Tile ${name}`, width: 512, height: 512 })
            : element("p", { class: "missing large", text: "no picture" }),
          element("p", { class: "name", text: name }),
          element("div", { class: "row" },
            act("ask", "Ask with it"), act("more", "More like this"), act("less", "Less like this"))),
        element("div", {},
          element("p", { class: "sum", text: sum(hit, answer) }),
          ...["image", "text"].filter((part) => hit[part] && answer.distributions[part])
            .map((part) => distribution(part, answer.distributions[part], hit[part], answer.rows)),
          facts(hit))));
  }

  step(by) {
    const hit = this.others[this.at + by];
    if (!hit) return;
    this.open(hit, this.answer, this.others);
    const again = this.dialog.querySelector(`[data-step="${by}"]`);
    (again.disabled ? this.dialog.querySelector(".close") : again).focus();
  }

  turn(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) this.step(by);
  }
}

/** The score in words: of what it is made. */
function sum(hit, { lambda, method, does }) {
  const [image, text] = [hit.image?.cdf, hit.text?.cdf];
  const isBoth = image !== undefined && text !== undefined && lambda !== null;
  const mix = isBoth ? (1 - lambda) * image + lambda * text : NaN;
  if (Math.abs(mix - hit.score) < SAME) {
    return `${number(1 - lambda, 2)} × ${number(image, 4)} for the image + ${number(lambda, 2)} × ${number(text, 4)} for the words ` +
      `= a score of ${number(hit.score, 4)}`;
  }
  return `Its score is ${number(hit.score, 4)}, by ${shown(method)}. ${does}`.trim();
}

/** What the archive's columns say of the tile. */
function facts(hit) {
  const columns = Object.entries(hit.columns ?? {});
  if (!columns.length) return null;
  const word = (value) => (Array.isArray(value) ? value.map((n) => number(n, 5)).join(", ") : shown(String(value)));
  return element("dl", { class: "facts" }, ...columns.map(([name, value]) => element("div", {},
    element("dt", { text: shown(name) }), element("dd", { text: word(value) }))));
}
