// The guided analysis: question, panel, documents and pattern, then the run and its result. With an `id`
// in the address it shows that analysis, whether it still runs or not.
import { get, post } from "../api.js";
import { announce, el, fill } from "../dom.js";
import { follow, startHere } from "../events.js";
import { plural, sentence } from "../format.js";
import { remember, user } from "../state.js";
import { styled } from "../styles.js";
import { apply, fromStored, isOver, newRun } from "../parts/run-model.js";
import { RunView } from "../parts/run.js";
import { Failure } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { INTRO, PROMPT, Step } from "../parts/steps.js";
import { chooseLayout, clearDraft, layout, loadDraft, ONE, requestOf, saveDraft } from "../workbench/draft.js";

export async function load(params, signal) {
  const [models, patterns, documents, stored, bench] = await Promise.all([
    get("/api/available-models", { signal }),
    get("/api/orchestrator/patterns", { signal }),
    user.get() ? get("/api/documents", { query: { limit: 200 }, signal }).then((told) => told.documents) : null,
    params.id ? get(`/api/analyses/${encodeURIComponent(params.id)}`, { signal }) : null,
    layout() === ONE && !params.id ? import("../workbench/bench.js") : null,
    styled("workbench"),
    params.id ? ending() : null,
  ]);
  return { models, patterns, documents, stored, pattern: params.pattern, begin: "begin" in params, Bench: bench?.Bench };
}

export function view(data, context) {
  const page = el("div", { class: "analyze-page" });
  const show = (...content) => fill(page, ...content);
  if (data.stored) reopen(data, context, show);
  else guide(data, context, show);
  return page;
}

function guide(data, context, show) {
  const draft = loadDraft(data, data.pattern);
  const common = {
    draft, data, signal: context.signal, changed: () => saveDraft(draft), begin, request: () => requestOf(draft),
    arrange(name) {
      chooseLayout(name);
      draft.step = draft.step || PROMPT;
      saveDraft(draft);
      context.go("/analyze", { replace: true });
    },
  };
  keepDropped(data, context.signal);
  if (data.Bench) show(data.Bench(common));
  else to(draft.step || (draft.prompt || data.begin ? PROMPT : INTRO), false);

  function to(step, moved = true) {
    draft.step = step;
    saveDraft(draft);
    const node = Step(step, { ...common, to });
    show(node);
    if (moved) (node.querySelector("[data-first]") ?? node.querySelector("h1"))?.focus();
  }

  async function begin({ withDocuments }) {
    const request = requestOf(draft, withDocuments ?? true);
    const documents = request.document_ids ?? [];
    const run = newRun({ id: "", prompt: request.prompt, pattern: request.pattern, models: request.models, ultra: draft.ultra, documents });
    try {
      if (!user.get()) return await beginHere(run, request);
      const started = await post("/api/analyze", { ...request, async: true }, { signal: context.signal });
      run.id = started.analysis_id;
      remember("panel", request.models);
      clearDraft();
      context.note(`/analyze?id=${encodeURIComponent(started.analysis_id)}`);
      watch(run, data, context, show, Date.now());
      announce("The analysis has started.");
    } catch (problem) {
      if (context.signal.aborted) return null;
      if (problem.status === 401) return context.go(`/login?next=${encodeURIComponent("/analyze")}`);
      return problem;
    }
    return null;
  }

  async function beginHere(run, request) {
    const stop = new AbortController();
    context.signal.addEventListener("abort", () => stop.abort(), { once: true });
    watchHere(run, data, context, show, await startHere(request, stop.signal), stop);
    return null;
  }
}

// Files may be dropped in any step; those of an early one wait for the documents' turn.
function keepDropped(data, signal) {
  data.dropped = [];
  const heard = (type, act) => window.addEventListener(type, (event) => {
    if (document.querySelector(".drop-zone") || ![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    act?.(event);
  }, { signal });
  heard("dragover");
  heard("drop", (event) => {
    if (!user.get()) return toast("Sign in to ask about your own documents.", "failed");
    data.dropped.push(...event.dataTransfer.files);
    toast(`${plural(data.dropped.length, "file is", "files are")} kept for the last step.`);
  });
}

function reopen(data, context, show) {
  const run = fromStored(data.stored);
  if (isOver(run)) return finish(run, data, context, show);
  const began = Date.parse(run.createdAt) || Date.now();
  // Events are told from the first one again: what is stored so far would be doubled by them.
  const fresh = newRun(run);
  fresh.sources = run.sources;
  watch(fresh, data, context, show, Math.min(began, Date.now()));
}

function watch(run, data, context, show, began) {
  prepare();
  const stop = new AbortController();
  context.signal.addEventListener("abort", () => stop.abort(), { once: true });
  const running = RunView(run, { models: data.models, began, signal: stop.signal, onCancel: () => cancel(run), onHurry: () => hurry(run), onStop: (member) => leaveOut(run, member) });
  show(running.node);
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

  // The stored result has what no event tells: letters as the models saw them, sources, costs as billed.
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
    finish(final, data, context, show);
    announce(final.status === "completed" ? "Analysis complete." : `Analysis ${final.status}.`);
  }
}

// Without an account: nothing is stored, so the events are all there is.
function watchHere(run, data, context, show, attach, stop) {
  prepare();
  const running = RunView(run, {
    models: data.models, began: Date.now(), signal: stop.signal,
    onCancel: () => conclude("analysis.cancelled", { reason: "you stopped it" }),
  });
  show(running.node);
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
    finish(run, data, context, show);
    announce(run.status === "completed" ? "Analysis complete." : `Analysis ${run.status}.`);
  }
}

async function learnSources(run, signal) {
  try {
    run.sources = (await get(`/api/analyses/${encodeURIComponent(run.id)}`, { signal })).sources ?? [];
  } catch {
    // The result brings them in any case.
  }
}

async function hurry(run) {
  try {
    await post(`/api/analyses/${encodeURIComponent(run.id)}/synthesize`);
    toast("The answer is written from what is ready.");
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

// What is shown of an answer is fetched while it is being written: who only asks does not wait for it.
async function finish(run, data, context, show) {
  try {
    const { finish: end } = await ending();
    if (!context.signal.aborted) end(run, data, context, show);
  } catch (problem) {
    if (!context.signal.aborted) show(Failure(problem, () => finish(run, data, context, show)));
  }
}

function ending() {
  return import("../results/finish.js");
}

// Should it fail now, it is tried again at the end.
function prepare() {
  ending().catch(() => null);
}

