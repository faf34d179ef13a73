// The documents of a question and their reading mode.
import { get } from "../api.js";
import { button, el } from "../dom.js";
import { openDialog } from "../parts/dialog.js";
import { Documents } from "../workbench/fields.js";

/** Opens the sheet; `bound` is the composer's selection, which is changed immediately. */
export async function open(bound) {
  const { data, signal } = bound;
  data.documents ??= (await get("/api/documents", { query: { limit: 200 }, signal })).documents;
  const done = button("Done", { class: "primary", on: { click: () => done.closest("dialog").close("") } });
  const body = el("div", { class: "document-sheet" }, Documents({ ...bound, changed: () => bound.changed("documents") }));
  openDialog("Documents", body, { kind: "bottom wide-sheet", foot: el("div", { class: "sheet-foot" }, el("span", { class: "grow" }), done) });
}
