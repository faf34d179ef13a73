// A long page of sections with a table of contents beside it, or above it on a phone.
import { el, uid } from "../dom.js";

/** Takes sections, each with a heading; null sections are skipped. */
export function WithContents(label, sections) {
  const present = sections.flat().filter(Boolean);
  const links = present.map((section) => {
    section.id ||= uid("part");
    const heading = section.querySelector("h2");
    return el("li", null, el("a", { href: `#${section.id}` }, heading?.textContent ?? section.getAttribute("aria-label")));
  });
  return el("div", { class: "with-contents" },
    el("nav", { class: "contents", "aria-label": label }, el("ul", null, links)),
    el("div", { class: "contents-body" }, present));
}
