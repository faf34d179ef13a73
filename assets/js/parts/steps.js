// The steps before a run: introduction, question, panel, and documents with the pattern. Each is a form, so that
// Enter continues; none holds state, because the draft belongs to the page.
import { button, el, fill, icon, keepPlace, link } from "../dom.js";
import { plural } from "../format.js";
import { user } from "../state.js";
import { Depth, Documents, Panel, Pattern, Plan, Question, RecipeChoice, Settings, Writer } from "../workbench/fields.js";
import { INTRO, MODELS, SINGLE_PAGE, OPTIONS, PROMPT } from "../workbench/draft.js";
import { Alert, FormHint, Waiting } from "./states.js";
import { Suggestions } from "./suggestions.js";

const ORDER = [PROMPT, MODELS, OPTIONS];
const BUILD = { [INTRO]: intro, [PROMPT]: prompt, [MODELS]: models, [OPTIONS]: options };

/** The element of a step. `to(step)` goes to another step; `begin` starts the run and resolves to a problem or null. */
export function Step(name, context) {
  return (BUILD[name] ?? intro)(context);
}

function intro({ data, to, arrange }) {
  const demoOnly = data.models.every((model) => model.mock || !model.available);
  return el("section", { class: "intro-step", "aria-labelledby": "step-title" },
    el("div", { class: "intro-words" },
      el("h1", { id: "step-title", tabindex: "-1" }, "One question, several models, one answer you can check"),
      el("p", { class: "lead" }, "Ask a panel of language models about your documents. They answer independently and review each other, and one of them writes the answer, with links to the passages it cites."),
      el("div", { class: "actions" },
        button("Start", { class: "primary large", on: { click: () => to(PROMPT) } }, "Start", icon("arrow")),
        user.get() && button("Everything on one screen", { class: "secondary large", on: { click: () => arrange(SINGLE_PAGE) } }),
        !user.get() && link("/login", "Sign in or create an account", { class: "button secondary large" })),
      !user.get() && el("p", { class: "fine" }, data.documents
        ? "Without an account, you can try the demo algorithms, even with your own documents. Everything is deleted after a day."
        : "Without an account, you can try the demo algorithms. Documents and history require one."),
      user.get() && demoOnly && el("p", { class: "fine" }, "No model provider is set up on this server, so the panel consists of demo algorithms. They run on this server, read the real text of your documents, and say that they are not language models.")),
    el("ol", { class: "intro-how" },
      HowItWorks("A", "They answer alone", "Each model answers independently, so that one mistake does not spread."),
      HowItWorks("B", "They read each other", "Anonymous and in random order, so that only the argument counts."),
      HowItWorks("C", "One answer is written", "It shows where they agree, where they differ, and what only one of them noticed.")));
}

function HowItWorks(letter, title, text) {
  return el("li", null,
    el("span", { class: `letter tint-${letter.charCodeAt(0) - 65}`, "aria-hidden": "true" }, letter),
    el("div", null, el("h2", null, title), el("p", null, text)));
}

function StepForm(name, title, { to, arrange }, { back, next, onNext, below }, ...content) {
  const stepIndex = ORDER.indexOf(name);
  const message = el("div", { class: "step-message" });
  const forward = next && button(next, { type: "submit", class: "primary" }, next, icon("arrow"));
  return el("form", {
    class: `step step-${name}`, noValidate: true, "aria-labelledby": "step-title",
    on: { submit: (event) => {
      event.preventDefault();
      fill(message);
      onNext(message);
    } },
  },
  el("p", { class: "step-count" }, `Step ${stepIndex + 1} of ${ORDER.length} `,
    button("All on one screen", { class: "link-button layout-choice", on: { click: () => arrange(SINGLE_PAGE) } })),
  el("h1", { id: "step-title", tabindex: "-1" }, title),
  content, message,
  el("div", { class: "step-actions" },
    button("Back", { class: "quiet", on: { click: () => to(back) } }, icon("back"), "Back"),
    below, forward));
}

function prompt(context) {
  const { draft, to } = context;
  const field = Question(context, () => field.input.form.requestSubmit(), "You can add documents in a later step.");
  field.input.dataset.first = "";
  return StepForm(PROMPT, "What do you want to know?", context, {
    back: INTRO,
    next: "Next",
    onNext: (message) => {
      if (draft.prompt.trim()) return to(MODELS);
      fill(message, FormHint("Please write a question first"));
      field.input.focus();
    },
  }, field.node);
}

function models(context) {
  const { draft, data, to } = context;
  const field = Panel(context);
  const recipes = RecipeChoice({ ...context, onTake: field.draw });
  return StepForm(MODELS, "Choose the panel", context, {
    back: PROMPT,
    next: "Next",
    onNext: (message) => {
      if (draft.models.size > 0) return to(OPTIONS);
      fill(message, FormHint("Please select at least one model"));
      field.node.querySelector("input:not(:disabled)")?.focus();
    },
  }, field.node, recipes.node, data.models.length === 0 && el("p", { class: "notice" }, "No model is available. An administrator can add a provider or turn on the demo algorithms."));
}

function options(context) {
  const { draft, signal } = context;
  const plan = Plan(context);
  const boundContext = { ...context, changed: () => {
    context.changed();
    plan.update();
  } };
  const buttons = el("div", { class: "actions" });
  const patterns = Pattern(boundContext);
  const suggestions = Suggestions({ prompt: draft.prompt, signal, onChoose: patterns.choose });
  const documents = Documents(boundContext, drawButtons);
  const form = StepForm(OPTIONS, "Documents and pattern", context, { back: MODELS, onNext: run, below: buttons },
    el("section", { class: "step-part" }, documents),
    el("section", { class: "step-part" }, patterns.node, suggestions.node, Depth(boundContext).node, Writer(boundContext).node, Settings(boundContext).node),
    plan.node);
  plan.update();

  function drawButtons() {
    const chosen = draft.documents.size;
    fill(buttons, chosen > 0
      ? [button("Skip documents", { class: "secondary", on: { click: (event) => run(form.querySelector(".step-message"), event.target, false) } }),
        button(`Run with ${plural(chosen, "document")}`, { type: "submit", class: "primary" })]
      : button("Skip documents and run", { type: "submit", class: "primary" }));
  }

  async function run(message, _target, withDocuments = true) {
    for (const each of form.querySelectorAll(".step-actions button")) each.disabled = true;
    const hideWaiting = Waiting(message, "Starting");
    const problem = await context.begin({ withDocuments });
    hideWaiting();
    for (const each of form.querySelectorAll(".step-actions button")) each.disabled = false;
    if (!problem) return;
    fill(message, Alert(problem));
    keepPlace(form);
  }
  return form;
}
