// Compares a rendered text with a specification's HTML in a canonical form: without what the page adds (wrappers,
// roles, buttons, link URLs) and with the page's own rules applied (heading levels, images as links, no links with
// other schemes).
const { placeOf } = await import(base + "text/links.js");

function canonical(root) {
  for (const extra of root.querySelectorAll(".link-target, .copy-button")) extra.remove();
  for (const wrapper of root.querySelectorAll(".code-block, .table-scroll, .no-link, .code-block span, pre code span")) wrapper.replaceWith(...wrapper.childNodes);
  for (const formula of root.querySelectorAll(".math")) {
    const node = document.createElement(formula.classList.contains("math-block") ? "display" : "formula");
    node.textContent = formula.dataset.tex;
    formula.replaceWith(node);
  }
  for (const mark of root.querySelectorAll("sup > a[href*='note-']")) {
    const node = document.createElement("note");
    node.textContent = mark.textContent;
    mark.parentElement.replaceWith(node);
  }
  for (const note of root.querySelectorAll(".footnote")) note.setAttribute("data-note", "");
  root.normalize();
  return written(root, false).replace(/\s*(<\/?(?:p|ul|ol|li|h\d|blockquote|table|thead|tbody|tr|th|td|pre|hr|br|details|summary|div|display)\b[^>]*>)\s*/g, "$1").trim();
}

const SHOWN = { a: ["href", "title"], ol: ["start"], input: ["type", "checked", "disabled"], details: ["open"], td: ["class"], th: ["class"], div: ["data-note"] };

function written(node, isCode) {
  return [...node.childNodes].map((child) => {
    if (child.nodeType === Node.TEXT_NODE) return escaped(isCode ? child.data : child.data.replace(/\s+/g, " "));
    const tag = child.nodeName.toLowerCase();
    const attributes = (SHOWN[tag] ?? []).filter((name) => child.hasAttribute(name) && child.getAttribute(name) !== "left").map((name) => ` ${name}="${escaped(child.getAttribute(name))}"`);
    if (["br", "hr", "input"].includes(tag)) return `<${tag}${attributes.join("")}>`;
    const inner = written(child, isCode || tag === "pre");
    return `<${tag}${attributes.join("")}>${inner}</${tag}>`;
  }).join("");
}

function escaped(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

/** Returns a specification's HTML with the page's rules applied. */
function expected(html) {
  const root = new DOMParser().parseFromString(html, "text/html").body;
  const headings = [...root.querySelectorAll("h1, h2, h3, h4, h5, h6")];
  const top = Math.min(...headings.map((heading) => Number(heading.tagName[1])));
  let last = 2;
  for (const heading of headings) {
    last = Math.min(6, 3 + Number(heading.tagName[1]) - top, last + 1);
    const shifted = document.createElement(`h${last}`);
    shifted.append(...heading.childNodes);
    heading.replaceWith(shifted);
  }
  for (const code of root.querySelectorAll("pre code")) code.textContent = code.textContent.replace(/\n$/, "");
  for (const cell of root.querySelectorAll("[align]")) cell.className = cell.getAttribute("align");
  for (const picture of root.querySelectorAll("img")) {
    const link = document.createElement("a");
    link.setAttribute("href", picture.getAttribute("src"));
    if (picture.title) link.title = picture.title;
    link.textContent = picture.alt || "without a name";
    picture.replaceWith("image: ", link);
  }
  for (const link of root.querySelectorAll("a")) {
    const href = link.getAttribute("href");
    if (placeOf(href) === "no") link.replaceWith(...link.childNodes, link.textContent === href ? "" : ` (${href})`);
  }
  return canonical(root);
}

async function shown(text, cite) {
  const { markdown } = await import(base + "parts/markdown.js");
  const root = document.createElement("div");
  root.append(...markdown(text, cite));
  return root;
}
