// Uploads files chosen by click, keyboard, or drop, with the progress of each. A few are uploaded at a time; the
// others are queued.
import { upload } from "../api.js";
import { announce, button, el, icon, uid } from "../dom.js";
import { bytes, sentence } from "../format.js";
import { user } from "../state.js";
import { LARGE, sendInParts } from "./chunked.js";
import { becomeGuest, checkSize, LIMITS } from "./guest.js";

const AT_ONCE = 3;

/** The drop zone. `onDone(document)` for every stored file; `files` were dropped on the page before. A visitor becomes a
 * guest with the first file. */
export function DocumentUpload({ onDone, signal, files = [] }) {
  const label = uid("upload");
  const list = el("ul", { class: "upload-list", "aria-label": "Uploads" });
  const waiting = [];
  let running = 0;
  const input = el("input", {
    type: "file", multiple: true, class: "visually-hidden", id: `${label}-input`, "aria-labelledby": label,
    on: { change: () => {
      take(input.files);
      input.value = "";
    } },
  });
  const zone = el("label", { class: "drop-zone", for: input.id },
  icon("upload"),
  el("span", { id: label, class: "drop-title" }, "Choose files, or drop them here"),
  el("span", { class: "fine" }, "PDF, Word, slides, spreadsheets, e-books, web pages, emails, text, tables, source code, or a ZIP of these.", el("span", { class: "drop-private" }, " They stay on this server, and only you can open them.")),
  (!user.get() || user.get().role === "guest") && el("span", { class: "fine" }, LIMITS));
  // The whole page is the drop zone, because the browser would otherwise navigate to a file dropped next to it.
  const heard = (type, act) => window.addEventListener(type, (event) => {
    if (!zone.isConnected || ![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    act(event);
  }, { signal });
  heard("dragover", () => zone.classList.add("over"));
  heard("dragleave", (event) => event.relatedTarget || zone.classList.remove("over"));
  heard("drop", (event) => {
    zone.classList.remove("over");
    take(event.dataTransfer.files);
  });
  take(files);

  function take(files) {
    for (const file of files) waiting.push(Upload(file, list, onDone, signal));
    next();
  }

  async function next() {
    while (running < AT_ONCE && waiting.length > 0) {
      running += 1;
      waiting.shift().start().finally(() => {
        running -= 1;
        next();
      });
    }
  }

  return el("div", { class: "document-upload", data: { component: "DocumentUpload" } }, input, zone, list);
}

// One upload; `start()` resolves when it has completed, failed, or been canceled.
function Upload(file, list, onDone, signal) {
  const bar = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
  const state = el("span", { class: "fine upload-state" }, `${bytes(file.size)}, waiting for its turn`);
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort(), { once: true });
  const cancel = button(`Cancel the upload of ${file.name}`, { class: "quiet icon-only", on: { click: () => stop.abort() } }, icon("cross"));
  const row = el("li", null, el("span", { class: "upload-name" }, file.name), bar, state, cancel);
  stop.signal.addEventListener("abort", () => row.remove(), { once: true });
  list.append(row);

  function progress(part) {
    bar.value = part;
    state.textContent = part >= 1 ? "Reading the text…" : `${Math.floor(part * 100)} % of ${bytes(file.size)}`;
  }

  function line(connected) {
    if (connected) return progress(bar.value);
    state.textContent = "Connection lost. The upload will resume automatically.";
    announce(`The upload of ${file.name} is waiting for a connection.`);
  }

  async function start() {
    if (stop.signal.aborted) return;
    try {
      if (file.size === 0) throw new Error("this file is empty");
      await becomeGuest();
      checkSize(file);
      progress(0);
      const how = { signal: stop.signal, onProgress: progress, onLine: line };
      const stored = await (file.size > LARGE ? sendInParts : upload)(file, how);
      if (stored.status === "failed") fail(row, file, sentence(stored.message) || "No text was found in it.");
      else row.remove();
      announce(stored.status === "failed" ? "" : `${file.name} is uploaded.`);
      onDone(stored);
    } catch (problem) {
      if (problem.name !== "AbortError") fail(row, file, sentence(problem.message));
    }
  }
  return { start };
}

function fail(row, file, words) {
  row.className = "upload-failed";
  row.replaceChildren(
    icon("warning"),
    el("span", { class: "upload-words", role: "alert" }, el("strong", null, file.name), ` ${words}`),
    button(`Dismiss the message about ${file.name}`, { class: "quiet icon-only", on: { click: () => row.remove() } }, icon("cross")));
}
