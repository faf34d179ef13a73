// Deletion with undo: for a few seconds, the row shows that it is deleted and can be restored. The request is sent
// after that, or when the page is left.
import { announce, button, el } from "../dom.js";
import { recordDeletion, sendDeletion, sendDeletionOnLeave, forgetDeletion } from "../parts/owed.js";

const UNDO_SECONDS = 10;

/** Manages the pending deletions; `signal` is aborted when the page is left. */
export function PendingDeletions(signal) {
  const pending = new Set();
  const completeAll = () => Promise.all([...pending].map((deletion) => deletion.go()));
  // Leaving the page completes pending deletions.
  signal.addEventListener("abort", completeAll, { once: true });
  window.addEventListener("pagehide", () => pending.forEach((deletion) => deletion.close()), { signal });

  return { leave, /** Sends pending deletions now. */ flush: completeAll };

  /** Replaces the row with a notice and deletes `path` after the delay; `kept(problem)` is called if the row is restored. */
  function leave(row, label, { path, gone, kept }) {
    const undoButton = button(`Undo: keep ${label}`, { class: "link-button", on: { click: undo } }, "Undo");
    const notice = el("li", { class: "row row-leaving" }, el("span", null, `${label} deleted.`), undoButton);
    const deletion = { go: complete, close };
    recordDeletion(path, UNDO_SECONDS * 1000);
    let timer = setTimeout(completeUnlessFocused, UNDO_SECONDS * 1000);
    pending.add(deletion);
    row.replaceWith(notice);
    undoButton.focus();
    announce(`${label} deleted.`);

    // The timer waits while "Undo" has the focus.
    function completeUnlessFocused() {
      if (document.activeElement !== undoButton || !document.hasFocus()) return void complete();
      recordDeletion(path, UNDO_SECONDS * 1000);
      timer = setTimeout(completeUnlessFocused, UNDO_SECONDS * 1000);
    }

    function undo() {
      clearTimeout(timer);
      pending.delete(deletion);
      forgetDeletion(path);
      notice.replaceWith(row);
      kept(null);
      row.querySelector("a")?.focus();
    }

    function close() {
      clearTimeout(timer);
      sendDeletionOnLeave(path);
    }

    async function complete() {
      clearTimeout(timer);
      pending.delete(deletion);
      try {
        await sendDeletion(path);
        notice.remove();
        gone();
      } catch (problem) {
        notice.replaceWith(row);
        kept(problem);
      }
    }
  }
}
