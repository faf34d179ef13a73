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

  function show(current) {
    draw(current);
    follow(current, { signal, onNews: draw });
  }

  function draw(current) {
    const readAgain = ReadAgain(current, { signal, onRead: show });
    if (current.status !== "processed") {
      const state = el("p", { class: current.status === "failed" ? "error-message" : "notice", role: "status" }, describe(current));
      return fill(body, state, current.status === "failed" && readAgain);
    }
    const documentView = DocumentView(current, { page, span, signal, onTurn: (pageNumber, mark) => note(addressOf(idOf(current), pageNumber, mark)) });
    fill(body, readAgain, documentView.node);
  }

  return el("section", { class: "page document-page" },
    el("header", { class: "page-head" },
      link("/documents", "All documents", { class: "fine" }),
      el("h1", { dir: "auto" }, nameOf(stored)),
      el("p", { class: "fine" }, "Uploaded ", el("time", { datetime: stored.created_at, title: exactly(stored.created_at) }, when(stored.created_at)), " · ",
        el("a", { href: `/api/documents/${encodeURIComponent(idOf(stored))}/content`, download: nameOf(stored) }, "Download the file"))),
    body);
}
