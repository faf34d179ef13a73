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

const TEXT_SIZES = ["", "large", "largest"];
// Their text is laid out in columns, so it keeps a fixed width.
const TABULAR_KINDS = /csv|tsv|table|source|json|xml|log|sheet|xls|ods|terminal/i;

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

  function show(current) {
    draw(current);
    follow(current, { signal, onNews: draw });
  }

  function draw(current) {
    const readAgain = ReadAgain(current, { signal, onRead: show });
    if (current.status !== "processed") {
      drawBar(current, null, null);
      fill(side, About(current, readAgain, null, signal));
      const state = el("p", { class: current.status === "failed" ? "error-message" : "notice", role: "status" }, describe(current));
      return fill(body, state, current.status === "failed" && readAgain);
    }
    const reader = PageReader(current, { signal, apart: true, onTurn: (pageNumber, mark) => {
      note(addressOf(idOf(current), pageNumber, mark, analysis));
      showEvidence(current, pageNumber, mark);
    } });
    const insideSearch = SearchInside(current, { signal, go: reader.go });
    drawBar(current, reader, insideSearch);
    fill(side, evidence, About(current, readAgain, reader.go, signal));
    body.className = `document-body${TABULAR_KINDS.test(current.kind) ? " columns" : ""}`;
    fill(body, insideSearch.node, reader.node);
    reader.go(page, span);
  }

  function drawBar(current, reader, insideSearch) {
    const sizeButton = reader && button("Text size", { class: "quiet icon-only", title: "Text size", on: { click: () => {
      const at = TEXT_SIZES.indexOf(body.dataset.size ?? "") + 1;
      body.dataset.size = TEXT_SIZES[at % TEXT_SIZES.length];
    } } }, icon("zoom"));
    const findButton = insideSearch && button("Search this document", { class: "quiet icon-only", title: "Search this document", "aria-expanded": "false", on: { click: () => {
      findButton.setAttribute("aria-expanded", String(insideSearch.toggle()));
    } } }, icon("search"));
    const back = el("span", { class: "document-back" });
    fill(bar,
      link("/documents", [icon("previous"), el("span", null, "All documents")], { class: "button quiet documents-back" }),
      el("h1", { dir: "auto", title: nameOf(current) }, nameOf(current)), el("span", { class: "grow" }), back,
      !analysis && current.status === "processed" && link(`/?document=${encodeURIComponent(idOf(current))}`, "Ask", { class: "button quiet", "aria-label": `Ask about ${nameOf(current)}` }), reader?.bar, sizeButton, findButton,
      Menu("More", [
        { label: "Download", icon: "download", act: () => download(current) },
        { label: "Delete", icon: "trash", look: "danger", act: drop },
      ], { class: "quiet icon-only bar-more", title: "More", content: icon("more") }));
  }

  // The code for what an answer quotes is loaded only if the page was opened from one.
  async function showEvidence(current, pageNumber, mark) {
    if (!analysis) return;
    try {
      const { evidenceOf } = await import("./evidence.js");
      const result = await evidenceOf(analysis, { document: idOf(current), page: pageNumber, span: mark, signal });
      if (signal.aborted) return;
      fill(bar.querySelector(".document-back"), link(result.answer, "Back to answer", { class: "button quiet" }));
      fill(evidence, result.nodes);
      body.dataset.verdict = result.state;
    } catch {
      // The answer may have been deleted; the document can be read without it.
      fill(evidence);
      delete body.dataset.verdict;
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

function About(stored, readAgain, go, signal) {
  return el("section", { class: "document-about", "aria-label": "About" },
    el("h2", { class: "sheet-label" }, "About"),
    stored.status === "processed" && el("p", { class: "fine" }, `${describe(stored)}. This is what the models see.`),
    el("p", { class: "fine" }, "Uploaded ", el("time", { datetime: stored.created_at, title: exactly(stored.created_at) }, when(stored.created_at))),
    go && Troubles(stored, go),
    stored.status === "processed" && [readAgain, Uses(stored, signal)]);
}
