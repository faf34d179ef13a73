// Views whose code or data is loaded when they are first shown.
import { el, fill } from "../dom.js";
import { Failure, Loading } from "./states.js";

/** Returns `{node, shown}`: `load` imports the module and `build` creates the view from it; `shown` resolves once the view is on the page. */
export function lazyView(load, build) {
  const node = el("div", { class: "later" }, Loading("Loading"));
  const shown = load().then((module) => node.replaceWith(build(module)), (problem) => fill(node, Failure(problem)));
  return { node, shown };
}

// Distance from the window, in pixels, at which a section's data is fetched.
const MARGIN = 100;

/**
 * A section of a long page, fetched when it is about to be seen: until then, its heading. `build()` resolves to the
 * section, which takes the place and the ID of this one.
 */
export function sectionWhenSeen(title, build, signal) {
  const body = el("div", { class: "later" });
  const node = el("section", { class: "card when-seen", "aria-label": title }, el("h2", null, title), body);
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    show();
  }, { rootMargin: `${MARGIN}px` });
  watcher.observe(node);
  signal.addEventListener("abort", () => watcher.disconnect(), { once: true });
  return node;

  async function show() {
    fill(body, Loading("Loading"));
    try {
      const section = await build();
      section.id = node.id;
      node.replaceWith(section);
    } catch (problem) {
      if (!signal.aborted) fill(body, Failure(problem, show));
    }
  }
}
