// The prompt template of a stage, with its placeholders described in words.
import { el } from "../dom.js";

const PLACEHOLDERS = {
  question: "the question", sources: "a line about the passages from the documents", own: "its own text from the previous stage",
  own_initial: "its own first answer", peers: "the others’ texts, labeled with letters", reviews: "what the others wrote about its text", members: "the number of members",
};

/** Renders the template; `values` maps placeholders to values that are already known. */
export function Template(prompt, values = {}) {
  const parts = prompt.trim().split(/\{(question|sources|own|own_initial|peers|reviews|members)\}/);
  return el("div", { class: "template", tabindex: "0", role: "group", "aria-label": "Text of the request", dir: "auto" }, parts.map((part, place) => {
    if (place % 2 === 0) return part;
    const value = values[part];
    return value === undefined
      ? el("span", { class: "hole" }, PLACEHOLDERS[part])
      : el("span", { class: "filled" }, value);
  }));
}
