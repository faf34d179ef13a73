// The documents of a question, and how they are read.
import { button, el } from "../dom.js";
import { openDialog } from "../parts/dialog.js";
import { Documents } from "../workbench/fields.js";

/** Opens the sheet; `bound` is the composer's choice, changed at once. */
export function open(bound) {
  const done = button("Done", { class: "primary", on: { click: () => done.closest("dialog").close("") } });
  const body = el("div", { class: "document-sheet" }, Documents({ ...bound, changed: () => bound.changed("documents") }));
  openDialog("Documents", body, { kind: "bottom wide-sheet", foot: el("div", { class: "sheet-foot" }, el("span", { class: "grow" }), done) });
}
