// Question form before the run starts: step by step, or all steps on one page.
import { get } from "../api.js";
import { fill } from "../dom.js";
import { plural } from "../format.js";
import { acceptsGuests } from "../parts/guest.js";
import { Step } from "../parts/steps.js";
import { toast } from "../parts/toast.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { chooseLayout, INTRO, layout, loadDraft, SINGLE_PAGE, PROMPT, requestOf, saveDraft } from "./draft.js";

const loadRunView = () => import("./running.js");

/** Loads what the steps need. */
export async function loadGuide(params, signal) {
  const [models, patterns, documents, bench] = await Promise.all([
    get("/api/available-models", { signal }),
    get("/api/orchestrator/patterns", { signal }),
    user.get() ? get("/api/documents", { query: { limit: 200 }, signal }).then((response) => response.documents) : acceptsGuests(signal).then((isAccepted) => (isAccepted ? [] : null)),
    layout() === SINGLE_PAGE ? import("./bench.js") : null,
    styled("workbench"),
  ]);
  return { models, patterns, documents, pattern: params.pattern, begin: "begin" in params, Bench: bench?.Bench, guide };
}

function guide(data, context, show) {
  const draft = loadDraft(data, data.pattern);
  const stepContext = {
    draft, data, signal: context.signal, begin, request: () => requestOf(draft),
    changed() {
      saveDraft(draft);
      preload();
    },
    arrange(name) {
      chooseLayout(name);
      draft.step = draft.step || PROMPT;
      saveDraft(draft);
      context.go("/analyze", { replace: true });
    },
  };
  collectDrops(data, context.signal);
  if (data.Bench) show(data.Bench(stepContext));
  else goToStep(draft.step || (draft.prompt || data.begin ? PROMPT : INTRO), false);

  function goToStep(step, hasMoved = true) {
    draft.step = step;
    saveDraft(draft);
    const node = Step(step, { ...stepContext, to: goToStep });
    show(node);
    if (!hasMoved) return;
    preload();
    (node.querySelector("[data-first]") ?? node.querySelector("h1"))?.focus();
  }

  async function begin({ withDocuments }) {
    const request = requestOf(draft, withDocuments ?? true);
    try {
      const { begin: start, beginHere } = await loadRunView();
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
function preload() {
  loadRunView().catch(() => null);
}

// Files may be dropped at any step; those dropped early wait for the documents step.
function collectDrops(data, signal) {
  data.dropped = [];
  const listen = (type, act) => window.addEventListener(type, (event) => {
    if (document.querySelector(".drop-zone") || ![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    act?.(event);
  }, { signal });
  listen("dragover");
  listen("drop", (event) => {
    if (!data.documents) return toast("Sign in to ask about your own documents.", "failed");
    data.dropped.push(...event.dataTransfer.files);
    toast(`${plural(data.dropped.length, "file is", "files are")} kept for the last step.`);
  });
}
