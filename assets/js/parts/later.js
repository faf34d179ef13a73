// A view whose code is loaded when it is shown.
import { el, fill } from "../dom.js";
import { Failure, Loading } from "./states.js";

/** `{node, shown}`: `load` imports the module, `build` makes the view from it; `shown` resolves when it is on the page. */
export function later(load, build) {
  const node = el("div", { class: "later" }, Loading("Loading"));
  const shown = load().then((module) => node.replaceWith(build(module)), (problem) => fill(node, Failure(problem)));
  return { node, shown };
}
