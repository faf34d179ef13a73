// Deletion with undo: the request is sent after a short delay, or when the window is closed.
import { button } from "../dom.js";
import { sentence } from "../format.js";
import { recordDeletion, sendDeletion, sendDeletionOnLeave, forgetDeletion } from "./owed.js";
import { toast } from "./toast.js";

const UNDO_MS = 6000;

/** Deletes `path` after a delay; `message` is shown meanwhile. `onRestore()` is called on undo, or if the deletion
 * fails. */
export function removeWithUndo(path, message, onRestore) {
  recordDeletion(path, UNDO_MS);
  const controller = new AbortController();
  const timer = setTimeout(sendNow, UNDO_MS);
  const notice = toast(message, "done", button("Undo", { class: "toast-action", on: { click: () => {
    close();
    forgetDeletion(path);
    onRestore();
  } } }));
  window.addEventListener("pagehide", () => {
    close();
    sendDeletionOnLeave(path);
  }, { signal: controller.signal });

  function close() {
    clearTimeout(timer);
    controller.abort();
    notice.remove();
  }

  async function sendNow() {
    close();
    try {
      await sendDeletion(path);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
      onRestore();
    }
  }
}
