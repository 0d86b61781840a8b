// Builds elements. Whatever comes from the server is put in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element: what begins with "on" is a listener, `text` its text, all else an attribute; `null` and `false` are left out. */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Makes an element of SVG, as `element` does. */
export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** The element of an id. */
export function at(id) {
  return document.getElementById(id);
}

/** Shows a text in an element, or hides the element where there is none. */
export function say(node, text) {
  node.textContent = text ?? "";
  node.hidden = !text;
}

/** A number as people read it: few digits, none of them noise. */
export function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "no number";
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

/** A count with its noun. */
export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** True if the reader asked for less movement. */
export function isStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** A name or text of others as it may be shown: characters that are not seen, or that turn what follows, by their number. */
export function shown(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (hidden) => `\\u{${hidden.codePointAt(0).toString(16)}}`);
}

/** A long name that breaks where its parts end. A tile's place in its scene, which tells it from its neighbors, has a line of its own. */
export function breakable(text) {
  const at = text.lastIndexOf("#xywh=");
  if (at > 0) return [element("span", { class: "scene", text: text.slice(0, at) }),
    element("span", { class: "window", text: text.slice(at) })];
  return text.split(/(?<=[/_#=,-])/).flatMap((part, i) => (i ? [element("wbr"), part] : [part]));
}

/** Does something once what was changed until now is on the screen. */
export function afterPaint(act) {
  requestAnimationFrame(() => {
    // A message comes after the frame that the callback precedes is painted.
    const channel = new MessageChannel();
    channel.port1.onmessage = act;
    channel.port2.postMessage(null);
  });
}
