// What is asked with: an image that is dropped, pasted, picked or a tile; words; words to leave out; tiles that were judged.

import { imageAddress } from "./api.js";
import { at, element, say, shown } from "./dom.js";

/** How long typing rests before it is asked, in ms: a word is not asked letter by letter. */
const REST = 350;

export class Ask {
  /** `changed` is called with what became of `image`, `text`, `without`, `liked` or `disliked`. */
  constructor(limits, asks, changed) {
    Object.assign(this, { limits, changed, pictures: new Map() });
    for (const id of ["text", "without"]) {
      at(id).disabled = !asks.texts;
      at(id).addEventListener("input", () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.words(), REST);
      });
      at(id).addEventListener("change", () => this.words());
    }
    at("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.words();
    });
    at("clear-image").addEventListener("click", () => {
      changed({ image: null });
      at("file").focus();
    });
    this.takes = asks.images;
    at("file").disabled = !this.takes;
    at("drop-empty").textContent = this.takes ? "Drop or paste an image, or click a tile" : "Click a tile below: this server takes no images";
    if (!asks.texts) at("text").placeholder = "this server takes no words";
    this.listen();
  }

  listen() {
    at("file").addEventListener("change", () => {
      const [file] = at("file").files;
      // The same file can be picked again.
      at("file").value = "";
      if (file) this.take(file);
    });
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    let depth = 0;
    const over = (by) => {
      depth = Math.max(0, depth + by);
      document.body.classList.toggle("dropping", depth > 0);
    };
    addEventListener("dragenter", (event) => hasFiles(event) && over(1));
    addEventListener("dragleave", (event) => hasFiles(event) && over(-1));
    addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      over(-depth);
      if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
    });
    addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
      if (!file) return;
      event.preventDefault();
      this.take(file);
    });
  }

  /** Asks with a file. */
  take(file) {
    if (!this.takes) return this.fail("This server has no encoder for images: click a tile to ask with it.");
    if (file.size > this.limits.body_bytes) {
      const [size, most] = [file.size, this.limits.body_bytes].map((bytes) => (bytes / 2 ** 20).toFixed(0));
      return this.fail(`${shown(file.name)} has ${size} MiB; this server takes ${most} at most.`);
    }
    this.changed({ image: { file, name: file.name || "a pasted image" } });
  }

  /** The words as they stand. */
  read() {
    return { text: at("text").value, without: at("without").value };
  }

  words() {
    clearTimeout(this.timer);
    const { text, without } = this.read();
    if (text !== this.asked.text || without !== this.asked.without) this.changed({ text, without });
  }

  /** Shows what a query has. */
  write(state) {
    clearTimeout(this.timer);
    this.asked = { text: state.text, without: state.without };
    for (const id of ["text", "without"]) if (at(id).value !== state[id]) at(id).value = state[id];
    this.show(state);
    this.fail(null);
  }

  /** Shows the image and the judged tiles of a query. */
  show(state) {
    this.image(state.image);
    this.judged(state);
  }

  /** Remembers the picture of a tile by its key. */
  remember(key, picture) {
    this.pictures.set(key, picture);
  }

  /** Forgets all pictures: an archive that has changed has others. */
  forget() {
    this.pictures.clear();
  }

  /** True if the picture of a tile is known. */
  knows(key) {
    return this.pictures.has(key);
  }

  image(image) {
    at("drop").classList.toggle("filled", Boolean(image));
    at("drop-empty").hidden = Boolean(image);
    at("clear-image").hidden = !image;
    const name = image && (image.key ?? image.name);
    say(at("asked-name"), image && shown(name));
    const source = image && this.source(image);
    const picture = at("asked-picture");
    picture.hidden = !source;
    if (!source) return picture.removeAttribute("src");
    picture.alt = `Asked with ${shown(name)}`;
    if (picture.getAttribute("src") === source) return;
    // A browser shows no TIFF: its name is there.
    picture.onerror = () => (picture.hidden = true);
    picture.src = source;
  }

  source(image) {
    if (image.key) return this.pictures.get(image.key);
    if (!image.file) return imageAddress(image.id);
    if (this.file !== image.file) {
      URL.revokeObjectURL(this.address);
      [this.file, this.address] = [image.file, URL.createObjectURL(image.file)];
    }
    return this.address;
  }

  judged({ liked, disliked }) {
    const chip = (which, sign, words) => (key) => element("li", { class: which },
      element("span", { class: "sign", "aria-hidden": "true", text: sign }),
      this.pictures.get(key) ? element("img", { src: this.pictures.get(key), alt: "", width: 28, height: 28 }) : null,
      element("span", { class: "chip-name", text: shown(key) }),
      element("button", { type: "button", text: "×", "aria-label": `Forget that ${shown(key)} was ${words}`, onclick: () => {
        const left = (which === "liked" ? liked : disliked).filter((other) => other !== key);
        this.changed({ [which]: left });
      } }));
    const chips = [...liked.map(chip("liked", "+", "liked")), ...disliked.map(chip("disliked", "−", "disliked"))];
    at("judged").replaceChildren(...chips);
    at("judged").hidden = chips.length === 0;
  }

  /** Says what is wrong with what was asked. */
  fail(message) {
    say(at("ask-error"), message);
  }
}
