// Files dropped, pasted, or chosen for a question: uploaded immediately, shown above the text, and removable.
import { upload } from "../api.js";
import { announce, button, el, icon } from "../dom.js";
import { bytes, sentence } from "../format.js";
import { describe, follow, idOf } from "../parts/reading.js";

// Maximum number of files accepted at once; more can be uploaded on the documents page.
const MAX_FILES = 20;

/** Returns `{node, add(files), uploading(), clear()}`; `add` resolves when all are stored or have failed. Calls `attached(document)` for each stored file and every update to it, and `gone(id)` when one is removed. */
export function Attachments({ signal, attached, gone }) {
  const node = el("ul", { class: "attachments", "aria-label": "Attachments" });
  let running = 0;

  function add(files) {
    return Promise.all([...files].slice(0, MAX_FILES).map(take));
  }

  async function take(file) {
    const stop = new AbortController();
    signal.addEventListener("abort", () => stop.abort(), { once: true });
    const state = el("span", { class: "fine" }, bytes(file.size));
    const bar = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
    let id = "";
    const row = el("li", null, icon("document"), el("span", { class: "attachment-name" }, file.name), bar, state,
      button(`Remove ${file.name}`, { class: "quiet icon-only", on: { click: () => {
        stop.abort();
        row.remove();
        gone(id);
      } } }, icon("cross")));
    node.append(row);
    running += 1;
    gone("");
    try {
      if (file.size === 0) throw new Error("this file is empty");
      const [{ LARGE, sendInParts }, { checkSize }] = await Promise.all([import("../parts/chunked.js"), import("../parts/guest.js")]);
      checkSize(file);
      const stored = await (file.size > LARGE ? sendInParts : upload)(file, { signal: stop.signal, onProgress: (part) => (bar.value = part), onLine: () => {} });
      id = idOf(stored);
      bar.remove();
      tell(stored);
      attached(stored);
      announce(`${file.name} is attached.`);
      follow(stored, { signal: stop.signal, onNews: (news) => {
        tell(news);
        attached(news);
      } });
    } catch (problem) {
      if (problem.name === "AbortError") return;
      bar.remove();
      row.classList.add("failed");
      state.textContent = sentence(problem.message);
    } finally {
      running -= 1;
      gone("");
    }

    function tell(stored) {
      row.classList.toggle("failed", stored.status === "failed");
      state.textContent = stored.status === "processed" ? bytes(stored.size ?? file.size) : describe(stored);
    }
  }

  return { node, add, uploading: () => running > 0, clear: () => node.replaceChildren() };
}
