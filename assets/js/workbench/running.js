// A run from its start (or its current state, if reopened) to its result. `pageContext` is `{data, context, show}` of
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
export async function begin(request, pageContext) {
  const { context } = pageContext;
  const started = await post("/api/analyze", { ...request, async: true }, { signal: context.signal });
  remember("panel", request.models);
  clearDraft();
  context.note(`/analyze?id=${encodeURIComponent(started.analysis_id)}`);
  watch(plannedRun(request, started.analysis_id), pageContext, Date.now());
  announce("The analysis has started.");
}

/** Starts a run without an account; it lasts as long as its connection. */
export async function beginHere(request, pageContext) {
  const controller = new AbortController();
  pageContext.context.signal.addEventListener("abort", () => controller.abort(), { once: true });
  watchHere(plannedRun(request, ""), pageContext, await startHere(request, controller.signal), controller);
}

/** Shows a stored analysis, running or finished. */
export function reopen(pageContext) {
  const run = fromStored(pageContext.data.stored);
  if (isOver(run)) return finish(run, pageContext);
  const began = Date.parse(run.createdAt) || Date.now();
  // Events are replayed from the beginning, so the stored text would appear twice.
  const liveRun = newRun(run);
  liveRun.sources = run.sources;
  watch(liveRun, pageContext, Math.min(began, Date.now()));
}

function plannedRun(request, id) {
  const { prompt, pattern, models, ultra_model: ultra = "", document_ids: documents = [] } = request;
  return newRun({ id, prompt, pattern, models, ultra, documents });
}

function watch(run, pageContext, began) {
  const { data, context, show } = pageContext;
  preload();
  const controller = new AbortController();
  context.signal.addEventListener("abort", () => controller.abort(), { once: true });
  const runView = RunView(run, { models: data.models, began, signal: controller.signal, onCancel: () => cancel(run), onFinish: () => finishNow(run), onStop: (member) => skipMember(run, member) });
  show(runView.node);
  keepPlace();
  follow(run.id, {
    signal: controller.signal,
    onEvent(name, eventData) {
      const member = apply(run, name, eventData);
      if (name === "analysis.started") loadSources(run, controller.signal);
      if (isOver(run)) onEnd();
      else runView.changed(member);
    },
    onLine: runView.line,
    onGone(problem) {
      controller.abort();
      show(Failure(problem));
    },
  });

  // The stored result has data that events lack: the letters that the models saw, sources, and billed costs.
  async function onEnd() {
    controller.abort();
    let endedRun = run;
    try {
      endedRun = fromStored(await get(`/api/analyses/${encodeURIComponent(run.id)}`, { signal: context.signal }));
      endedRun.totals = run.totals ?? endedRun.totals;
    } catch (problem) {
      if (context.signal.aborted) return;
      toast(`The stored result could not be loaded: ${sentence(problem.message)}`, "failed");
    }
    finish(endedRun, pageContext);
    announce(statusMessage(endedRun));
  }
}

// Without an account, nothing is stored, so the events are the only source.
function watchHere(run, pageContext, attach, controller) {
  const { data, show } = pageContext;
  preload();
  const runView = RunView(run, {
    models: data.models, began: Date.now(), signal: controller.signal,
    onCancel: () => onEnd("analysis.cancelled", { reason: "you stopped it" }),
  });
  show(runView.node);
  keepPlace();
  announce("The analysis has started.");
  attach({
    onEvent(name, eventData) {
      if (controller.signal.aborted) return;
      const member = apply(run, name, eventData);
      if (isOver(run)) showResult();
      else runView.changed(member);
    },
    onGone: (problem) => onEnd("analysis.failed", { error: problem.message }),
  });

  function onEnd(name, eventData) {
    apply(run, name, eventData);
    run.totals = null;
    showResult();
  }

  function showResult() {
    controller.abort();
    finish(run, pageContext);
    announce(statusMessage(run));
  }
}

async function loadSources(run, signal) {
  try {
    run.sources = (await get(`/api/analyses/${encodeURIComponent(run.id)}`, { signal })).sources ?? [];
  } catch {
    // The final result includes them in any case.
  }
}

async function finishNow(run) {
  try {
    await post(`/api/analyses/${encodeURIComponent(run.id)}/synthesize`);
    toast("Writing the answer from the finished texts.");
  } catch (problem) {
    toast(sentence(problem.message), "failed");
  }
}

async function skipMember(run, { model }) {
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
async function finish(run, pageContext) {
  const { data, context, show } = pageContext;
  try {
    const { finish: showResult } = await loadFinish();
    if (!context.signal.aborted) showResult(run, data, context, show);
  } catch (problem) {
    if (!context.signal.aborted) show(Failure(problem, () => finish(run, pageContext)));
  }
}

function loadFinish() {
  return import("../results/finish.js");
}

// Preloads the result views; a failure here is retried at the end of the run.
function preload() {
  loadFinish().catch(() => null);
}

function statusMessage({ status }) {
  return { completed: "Analysis complete.", cancelled: "Analysis stopped." }[status] ?? "Analysis failed.";
}
