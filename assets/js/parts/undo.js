// Lets a deletion be taken back for a moment: it waits that long, or until the window is left.
import { remove } from "../api.js";
import { button } from "../dom.js";
import { sentence } from "../format.js";
import { toast } from "./toast.js";

const UNDO_MS = 6000;
const going = new Set();

/** Whether what stands under this address is on its way out: lists leave it out. */
export const isGoing = (path) => going.has(path);

/** Deletes `path`; `words` say what is gone. `back()` when it is wanted again, or could not be deleted. */
export function removeWithUndo(path, words, back) {
  going.add(path);
  const over = new AbortController();
  const timer = setTimeout(end, UNDO_MS);
  const shown = toast(words, "done", button("Undo", { class: "toast-action", on: { click: () => {
    settle();
    going.delete(path);
    back();
  } } }));
  window.addEventListener("pagehide", end, { signal: over.signal });

  function settle() {
    clearTimeout(timer);
    over.abort();
    shown.remove();
  }

  async function end() {
    settle();
    try {
      await remove(path, { keepalive: true });
    } catch (problem) {
      going.delete(path);
      toast(sentence(problem.message), "failed");
      back();
    }
  }
}
