// Files dropped, pasted, or chosen for a question: uploaded immediately, shown above the text, and removable.
import { upload } from "../api.js";
import { announce, button, el, icon } from "../dom.js";
import { bytes, plural, sentence } from "../format.js";
import { describe, follow, idOf, nameOf } from "../parts/reading.js";

// Maximum number of files accepted at once; more can be uploaded on the documents page.
const MAX_FILES = 20;

/** Returns `{node, add(files), show(document), uploading(), clear()}`; `add` resolves when all are stored or have failed; `show` lists a document that is stored already. Calls `attached(document)` for each stored file and every update to it, and `gone(id)` when one is removed. */
export function Attachments({ signal, attached, gone }) {
  const node = el("ul", { class: "attachments", "aria-label": "Attachments" });
  let runningCount = 0;

  function add(files) {
    return Promise.all([...files].slice(0, MAX_FILES).map(uploadFile));
  }

  async function uploadFile(file) {
    const controller = new AbortController();
    signal.addEventListener("abort", () => controller.abort(), { once: true });
    const state = el("span", { class: "fine" }, bytes(file.size));
    const bar = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
    let id = "";
    const row = Row(file.name, [bar, state], () => {
      controller.abort();
      gone(id);
    });
    node.append(row);
    runningCount += 1;
    gone("");
    try {
      if (file.size === 0) throw new Error("this file is empty");
      const [{ CHUNKED_THRESHOLD, uploadInChunks }, { checkSize }] = await Promise.all([import("../parts/chunked.js"), import("../parts/guest.js")]);
      checkSize(file);
      const stored = await (file.size > CHUNKED_THRESHOLD ? uploadInChunks : upload)(file, { signal: controller.signal, onProgress: (part) => (bar.value = part), onLine: () => {} });
      id = idOf(stored);
      bar.remove();
      showState(stored);
      attached(stored);
      announce(`${file.name} attached.`);
      follow(stored, { signal: controller.signal, onNews: (updated) => {
        showState(updated);
        attached(updated);
      } });
    } catch (problem) {
      if (problem.name === "AbortError") return;
      bar.remove();
      row.classList.add("failed");
      state.textContent = sentence(problem.message);
    } finally {
      runningCount -= 1;
      gone("");
    }

    function showState(stored) {
      row.classList.toggle("failed", stored.status === "failed");
      state.textContent = stored.status === "processed" ? bytes(stored.size ?? file.size) : describe(stored);
    }
  }

  function show(stored) {
    const row = Row(nameOf(stored), el("span", { class: "fine" }, stored.status === "processed" ? plural(stored.pages ?? 1, "page") : describe(stored)), () => gone(idOf(stored)));
    node.append(row);
  }

  return { node, add, show, uploading: () => runningCount > 0, clear: () => node.replaceChildren() };
}

function Row(name, facts, onRemove) {
  const row = el("li", null, icon("document"), el("span", { class: "attachment-name" }, name), facts,
    button(`Remove ${name}`, { class: "quiet icon-only", on: { click: () => {
      row.remove();
      onRemove();
    } } }, icon("cross")));
  return row;
}
