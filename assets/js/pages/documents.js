// The documents: upload, watch processing, search, and delete. With an `id` in the URL, shows that document.
// Visitors of the offline demo can try it: they become guests with their first file.
import { ApiProblem, get } from "../api.js";
import { button, el, icon, link } from "../dom.js";
import { exactly, plural, sentence, when } from "../format.js";
import { addressOf } from "../parts/document-link.js";
import { MeaningSearch } from "../parts/meaning-search.js";
import { SearchAll } from "../parts/search-all.js";
import { acceptsGuests } from "../parts/guest.js";
import { deleteDocument } from "../parts/document-delete.js";
import { describe, follow, idOf, nameOf } from "../parts/reading.js";
import { Empty } from "../parts/states.js";
import { DocumentUpload } from "../parts/upload.js";
import { user } from "../state.js";
import * as one from "./document.js";

export async function load(params, signal) {
  if (!user.get()) return loadForVisitor(signal);
  if (params.id) return { one: await one.load(params, signal) };
  return { q: params.q ?? "", ...(await get("/api/documents", { query: { limit: 200 }, signal })) };
}

// Documents have an owner, so visitors have none. Only the offline demo allows visitors here.
async function loadForVisitor(signal) {
  if (!(await acceptsGuests(signal))) throw new ApiProblem(401, null);
  return { q: "", documents: [] };
}

export function view(data, context) {
  if (data.one) return one.view(data.one, context);
  const { signal } = context;
  const all = [...data.documents];
  const list = el("ul", { class: "rows" });
  const search = SearchAll({ words: data.q, signal, onSearch: (words) => context.note(words ? `/documents?q=${encodeURIComponent(words)}` : "/documents") });
  const empty = Empty("No documents yet", "The panel can read what you upload here. Its answers then link to the passages they cite.");
  for (const stored of all) list.append(Row(stored));
  drawEmpty();

  function drawEmpty() {
    empty.hidden = list.children.length > 0;
    list.hidden = list.children.length === 0;
    search.node.hidden = list.hidden;
  }

  function Row(stored) {
    let row = buildRow(stored);
    follow(stored, { signal, onNews: (current) => {
      if (!row.isConnected) return;
      // Keep the focus in the row when an update replaces it.
      const focusedLabel = row.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
      const updated = buildRow(current);
      row.replaceWith(updated);
      row = updated;
      if (focusedLabel) [...row.querySelectorAll("[aria-label]")].find((node) => node.getAttribute("aria-label") === focusedLabel)?.focus();
    } });
    return row;
  }

  function buildRow(stored) {
    const row = DocumentRow(stored, () => deleteDocument(stored, { signal, hide: () => {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      const after = row.nextElementSibling;
      row.remove();
      drawEmpty();
      next?.querySelector("a, button")?.focus();
      return () => {
        if (after?.isConnected) after.before(row);
        else list.append(row);
        drawEmpty();
      };
    } }));
    return row;
  }

  function addRow(stored) {
    [...list.children].find((row) => row.dataset.id === idOf(stored))?.remove();
    list.prepend(Row(stored));
    drawEmpty();
  }

  return el("section", { class: "page documents-page" },
    el("header", { class: "page-head" }, el("h1", null, "Documents"), el("p", { class: "lead" }, "Only you can open them. Administrators cannot.")),
    DocumentUpload({ onDone: addRow, signal }), search.node, MeaningSearch({ signal }), empty, el("div", { class: "document-list" }, list));
}

function DocumentRow(stored, drop) {
  const name = nameOf(stored);
  const usable = stored.status === "processed";
  return el("li", { class: "row", data: { status: stored.status, id: idOf(stored) } },
    stored.status === "processing" ? el("span", { class: "loading-spinner", "aria-hidden": "true" }) : icon(usable ? "file" : "warning"),
    el("div", { class: "row-words" },
      usable ? link(addressOf(idOf(stored)), name, { class: "row-title", dir: "auto" }) : el("p", { class: "row-title", dir: "auto" }, name),
      el("p", { class: "fine" }, describe(stored),
        stored.created_at && el("time", { datetime: stored.created_at, title: exactly(stored.created_at) }, ` · ${when(stored.created_at)}`)),
      usable && Troubles(stored)),
    el("div", { class: "row-actions" },
      usable && link(`/?document=${encodeURIComponent(idOf(stored))}`, "Ask", { class: "button secondary", "aria-label": `Ask about ${name}` }),
      usable && link(addressOf(idOf(stored)), "View text", { class: "button secondary", "aria-label": `View text of ${name}` }),
      button(`Delete ${name}`, { class: "quiet icon-only", title: "Delete", on: { click: drop } }, icon("trash"))));
}

function Troubles({ gaps = [], flags = [] }) {
  const reasons = [...new Set(gaps.map((gap) => sentence(gap.why)))];
  return [
    gaps.length > 0 && el("p", { class: "fine warn" }, `${plural(gaps.length, "page")} without text (${pagesOf(gaps)}): ${reasons.slice(0, 2).join(" ")}`),
    flags.length > 0 && el("p", { class: "fine warn" }, `Reads like instructions to a model on ${pagesOf(flags)}: treated as text.`),
  ];
}

// "page 3", "pages 3, 4 and 12 more"
function pagesOf(places) {
  const pages = [...new Set(places.map((place) => place.page))];
  const listed = pages.slice(0, 4).join(", ");
  const more = pages.length > 4 ? ` and ${pages.length - 4} more` : "";
  return `${pages.length === 1 ? "page" : "pages"} ${listed}${more}`;
}
