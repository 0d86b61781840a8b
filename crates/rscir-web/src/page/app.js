// The page: what is asked, the answer, and the address that says it.

import { archive as describe, exportAddress, sample, search, tile } from "./api.js";
import { Ask } from "./ask.js";
import { afterPaint, at, count, element, say, shown } from "./dom.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { Places } from "./map.js";
import { Methods } from "./method.js";
import { Runner } from "./runner.js";
import { PAGE, PAGE_ASIDE, empty, fromAddress, hasWeight, isAsking, isMixed, toAddress, toQuery } from "./state.js";
import { Why } from "./why.js";

/** How long an answer may take before the page says that it is being made, in ms: a flash of words tells nothing. */
const PATIENCE = 250;

/** Changes that come one after the other: moves of the slider, letters of words, and methods under an arrow key. */
const STEADY = ["slider", "text,without", "method"];

/** How long such changes may be apart to be one step in the history, in ms. */
const BREATH = 3000;

/** The title of the page without words. */
const TITLE = document.title;

/** The names of formats as people write them. */
const FORMATS = { geojson: "GeoJSON", csv: "CSV", parquet: "Parquet" };

/** The rankings that stand side by side: their names, and the lambda of each or `null` for the one that is chosen. */
const ASIDE = [["Image alone", 0], ["Both", null], ["Words alone", 1]];

class Page {
  constructor(archive) {
    this.archive = archive;
    this.state = empty();
    this.length = PAGE;
    const on = {
      open: (hit) => this.open(hit),
      ask: (hit) => this.change({ image: { key: hit.key } }, hit),
      more: (hit) => this.judge(hit, "liked", "disliked"),
      less: (hit) => this.judge(hit, "disliked", "liked"),
      point: (hit) => this.point(hit),
      within: (box) => this.change({ within: box }),
    };
    this.grid = new Grid("Tiles, the best first", on);
    this.sample = new Grid("A sample of the tiles", on, "look");
    this.columns = ASIDE.map(([name]) => new Grid(`${name}, the best first`, on, "small"));
    this.aside = element("div", { class: "aside" }, ...ASIDE.map(([name], i) => element("section", {},
      element("h3", { text: name }), this.columns[i].node)));
    this.ask = new Ask(archive.limits, archive.asks, (changes) => this.change(changes));
    this.methods = new Methods(archive.method_notes, (changes) => this.change(changes));
    this.filters = new Filters(at("filters"), archive.columns, (changes) => this.change(changes));
    this.why = new Why(at("why"), on);
    this.places = archive.places && new Places(at("map"), archive.places, archive.basemap, on);
    this.runner = new Runner((job, signal) => this.run(job, signal), (error) => this.failed(error));
    at("map-section").hidden = !archive.places;
    // On a narrow screen the tiles come first.
    at("map-section").open = matchMedia("(min-width: 60rem)").matches;
    at("filter-section").hidden = archive.columns.length === 0;
    at("layout").classList.toggle("wide", !archive.places && archive.columns.length === 0);
    at("layout").hidden = false;
    this.exports(0);
    this.listen();
    this.about();
  }

  listen() {
    const lambda = at("lambda");
    lambda.addEventListener("input", (event) => {
      this.state.lambda = Number(lambda.value);
      this.mixed();
      this.runner.ask({ from: event.timeStamp });
    });
    lambda.addEventListener("change", () => this.remember("slider"));
    at("aside").addEventListener("change", () => this.change({ aside: at("aside").checked }));
    at("more").addEventListener("click", () => {
      this.length = Math.min(this.length + PAGE, this.archive.limits.top);
      this.runner.ask({});
    });
    addEventListener("popstate", () => this.restore());
  }

  about() {
    const { rows, places } = this.archive;
    const placed = places ? `, ${places.rows === rows ? "all" : places.rows.toLocaleString("en")} of them on the map` : "";
    at("about").textContent = `${count(rows, "tile")}${placed}`;
  }

  /** Takes the query of the address. */
  restore() {
    this.kind = null;
    this.state = fromAddress(location.search);
    this.fresh();
  }

  /** Takes changes of the query that a reader made, and puts them into the address. */
  change(changes, hit) {
    if (hit) this.ask.remember(hit.key, hit.picture);
    // What is being typed is meant, too.
    Object.assign(this.state, this.ask.read(), this.filters.read(), changes);
    this.remember(Object.keys(changes).join());
    this.fresh();
    if (hit) scrollTo({ top: 0, behavior: "instant" });
  }

  judge(hit, to, from) {
    const without = (keys) => keys.filter((key) => key !== hit.key);
    this.ask.remember(hit.key, hit.picture);
    this.change({ [to]: [...without(this.state[to]), hit.key], [from]: without(this.state[from]) });
  }

  /** Puts the query into the address. Changes of one kind in one breath are one step back. */
  remember(kind) {
    const address = location.pathname + toAddress(this.state);
    // An image that the server has not seen is in no address yet.
    const isSending = this.state.image?.file && !this.state.image.id;
    if (address === location.pathname + location.search && !isSending) return;
    const isOn = STEADY.includes(kind) && kind === this.kind && Date.now() - this.changed < BREATH;
    [this.kind, this.changed] = [kind, Date.now()];
    history[isOn ? "replaceState" : "pushState"](null, "", address);
  }

  /** Shows the query, and asks it afresh. */
  fresh() {
    const { state } = this;
    this.length = PAGE;
    this.ask.write(state);
    this.methods.write(state.method);
    this.filters.write(state);
    const filters = this.filters.count();
    at("filter-count").textContent = filters ? `${count(filters, "filter")} on` : "";
    if (filters) at("filter-section").open = true;
    at("within-note").textContent = state.within ? "within a box" : "";
    document.title = [state.text.trim(), TITLE].filter(Boolean).map(shown).join(" – ");
    at("aside").checked = state.aside;
    this.mixed();
    this.runner.ask({ isNew: true });
  }

  /** Says what the slider does, or why it does nothing. `found` is the weight that a method found by itself. */
  mixed(found = null) {
    const { state } = this;
    const is = isMixed(state);
    const weighs = hasWeight(state, this.archive);
    at("lambda").disabled = !is || !weighs;
    at("aside").disabled = !is;
    const lambda = weighs ? state.lambda : found ?? state.lambda;
    at("lambda").value = lambda;
    const words = Math.round(lambda * 100);
    const shares = `${100 - words} % image, ${words} % words`;
    const reason = !is ? "to mix, ask with image and words" : `${shown(state.method ?? "")} has no weight to set`;
    at("lambda-value").textContent = is && weighs ? shares : is && found !== null ? `found: ${shares}` : reason;
    at("lambda").setAttribute("aria-valuetext", shares);
  }

  /** Answers a job of the runner: asks the server, and shows what it says. */
  async run({ isNew, from }, signal) {
    const { state, archive } = this;
    const waits = setTimeout(() => this.waiting(), PATIENCE);
    try {
      const isAside = state.aside && isMixed(state);
      await this.recall(state);
      if (!isAsking(state)) return this.looked(await sample({ ...toQuery(state, archive), top: PAGE }, signal), isNew);
      const asked = (top, ranking) => ({ ...toQuery(state, archive, ranking), top });
      const file = state.image?.file && !state.image.id ? state.image.file : null;
      const query = asked(isAside ? PAGE_ASIDE : this.length);
      const answer = await search(query, file, signal);
      const arrived = performance.now();
      const id = this.sent(state, answer);
      const others = !isAside ? null : await Promise.all([0, 1].map((lambda) => search(asked(PAGE_ASIDE, { lambda }), null, signal)));
      if (signal.aborted) return;
      if (id) history.replaceState(null, "", location.pathname + toAddress(state));
      // Before the work that follows the tiles, or that is measured, too.
      if (from) painted(from, arrived);
      this.answered(answer, others, isNew);
      if (answer.version !== archive.version) await this.renew();
    } finally {
      clearTimeout(waits);
    }
  }

  /** Finds the pictures of tiles that an address spoke of. */
  async recall({ image, liked, disliked }) {
    const keys = [image?.key, ...liked, ...disliked].filter((key) => key && !this.ask.knows(key));
    if (!keys.length) return;
    const tiles = await Promise.all(keys.map(tile));
    tiles.forEach(({ key, picture }) => this.ask.remember(key, this.archive.pictures ? picture : null));
    this.ask.show(this.state);
  }

  /** Shows tiles that nothing was asked with. */
  looked(answer, isNew) {
    const hits = answer.tiles.map((tile) => ({ ...tile, rank: null, image: null, text: null }));
    this.answered({ ...answer, hits, method: "", lambda: null, notes: [] }, null, isNew);
  }

  /** Notes the name that the server gave an image: with it, the address says the whole query. */
  sent(state, { images }) {
    const image = images.find(({ part }) => part === 0);
    if (!state.image?.file || state.image.id || !image) return null;
    return (state.image.id = image.id);
  }

  answered(answer, others, isNew) {
    // What is not there is not asked for.
    if (!this.archive.pictures) for (const hit of [answer, ...(others ?? [])].flatMap(({ hits }) => hits)) hit.picture = null;
    const isAsked = isAsking(this.state);
    this.answer = answer;
    this.ask.fail(null);
    const grid = isAsked ? this.grid : this.sample;
    if (others) [others[0], answer, others[1]].forEach(({ hits }, i) => this.columns[i].show(hits, true));
    else grid.show(answer.hits, isAsked);
    const node = others ? this.aside : grid.node;
    if (at("shown").firstChild !== node) {
      const hadFocus = at("shown").contains(document.activeElement);
      at("shown").replaceChildren(node);
      if (hadFocus) at("results").focus({ preventScroll: true });
    }
    const tell = () => {
      if (this.answer !== answer) return;
      this.places?.show(answer.hits, this.state.within, isNew);
      this.told(answer, isAsked, Boolean(others));
    };
    // Under the slider the tiles come first.
    if (isNew) tell();
    else afterPaint(tell);
    at("results").removeAttribute("aria-busy");
  }

  /** Says in words what is shown. */
  told(answer, isAsked, isAside) {
    const { hits, matching, rows } = answer;
    at("results-title").textContent = !isAsked ? "Look around" : isAside ? "Three rankings" : titled(hits.length);
    const among = matching < rows ? `${matching.toLocaleString("en")} of ${rows.toLocaleString("en")} tiles` : count(rows, "tile");
    say(at("message"), hits.length ? null : nothing(this.filters.count() > 0, this.state.within, matching));
    const isChosen = this.state.method && isMixed(this.state);
    if (isChosen) this.mixed(answer.lambda);
    const ranked = isChosen || answer.lambda === null ? answer.method : "image and words";
    this.status([!hits.length ? "No tile found." : isAsked
      ? `Ranked by ${ranked} among ${among}. Bars: how well a tile fits, beside all others.`
      : `A sample of ${among}. Click a tile to ask with it, or say what you look for.`, ...answer.notes].map(shown).join(" "));
    at("more").hidden = !isAsked || isAside || hits.length < this.length || hits.length >= Math.min(matching, this.archive.limits.top);
    this.exports(hits.length);
  }

  /** Offers what is shown as files. */
  exports(length) {
    const query = { ...toQuery(this.state, this.archive), top: length };
    // Out of sight they keep their room, so that nothing jumps when they come.
    at("export").classList.toggle("away", !length || !isAsking(this.state));
    at("export").replaceChildren(...this.archive.exports.map((format) => element("a", {
      class: "button", href: exportAddress(query, format), download: `tiles.${format}`, text: FORMATS[format] ?? format,
      "aria-label": `Save what is shown as ${FORMATS[format] ?? format}`,
    })));
  }

  waiting() {
    at("results").setAttribute("aria-busy", "true");
    this.status("Searching …");
  }

  /** Says how it stands. What is said already is not read out again. */
  status(text) {
    if (at("status").textContent !== text) at("status").textContent = text;
  }

  failed(error) {
    at("results").removeAttribute("aria-busy");
    this.status(error.retryAfter ? `${shown(error.message)} Trying again.` : "This was not answered.");
    if (error.retryAfter) return;
    const field = error.field ?? "";
    if (field === "where") {
      at("filter-section").open = true;
      this.status("The condition was not understood: the filters say why.");
      return this.filters.fail(shown(error.message));
    }
    const hint = error.kind === "image_forgotten" ? " Drop or pick the image again." : "";
    const isImage = this.state.image?.file && !this.state.image.id && field;
    this.ask.fail(shown(error.message) + hint);
    // What the server cannot read is not asked again with the next word.
    if (isImage || error.kind === "image_forgotten") {
      this.state.image = null;
      this.ask.image(null);
      this.mixed();
    }
  }

  /** Reads the archive anew once it has changed. */
  async renew() {
    this.archive = await describe();
    this.ask.forget();
    this.filters.build(this.archive.columns);
    this.filters.write(this.state);
    this.about();
  }

  open(hit) {
    if (hit.rank === null) return this.change({ image: { key: hit.key } }, hit);
    const grids = this.state.aside && isMixed(this.state) ? this.columns : [this.grid];
    const grid = grids.find(({ hits }) => hits.includes(hit)) ?? grids[0];
    const lambda = ASIDE[grids.indexOf(grid)]?.[1];
    const answer = grids.length > 1 && lambda !== null ? { ...this.answer, lambda } : this.answer;
    const does = this.state.method && isMixed(this.state) ? this.methods.does(this.state.method) : "";
    this.why.open(hit, { ...answer, does }, grid.hits);
  }

  /** Marks the tile that the pointer is on wherever it is shown. */
  point(hit) {
    const key = hit?.key ?? null;
    [this.grid, this.sample, ...this.columns].forEach((grid) => grid.mark(key));
    this.places?.mark(key);
  }
}

function titled(length) {
  return length > 1 ? `The ${length.toLocaleString("en")} best tiles` : length ? "The best tile" : "No tile";
}

/** Why nothing was found, and what to do. */
function nothing(isFiltered, within, matching) {
  if (matching > 0) return "No tile is left beyond those that were asked with.";
  const names = [isFiltered && "the filters", within && "the box on the map"].filter(Boolean).join(" and ");
  return names ? `No tile passes ${names}. Loosen them to see more.` : "The archive has no tile to show.";
}

/**
 * Measures how long after an event its answer has come, and how long after it is on the screen: the browser keeps both as the
 * measures "answer" and "slider".
 */
function painted(from, arrived) {
  performance.measure("answer", { start: from, end: arrived });
  afterPaint(() => performance.measure("slider", { start: from, end: performance.now() }));
}

try {
  const page = new Page(await describe());
  page.restore();
  document.body.classList.remove("opening");
} catch (error) {
  at("about").textContent = "The archive could not be opened.";
  say(at("ask-error"), error.message);
}
