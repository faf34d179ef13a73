// A run from its start (or its current state, if reopened) to its result. `place` is `{data, context, show}` of
// the page that shows it.
import { get, post } from "../api.js";
import { announce, keepPlace } from "../dom.js";
import { follow, startHere } from "../events.js";
import { sentence } from "../format.js";
import { remember } from "../state.js";
import { apply } from "../parts/run-events.js";
import { fromStored, isOver, newRun } from "../parts/run-model.js";
import { RunView } from "../parts/run.js";
import { Failure } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { clearDraft } from "./draft.js";

/** Starts a run that the server stores, so that every page of its owner can reopen it. */
export async function begin(request, place) {
  const { context } = place;
  const started = await post("/api/analyze", { ...request, async: true }, { signal: context.signal });
  remember("panel", request.models);
  clearDraft();
  context.note(`/analyze?id=${encodeURIComponent(started.analysis_id)}`);
  watch(planned(request, started.analysis_id), place, Date.now());
  announce("The analysis has started.");
}

/** Starts a run without an account; it lasts as long as its connection. */
export async function beginHere(request, place) {
  const stop = new AbortController();
  place.context.signal.addEventListener("abort", () => stop.abort(), { once: true });
  watchHere(planned(request, ""), place, await startHere(request, stop.signal), stop);
}

/** Shows a stored analysis, running or finished. */
export function reopen(place) {
  const run = fromStored(place.data.stored);
  if (isOver(run)) return finish(run, place);
  const began = Date.parse(run.createdAt) || Date.now();
  // Events are replayed from the beginning, so the stored text would appear twice.
  const fresh = newRun(run);
  fresh.sources = run.sources;
  watch(fresh, place, Math.min(began, Date.now()));
}

function planned(request, id) {
  const { prompt, pattern, models, ultra_model: ultra = "", document_ids: documents = [] } = request;
  return newRun({ id, prompt, pattern, models, ultra, documents });
}

function watch(run, place, began) {
  const { data, context, show } = place;
  prepare();
  const stop = new AbortController();
  context.signal.addEventListener("abort", () => stop.abort(), { once: true });
  const running = RunView(run, { models: data.models, began, signal: stop.signal, onCancel: () => cancel(run), onHurry: () => hurry(run), onStop: (member) => leaveOut(run, member) });
  show(running.node);
  keepPlace();
  follow(run.id, {
    signal: stop.signal,
    onEvent(name, told) {
      const member = apply(run, name, told);
      if (name === "analysis.started") learnSources(run, stop.signal);
      if (isOver(run)) conclude();
      else running.changed(member);
    },
    onLine: running.line,
    onGone(problem) {
      stop.abort();
      show(Failure(problem));
    },
  });

  // The stored result has data that events lack: the letters that the models saw, sources, and billed costs.
  async function conclude() {
    stop.abort();
    let final = run;
    try {
      final = fromStored(await get(`/api/analyses/${encodeURIComponent(run.id)}`, { signal: context.signal }));
      final.totals = run.totals ?? final.totals;
    } catch (problem) {
      if (context.signal.aborted) return;
      toast(`The stored result could not be read yet: ${sentence(problem.message)}`, "failed");
    }
    finish(final, place);
    announce(wordsOf(final));
  }
}

// Without an account, nothing is stored, so the events are the only source.
function watchHere(run, place, attach, stop) {
  const { data, show } = place;
  prepare();
  const running = RunView(run, {
    models: data.models, began: Date.now(), signal: stop.signal,
    onCancel: () => conclude("analysis.cancelled", { reason: "you stopped it" }),
  });
  show(running.node);
  keepPlace();
  announce("The analysis has started.");
  attach({
    onEvent(name, told) {
      if (stop.signal.aborted) return;
      const member = apply(run, name, told);
      if (isOver(run)) end();
      else running.changed(member);
    },
    onGone: (problem) => conclude("analysis.failed", { error: problem.message }),
  });

  function conclude(name, told) {
    apply(run, name, told);
    run.totals = null;
    end();
  }

  function end() {
    stop.abort();
    finish(run, place);
    announce(wordsOf(run));
  }
}

async function learnSources(run, signal) {
  try {
    run.sources = (await get(`/api/analyses/${encodeURIComponent(run.id)}`, { signal })).sources ?? [];
  } catch {
    // The final result includes them in any case.
  }
}

async function hurry(run) {
  try {
    await post(`/api/analyses/${encodeURIComponent(run.id)}/synthesize`);
    toast("Writing the answer from what is ready.");
  } catch (problem) {
    toast(sentence(problem.message), "failed");
  }
}

async function leaveOut(run, { model }) {
  try {
    await post(`/api/analyses/${encodeURIComponent(run.id)}/leave-out`, { model });
  } catch (problem) {
    toast(sentence(problem.message), "failed");
  }
}

async function cancel(run) {
  try {
    await post(`/api/analyses/${encodeURIComponent(run.id)}/cancel`);
  } catch (problem) {
    toast(sentence(problem.message), "failed");
  }
}

// The result views' code is loaded during the run, so that asking a question does not wait for it.
async function finish(run, place) {
  const { data, context, show } = place;
  try {
    const { finish: end } = await ending();
    if (!context.signal.aborted) end(run, data, context, show);
  } catch (problem) {
    if (!context.signal.aborted) show(Failure(problem, () => finish(run, place)));
  }
}

function ending() {
  return import("../results/finish.js");
}

// Preloads the result views; a failure here is retried at the end of the run.
function prepare() {
  ending().catch(() => null);
}

function wordsOf({ status }) {
  return { completed: "Analysis complete.", cancelled: "Analysis stopped." }[status] ?? "Analysis failed.";
}
