// Follows the events of one analysis to their end, through broken lines, sleep and restarts of the
// server. The browser's EventSource resumes by Last-Event-ID; what it gives up on is tried again here.
// Somebody without an account gets the events as the answer to the request itself.
import { call, get } from "./api.js";

const NAMES = [
  "analysis.started", "stage.started", "member.started", "member.delta", "member.reasoning",
  "member.completed", "member.failed", "stage.completed", "synthesis.delta",
  "analysis.completed", "analysis.failed", "analysis.cancelled",
];
const LAST = new Set(["analysis.completed", "analysis.failed", "analysis.cancelled"]);
const LONGEST_PAUSE = 15_000;

/**
 * Calls `onEvent(name, data)` for every event in order, each once; `onLine(connected)` when the line
 * breaks or is back; `onGone(problem)` when there is nothing (any more) to follow.
 */
export function follow(id, { onEvent, onLine, onGone, signal }) {
  let last = 0;
  let pause = 500;
  let source = null;
  let timer = 0;

  signal.addEventListener("abort", stop, { once: true });
  open();

  function stop() {
    clearTimeout(timer);
    source?.close();
  }

  function open() {
    source = new EventSource(`/api/analyses/${encodeURIComponent(id)}/events?after=${last}`);
    source.onopen = () => {
      pause = 500;
      onLine?.(true);
    };
    source.onerror = () => {
      if (signal.aborted) return;
      onLine?.(false);
      // CONNECTING: the browser tries again by itself. CLOSED: it got an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) askThenReopen();
    };
    for (const name of NAMES) source.addEventListener(name, (event) => receive(name, event));
  }

  function receive(name, event) {
    const number = Number(event.lastEventId);
    if (number && number <= last) return;
    last = number || last + 1;
    if (LAST.has(name)) stop();
    onEvent(name, JSON.parse(event.data));
  }

  // An ordinary request first: it renews an expired session, and tells a lost analysis from a lost line.
  function askThenReopen() {
    source.close();
    timer = setTimeout(async () => {
      pause = Math.min(pause * 2, LONGEST_PAUSE);
      try {
        await get(`/api/analyses/${encodeURIComponent(id)}`, { signal });
      } catch (problem) {
        if (signal.aborted) return;
        if (problem.status === 404 || problem.status === 401 || problem.status === 403) return onGone?.(problem);
        return askThenReopen();
      }
      open();
    }, pause);
  }
}

/**
 * Starts an analysis whose events come as the answer, and gives a function that follows them. Here the
 * connection is the run: when it is closed, the run ends, and nobody can come back to it.
 */
export async function startHere(request, signal) {
  const response = await call("POST", "/api/analyze", {
    body: { ...request, stream: true }, accept: "text/event-stream", raw: true, signal,
  });
  return async ({ onEvent, onGone }) => {
    try {
      const ended = await readEvents(response.body.pipeThrough(new TextDecoderStream()).getReader(), onEvent);
      if (!ended) throw new Error("the line to the server broke, and without an account a run cannot be picked up again");
    } catch (problem) {
      if (!signal.aborted) onGone(problem);
    }
  };
}

// True when the last event of the run was among them.
async function readEvents(reader, onEvent) {
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return false;
    rest += value;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const [name, data] = [field("event"), field("data")];
      if (!name || !data) continue;
      onEvent(name, JSON.parse(data));
      if (LAST.has(name)) return true;
    }
  }
}
