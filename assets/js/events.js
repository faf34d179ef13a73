// Follows the events of one analysis to its end, through lost connections, sleep, and server restarts. The
// browser's EventSource resumes with Last-Event-ID; when it gives up, this module reconnects. Without an account,
// the events arrive in the response to the request itself.
import { call, get } from "./api.js";
import { within } from "./base.js";

const NAMES = [
  "analysis.started", "stage.started", "member.started", "member.delta", "member.reasoning",
  "member.completed", "member.failed", "stage.completed", "synthesis.delta",
  "analysis.completed", "analysis.failed", "analysis.cancelled",
];
const LAST = new Set(["analysis.completed", "analysis.failed", "analysis.cancelled"]);
const MAX_PAUSE = 15_000;

/**
 * Calls `onEvent(name, data)` once for every event in order; `onLine(connected)` when the connection is
 * lost or restored; `onGone(problem)` when there is nothing (any more) to follow.
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
    source = new EventSource(within(`/api/analyses/${encodeURIComponent(id)}/events?after=${last}`));
    source.onopen = () => {
      pause = 500;
      onLine?.(true);
    };
    source.onerror = () => {
      if (signal.aborted) return;
      onLine?.(false);
      // CONNECTING means that the browser retries; CLOSED means that the response was not an event
      // stream.
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

  // Sends an ordinary request first: it renews an expired session and distinguishes a deleted analysis from a lost
  // connection.
  function askThenReopen() {
    source.close();
    timer = setTimeout(async () => {
      pause = Math.min(pause * 2, MAX_PAUSE);
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
      if (!ended) throw new Error("the line to the server broke, and without an account a run cannot be picked up again");
    } catch (problem) {
      if (!signal.aborted) onGone(problem);
    }
  };
}

// Reads events until the stream ends. Returns whether the run's final event was among them.
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
