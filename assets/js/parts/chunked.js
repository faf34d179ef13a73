// Chunked upload of large files: a lost connection or a reload costs one chunk, not the whole file. The server
// knows which chunks it has; this browser stores only the upload's ID.
import { get, post } from "../api.js";
import { recall, remember } from "../state.js";

const PART = 2 * 1024 * 1024;
const WAITS_MS = [1000, 2000, 4000, 8000, 15_000];

/** Files larger than this (in bytes) are sent in chunks. */
export const LARGE = 2 * PART;

/**
 * Uploads a file and returns the stored document. `onProgress` gets the uploaded share, from 0 to 1;
 * `onLine(false)` is called while the connection is lost, `onLine(true)` when the upload continues.
 */
export async function sendInParts(file, { onProgress, onLine, signal }) {
  const key = `upload.${file.name}.${file.size}.${file.lastModified}`;
  const patiently = (act) => retried(act, onLine, signal);
  let told = await patiently(() => resume(recall(key), signal)) ?? await patiently(() => begin(file, signal));
  remember(key, told.sessionId);
  for (let number = missing(told); number >= 0; number = missing(told)) {
    onProgress?.(told.receivedChunks.length / told.totalChunks);
    const form = new FormData();
    form.append("sessionId", told.sessionId);
    form.append("chunkIndex", String(number));
    form.append("chunk", file.slice(number * PART, (number + 1) * PART), file.name);
    told = await patiently(() => post("/api/upload-document-chunk", form, { signal }));
  }
  onProgress?.(1);
  const stored = await patiently(() => post("/api/finalize-document-upload", { sessionId: told.sessionId }, { signal }));
  remember(key, null);
  return stored;
}

function begin(file, signal) {
  return post("/api/create-document-session", {
    fileName: file.name, fileSize: file.size, chunkSize: PART, totalChunks: Math.ceil(file.size / PART),
  }, { signal });
}

async function resume(id, signal) {
  if (!id) return null;
  try {
    return await get(`/api/document-sessions/${encodeURIComponent(id)}`, { signal });
  } catch (problem) {
    // The upload expired after a day, or belongs to another user.
    if (problem.status === 404) return null;
    throw problem;
  }
}

function missing({ receivedChunks, totalChunks }) {
  const there = new Set(receivedChunks);
  for (let number = 0; number < totalChunks; number += 1) if (!there.has(number)) return number;
  return -1;
}

// Retries only on temporary failures: no connection, or a server that is restarting or busy.
async function retried(act, onLine, signal) {
  for (let tries = 0; ; tries += 1) {
    try {
      const told = await act();
      if (tries > 0) onLine?.(true);
      return told;
    } catch (problem) {
      if (signal.aborted || ![0, 429, 502, 503, 504].includes(problem.status)) throw problem;
      onLine?.(false);
      await pause(WAITS_MS[Math.min(tries, WAITS_MS.length - 1)], signal);
    }
  }
}

// Waits this long, but returns early when the network is back.
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const ends = new AbortController();
    const end = (then) => {
      ends.abort();
      clearTimeout(timer);
      then();
    };
    const timer = setTimeout(() => end(resolve), ms);
    window.addEventListener("online", () => end(resolve), { signal: ends.signal });
    signal.addEventListener("abort", () => end(() => reject(new DOMException("upload cancelled", "AbortError"))), { signal: ends.signal });
  });
}
