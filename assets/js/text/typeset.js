// Typesets TeX as MathML, which browsers render with installed fonts. Loaded only if a formula occurs.
import { tree } from "../../vendor/temml.js";

const MATHML = "http://www.w3.org/1998/Math/MathML";
// Maximum number of macro expansions.
const MAX_EXPANSIONS = 500;
const ELEMENT = /^(math|m[a-z]+|semantics)$/;
const REFUSED = /^(on|href|src|style$)/i;

/** Returns a formula as an element, or null if its TeX is invalid. */
export function typeset(tex, isBlock) {
  try {
    return build(tree(tex, { displayMode: isBlock, throwOnError: true, maxExpand: MAX_EXPANSIONS, strict: false, trust: false }));
  } catch {
    return null;
  }
}

function build(part) {
  if (part.children === undefined) return document.createTextNode(part.text ?? "");
  const node = ELEMENT.test(part.type ?? "") ? document.createElementNS(MATHML, part.type) : document.createDocumentFragment();
  node.append(...part.children.map(build));
  if (part.type === undefined || node.setAttribute === undefined) return node;
  for (const [name, value] of Object.entries(part.attributes ?? {})) if (!REFUSED.test(name)) node.setAttribute(name, value);
  if (part.classes?.length > 0) node.setAttribute("class", part.classes.filter(Boolean).join(" "));
  // The page's Content-Security-Policy blocks style attributes, but not properties set one by one.
  for (const [name, value] of Object.entries(part.style ?? {})) node.style[name] = value;
  for (const rule of String(part.attributes?.style ?? "").split(";")) {
    const [name, value] = rule.split(":");
    if (value) node.style.setProperty(name.trim(), value.trim());
  }
  return node;
}
