// Follows the events of one analysis to its end, through lost connections, sleep, and server restarts. The
// browser's EventSource resumes with Last-Event-ID; when it gives up, this module reconnects. Without an account,
// the events arrive in the response to the request itself.
import { call, get } from "./api.js";
import { within } from "./base.js";

const EVENT_NAMES = [
  "analysis.started", "stage.started", "member.started", "member.delta", "member.reasoning",
  "member.completed", "member.failed", "stage.completed", "synthesis.delta",
  "analysis.completed", "analysis.failed", "analysis.cancelled",
];
const FINAL_EVENTS = new Set(["analysis.completed", "analysis.failed", "analysis.cancelled"]);
const MAX_RETRY_DELAY_MS = 15_000;

/**
 * Calls `onEvent(name, data)` once for every event in order; `onLine(connected)` when the connection is
 * lost or restored; `onGone(problem)` when there are no events to follow (any more).
 */
export function follow(id, { onEvent, onLine, onGone, signal }) {
  let last = 0;
  let retryDelay = 500;
  let source = null;
  let timer = 0;

  signal.addEventListener("abort", stop, { once: true });
  open();

  function stop() {
    clearTimeout(timer);
    source?.close();
  }

  function open() {
    source = new EventSource(within(`/api/analyses/${encodeURIComponent(id)}/events?after=${last}`));
    source.onopen = () => {
      retryDelay = 500;
      onLine?.(true);
    };
    source.onerror = () => {
      if (signal.aborted) return;
      onLine?.(false);
      // CONNECTING means that the browser retries; CLOSED means that the response was not an event
      // stream.
      if (source.readyState === EventSource.CLOSED) checkThenReopen();
    };
    for (const name of EVENT_NAMES) source.addEventListener(name, (event) => receive(name, event));
  }

  function receive(name, event) {
    const number = Number(event.lastEventId);
    if (number && number <= last) return;
    last = number || last + 1;
    if (FINAL_EVENTS.has(name)) stop();
    onEvent(name, JSON.parse(event.data));
  }

  // Sends an ordinary request first: it renews an expired session and distinguishes a deleted analysis from a lost
  // connection.
  function checkThenReopen() {
    source.close();
    timer = setTimeout(async () => {
      retryDelay = Math.min(retryDelay * 2, MAX_RETRY_DELAY_MS);
      try {
        await get(`/api/analyses/${encodeURIComponent(id)}`, { signal });
      } catch (problem) {
        if (signal.aborted) return;
        if (problem.status === 404 || problem.status === 401 || problem.status === 403) return onGone?.(problem);
        return checkThenReopen();
      }
      open();
    }, retryDelay);
  }
}

/**
 * Starts an analysis whose events are the response, and returns a function that follows them. The run is tied
 * to this connection: when it closes, the run ends and cannot be resumed.
 */
export async function startHere(request, signal) {
  const response = await call("POST", "/api/analyze", {
    body: { ...request, stream: true }, accept: "text/event-stream", raw: true, signal,
  });
  return async ({ onEvent, onGone }) => {
    try {
      const ended = await readEvents(response.body.pipeThrough(new TextDecoderStream()).getReader(), onEvent);
      if (!ended) throw new Error("the connection to the server was lost, and a run without an account cannot be resumed");
    } catch (problem) {
      if (!signal.aborted) onGone(problem);
    }
  };
}

// Reads events until the stream ends. Returns whether the run's final event was among them.
async function readEvents(reader, onEvent) {
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return false;
    buffer += value;
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      const lines = buffer.slice(0, end).split("\n");
      buffer = buffer.slice(end + 2);
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const [name, data] = [field("event"), field("data")];
      if (!name || !data) continue;
      onEvent(name, JSON.parse(data));
      if (FINAL_EVENTS.has(name)) return true;
    }
  }
}
