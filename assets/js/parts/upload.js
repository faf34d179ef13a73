// Uploads files chosen by click, keyboard, or drop, with the progress of each. A few are uploaded at a time; the
// others are queued.
import { upload } from "../api.js";
import { announce, button, el, icon, uid } from "../dom.js";
import { bytes, sentence } from "../format.js";
import { CAN_DROP, user } from "../state.js";
import { CHUNKED_THRESHOLD, uploadInChunks } from "./chunked.js";
import { becomeGuest, checkSize, GUEST_LIMITS } from "./guest.js";

const MAX_CONCURRENT = 3;

/** The drop zone. `onDone(document)` is called for every stored file; `files` were dropped on the page earlier. A visitor
 * becomes a guest with the first file. */
export function DocumentUpload({ onDone, signal, files = [] }) {
  const label = uid("upload");
  const list = el("ul", { class: "upload-list", "aria-label": "Uploads" });
  const queue = [];
  let runningCount = 0;
  const input = el("input", {
    type: "file", multiple: true, class: "visually-hidden", id: `${label}-input`, "aria-labelledby": label,
    on: { change: () => {
      addFiles(input.files);
      input.value = "";
    } },
  });
  const zone = el("label", { class: "drop-zone", for: input.id },
  icon("upload"),
  el("span", { id: label, class: "drop-title" }, CAN_DROP ? "Choose files, or drop them here" : "Choose files"),
  el("span", { class: "fine" }, "PDF, Word, slides, spreadsheets, e-books, web pages, emails, text, tables, source code, or a ZIP of these.", el("span", { class: "drop-private" }, " They stay on this server, and only you can open them.")),
  (!user.get() || user.get().role === "guest") && el("span", { class: "fine" }, GUEST_LIMITS));
  // The whole page is the drop zone, because the browser would otherwise navigate to a file dropped next to it.
  const listenForDrag = (type, act) => window.addEventListener(type, (event) => {
    if (!zone.isConnected || ![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    act(event);
  }, { signal });
  listenForDrag("dragover", () => zone.classList.add("over"));
  listenForDrag("dragleave", (event) => event.relatedTarget || zone.classList.remove("over"));
  listenForDrag("drop", (event) => {
    zone.classList.remove("over");
    addFiles(event.dataTransfer.files);
  });
  addFiles(files);

  function addFiles(files) {
    for (const file of files) queue.push(Upload(file, list, onDone, signal));
    startNext();
  }

  async function startNext() {
    while (runningCount < MAX_CONCURRENT && queue.length > 0) {
      runningCount += 1;
      queue.shift().start().finally(() => {
        runningCount -= 1;
        startNext();
      });
    }
  }

  return el("div", { class: "document-upload", data: { component: "DocumentUpload" } }, input, zone, list);
}

// One upload; `start()` resolves when it has completed, failed, or been canceled.
function Upload(file, list, onDone, signal) {
  const bar = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
  const state = el("span", { class: "fine upload-state" }, `${bytes(file.size)}, waiting for its turn`);
  const controller = new AbortController();
  signal.addEventListener("abort", () => controller.abort(), { once: true });
  const cancel = button(`Cancel the upload of ${file.name}`, { class: "quiet icon-only", on: { click: () => controller.abort() } }, icon("cross"));
  const row = el("li", null, el("span", { class: "upload-name" }, file.name), bar, state, cancel);
  controller.signal.addEventListener("abort", () => row.remove(), { once: true });
  list.append(row);

  function showProgress(fraction) {
    bar.value = fraction;
    state.textContent = fraction >= 1 ? "Reading the text…" : `${Math.floor(fraction * 100)}% of ${bytes(file.size)}`;
  }

  function showConnection(connected) {
    if (connected) return showProgress(bar.value);
    state.textContent = "Connection lost. The upload will resume automatically.";
    announce(`The upload of ${file.name} is waiting for a connection.`);
  }

  async function start() {
    if (controller.signal.aborted) return;
    try {
      if (file.size === 0) throw new Error("this file is empty");
      await becomeGuest();
      checkSize(file);
      showProgress(0);
      const options = { signal: controller.signal, onProgress: showProgress, onLine: showConnection };
      const stored = await (file.size > CHUNKED_THRESHOLD ? uploadInChunks : upload)(file, options);
      if (stored.status === "failed") showFailure(row, file, sentence(stored.message) || "No text was found in it.");
      else row.remove();
      announce(stored.status === "failed" ? "" : `${file.name} uploaded.`);
      onDone(stored);
    } catch (problem) {
      if (problem.name !== "AbortError") showFailure(row, file, sentence(problem.message));
    }
  }
  return { start };
}

function showFailure(row, file, words) {
  row.className = "upload-failed";
  row.replaceChildren(
    icon("warning"),
    el("span", { class: "upload-words", role: "alert" }, el("strong", null, file.name), ` ${words}`),
    button(`Dismiss the message about ${file.name}`, { class: "quiet icon-only", on: { click: () => row.remove() } }, icon("cross")));
}
