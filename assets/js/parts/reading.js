// A document's processing state in words, and updates until processing has ended.
import { get } from "../api.js";
import { bytes, plural, sentence } from "../format.js";

const INITIAL_POLL_MS = 700;
const MAX_POLL_MS = 4000;

/** The file name of a stored document. */
export function nameOf(stored) {
  return stored.filename ?? stored.name;
}

/** The ID of a stored document. */
export function idOf(stored) {
  return stored.document_id ?? stored.id;
}

/** A one-line description: type, size, words, and pages; or the progress of processing; or the reason why there is no text. */
export function describe(stored) {
  if (stored.status === "processing") {
    const share = stored.share_read == null ? [] : [`${Math.floor(stored.share_read * 100)}%`];
    const pages = stored.pages > 0 ? [`${plural(stored.pages, "page")} so far`] : [];
    return `Reading: ${[...share, ...pages].join(", ") || "just started"}…`;
  }
  if (stored.status === "failed") return sentence(stored.message) || "No text could be read.";
  return [
    stored.kind, bytes(stored.size ?? 0), plural(stored.words ?? 0, "word"), plural(stored.pages ?? 1, "page"),
    stored.encoding && !/^utf-?8$/i.test(stored.encoding) && stored.encoding,
  ].filter(Boolean).join(" · ");
}

/** Polls a document while it is being processed. Calls `onNews(document)` for each update, the last one when processing has ended. */
export async function follow(stored, { signal, onNews }) {
  for (let wait = INITIAL_POLL_MS; stored.status === "processing"; wait = Math.min(wait * 1.4, MAX_POLL_MS)) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (signal.aborted) return;
    try {
      stored = await get(`/api/documents/${idOf(stored)}`, { signal });
    } catch (problem) {
      if (signal.aborted || problem.status === 404) return;
      // The connection may come back; the server continues processing in the meantime.
      continue;
    }
    onNews(stored);
  }
}
