// Filters that are built from the archive's columns.

import { count, element, number, shown } from "./dom.js";
import { fits, kindOf } from "./where.js";

/** How long typing in a field rests before it is asked, in ms. */
const REST = 400;

/** The form with a field for each column that can be chosen from, and one for a free condition. */
export class Filters {
  constructor(form, columns, changed) {
    Object.assign(this, { form, changed });
    this.build(columns);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => this.ask());
    form.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), REST);
    });
  }

  /** Makes the fields of columns. */
  build(columns) {
    this.columns = columns.map((column) => [column, kindOf(column)]);
    const fields = this.columns.map(([column, kind]) => kind && (kind === "choice" ? choice(column) : range(column)));
    const left = this.columns.filter(([, kind]) => !kind).map(([column]) => shown(column.name));
    this.free = element("input", { id: "free", type: "text", autocomplete: "off", spellcheck: "false", maxlength: 4000,
      "aria-describedby": "free-help free-error", placeholder: example(columns) });
    this.error = element("p", { id: "free-error", class: "error", role: "alert", hidden: true });
    this.form.replaceChildren(...fields.filter(Boolean),
      element("div", { class: "field" },
        element("label", { for: "free", text: "A condition in words" }), this.free,
        element("p", { id: "free-help", class: "note", text:
          "With =, !=, <, <=, in (a, b), between a and b, has value, and, or, not" +
          (left.length ? `. It can also speak of ${left.join(", ")}.` : ".") }), this.error),
      element("button", { type: "button", id: "clear-filters", text: "Clear the filters", onclick: () => this.clear() }));
  }

  /** What is chosen, by column. */
  read() {
    const filters = {};
    for (const [column, kind] of this.columns) {
      if (!kind) continue;
      const inputs = [...this.form.querySelectorAll("[data-column]")].filter((input) => input.dataset.column === column.name);
      const value = (bound) => inputs.find((input) => input.dataset.bound === bound)?.value ?? "";
      const filter = {
        is: inputs.filter((input) => input.type === "checkbox" && input.checked).map((input) => input.value),
        min: value("min"), max: value("max"),
      };
      if (filter.is.length || filter.min || filter.max) filters[column.name] = filter;
    }
    return { filters, free: this.free.value };
  }

  /** Shows what a query has. */
  write({ filters, free }) {
    clearTimeout(this.timer);
    for (const input of this.form.querySelectorAll("[data-column]")) {
      const filter = filters[input.dataset.column];
      if (input.type === "checkbox") input.checked = filter?.is?.includes(input.value) ?? false;
      else input.value = filter?.[input.dataset.bound] ?? "";
    }
    this.free.value = free;
    this.asked = JSON.stringify(this.read());
    this.fail(null);
  }

  /** Says what is wrong with the free condition. */
  fail(message) {
    this.error.textContent = message ?? "";
    this.error.hidden = !message;
    this.free.setAttribute("aria-invalid", message ? "true" : "false");
  }

  /** How many columns and conditions narrow the tiles down. */
  count() {
    const { filters, free } = this.read();
    return Object.keys(filters).length + (free.trim() ? 1 : 0);
  }

  clear() {
    this.form.reset();
    this.ask();
  }

  ask() {
    clearTimeout(this.timer);
    const read = this.read();
    const bounds = this.columns.flatMap(([column, kind]) => (kind === "range" ? [column] : []));
    for (const column of bounds) this.check(column, read.filters[column.name]);
    const now = JSON.stringify(read);
    if (now === this.asked) return;
    this.asked = now;
    this.changed(read);
  }

  /** A bound that is none is marked: it narrows nothing down. */
  check(column, filter) {
    for (const input of this.form.querySelectorAll("[data-bound]")) {
      if (input.dataset.column !== column.name) continue;
      const bound = filter?.[input.dataset.bound] ?? "";
      input.setAttribute("aria-invalid", bound && !fits(column, bound) ? "true" : "false");
    }
  }
}

function choice(column) {
  return element("fieldset", { class: "field" },
    element("legend", { text: shown(column.name) }),
    element("div", { class: "choices" }, ...column.values.map(({ value, rows }) => {
      const box = element("input", { type: "checkbox", value: String(value) });
      box.dataset.column = column.name;
      return element("label", { class: "check" }, box,
        element("span", { text: word(value) }), element("span", { class: "note", text: rows.toLocaleString("en") }));
    })));
}

function range(column) {
  const bound = (which, words) => {
    const isDate = column.type === "date";
    const input = element("input", {
      type: isDate ? "date" : "text", inputmode: isDate ? null : "decimal", "aria-label": `${shown(column.name)}, ${words}`,
      placeholder: isDate ? null : number(column[which], 4), min: isDate ? column.min : null, max: isDate ? column.max : null,
      autocomplete: "off",
    });
    input.dataset.column = column.name;
    input.dataset.bound = which;
    return input;
  };
  return element("fieldset", { class: "field" },
    element("legend", { text: shown(column.name) }),
    element("div", { class: "range" }, bound("min", "from"), element("span", { text: "to" }), bound("max", "to")),
    element("p", { class: "note", text: `${count(column.filled, "tile has", "tiles have")} a value.` }));
}

function word(value) {
  return typeof value === "boolean" ? (value ? "yes" : "no") : shown(String(value)) || "(empty)";
}

/** A condition on a column of this archive, to begin from. */
function example(columns) {
  const text = columns.find(({ type, values }) => type === "text" && values?.length);
  if (text) return `${text.name} != '${text.values[0].value}'`;
  const ranged = columns.find(({ type, max }) => ["int", "float", "date"].includes(type) && max !== undefined);
  return ranged ? `${ranged.name} < ${ranged.max}` : "";
}
