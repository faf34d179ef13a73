// Lets a deletion be taken back for a moment: it waits that long, or until the window is left.
import { button } from "../dom.js";
import { sentence } from "../format.js";
import { owe, pay, payLeaving, settle } from "./owed.js";
import { toast } from "./toast.js";

const UNDO_MS = 6000;

/** Deletes `path`; `words` say what is gone. `back()` when it is wanted again, or could not be deleted. */
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
