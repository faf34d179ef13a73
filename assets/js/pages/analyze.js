// The guided analysis: question, panel, documents, and pattern, then the run and its result. With an `id` in the
// URL, shows that analysis, running or finished. Each of the three has its own code, so that a result loads neither
// the steps nor the run view.
import { get } from "../api.js";
import { el, fill } from "../dom.js";
import { fromStored, isOver } from "../parts/run-model.js";
import { styled } from "../styles.js";

export async function load(params, signal) {
  const [data] = await Promise.all([params.id ? loadResult(params.id, signal) : loadSteps(params, signal), styled("run")]);
  return data;
}

async function loadSteps(params, signal) {
  const { loadGuide } = await import("../workbench/guide.js");
  return loadGuide(params, signal);
}

// A result needs only the names of models and patterns.
async function loadResult(id, signal) {
  const [models, patterns, stored, { finish }] = await Promise.all([
    get("/api/available-models", { signal }),
    get("/api/orchestrator/patterns", { query: { brief: true }, signal }),
    get(`/api/analyses/${encodeURIComponent(id)}`, { signal }),
    import("../results/finish.js"),
  ]);
  const run = fromStored(stored);
  const reopen = isOver(run) ? null : (await import("../workbench/running.js")).reopen;
  return { models, patterns, documents: null, stored, run, finish, reopen };
}

export function view(data, context) {
  const page = el("div", { class: "analyze-page" });
  const show = (...content) => fill(page, ...content);
  if (data.guide) data.guide(data, context, show);
  else if (data.reopen) data.reopen({ data, context, show });
  else data.finish(data.run, data, context, show);
  return page;
}
