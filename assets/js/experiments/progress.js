// A running experiment: progress, the leading setting, cost, and remaining time. Updates are announced to screen
// readers only occasionally.
import { post } from "../api.js";
import { within } from "../base.js";
import { announce, button, el, fill } from "../dom.js";
import { count, duration, money, plural, sentence } from "../format.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { score, span } from "./words.js";

const SPEAKS_MS = 20_000;
const MAX_PAUSE = 15_000;

/** Returns `{node}`. Follows the events of a running experiment and calls `ended()` when it ends. `words` names settings. */
export function ProgressView({ told, words, ended, signal }) {
  const bar = el("progress", { class: "experiment-bar", max: 1, "aria-label": "Budget used" });
  const doing = el("p", { class: "run-doing" });
  const facts = el("dl", { class: "facts" });
  const line = el("p", { class: "fine warn", role: "status" });
  const message = el("div", { class: "step-message" });
  const stop = button("Stop", { class: "secondary", on: { click: cancel } });
  let spoken = Date.now();
  let leader = told.progress?.best?.place;
  show(told.progress);
  follow(told.id, { onProgress: show, onLine, onEnd: ended, signal });

  function show(progress) {
    if (!progress) return;
    const { best, spent, budget } = progress;
    bar.value = used(spent, budget);
    doing.textContent = progress.evaluations === 0 ? "Starting. Interactive questions have priority." : `${plural(progress.evaluations, "evaluation")} done${progress.racing ? `, ${plural(progress.racing, "setting")} in the race` : ""}`;
    const fact = (name, ...value) => el("div", null, el("dt", null, name), el("dd", { dir: "auto" }, value));
    fill(facts,
      best && fact("Best so far", `${words.name(best.setting)}: ${score(best.mean)} `, el("span", { class: "fine" }, `(${span(best.interval)}, ${plural(best.cases ?? progress.evaluations, "case")})`)),
      fact("Spent", spentOf(spent, budget)),
      fact("Time left", progress.seconds_left === null || progress.seconds_left === undefined ? "not known yet" : `about ${duration(Math.max(1, progress.seconds_left) * 1000)}`));
    speak(progress);
  }

  function speak({ best, evaluations, seconds_left: left }) {
    const changed = best && best.place !== leader;
    if (!changed && Date.now() - spoken < SPEAKS_MS) return;
    spoken = Date.now();
    leader = best?.place;
    announce([
      plural(evaluations, "evaluation done", "evaluations done"),
      best && `${changed ? "now " : ""}leading is ${words.name(best.setting)} with ${score(best.mean)}`,
      left > 0 && `about ${duration(left * 1000)} left`,
    ].filter(Boolean).join(", ") + ".");
  }

  function onLine(connected) {
    line.textContent = connected ? "" : "Connection lost. The experiment continues; reconnecting…";
  }

  async function cancel() {
    stop.disabled = true;
    try {
      await post(`/api/experiments/${encodeURIComponent(told.id)}/cancel`, {}, { signal });
      toast("The experiment is stopped. Its results so far are kept.");
    } catch (problem) {
      stop.disabled = false;
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }

  return { node: el("section", { class: "card experiment-progress", "aria-label": "Progress" },
    el("div", { class: "run-head" }, el("div", { class: "run-status" }, el("span", { class: "loading-spinner", "aria-hidden": "true" }), doing), stop),
    bar, facts, line, message,
    el("p", { class: "fine" }, "It continues in the background; you can leave this page.")) };
}

// The fraction used of whichever limit is closest to being reached.
function used(spent, budget = {}) {
  const parts = ["cost_usd", "tokens", "seconds", "evaluations"].filter((kind) => budget[kind] > 0).map((kind) => (spent[kind] ?? 0) / budget[kind]);
  return Math.min(1, Math.max(0, ...parts));
}

function spentOf(spent, budget = {}) {
  const of = (kind, show, noun = "") => {
    const limit = budget[kind] ? ` of ${show(budget[kind])}` : "";
    return (spent[kind] > 0 || limit) && `${show(spent[kind] ?? 0)}${limit}${noun}`;
  };
  return [
    of("cost_usd", money), of("tokens", count, " tokens"),
    budget.seconds && of("seconds", (seconds) => duration(seconds * 1000)), budget.evaluations && of("evaluations", count, " evaluations"),
  ].filter(Boolean).join(", ") || "nothing yet";
}

/** The notice for an experiment that is neither running nor finished: the reason, and how to resume it. */
export function Halted({ told, resumed, signal }) {
  const message = el("div", { class: "step-message" });
  const words = told.status === "paused" ? "Paused" : told.status === "failed" ? "Failed" : "Stopped";
  const on = button("Resume", { class: "primary", on: { click: async () => {
    on.disabled = true;
    try {
      await post(`/api/experiments/${encodeURIComponent(told.id)}/resume`, {}, { signal });
      resumed();
    } catch (problem) {
      on.disabled = false;
      if (!signal.aborted) fill(message, Alert(problem));
    }
  } } });
  return el("section", { class: "card", "aria-label": "State" },
    el("p", { class: "run-doing" }, told.error ? `${words}: ${sentence(told.error)}` : `${words} after ${plural(told.progress?.evaluations ?? 0, "evaluation")}.`),
    el("p", { class: "fine" }, "All results are kept. It continues where it stopped."),
    message, el("div", { class: "actions" }, on));
}

// EventSource reconnects after a lost connection, but not after a response that is not an event stream;
// in that case it is reopened here.
function follow(id, { onProgress, onLine, onEnd, signal }) {
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
    source = new EventSource(within(`/api/experiments/${encodeURIComponent(id)}/events`));
    source.onopen = () => {
      pause = 500;
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
      timer = setTimeout(open, pause);
      pause = Math.min(pause * 2, MAX_PAUSE);
    };
  }
}
