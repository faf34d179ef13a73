// Chunked upload of large files: a lost connection or a reload costs one chunk, not the whole file. The server
// knows which chunks it has; this browser stores only the upload's ID.
import { get, post } from "../api.js";
import { recall, remember } from "../state.js";

const CHUNK_SIZE = 2 * 1024 * 1024;
const RETRY_DELAYS_MS = [1000, 2000, 4000, 8000, 15_000];

/** Files larger than this (in bytes) are sent in chunks. */
export const CHUNKED_THRESHOLD = 2 * CHUNK_SIZE;

/**
 * Uploads a file and returns the stored document. `onProgress` gets the uploaded share, from 0 to 1;
 * `onLine(false)` is called while the connection is lost, `onLine(true)` when the upload continues.
 */
export async function uploadInChunks(file, { onProgress, onLine, signal }) {
  const key = `upload.${file.name}.${file.size}.${file.lastModified}`;
  const withRetry = (operation) => retry(operation, onLine, signal);
  let session = await withRetry(() => resumeSession(recall(key), signal)) ?? await withRetry(() => createSession(file, signal));
  remember(key, session.sessionId);
  for (let number = nextMissing(session); number >= 0; number = nextMissing(session)) {
    onProgress?.(session.receivedChunks.length / session.totalChunks);
    const form = new FormData();
    form.append("sessionId", session.sessionId);
    form.append("chunkIndex", String(number));
    form.append("chunk", file.slice(number * CHUNK_SIZE, (number + 1) * CHUNK_SIZE), file.name);
    session = await withRetry(() => post("/api/upload-document-chunk", form, { signal }));
  }
  onProgress?.(1);
  const stored = await withRetry(() => post("/api/finalize-document-upload", { sessionId: session.sessionId }, { signal }));
  remember(key, null);
  return stored;
}

function createSession(file, signal) {
  return post("/api/create-document-session", {
    fileName: file.name, fileSize: file.size, chunkSize: CHUNK_SIZE, totalChunks: Math.ceil(file.size / CHUNK_SIZE),
  }, { signal });
}

async function resumeSession(id, signal) {
  if (!id) return null;
  try {
    return await get(`/api/document-sessions/${encodeURIComponent(id)}`, { signal });
  } catch (problem) {
    // The upload expired after a day, or belongs to another user.
    if (problem.status === 404) return null;
    throw problem;
  }
}

function nextMissing({ receivedChunks, totalChunks }) {
  const received = new Set(receivedChunks);
  for (let number = 0; number < totalChunks; number += 1) if (!received.has(number)) return number;
  return -1;
}

// Retries only on temporary failures: no connection, or a server that is restarting or busy.
async function retry(operation, onLine, signal) {
  for (let attempts = 0; ; attempts += 1) {
    try {
      const result = await operation();
      if (attempts > 0) onLine?.(true);
      return result;
    } catch (problem) {
      if (signal.aborted || ![0, 429, 502, 503, 504].includes(problem.status)) throw problem;
      onLine?.(false);
      await pause(RETRY_DELAYS_MS[Math.min(attempts, RETRY_DELAYS_MS.length - 1)], signal);
    }
  }
}

// Waits this long, but returns early when the network is back.
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const settle = (then) => {
      controller.abort();
      clearTimeout(timer);
      then();
    };
    const timer = setTimeout(() => settle(resolve), ms);
    window.addEventListener("online", () => settle(resolve), { signal: controller.signal });
    signal.addEventListener("abort", () => settle(() => reject(new DOMException("upload cancelled", "AbortError"))), { signal: controller.signal });
  });
}
