// The one-screen layout: question and documents on one side, panel and settings on the other, with the estimate
// and the Run button always visible.
import { button, el, fill, icon, keepPlace } from "../dom.js";
import { plural } from "../format.js";
import { user } from "../state.js";
import { Alert, Missing, Waiting } from "../parts/states.js";
import { Suggestions } from "../parts/suggestions.js";
import { STEPS } from "./draft.js";
import { Depth, Documents, Panel, Pattern, Plan, Question, RecipeChoice, Settings, Writer } from "./fields.js";

const READS_AGAIN_MS = 900;

/** The element. `begin` starts the run and resolves to a problem or null; `arrange(name)` changes the layout. */
export function Bench(context) {
  const { draft, data, signal } = context;
  const plan = Plan(context);
  const bound = { ...context, changed: () => {
    context.changed();
    plan.update();
    drawButton();
    fill(message);
  } };
  const run = button("Run", { type: "submit", class: "primary large bench-run" });
  const message = el("div", { class: "step-message" });
  const hints = el("div", { class: "bench-hints" });
  let timer = 0;
  const question = Question({ draft, changed: () => {
    bound.changed();
    clearTimeout(timer);
    timer = setTimeout(suggest, READS_AGAIN_MS);
  } }, () => form.requestSubmit(), matchMedia("(pointer: coarse)").matches ? "" : "Press Ctrl+Enter to run.");
  const documents = Documents(bound, drawButton);
  const panel = Panel({ ...bound, changed: () => {
    bound.changed();
    settings.draw();
    members();
  } });
  const pattern = Pattern(bound, true);
  const settings = Settings(bound);
  const place = el("div", { class: "bench-choices" });
  const who = el("span", { class: "fine" });
  const seats = el("details", { class: "more bench-panel", open: !matchMedia("(max-width: 60rem)").matches }, el("summary", null, "Panel ", who), panel.node);
  const recipes = RecipeChoice({ ...bound, onTake: retake });
  const form = el("form", { class: "bench", noValidate: true, "aria-labelledby": "bench-title", on: { submit } },
    el("header", { class: "bench-head" }, el("h1", { id: "bench-title", tabindex: "-1" }, "New question"),
      button("Step by step", { class: "link-button layout-choice", on: { click: () => context.arrange(STEPS) } })),
    el("div", { class: "bench-ask" }, question.node, hints, el("section", { class: "bench-documents", "aria-label": "Documents" }, documents), plan.body),
    el("div", { class: "bench-side" }, recipes.node, seats, place),
    el("div", { class: "bench-bar" }, message, el("div", { class: "bench-go" }, plan.summary, run)));
  choices();
  members();
  drawButton();
  plan.update();
  if (draft.prompt) suggest();
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return form;

  function choices() {
    fill(place, pattern.node, el("div", { class: "pair" }, Depth(bound).node, Writer(bound).node), settings.node);
  }

  // A recipe may have changed every field.
  function retake() {
    panel.draw();
    pattern.show(draft.pattern);
    choices();
    settings.draw();
    members();
  }

  function members() {
    who.textContent = data.models.filter((model) => draft.models.has(model.id)).map((model) => model.name.replace(/ \(demo\)$/, "")).join(", ") || "no models yet";
  }

  function suggest() {
    if (signal.aborted || !draft.prompt.trim()) return;
    fill(hints, Suggestions({ prompt: draft.prompt, signal, onChoose: pattern.choose }).node);
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
    if (!draft.prompt.trim()) return miss("Please write a question first", question.input);
    if (draft.models.size === 0) {
      seats.open = true;
      return miss("Please select at least one model", panel.node.querySelector("input:not(:disabled)"));
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

  function miss(words, where) {
    fill(message, Missing(words));
    where?.focus();
  }
}
