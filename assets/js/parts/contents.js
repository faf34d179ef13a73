// A long page of sections with a table of contents next to it; on a phone, above it.
import { el, uid } from "../dom.js";

/** Takes sections, each with a heading; null ones are omitted. */
export function WithContents(label, sections) {
  const there = sections.flat().filter(Boolean);
  const links = there.map((section) => {
    section.id ||= uid("part");
    const heading = section.querySelector("h2");
    return el("li", null, el("a", { href: `#${section.id}` }, heading?.textContent ?? section.getAttribute("aria-label")));
  });
  return el("div", { class: "with-contents" },
    el("nav", { class: "contents", "aria-label": label }, el("ul", null, links)),
    el("div", { class: "contents-body" }, there));
}
