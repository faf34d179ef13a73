// The documents: bring new ones, look into them, search, delete.
import { get, remove } from "../api.js";
import { button, el, fill, icon } from "../dom.js";
import { bytes, exactly, plural, sentence, when } from "../format.js";
import { confirm } from "../parts/dialog.js";
import { idOf, nameOf, openDocument } from "../parts/document-view.js";
import { Empty } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { DocumentUpload } from "../parts/upload.js";

export async function load(_params, signal) {
  return get("/api/documents", { query: { limit: 200 }, signal });
}

export function view(data, { signal }) {
  const all = [...data.documents];
  const list = el("div", { class: "document-list" });
  draw();

  function draw() {
    if (all.length === 0) {
      return fill(list, Empty("No documents yet", "What you bring here can be read by the panel: a question then gets its answer from your text, with the passage behind every claim."));
    }
    fill(list, el("ul", { class: "rows" }, all.map((stored) => row(stored, drop))));
  }

  function add(stored) {
    const known = all.findIndex((each) => idOf(each) === idOf(stored));
    if (known >= 0) all.splice(known, 1);
    all.unshift(stored);
    draw();
  }

  async function drop(stored) {
    const name = nameOf(stored);
    if (!(await confirm(`Delete ${name}?`, "The file, its text and its place in the search are deleted for good. Analyses that used it keep the passages they quoted.", "Delete"))) return;
    try {
      await remove(`/api/documents/${idOf(stored)}`, { signal });
      all.splice(all.indexOf(stored), 1);
      draw();
      toast(`${name} is deleted.`);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  return el("section", { class: "page documents-page" },
    el("header", { class: "page-head" }, el("h1", null, "Documents"), el("p", { class: "lead" }, "Yours alone. Nobody else on this server can open them, administrators included.")),
    DocumentUpload({ onDone: add, signal }), list);
}

function row(stored, drop) {
  const name = nameOf(stored);
  const usable = stored.status === "processed";
  return el("li", { class: "row", data: { status: stored.status } },
    icon("file"),
    el("div", { class: "row-words" },
      el("p", { class: "row-title" }, name),
      el("p", { class: "fine" }, usable
        ? [stored.kind, bytes(stored.size ?? 0), plural(stored.words ?? 0, "word"), plural(stored.pages ?? 1, "page")].filter(Boolean).join(" · ")
        : sentence(stored.message) || stored.status,
      stored.created_at && el("time", { datetime: stored.created_at, title: exactly(stored.created_at) }, ` · ${when(stored.created_at)}`))),
    el("div", { class: "row-actions" },
      usable && button(`View text of ${name}`, { class: "secondary", on: { click: () => openDocument(stored) } }, "View text"),
      button(`Delete ${name}`, { class: "quiet icon-only", title: "Delete", on: { click: () => drop(stored) } }, icon("trash"))));
}
