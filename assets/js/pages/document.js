// One document: its pages as the models see them, at the position given in the URL.
import { get } from "../api.js";
import { el, fill, link } from "../dom.js";
import { exactly, when } from "../format.js";
import { addressOf } from "../parts/document-link.js";
import { DocumentView } from "../parts/document-view.js";
import { ReadAgain } from "../parts/read-again.js";
import { describe, follow, idOf, nameOf } from "../parts/reading.js";

export async function load({ id, page, from, to }, signal) {
  const stored = await get(`/api/documents/${encodeURIComponent(id)}`, { signal });
  const span = Number(to) > Number(from) ? { start: Number(from), end: Number(to) } : null;
  return { stored, page: Number(page) || 1, span };
}

export function view({ stored, page, span }, { signal, note }) {
  const body = el("div", { class: "document-body" });
  show(stored);

  function show(now) {
    draw(now);
    follow(now, { signal, onNews: draw });
  }

  function draw(now) {
    const again = ReadAgain(now, { signal, onRead: show });
    if (now.status !== "processed") {
      const state = el("p", { class: now.status === "failed" ? "error-message" : "notice", role: "status" }, describe(now));
      return fill(body, state, now.status === "failed" && again);
    }
    const shown = DocumentView(now, { page, span, signal, onTurn: (at, mark) => note(addressOf(idOf(now), at, mark)) });
    fill(body, again, shown.node);
  }

  return el("section", { class: "page document-page" },
    el("header", { class: "page-head" },
      link("/documents", "All documents", { class: "fine" }),
      el("h1", { dir: "auto" }, nameOf(stored)),
      el("p", { class: "fine" }, "Uploaded ", el("time", { datetime: stored.created_at, title: exactly(stored.created_at) }, when(stored.created_at)), " · ",
        el("a", { href: `/api/documents/${encodeURIComponent(idOf(stored))}/content`, download: nameOf(stored) }, "Download the file"))),
    body);
}
