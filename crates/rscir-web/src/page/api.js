// Speaks with the server.

import { UPLOAD } from "./state.js";

/** How long a server that is busy is left alone where it does not say, in seconds. */
const PATIENCE = 1;

/** A failure in the server's words, or in ours where it did not answer. */
class Failure extends Error {
  constructor(kind, message, field = null, retryAfter = null) {
    super(message);
    Object.assign(this, { kind, field, retryAfter });
  }
}

/** What the archive holds. */
export function archive() {
  return ask("api/archive");
}

/** Answers a query. `file` is the image that its part of the name `upload` speaks of. */
export function search(query, file, signal) {
  const json = JSON.stringify(query);
  if (!file) {
    return ask("api/search", { method: "POST", headers: { "Content-Type": "application/json" }, body: json, signal });
  }
  const body = new FormData();
  body.append("query", json);
  body.append(UPLOAD, file, file.name || "image");
  return ask("api/search", { method: "POST", body, signal });
}

/** Tiles of the whole archive, or of the part of it that a query leaves, as far from each other as can be. */
export function sample({ where, within, top }, signal) {
  const words = new URLSearchParams({ top });
  if (where) words.set("where", where);
  if (within) words.set("within", within.join(","));
  return ask(`api/tiles?${words}`, { signal });
}

/** The tile of a key. */
export async function tile(key) {
  const { tiles } = await ask(`api/tiles?${new URLSearchParams({ key })}`);
  return tiles[0];
}

/** The address of an answer as a file. */
export function exportAddress(query, format) {
  return `api/export?${new URLSearchParams({ format, query: JSON.stringify(query) })}`;
}

/** The address of a tile's picture at another size. */
export function larger(picture, size) {
  return `${picture}${picture.includes("?") ? "&" : "?"}size=${size}`;
}

/** The address of the picture of an image that was sent. */
export function imageAddress(id) {
  return `api/images/${encodeURIComponent(id)}`;
}

async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("unreachable", "The server does not answer. Is it still running? Try again in a moment.");
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (response.ok && answer !== null) return answer;
  const { kind = "internal", message, field } = answer?.error ?? {};
  const seconds = Number(response.headers.get("Retry-After"));
  const retryAfter = response.status === 429 || response.status === 503 ? seconds || PATIENCE : null;
  throw new Failure(kind, message ?? `The server answered with ${response.status} and nothing more.`, field, retryAfter);
}
