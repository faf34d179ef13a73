// A running experiment: progress, the leading configuration, cost, and remaining time. Updates are announced to screen
// readers only occasionally.
import { post } from "../api.js";
import { within } from "../base.js";
import { announce, button, el, fill } from "../dom.js";
import { count, duration, money, plural, sentence } from "../format.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { score, span } from "./words.js";

const ANNOUNCE_INTERVAL_MS = 20_000;
const MAX_RETRY_DELAY_MS = 15_000;

/** Returns `{node}`. Follows the events of a running experiment and calls `ended()` when it ends. `words` names configurations. */
export function ProgressView({ experiment, words, ended, signal }) {
  const bar = el("progress", { class: "experiment-bar", max: 1, "aria-label": "Budget used" });
  const statusLine = el("p", { class: "run-doing" });
  const facts = el("dl", { class: "facts" });
  const connectionLine = el("p", { class: "fine warn", role: "status" });
  const message = el("div", { class: "step-message" });
  const stop = button("Stop", { class: "secondary", on: { click: cancel } });
  let announcedAt = Date.now();
  let leader = experiment.progress?.best?.place;
  show(experiment.progress);
  follow(experiment.id, { onProgress: show, onLine, onEnd: ended, signal });

  function show(progress) {
    if (!progress) return;
    const { best, spent, budget } = progress;
    bar.value = usedFraction(spent, budget);
    statusLine.textContent = progress.evaluations === 0 ? "Starting. Interactive questions have priority." : `${plural(progress.evaluations, "evaluation")} done${progress.racing ? `, ${plural(progress.racing, "configuration")} in the race` : ""}`;
    const fact = (name, ...value) => el("div", null, el("dt", null, name), el("dd", { dir: "auto" }, value));
    fill(facts,
      best && fact("Best so far", `${words.name(best.setting)}: ${score(best.mean)} `, el("span", { class: "fine" }, `(${span(best.interval)}, ${plural(best.cases ?? progress.evaluations, "case")})`)),
      fact("Spent", spentOf(spent, budget)),
      fact("Time left", progress.seconds_left === null || progress.seconds_left === undefined ? "unknown" : `about ${duration(Math.max(1, progress.seconds_left) * 1000)}`));
    announceProgress(progress);
  }

  function announceProgress({ best, evaluations, seconds_left: left }) {
    const changed = best && best.place !== leader;
    if (!changed && Date.now() - announcedAt < ANNOUNCE_INTERVAL_MS) return;
    announcedAt = Date.now();
    leader = best?.place;
    announce([
      plural(evaluations, "evaluation done", "evaluations done"),
      best && `${words.name(best.setting)} ${changed ? "now " : ""}leads with ${score(best.mean)}`,
      left > 0 && `about ${duration(left * 1000)} left`,
    ].filter(Boolean).join(", ") + ".");
  }

  function onLine(connected) {
    connectionLine.textContent = connected ? "" : "Connection lost. The experiment continues; reconnecting…";
  }

  async function cancel() {
    stop.disabled = true;
    try {
      await post(`/api/experiments/${encodeURIComponent(experiment.id)}/cancel`, {}, { signal });
      toast("The experiment is stopped. Its results so far are kept.");
    } catch (problem) {
      stop.disabled = false;
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }

  return { node: el("section", { class: "card experiment-progress", "aria-label": "Progress" },
    el("div", { class: "run-head" }, el("div", { class: "run-status" }, el("span", { class: "loading-spinner", "aria-hidden": "true" }), statusLine), stop),
    bar, facts, connectionLine, message,
    el("p", { class: "fine" }, "It continues in the background; you can leave this page.")) };
}

// The fraction used of whichever limit is closest to being reached.
function usedFraction(spent, budget = {}) {
  const parts = ["cost_usd", "tokens", "seconds", "evaluations"].filter((kind) => budget[kind] > 0).map((kind) => (spent[kind] ?? 0) / budget[kind]);
  return Math.min(1, Math.max(0, ...parts));
}

function spentOf(spent, budget = {}) {
  const amountOf = (kind, show, noun = "") => {
    const limit = budget[kind] ? ` of ${show(budget[kind])}` : "";
    return (spent[kind] > 0 || limit) && `${show(spent[kind] ?? 0)}${limit}${noun}`;
  };
  return [
    amountOf("cost_usd", money), amountOf("tokens", count, " tokens"),
    budget.seconds && amountOf("seconds", (seconds) => duration(seconds * 1000)), budget.evaluations && amountOf("evaluations", count, " evaluations"),
  ].filter(Boolean).join(", ") || "nothing yet";
}

/** The notice for an experiment that is neither running nor finished: the reason, and how to resume it. */
export function StoppedNotice({ experiment, resumed, signal }) {
  const message = el("div", { class: "step-message" });
  const label = experiment.status === "paused" ? "Paused" : experiment.status === "failed" ? "Failed" : "Stopped";
  const resumeButton = button("Resume", { class: "primary", on: { click: async () => {
    resumeButton.disabled = true;
    try {
      await post(`/api/experiments/${encodeURIComponent(experiment.id)}/resume`, {}, { signal });
      resumed();
    } catch (problem) {
      resumeButton.disabled = false;
      if (!signal.aborted) fill(message, Alert(problem));
    }
  } } });
  return el("section", { class: "card", "aria-label": "State" },
    el("p", { class: "run-doing" }, experiment.error ? `${label}: ${sentence(experiment.error)}` : `${label} after ${plural(experiment.progress?.evaluations ?? 0, "evaluation")}.`),
    el("p", { class: "fine" }, "All results are kept. It continues where it stopped."),
    message, el("div", { class: "actions" }, resumeButton));
}

// EventSource reconnects after a lost connection, but not after a response that is not an event stream;
// in that case it is reopened here.
function follow(id, { onProgress, onLine, onEnd, signal }) {
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
    source = new EventSource(within(`/api/experiments/${encodeURIComponent(id)}/events`));
    source.onopen = () => {
      retryDelay = 500;
      onLine(true);
    };
    source.addEventListener("experiment.progress", (event) => onProgress(JSON.parse(event.data)));
    source.addEventListener("experiment.finished", () => {
      stop();
      if (!signal.aborted) onEnd();
    });
    source.onerror = () => {
      if (signal.aborted) return;
      onLine(false);
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, retryDelay);
      retryDelay = Math.min(retryDelay * 2, MAX_RETRY_DELAY_MS);
    };
  }
}
