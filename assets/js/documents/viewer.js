// One document: its pages as the models see them, at the position given in the URL, and what is known about it.
import { call, get } from "../api.js";
import { button, el, fill, icon, link } from "../dom.js";
import { exactly, sentence, when } from "../format.js";
import { addressOf } from "../parts/document-link.js";
import { SearchInside, Troubles } from "../parts/document-view.js";
import { Menu } from "../parts/menu.js";
import { PageReader } from "../parts/page-reader.js";
import { ReadAgain } from "../parts/read-again.js";
import { describe, follow, idOf, nameOf } from "../parts/reading.js";
import { saveAs } from "../parts/save.js";
import { toast } from "../parts/toast.js";
import { Uses } from "./uses.js";

const SIZES = ["", "large", "largest"];
// Their text is laid out in columns, so it keeps a fixed width.
const COLUMNS = /csv|tsv|table|source|json|xml|log|sheet|xls|ods|terminal/i;

export async function load({ id, page, from, to, analysis }, signal) {
  const stored = await get(`/api/documents/${encodeURIComponent(id)}`, { signal });
  const span = Number(to) > Number(from) ? { start: Number(from), end: Number(to) } : null;
  return { stored, page: Number(page) || 1, span, analysis: analysis ?? "" };
}

/** The open document. `drop()` deletes it. */
export function Viewer({ stored, page, span, analysis }, { signal, note, drop }) {
  const bar = el("header", { class: "document-bar" });
  const side = el("aside", { class: "document-side", "aria-label": "About this document" });
  const body = el("div", { class: "document-body" });
  const evidence = el("div", { class: "document-evidence" });
  show(stored);
  return el("section", { class: "document-page", "aria-label": nameOf(stored) }, bar, el("div", { class: "document-cols" }, body, side));

  function show(now) {
    draw(now);
    follow(now, { signal, onNews: draw });
  }

  function draw(now) {
    const again = ReadAgain(now, { signal, onRead: show });
    if (now.status !== "processed") {
      drawBar(now, null, null);
      fill(side, About(now, again, null, signal));
      const state = el("p", { class: now.status === "failed" ? "error-message" : "notice", role: "status" }, describe(now));
      return fill(body, state, now.status === "failed" && again);
    }
    const reader = PageReader(now, { signal, apart: true, onTurn: (at, mark) => {
      note(addressOf(idOf(now), at, mark, analysis));
      tell(now, at, mark);
    } });
    const inside = SearchInside(now, { signal, go: reader.go });
    drawBar(now, reader, inside);
    fill(side, evidence, About(now, again, reader.go, signal));
    body.className = `document-body${COLUMNS.test(now.kind) ? " columns" : ""}`;
    fill(body, inside.node, reader.node);
    reader.go(page, span);
  }

  function drawBar(now, reader, inside) {
    const size = reader && button("Text size", { class: "quiet icon-only", title: "Text size", on: { click: () => {
      const at = SIZES.indexOf(body.dataset.size ?? "") + 1;
      body.dataset.size = SIZES[at % SIZES.length];
    } } }, icon("zoom"));
    const find = inside && button("Search this document", { class: "quiet icon-only", title: "Search this document", "aria-expanded": "false", on: { click: () => {
      find.setAttribute("aria-expanded", String(inside.toggle()));
    } } }, icon("search"));
    const back = el("span", { class: "document-back" });
    fill(bar,
      link("/documents", [icon("previous"), el("span", null, "All documents")], { class: "button quiet documents-back" }),
      el("h1", { dir: "auto", title: nameOf(now) }, nameOf(now)), el("span", { class: "grow" }), back,
      !analysis && now.status === "processed" && link(`/?document=${encodeURIComponent(idOf(now))}`, "Ask", { class: "button quiet", "aria-label": `Ask about ${nameOf(now)}` }), reader?.bar, size, find,
      Menu("More", [
        { label: "Download", icon: "download", act: () => download(now) },
        { label: "Delete", icon: "trash", look: "danger", act: drop },
      ], { class: "quiet icon-only bar-more", title: "More", content: icon("more") }));
  }

  // The code for what an answer quotes is loaded only if the page was opened from one.
  async function tell(now, at, mark) {
    if (!analysis) return;
    try {
      const { evidenceOf } = await import("./evidence.js");
      const found = await evidenceOf(analysis, { document: idOf(now), page: at, span: mark, signal });
      if (signal.aborted) return;
      fill(bar.querySelector(".document-back"), link(found.answer, "Back to answer", { class: "button quiet" }));
      fill(evidence, found.nodes);
    } catch {
      // The answer may have been deleted; the document can be read without it.
      fill(evidence);
    }
  }
}

async function download(stored) {
  try {
    const response = await call("GET", `/api/documents/${encodeURIComponent(idOf(stored))}/content`, { raw: true, accept: "*/*" });
    saveAs(await response.blob(), nameOf(stored));
  } catch (problem) {
    toast(sentence(problem.message), "failed");
  }
}

function About(stored, again, go, signal) {
  return el("section", { class: "document-about", "aria-label": "About" },
    el("h2", { class: "sheet-label" }, "About"),
    stored.status === "processed" && el("p", { class: "fine" }, `${describe(stored)}. This is what the models see.`),
    el("p", { class: "fine" }, "Uploaded ", el("time", { datetime: stored.created_at, title: exactly(stored.created_at) }, when(stored.created_at))),
    go && Troubles(stored, go),
    stored.status === "processed" && [again, Uses(stored, signal)]);
}
