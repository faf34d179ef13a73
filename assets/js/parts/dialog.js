// Modal dialogs based on the browser's `<dialog>`, which traps and restores the focus.
import { button, el, icon, uid } from "../dom.js";

/** Opens a dialog with this content and `foot` below it; it is removed when closed. Resolves to its return value. */
export function openDialog(title, content, { kind = "", actions = [], foot = null } = {}) {
  const heading = uid("dialog");
  const dialog = el("dialog", { class: `dialog ${kind}`, "aria-labelledby": heading },
    el("div", { class: "dialog-head" },
      el("h2", { id: heading }, title),
      button("Close", { class: "quiet icon-only", on: { click: () => dialog.close("") } }, icon("cross"))),
    el("div", { class: "dialog-body", tabindex: "0", role: "group", "aria-labelledby": heading }, content),
    foot,
    actions.length > 0 && el("div", { class: "dialog-actions" },
      actions.map(([value, label, className]) => button(label, { class: className, on: { click: () => dialog.close(value) } }))));
  document.body.append(dialog);
  // A click on the backdrop targets the dialog element itself.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close(""));
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
  });
}

/** Asks the user to confirm something irreversible; `text` is a string or elements. Resolves to true when confirmed. */
export async function confirm(title, text, label) {
  const answer = await openDialog(title, typeof text === "string" ? el("p", null, text) : text, {
    kind: "confirm",
    actions: [["", "Cancel", "secondary"], ["yes", label, "danger"]],
  });
  return answer === "yes";
}
