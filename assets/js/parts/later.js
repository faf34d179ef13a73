// A view whose code is loaded when it is first shown.
import { el, fill } from "../dom.js";
import { Failure, Loading } from "./states.js";

/** Returns `{node, shown}`: `load` imports the module and `build` creates the view from it; `shown` resolves once the view is on the page. */
export function lazyView(load, build) {
  const node = el("div", { class: "later" }, Loading("Loading"));
  const shown = load().then((module) => node.replaceWith(build(module)), (problem) => fill(node, Failure(problem)));
  return { node, shown };
}
