// Loads the pictures of tiles that are seen, a few at a time.

/** Pictures that are on their way at once: a browser has six connections to a server, and the next question needs one. */
const AT_ONCE = 3;

/** How far below and above the window a picture is loaded, so that it is there when it is scrolled to. */
const AHEAD = "300px";

const waiting = [];
let loading = 0;

const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    waiting.push(target);
  }
  next();
}, { rootMargin: AHEAD });

/** Loads a picture once it is near the window. */
export function load(image, source) {
  image.dataset.source = source;
  observer.observe(image);
}

function next() {
  while (loading < AT_ONCE && waiting.length) {
    const image = waiting.shift();
    // A tile that has left the answer may come back.
    if (!image.isConnected) {
      observer.observe(image);
      continue;
    }
    loading += 1;
    const done = () => {
      loading -= 1;
      next();
    };
    image.addEventListener("load", done, { once: true });
    image.addEventListener("error", done, { once: true });
    image.src = image.dataset.source;
  }
}
