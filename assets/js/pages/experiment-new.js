// A new experiment, with all steps on one page: cases, search space, scoring, objective, budget, and estimate.
import { get } from "../api.js";
import { button, el, link } from "../dom.js";
import { Field } from "../parts/field.js";
import { toast } from "../parts/toast.js";
import { BudgetFields, CurrentPicker, ObjectivePicker } from "../experiments/aims.js";
import { CaseEditor } from "../experiments/cases.js";
import { demoDraft, hasDemo } from "../experiments/demo.js";
import { dropDraft, loadDraft, newDraft, saveDraft } from "../experiments/draft.js";
import { EstimateView } from "../experiments/estimate.js";
import { EvaluatorPicker } from "../experiments/evaluator.js";
import { SpaceEditor } from "../experiments/space.js";

const SAVE_DELAY_MS = 300;

export async function load(params, signal) {
  const [models, patterns, parameters, documents] = await Promise.all([
    get("/api/available-models", { signal }),
    get("/api/orchestrator/patterns", { signal }),
    get("/api/parameters", { signal }),
    get("/api/documents", { query: { limit: 200 }, signal }).then((response) => response.documents),
  ]);
  return { models, patterns, parameters, documents };
}

export function view(data, { signal, go }) {
  const page = el("section", { class: "page experiment-new" });
  build(loadDraft());
  return page;

  function build(draft) {
    page.replaceChildren(...form(draft));
  }

  function form(draft) {
    let timer = 0;
    const changed = () => {
      clearTimeout(timer);
      timer = setTimeout(() => saveDraft(draft), SAVE_DELAY_MS);
      estimate.stale();
    };
    const estimate = EstimateView({ draft, models: data.models, signal, begun: (id) => {
      clearTimeout(timer);
      dropDraft();
      go(`/experiments?id=${encodeURIComponent(id)}`);
    } });
    const current = CurrentPicker({ draft, models: data.models, changed });
    const space = SpaceEditor({ draft, data, changed: () => {
      current.refresh();
      changed();
    } });
    // The number of passages can be varied only if there are documents.
    const cases = CaseEditor({ draft, documents: data.documents, signal, changed: () => {
      space.refresh();
      changed();
    } });
    const name = Field("Name", { value: draft.name, maxLength: 80, autocomplete: "off", placeholder: "For your list", on: { input: ({ target }) => {
      draft.name = target.value;
      changed();
    } } });
    return [
      el("header", { class: "page-head" },
        link("/experiments", "Experiments", { class: "back-link" }),
        el("h1", null, "New experiment"),
        el("p", { class: "lead" }, "Ask the same questions with several configurations. See which answers best, and whether the difference is real."),
        el("div", { class: "actions" },
          hasDemo(data.models) && button("Try with demo models", { class: "secondary", on: { click: () => applyDraft(demoDraft(data.models), "Fills in a small experiment that is free and needs no network.") } }),
          button("Start over", { class: "quiet", on: { click: () => applyDraft(newDraft(), "Cleared.", draft) } }))),
      Part(1, "Cases", "Questions like your real ones, each with its expected answer.", cases.node),
      Part(2, "Configurations", "Every combination of values is a configuration.", space.node),
      Part(3, "How answers are scored", "From most to least trusted.", EvaluatorPicker({ draft, models: data.models, changed }).node),
      Part(4, "Goal and limits", "", ObjectivePicker({ draft, changed }).node, current.node, BudgetFields({ draft, changed }).node),
      Part(5, "Review", "", name.node, estimate.node),
    ];
  }

  function applyDraft(draft, words, previous) {
    saveDraft(draft);
    build(draft);
    const undo = previous && button("Undo", { class: "toast-action", on: { click: () => applyDraft(previous, "Restored.") } });
    toast(words, "done", undo);
    page.querySelector("h1").tabIndex = -1;
    page.querySelector("h1").focus();
  }
}

function Part(number, title, about, ...content) {
  const id = `part-${number}`;
  return el("section", { class: "experiment-part", "aria-labelledby": id },
    el("header", null, el("h2", { id }, el("span", { class: "part-number", "aria-hidden": "true" }, String(number)), title), about && el("p", { class: "fine" }, about)),
    content);
}
