// Chooses how tiles are ranked.

import { at, element, shown } from "./dom.js";

/** The method of the slider, which a query has where none is chosen. */
const SLIDER = "weicom";

export class Methods {
  /** `notes` are the archive's methods with what they do; `changed` is called with the one that is chosen, or with `null`. */
  constructor(notes, changed) {
    this.notes = notes;
    at("method").replaceChildren(...notes.map(({ method }) => this.option(method)));
    at("method").addEventListener("change", () => {
      this.tell();
      changed({ method: chosen(at("method").value) });
    });
  }

  option(method) {
    return element("option", { value: method, text: `${shown(method)}: ${this.does(method)}` });
  }

  /** What a method does, as a sentence. */
  does(method) {
    return this.notes.find((note) => note.method === (method ?? SLIDER))?.does ?? "As the address of the page has it.";
  }

  /** Shows what a query has. An address may say a method with parameters of its own, which joins the list. */
  write(method) {
    const select = at("method");
    const value = method ?? SLIDER;
    if (![...select.options].some((option) => option.value === value)) select.append(this.option(value));
    select.value = value;
    this.tell();
  }

  /** Where the list is narrow, what a method does stands below it. */
  tell() {
    at("method-note").textContent = this.does(at("method").value);
  }
}

/** The method of a name as a query has it: none for the slider's. */
export function chosen(name) {
  return !name || name === SLIDER ? null : name;
}
