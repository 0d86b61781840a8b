// Draws the distribution of similarities over the whole archive, with one tile marked.

import { element, number, shape } from "./dom.js";

/** The size of the drawing, in its own units; it is as wide as its place. */
const [WIDTH, HEIGHT, FOOT, HEAD] = [460, 136, 20, 18];

/** Points of the normal curve: a line of them looks round. */
const POINTS = 90;

/** A histogram with the normal curve that the CDF is taken of, and the tile's similarity marked. */
export function distribution(part, distribution, measure, rows) {
  const { mean, std_dev: deviation, min, max, counts } = distribution;
  const words = part === "image" ? "image" : "words";
  const width = max - min;
  const x = (value) => (width > 0 ? ((value - min) / width) * WIDTH : WIDTH / 2);
  const bin = WIDTH / counts.length;
  const total = counts.reduce((sum, n) => sum + n, 0);
  const normal = (value) => {
    const z = (value - mean) / deviation;
    return (total * (width / counts.length) * Math.exp((-z * z) / 2)) / (deviation * Math.sqrt(2 * Math.PI));
  };
  const isSpread = width > 0 && deviation > 0;
  const top = Math.max(1, ...counts, isSpread ? normal(mean) : 0);
  const y = (n) => HEIGHT - FOOT - (n / top) * (HEIGHT - FOOT - HEAD);
  const middle = (i) => min + ((i + 0.5) / counts.length) * width;
  const bars = counts.map((n, i) => n > 0 && shape("rect", {
    x: (i * bin + 0.5).toFixed(2), width: (bin - 1).toFixed(2), y: y(n).toFixed(2), height: (HEIGHT - FOOT - y(n)).toFixed(2),
    class: middle(i) <= measure.similarity ? `below ${part}` : "above",
  }));
  const at = Array.from({ length: POINTS + 1 }, (_, i) => min + (i / POINTS) * width);
  const curve = isSpread && shape("path", {
    class: "curve", d: at.map((value, i) => `${i ? "L" : "M"}${x(value).toFixed(1)} ${y(normal(value)).toFixed(1)}`).join(""),
  });
  const mark = x(measure.similarity);
  const anchor = (place) => (place < 60 ? "start" : place > WIDTH - 60 ? "end" : "middle");
  const label = (value, place, line, kind) => shape("text", {
    x: place.toFixed(1), y: line, class: kind, "text-anchor": anchor(place), text: number(value),
  });
  const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label":
      `Histogram of the similarities of all ${rows.toLocaleString("en")} tiles to the ${words}, from ${number(min)} to ${number(max)}, ` +
      `with a mean of ${number(mean)}; this tile is at ${number(measure.similarity)}` },
    ...bars.filter(Boolean), curve || null,
    shape("path", { class: "axis", d: `M0 ${HEIGHT - FOOT}H${WIDTH}` }),
    shape("path", { class: `mark ${part}`, d: `M${mark.toFixed(1)} ${HEAD - 2}V${HEIGHT - FOOT}` }),
    label(measure.similarity, mark, HEAD - 5, `mark-name ${part}`),
    label(min, 0, HEIGHT - 5, "tick"),
    Math.abs(x(mean) - WIDTH / 2) < WIDTH / 2 - 40 ? label(mean, x(mean), HEIGHT - 5, "tick") : null,
    label(max, WIDTH, HEIGHT - 5, "tick"));
  return element("figure", { class: "distribution" },
    element("h3", { class: `${part}-ink`, text: part === "image" ? "Like the image" : "Like the words" }),
    drawing,
    element("figcaption", { text: caption(measure, mean, deviation, words) }));
}

function caption(measure, mean, deviation, words) {
  if (!(deviation > 0)) return `All tiles are as similar to the ${words}: they decide nothing.`;
  const z = (measure.similarity - mean) / deviation;
  const where = z >= 0 ? "above" : "below";
  return `Its similarity to the ${words} is ${number(measure.similarity)}, ${Math.abs(z).toFixed(1)} standard deviations ${where} ` +
    `the mean of all tiles; the normal CDF there is ${number(measure.cdf, 4)}.`;
}
