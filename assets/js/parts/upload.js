// Takes files by click, keyboard or drop, and shows how far each upload has come.
import { upload } from "../api.js";
import { announce, button, el, icon, uid } from "../dom.js";
import { bytes, sentence } from "../format.js";

/** The drop zone. `onDone(document)` for every stored file. */
export function DocumentUpload({ onDone, signal }) {
  const label = uid("upload");
  const list = el("ul", { class: "upload-list" });
  const input = el("input", {
    type: "file", multiple: true, class: "visually-hidden", id: `${label}-input`, "aria-labelledby": label,
    on: { change: () => {
      take(input.files);
      input.value = "";
    } },
  });
  const zone = el("label", {
    class: "drop-zone", for: input.id,
    on: {
      dragover: (event) => {
        event.preventDefault();
        zone.classList.add("over");
      },
      dragleave: () => zone.classList.remove("over"),
      drop: (event) => {
        event.preventDefault();
        zone.classList.remove("over");
        take(event.dataTransfer.files);
      },
    },
  },
  icon("upload"),
  el("span", { id: label, class: "drop-title" }, "Choose files, or drop them here"),
  el("span", { class: "fine" }, "Text, Markdown, HTML, CSV, JSON and source code. They stay on this server and are yours alone."));

  function take(files) {
    for (const file of files) send(file, list, onDone, signal);
  }

  return el("div", { class: "document-upload", data: { component: "DocumentUpload" } }, input, zone, list);
}

async function send(file, list, onDone, signal) {
  const bar = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
  const state = el("span", { class: "fine" }, bytes(file.size));
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort(), { once: true });
  const cancel = button(`Cancel the upload of ${file.name}`, { class: "quiet icon-only", on: { click: () => stop.abort() } }, icon("cross"));
  const row = el("li", null, el("span", { class: "upload-name" }, file.name), bar, state, cancel);
  list.append(row);
  try {
    if (file.size === 0) throw new Error("this file is empty");
    const stored = await upload(file, {
      signal: stop.signal,
      onProgress: (part) => {
        bar.value = part;
        if (part >= 1) state.textContent = "Reading the text…";
      },
    });
    if (stored.status === "failed") return fail(row, file, sentence(stored.message) || "No text was found in it.", () => onDone(stored));
    announce(`${file.name} is uploaded.`);
    row.remove();
    onDone(stored);
  } catch (problem) {
    if (problem.name === "AbortError") return row.remove();
    fail(row, file, sentence(problem.message));
  }
}

function fail(row, file, words, after) {
  row.className = "upload-failed";
  row.replaceChildren(
    icon("warning"),
    el("span", { class: "upload-words", role: "alert" }, el("strong", null, file.name), ` ${words}`),
    button(`Dismiss the message about ${file.name}`, { class: "quiet icon-only", on: { click: () => row.remove() } }, icon("cross")));
  after?.();
}
