// A formula, typeset as MathML once the typesetter is loaded; until then, or if the TeX is invalid, its source is
// shown.
import { el } from "../dom.js";

let typesetter = null;

/** Creates the formula. A block formula has its own line, even inside a paragraph; one that is still being streamed shows its source. */
export function Formula(tex, isBlock, isOpen) {
  const node = isBlock
    ? el("span", { class: "math math-block", tabindex: "0", role: "group", "aria-label": "Formula", data: { tex } }, el("code", null, tex))
    : el("span", { class: "math", data: { tex } }, el("code", null, tex));
  if (isOpen) return node;
  if (typesetter) draw(node, tex, isBlock);
  else load().then(() => draw(node, tex, isBlock), () => {});
  return node;
}

async function load() {
  typesetter = await import("./typeset.js");
}

function draw(node, tex, isBlock) {
  const rendered = typesetter.typeset(tex, isBlock);
  if (rendered) node.replaceChildren(rendered);
}
