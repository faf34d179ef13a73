// One document: its pages as the models see them, at the place that the address names.
import { get } from "../api.js";
import { el, fill, link } from "../dom.js";
import { exactly, when } from "../format.js";
import { addressOf, DocumentView } from "../parts/document-view.js";
import { describe, follow, idOf, nameOf } from "../parts/reading.js";

export async function load({ id, page, from, to }, signal) {
  const stored = await get(`/api/documents/${encodeURIComponent(id)}`, { signal });
  const span = Number(to) > Number(from) ? { start: Number(from), end: Number(to) } : null;
  return { stored, page: Number(page) || 1, span };
}

export function view({ stored, page, span }, { signal, note }) {
  const body = el("div", { class: "document-body" });
  draw(stored);
  follow(stored, { signal, onNews: draw });

  function draw(now) {
    if (now.status !== "processed") {
      return fill(body, el("p", { class: now.status === "failed" ? "error-message" : "notice", role: "status" }, describe(now)));
    }
    const shown = DocumentView(now, { page, span, signal, onTurn: (at, mark) => note(addressOf(idOf(now), at, mark)) });
    fill(body, shown.node);
  }

  return el("section", { class: "page document-page" },
    el("header", { class: "page-head" },
      link("/documents", "All documents", { class: "fine" }),
      el("h1", { dir: "auto" }, nameOf(stored)),
      el("p", { class: "fine" }, "Uploaded ", el("time", { datetime: stored.created_at, title: exactly(stored.created_at) }, when(stored.created_at)), " · ",
        el("a", { href: `/api/documents/${encodeURIComponent(idOf(stored))}/content`, download: nameOf(stored) }, "Download the file"))),
    body);
}
