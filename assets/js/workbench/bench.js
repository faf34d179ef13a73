// The one-screen layout: question and documents on one side, panel and settings on the other, with the estimate
// and the Run button always visible.
import { button, el, fill, icon, keepPlace } from "../dom.js";
import { plural } from "../format.js";
import { user } from "../state.js";
import { Alert, FormHint, Waiting } from "../parts/states.js";
import { Suggestions } from "../parts/suggestions.js";
import { STEP_BY_STEP } from "./draft.js";
import { Depth, Documents, Panel, Pattern, Plan, Question, RecipeChoice, Settings, Writer } from "./fields.js";

const SUGGEST_DELAY_MS = 900;

/** The element. `begin` starts the run and resolves to a problem or null; `arrange(name)` changes the layout. */
export function Bench(context) {
  const { draft, data, signal } = context;
  const plan = Plan(context);
  const boundContext = { ...context, changed: () => {
    context.changed();
    plan.update();
    drawButton();
    fill(message);
  } };
  const run = button("Run", { type: "submit", class: "primary large bench-run" });
  const message = el("div", { class: "step-message" });
  const suggestionArea = el("div", { class: "bench-hints" });
  let timer = 0;
  const question = Question({ draft, changed: () => {
    boundContext.changed();
    clearTimeout(timer);
    timer = setTimeout(showSuggestions, SUGGEST_DELAY_MS);
  } }, () => form.requestSubmit(), matchMedia("(pointer: coarse)").matches ? "" : "Press Ctrl+Enter to run.");
  const documents = Documents(boundContext, drawButton);
  const panel = Panel({ ...boundContext, changed: () => {
    boundContext.changed();
    settings.draw();
    updateMemberNames();
  } });
  const pattern = Pattern(boundContext, true);
  const settings = Settings(boundContext);
  const choiceArea = el("div", { class: "bench-choices" });
  const memberNames = el("span", { class: "fine" });
  const panelSection = el("details", { class: "more bench-panel", open: !matchMedia("(max-width: 60rem)").matches }, el("summary", null, "Panel ", memberNames), panel.node);
  const recipes = RecipeChoice({ ...boundContext, onTake: redrawAll });
  const form = el("form", { class: "bench", noValidate: true, "aria-labelledby": "bench-title", on: { submit } },
    el("header", { class: "bench-head" }, el("h1", { id: "bench-title", tabindex: "-1" }, "New question"),
      button("Step by step", { class: "link-button layout-choice", on: { click: () => context.arrange(STEP_BY_STEP) } })),
    el("div", { class: "bench-ask" }, question.node, suggestionArea, el("section", { class: "bench-documents", "aria-label": "Documents" }, documents), plan.body),
    el("div", { class: "bench-side" }, recipes.node, panelSection, choiceArea),
    el("div", { class: "bench-bar" }, message, el("div", { class: "bench-go" }, plan.summary, run)));
  drawChoices();
  updateMemberNames();
  drawButton();
  plan.update();
  if (draft.prompt) showSuggestions();
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return form;

  function drawChoices() {
    fill(choiceArea, pattern.node, el("div", { class: "pair" }, Depth(boundContext).node, Writer(boundContext).node), settings.node);
  }

  // A recipe may have changed every field.
  function redrawAll() {
    panel.draw();
    pattern.show(draft.pattern);
    drawChoices();
    settings.draw();
    updateMemberNames();
  }

  function updateMemberNames() {
    memberNames.textContent = data.models.filter((model) => draft.models.has(model.id)).map((model) => model.name.replace(/ \(demo\)$/, "")).join(", ") || "no models yet";
  }

  function showSuggestions() {
    if (signal.aborted || !draft.prompt.trim()) return;
    fill(suggestionArea, Suggestions({ prompt: draft.prompt, signal, onChoose: pattern.choose }).node);
  }

  function drawButton() {
    const chosen = user.get() ? draft.documents.size : 0;
    const words = chosen > 0 ? `Run with ${plural(chosen, "document")}` : "Run";
    run.setAttribute("aria-label", words);
    fill(run, words, icon("arrow"));
  }

  async function submit(event) {
    event.preventDefault();
    fill(message);
    if (!draft.prompt.trim()) return showMissing("Please write a question first", question.input);
    if (draft.models.size === 0) {
      panelSection.open = true;
      return showMissing("Please select at least one model", panel.node.querySelector("input:not(:disabled)"));
    }
    run.disabled = true;
    const done = Waiting(message, "Starting");
    const problem = await context.begin({ withDocuments: true });
    done();
    run.disabled = false;
    if (!problem) return;
    fill(message, Alert(problem));
    keepPlace(form);
  }

  function showMissing(words, where) {
    fill(message, FormHint(words));
    where?.focus();
  }
}
