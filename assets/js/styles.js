// Style sheets that only some pages need, loaded when the first such page is shown. A page waits for its style
// sheets, so that it is never shown unstyled.
import { el } from "./dom.js";

const known = new Map();

/** Loads `assets/css/<name>.css` once; resolves when it is applied or has failed to load. */
export function styled(name) {
  if (!known.has(name)) {
    known.set(name, new Promise((resolve) => {
      const href = new URL(`../css/${name}.css`, import.meta.url).href;
      document.head.append(el("link", { rel: "stylesheet", href, on: { load: resolve, error: resolve } }));
    }));
  }
  return known.get(name);
}
