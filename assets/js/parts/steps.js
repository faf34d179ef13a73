// The steps before a run: introduction, question, panel, documents and pattern. Each is a form, so that
// Enter goes on; none keeps anything: the draft belongs to the page.
import { button, el, fill, icon, link } from "../dom.js";
import { plural } from "../format.js";
import { user } from "../state.js";
import { DocumentPicker } from "./document-picker.js";
import { Choice } from "./field.js";
import { ModelSelector } from "./model-selector.js";
import { PatternPicker } from "./pattern-picker.js";
import { PlanView } from "./plan.js";
import { PromptInput } from "./prompt-input.js";
import { Alert, Missing } from "./states.js";
import { Suggestions } from "./suggestions.js";

export const INTRO = "intro";
export const PROMPT = "prompt";
export const MODELS = "models";
export const OPTIONS = "options";

const ORDER = [PROMPT, MODELS, OPTIONS];
const BUILD = { [INTRO]: intro, [PROMPT]: prompt, [MODELS]: models, [OPTIONS]: options };

/** The element of a step. `to(step)` goes to another, `begin` starts the run and gives a problem or null. */
export function Step(name, context) {
  return (BUILD[name] ?? intro)(context);
}

function intro({ data, to }) {
  const demoOnly = data.models.every((model) => model.mock || !model.available);
  return el("section", { class: "intro-step", "aria-labelledby": "step-title" },
    el("div", { class: "intro-words" },
      el("h1", { id: "step-title", tabindex: "-1" }, "One question, several models, one answer you can check"),
      el("p", { class: "lead" }, "Put a question to a panel of language models, with your documents at hand. They answer alone, read and correct one another, and one of them writes the answer, with a passage behind every claim."),
      el("div", { class: "actions" },
        button("Start", { class: "primary large", on: { click: () => to(PROMPT) } }, "Start", icon("arrow")),
        !user.get() && link("/login", "Sign in or create an account", { class: "button secondary large" })),
      !user.get() && el("p", { class: "fine" }, "Without an account you can try the demo algorithms. Documents and history need one."),
      user.get() && demoOnly && el("p", { class: "fine" }, "No model provider is set up on this server, so the panel consists of local demo algorithms. They work offline on the real text of your documents, and say so.")),
    el("ol", { class: "intro-how" },
      how("A", "They answer alone", "Nobody sees anybody, so that one mistake is not everybody’s."),
      how("B", "They read each other", "Without names, in shuffled order: what counts is the argument."),
      how("C", "One answer is written", "With what they agree on, where they differ, and what only one of them saw.")));
}

function how(letter, title, text) {
  return el("li", null,
    el("span", { class: `letter tint-${letter.charCodeAt(0) - 65}`, "aria-hidden": "true" }, letter),
    el("div", null, el("h2", null, title), el("p", null, text)));
}

function frame(name, title, { to }, { back, next, onNext, below }, ...content) {
  const place = ORDER.indexOf(name);
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
  el("p", { class: "step-count" }, `Step ${place + 1} of ${ORDER.length}`),
  el("h1", { id: "step-title", tabindex: "-1" }, title),
  content, message,
  el("div", { class: "step-actions" },
    button("Back", { class: "quiet", on: { click: () => to(back) } }, icon("back"), "Back"),
    below, forward));
}

function prompt(context) {
  const { draft, changed, to } = context;
  const part = PromptInput({
    text: draft.prompt,
    onInput: (text) => {
      draft.prompt = text;
      changed();
    },
    onSubmit: () => part.input.form.requestSubmit(),
  });
  part.input.dataset.first = "";
  return frame(PROMPT, "What do you want to know?", context, {
    back: INTRO,
    next: "Next",
    onNext: (message) => {
      if (draft.prompt.trim()) return to(MODELS);
      fill(message, Missing("Please write a question first"));
      part.input.focus();
    },
  }, part.node);
}

function models(context) {
  const { draft, data, changed, to } = context;
  const part = ModelSelector({ models: data.models, chosen: draft.models, onChange: changed });
  return frame(MODELS, "Choose the panel", context, {
    back: PROMPT,
    next: "Next",
    onNext: (message) => {
      if (draft.models.size > 0) return to(OPTIONS);
      fill(message, Missing("Please select at least one model"));
      part.node.querySelector("input:not(:disabled)")?.focus();
    },
  }, part.node, data.models.length === 0 && el("p", { class: "notice" }, "There is no model to ask. An administrator can add a provider in the server’s settings, or turn the demo algorithms on."));
}

function options(context) {
  const { draft, data, signal } = context;
  const plan = PlanView({ request: () => context.request(), models: data.models, signal });
  const changed = () => {
    context.changed();
    plan.update();
  };
  for (const id of draft.documents) {
    if (!(data.documents ?? []).some((each) => (each.document_id ?? each.id) === id)) draft.documents.delete(id);
  }
  const buttons = el("div", { class: "actions" });
  const documents = DocumentPicker({ documents: data.documents, chosen: draft.documents, signal, onChange: () => {
    changed();
    drawButtons();
  } });
  const patterns = PatternPicker({ patterns: data.patterns, chosen: draft.pattern, onChange: (id) => {
    draft.pattern = id;
    changed();
  } });
  const depth = Choice("How deep shall they go?", { class: "depth-selector", value: draft.depth, on: { change: (event) => {
    draft.depth = event.target.value;
    changed();
  } } }, [["quick", "Quick: one model answers"], ["standard", "Standard: first answers, one round of critique, synthesis"], ["full", "Full: every stage of the pattern"]],
  "Each stage more costs another call of every member.");
  const suggestions = Suggestions({ prompt: draft.prompt, signal, onChoose: patterns.choose });
  const writer = Choice("Who shall write the synthesis?", { class: "ultra-selector", value: draft.ultra, on: { change: (event) => {
    draft.ultra = event.target.value;
    changed();
  } } }, [["", "Quire chooses"], ...data.models.filter((model) => model.available).map((model) => [model.id, model.name || model.id])],
  "The strongest model that is not on the panel is a good choice; Quire takes it if there is one.");
  const reading = Choice("How shall the documents be read?", { class: "reading-selector", value: draft.reading, on: { change: (event) => {
    draft.reading = event.target.value;
    changed();
  } } }, [["auto", "Automatically: whole while they are short, else the passages that matter"], ["whole", "Whole, wherever they fit"], ["passages", "Only the passages that matter"], ["parts", "In parts: every page is read, notes go to all"]],
  "Parts cost most and leave nothing out; passages cost least.");
  const form = frame(OPTIONS, "Documents and pattern", context, { back: MODELS, onNext: run, below: buttons },
    el("section", { class: "step-part" }, documents.node, reading.node),
    el("section", { class: "step-part" }, patterns.node, suggestions.node, depth.node, writer.node),
    plan.node);
  drawButtons();
  plan.update();

  function drawButtons() {
    const chosen = draft.documents.size;
    reading.node.hidden = chosen === 0;
    fill(buttons, chosen > 0
      ? [button("Skip documents", { class: "secondary", on: { click: (event) => run(form.querySelector(".step-message"), event.target, false) } }),
        button(`Run with ${plural(chosen, "document")}`, { type: "submit", class: "primary" })]
      : button("Skip documents and run", { type: "submit", class: "primary" }));
  }

  async function run(message, _target, withDocuments = true) {
    for (const each of form.querySelectorAll(".step-actions button")) each.disabled = true;
    const problem = await context.begin({ withDocuments });
    for (const each of form.querySelectorAll(".step-actions button")) each.disabled = false;
    if (problem) fill(message, Alert(problem));
  }
  return form;
}
