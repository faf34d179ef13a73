// The guided analysis: question, panel, documents, and pattern, then the run and its result. With an `id` in the
// URL, shows that analysis, running or finished. Each of the three has its own code: the run view's is loaded while
// the question is being written, and a finished result loads neither the steps nor the run view.
import { get } from "../api.js";
import { el, fill } from "../dom.js";
import { plural } from "../format.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { takesGuests } from "../parts/guest.js";
import { toast } from "../parts/toast.js";
import { fromStored, isOver } from "../parts/run-model.js";
import { chooseLayout, INTRO, layout, loadDraft, ONE, PROMPT, requestOf, saveDraft } from "../workbench/draft.js";

const running = () => import("../workbench/running.js");

export async function load(params, signal) {
  return params.id ? loadResult(params.id, signal) : loadGuide(params, signal);
}

// The names of models and patterns are all that a result needs of them.
async function loadResult(id, signal) {
  const [models, patterns, stored, { finish }] = await Promise.all([
    get("/api/available-models", { signal }),
    get("/api/orchestrator/patterns", { query: { brief: true }, signal }),
    get(`/api/analyses/${encodeURIComponent(id)}`, { signal }),
    import("../results/finish.js"), styled("run"),
  ]);
  const run = fromStored(stored);
  return { models, patterns, documents: null, stored, run, finish, reopen: isOver(run) ? null : (await running()).reopen };
}

async function loadGuide(params, signal) {
  const [models, patterns, documents, { Step }, bench] = await Promise.all([
    get("/api/available-models", { signal }),
    get("/api/orchestrator/patterns", { signal }),
    user.get() ? get("/api/documents", { query: { limit: 200 }, signal }).then((told) => told.documents) : takesGuests(signal).then((yes) => (yes ? [] : null)),
    import("../parts/steps.js"),
    layout() === ONE ? import("../workbench/bench.js") : null,
    styled("run"), styled("workbench"),
  ]);
  return { models, patterns, documents, stored: null, pattern: params.pattern, begin: "begin" in params, Step, Bench: bench?.Bench };
}

export function view(data, context) {
  const page = el("div", { class: "analyze-page" });
  const show = (...content) => fill(page, ...content);
  if (!data.stored) guide(data, context, show);
  else if (data.reopen) data.reopen({ data, context, show });
  else data.finish(data.run, data, context, show);
  return page;
}

function guide(data, context, show) {
  const draft = loadDraft(data, data.pattern);
  const common = {
    draft, data, signal: context.signal, begin, request: () => requestOf(draft),
    changed() {
      saveDraft(draft);
      prepare();
    },
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
    const node = data.Step(step, { ...common, to });
    show(node);
    if (!moved) return;
    prepare();
    (node.querySelector("[data-first]") ?? node.querySelector("h1"))?.focus();
  }

  async function begin({ withDocuments }) {
    const request = requestOf(draft, withDocuments ?? true);
    try {
      const { begin: start, beginHere } = await running();
      await (user.get() ? start : beginHere)(request, { data, context, show });
    } catch (problem) {
      if (context.signal.aborted) return null;
      if (problem.status === 401) return context.go(`/login?next=${encodeURIComponent("/analyze")}`);
      return problem;
    }
    return null;
  }
}

// Preloads the run view; a failure here is retried when a run starts.
function prepare() {
  running().catch(() => null);
}

// Files may be dropped at any step; those dropped early wait for the documents step.
function keepDropped(data, signal) {
  data.dropped = [];
  const heard = (type, act) => window.addEventListener(type, (event) => {
    if (document.querySelector(".drop-zone") || ![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    act?.(event);
  }, { signal });
  heard("dragover");
  heard("drop", (event) => {
    if (!data.documents) return toast("Sign in to ask about your own documents.", "failed");
    data.dropped.push(...event.dataTransfer.files);
    toast(`${plural(data.dropped.length, "file is", "files are")} kept for the last step.`);
  });
}
