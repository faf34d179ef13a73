// The prompt template of a stage, with its placeholders described in words.
import { el } from "../dom.js";

const HOLES = {
  question: "the question", sources: "which passages of the documents there are", own: "its own text of the stage before",
  own_initial: "its own first answer", peers: "the others’ texts, under letters", reviews: "what the others wrote about them", members: "how many members there are",
};

/** Renders the template; `filled` maps placeholders to values that are already known. */
export function Template(prompt, filled = {}) {
  const parts = prompt.trim().split(/\{(question|sources|own|own_initial|peers|reviews|members)\}/);
  return el("div", { class: "template", tabindex: "0", role: "group", "aria-label": "Text of the request", dir: "auto" }, parts.map((part, place) => {
    if (place % 2 === 0) return part;
    const known = filled[part];
    return known === undefined
      ? el("span", { class: "hole" }, HOLES[part])
      : el("span", { class: "filled" }, known);
  }));
}
