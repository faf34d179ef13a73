// The documents that every question in a project includes, as a sheet.
import { button, el } from "../dom.js";
import { openDialog } from "../parts/dialog.js";
import { DocumentPicker } from "../parts/document-picker.js";
import { styled } from "../styles.js";

/** Opens the sheet; `save(ids)` resolves to whether they are saved. */
export async function open({ documents, ids, signal, save }) {
  await styled("sheets");
  const chosen = new Set(ids);
  const picker = DocumentPicker({ documents, chosen, signal, onChange() {} });
  const done = button("Save", { class: "primary", on: { click: async () => {
    if (await save([...chosen])) done.closest("dialog").close("");
  } } });
  await openDialog("Documents in every question", el("div", { class: "document-sheet" }, picker.node), { kind: "bottom wide-sheet", foot: el("div", { class: "sheet-foot" }, el("span", { class: "grow" }), done) });
}
