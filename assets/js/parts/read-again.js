// Processes a document again: with another encoding if characters are wrong, or unchanged if processing failed.
import { post } from "../api.js";
import { button, el, fill } from "../dom.js";
import { Choice } from "./field.js";
import { idOf } from "./reading.js";
import { Alert } from "./states.js";

const ENCODINGS = [
  ["utf-8", "Unicode (UTF-8)"], ["utf-16le", "Unicode (UTF-16, little-endian)"], ["utf-16be", "Unicode (UTF-16, big-endian)"],
  ["windows-1252", "Western Europe (Windows-1252)"], ["iso-8859-15", "Western Europe (ISO 8859-15)"], ["macintosh", "Western Europe (Macintosh)"],
  ["windows-1250", "Central Europe (Windows-1250)"], ["iso-8859-2", "Central Europe (ISO 8859-2)"], ["windows-1257", "Baltic (Windows-1257)"],
  ["windows-1251", "Cyrillic (Windows-1251)"], ["koi8-r", "Cyrillic (KOI8-R)"], ["ibm866", "Cyrillic (DOS 866)"],
  ["windows-1253", "Greek (Windows-1253)"], ["windows-1254", "Turkish (Windows-1254)"], ["windows-1255", "Hebrew (Windows-1255)"],
  ["windows-1256", "Arabic (Windows-1256)"], ["windows-874", "Thai (Windows-874)"], ["windows-1258", "Vietnamese (Windows-1258)"],
  ["shift_jis", "Japanese (Shift JIS)"], ["euc-jp", "Japanese (EUC)"], ["gb18030", "Chinese, simplified (GB 18030)"],
  ["big5", "Chinese, traditional (Big5)"], ["euc-kr", "Korean (EUC)"],
];

/** Calls `onRead(document)` once processing has restarted. Returns null for a successfully processed document that has no encoding. */
export function ReadAgain(stored, { onRead, signal }) {
  const message = el("div", { class: "step-message" });
  if (stored.encoding) {
    const current = stored.encoding.toLowerCase();
    const encodings = ENCODINGS.some(([label]) => label === current) ? ENCODINGS : [[current, stored.encoding], ...ENCODINGS];
    const choice = Choice("Encoding", { value: current }, encodings, `It was read as ${stored.encoding}. Choose another if characters look wrong.`);
    return el("details", { class: "read-again" },
      el("summary", null, "Wrong characters?"),
      el("form", { class: "inline-form", on: { submit: (event) => {
        event.preventDefault();
        startReading({ encoding: choice.input.value });
      } } }, choice.node, button("Read again", { type: "submit", class: "secondary" })),
      message);
  }
  return stored.status === "failed" && el("div", { class: "read-again" },
    button("Try again", { class: "secondary", on: { click: () => startReading({}) } }), message);

  async function startReading(options) {
    try {
      onRead(await post(`/api/documents/${encodeURIComponent(idOf(stored))}/read`, options, { signal }));
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }
}
