// What is asked: kept in the address of the page, so that it can be shared and gone back to.

import { chosen } from "./method.js";
import { condition } from "./where.js";

/** Tiles that are asked for at once; they fill a large screen twice. */
export const PAGE = 48;

/** Tiles of each ranking when three stand side by side. */
export const PAGE_ASIDE = 24;

/** The weights of liked and of disliked tiles, shared among each: those of Rocchio's rule as the program `search` has them. */
const LIKED = 2;
const DISLIKED = -1;

/** The name of the form's field that carries an image. */
export const UPLOAD = "upload";

/** A query without anything. */
export function empty() {
  return {
    /** `{ key }` for a tile, `{ id, name }` for an image that the server has, `{ file, name }` for one that it has not yet. */
    image: null,
    text: "", without: "", lambda: 0.5, liked: [], disliked: [],
    /** The method that ranks, as the API has it; `null` for the slider's. */
    method: null,
    /** By the name of a column: `{ is: [], min, max }`. */
    filters: {},
    free: "",
    /** West, south, east, north. */
    within: null,
    aside: false,
  };
}

/** Reads a query from the part of an address after `?`. What makes no sense there is left out. */
export function fromAddress(search) {
  const words = new URLSearchParams(search);
  const state = empty();
  if (words.has("key")) state.image = { key: words.get("key") };
  else if (words.has("image")) state.image = { id: words.get("image"), name: words.get("name") ?? "an image" };
  state.text = words.get("text") ?? "";
  state.without = words.get("without") ?? "";
  const lambda = Number(words.get("lambda") ?? "0.5");
  if (lambda >= 0 && lambda <= 1) state.lambda = lambda;
  state.method = chosen(words.get("method"));
  state.liked = words.getAll("more");
  state.disliked = words.getAll("less");
  state.free = words.get("where") ?? "";
  state.aside = words.get("aside") === "1";
  const within = (words.get("within") ?? "").split(",").map(Number);
  if (within.length === 4 && within.every(Number.isFinite)) state.within = within;
  for (const [word, value] of words) {
    const [how, column] = [word.slice(0, word.indexOf(".")), word.slice(word.indexOf(".") + 1)];
    if (!["is", "min", "max"].includes(how)) continue;
    const filter = (state.filters[column] ??= { is: [] });
    if (how === "is") filter.is.push(value);
    else filter[how] = value;
  }
  return state;
}

/** The part of an address after `?` that says the query. An image that the server has not seen yet cannot be in it. */
export function toAddress(state) {
  const words = new URLSearchParams();
  const put = (word, value) => value && words.append(word, value);
  put("key", state.image?.key);
  if (state.image?.id) {
    words.append("image", state.image.id);
    put("name", state.image.name);
  }
  put("text", state.text.trim());
  put("without", state.without.trim());
  if (state.lambda !== 0.5) words.append("lambda", String(state.lambda));
  put("method", state.method);
  state.liked.forEach((key) => put("more", key));
  state.disliked.forEach((key) => put("less", key));
  for (const [column, filter] of Object.entries(state.filters)) {
    (filter.is ?? []).forEach((value) => words.append(`is.${column}`, value));
    put(`min.${column}`, filter.min);
    put(`max.${column}`, filter.max);
  }
  put("where", state.free.trim());
  put("within", state.within?.join(","));
  put("aside", state.aside ? "1" : "");
  const text = words.toString();
  return text ? `?${text}` : "";
}

/** True if the method that is chosen has a weight for the slider to set. */
export function hasWeight(state, { method_notes: notes }) {
  return !state.method || notes.some(({ method, lambda }) => method === state.method && lambda);
}

/** What ranks, as the API has it: the slider or the method that is chosen, once there is something to mix. */
function rankingOf(state, archive) {
  const { method, lambda } = state;
  if (!isMixed(state)) return {};
  if (!method) return { lambda };
  return { method: hasWeight(state, archive) ? `${method}:lambda=${lambda}` : method };
}

/** The query as the API has it, but for the image's file. `ranking` has the `lambda` or the `method`. */
export function toQuery(state, archive, ranking = rankingOf(state, archive)) {
  const parts = [];
  if (state.image?.key) parts.push({ key: state.image.key });
  else if (state.image) parts.push({ image: state.image.id ?? UPLOAD });
  if (state.text.trim()) parts.push({ text: state.text.trim() });
  const unwanted = state.without.split(",").map((words) => words.trim());
  unwanted.filter(Boolean).forEach((words) => parts.push({ without: words }));
  const judge = (keys, weight) => keys.forEach((key) => parts.push({ key, weight: weight / keys.length }));
  judge(state.liked, LIKED);
  judge(state.disliked, DISLIKED);
  const query = { parts, ...ranking };
  const where = condition(archive.columns, state.filters, state.free);
  if (where) query.where = where;
  if (state.within) query.within = state.within;
  return query;
}

/** True if something is asked with, so that tiles have a rank. */
export function isAsking(state) {
  return Boolean(state.image || state.text.trim() || state.without.trim() || state.liked.length || state.disliked.length);
}

/** True if both images and texts are asked with, so that there is something to mix. */
export function isMixed(state) {
  const images = state.image || state.liked.length || state.disliked.length;
  return Boolean(images && (state.text.trim() || state.without.trim()));
}
