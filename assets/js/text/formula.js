// A formula, typeset as MathML as soon as the typesetter is loaded; until then, and where TeX is wrong, its source.
import { el } from "../dom.js";

let typesetter = null;

/** The formula; a block has a line of its own, also inside a paragraph. One that is still being written shows its source. */
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
  const drawn = typesetter.typeset(tex, isBlock);
  if (drawn) node.replaceChildren(drawn);
}
