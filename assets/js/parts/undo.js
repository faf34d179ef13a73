// Deletion with undo: the request is sent after a short delay, or when the window is closed.
import { button } from "../dom.js";
import { sentence } from "../format.js";
import { owe, pay, payLeaving, settle } from "./owed.js";
import { toast } from "./toast.js";

const UNDO_MS = 6000;

/** Deletes `path`; `words` names the item. `back()` is called on undo, or if the deletion fails. */
export function removeWithUndo(path, words, back) {
  owe(path, UNDO_MS);
  const over = new AbortController();
  const timer = setTimeout(end, UNDO_MS);
  const shown = toast(words, "done", button("Undo", { class: "toast-action", on: { click: () => {
    close();
    settle(path);
    back();
  } } }));
  window.addEventListener("pagehide", () => {
    close();
    payLeaving(path);
  }, { signal: over.signal });

  function close() {
    clearTimeout(timer);
    over.abort();
    shown.remove();
  }

  async function end() {
    close();
    try {
      await pay(path);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
      back();
    }
  }
}
