// Starts a thread from another page and opens it.
import { post } from "../api.js";
import { clearDraft } from "../workbench/draft.js";

/** Starts a turn with this request and goes to its thread; resolves to a problem, or null. */
export async function startThread(body, { signal, go }) {
  try {
    const started = await post("/api/analyze", { ...body, async: true }, { signal });
    clearDraft();
    go(`/t/${encodeURIComponent(started.thread_id)}`);
    return null;
  } catch (problem) {
    return signal.aborted ? null : problem;
  }
}
