// The search space: models, prompts, and other parameters, each as a list of values. Offers only parameters that
// at least one chosen model supports, and always shows the number of settings.
import { button, el, fill, icon, uid } from "../dom.js";
import { plural } from "../format.js";
import { Choice, Field } from "../parts/field.js";
import { inOrder } from "../parts/model-order.js";
import { nameOf } from "../parts/model-name.js";
import { countSettings, holds, same } from "./draft.js";
import { DIALS } from "./words.js";

const MANY_MODELS = 10;
const USUAL_PROPOSALS = 8;
const USUAL = { temperature: "0, 0.7", top_p: "0.5, 1", max_tokens: "300, 1000", members: "2, 3", passages: "4, 12" };
const HINTS = {
  members: "Number of panel members, starting with the first.",
  passages: "Maximum number of document passages per model.",
};

/** Returns `{node, refresh()}`. Changes `draft.axes` and calls `changed`; call `refresh` when documents are added or removed. */
export function SpaceEditor({ draft, data, changed }) {
  const more = el("div", { class: "dials" });
  const total = el("p", { class: "setting-count", role: "status" });
  const models = ModelAxis({ draft, models: data.models, edited: rebuild });
  const prompts = PromptAxis({ draft, models: data.models, edited });
  let read = asksDocuments(draft);
  fill(more, dials());
  tell();

  function tell() {
    const settings = countSettings(draft, (id, dial) => takes(data.models, id, dial));
    total.textContent = settings === 0 ? "No setting yet: choose models." : `${plural(settings, "setting")} to try.`;
  }

  function edited() {
    tell();
    changed();
  }

  // The models and the documents determine which parameters are offered.
  function rebuild() {
    fill(more, dials());
    edited();
  }

  function refresh() {
    if (read === asksDocuments(draft)) return;
    read = !read;
    fill(more, dials());
    tell();
  }

  function dials() {
    const has = (dial) => {
      const usable = chosen(draft).some((id) => takes(data.models, id, dial));
      if (!usable) delete draft.axes[dial];
      return usable;
    };
    const panel = draft.axes.model.some((value) => Array.isArray(value) && value.length > 1);
    const keep = (dial, sensible) => {
      if (!sensible) delete draft.axes[dial];
      return sensible;
    };
    const numbers = (dial, whole) => () => NumberAxis({ draft, dial, whole, hint: HINTS[dial] ?? meaning(data.parameters, dial), edited });
    return [
      keep("pattern", panel) && (() => PatternAxis({ draft, patterns: data.patterns, edited })),
      keep("members", panel) && numbers("members", true),
      has("effort") && (() => EffortAxis({ draft, models: data.models, edited })),
      has("temperature") && numbers("temperature"),
      has("top_p") && numbers("top_p"),
      has("max_tokens") && numbers("max_tokens", true),
      keep("passages", read) && numbers("passages", true),
    ].filter(Boolean).map((build) => build());
  }

  return { node: el("div", { class: "space-editor" }, models, prompts, more, total), refresh };
}

const asksDocuments = (draft) => draft.documents.length > 0 || draft.cases.some((one) => one.documents?.length > 0);

const chosen = (draft) => [...new Set(draft.axes.model.flat())];
const meaning = (parameters, dial) => parameters.parameters.find((one) => one.name === dial)?.meaning;

/** Whether a model supports this parameter; assumed if the model has no such information. */
export function takes(models, id, dial) {
  const known = models.find((model) => model.id === id)?.parameters ?? [];
  const word = dial === "effort" ? "reasoning_effort" : dial;
  return known.length === 0 || known.includes(word);
}

function Axis(title, hint, ...content) {
  const name = uid("axis");
  return el("div", { class: "axis", role: "group", "aria-labelledby": name },
    el("h3", { id: name }, title), hint && el("p", { class: "hint" }, hint), content);
}

function Tick(label, checked, onChange, about) {
  return el("label", { class: "check" }, el("input", { type: "checkbox", checked, "aria-label": label, on: { change: ({ target }) => onChange(target.checked) } }),
    el("span", null, label, about && el("span", { class: "fine" }, ` ${about}`)));
}

function put(draft, dial, value, wanted) {
  const values = (draft.axes[dial] ?? []).filter((one) => !same(one, value));
  draft.axes[dial] = wanted ? [...values, value] : values;
}

function ModelAxis({ draft, models, edited }) {
  const list = el("div", { class: "axis-choices" });
  const panels = el("ul", { class: "panels" });
  const ready = inOrder(models).filter((model) => model.available);
  const search = Field("Find a model", { type: "search", autocomplete: "off", on: { input: draw } });
  search.node.hidden = ready.length < MANY_MODELS;
  const make = button("Also as one panel", { class: "secondary", on: { click: () => {
    put(draft, "model", singles(), true);
    drawPanels();
    edited();
  } } });
  // Remove models that no longer exist from the draft.
  draft.axes.model = draft.axes.model.filter((value) => [value].flat().every((id) => ready.some((model) => model.id === id)));
  draw();
  drawPanels();

  function singles() {
    return draft.axes.model.filter((value) => typeof value === "string");
  }

  function draw() {
    const wanted = search.input.value.trim().toLowerCase();
    const matching = ready.filter((model) => holds(draft.axes.model, model.id) || `${model.id} ${model.name}`.toLowerCase().includes(wanted));
    fill(list, matching.map((model) => Tick(nameOf(model.id, models).name, holds(draft.axes.model, model.id), (on) => {
      put(draft, "model", model.id, on);
      drawPanels();
      edited();
    }, model.id)));
  }

  function drawPanels() {
    make.hidden = singles().length < 2 || holds(draft.axes.model, singles());
    fill(panels, draft.axes.model.filter(Array.isArray).map((panel) => {
      const words = `Panel of ${panel.map((id) => nameOf(id, models).name).join(", ")}`;
      return el("li", null, words, button(`Leave out the ${words}`, { class: "quiet icon-only", title: "Leave out", on: { click: () => {
        put(draft, "model", panel, false);
        drawPanels();
        edited();
      } } }, icon("cross")));
    }));
  }

  return Axis("Models", "Each model alone is a setting, and so is each panel.", search.node, list, panels, make);
}

function PromptAxis({ draft, models, edited }) {
  const list = el("ol", { class: "prompts" });
  draft.axes.prompt ??= ["{{question}}"];
  draw();

  function draw() {
    fill(list, draft.axes.prompt.map((text, place) => el("li", null,
      el("textarea", { rows: 2, value: text, dir: "auto", "aria-label": `Prompt ${place + 1}`, on: { input: ({ target }) => {
        draft.axes.prompt[place] = target.value;
        edited();
      } } }),
      draft.axes.prompt.length > 1 && button(`Remove prompt ${place + 1}`, { class: "quiet icon-only", title: "Remove", on: { click: () => {
        draft.axes.prompt.splice(place, 1);
        draw();
        edited();
      } } }, icon("trash")))));
  }

  return Axis("Prompts", "The prompt. {{question}} is replaced by the case's question.", list,
    button("Add a prompt", { class: "secondary", on: { click: () => {
      draft.axes.prompt.push("Answer in one sentence, from the text alone.\n\n{{question}}");
      draw();
      edited();
      list.lastElementChild.querySelector("textarea").focus();
    } } }),
    ImprovePicker({ draft, models, edited }));
}

// Selects the model that proposes better prompts, if any.
function ImprovePicker({ draft, models, edited }) {
  const writers = inOrder(models).filter((model) => model.available && !model.mock);
  if (draft.improve && !writers.some((model) => model.id === draft.improve.model)) delete draft.improve;
  const most = Field("Proposals", { type: "number", min: 1, max: 24, step: 1, value: draft.improve?.proposals ?? USUAL_PROPOSALS, on: { input: ({ target }) => {
    if (!draft.improve) return;
    draft.improve.proposals = Math.min(24, Math.max(1, Math.trunc(Number(target.value)) || USUAL_PROPOSALS));
    edited();
  } } }, "Maximum number of prompts to propose and try.");
  most.node.hidden = !draft.improve;
  const writer = Choice("Improve the prompts", { value: draft.improve?.model ?? "", on: { change: ({ target }) => {
    if (target.value) draft.improve = { model: target.value, proposals: Number(most.input.value) || USUAL_PROPOSALS };
    else delete draft.improve;
    most.node.hidden = !draft.improve;
    edited();
  } } }, [["", "No"], ...writers.map((model) => [model.id, `Yes, with ${nameOf(model.id, models).name}`])], "The model reads failures and proposes better prompts.");
  const node = el("div", { class: "pair" }, writer.node, most.node);
  node.hidden = writers.length === 0;
  return node;
}

function PatternAxis({ draft, patterns, edited }) {
  const tick = (label, value, about) => Tick(label, holds(draft.axes.pattern ?? [], value), (on) => {
    put(draft, "pattern", value, on);
    edited();
  }, about);
  return el("details", { class: "more", open: draft.axes.pattern?.length > 0 }, el("summary", null, "Patterns"),
    Axis("Patterns", "How the members of a panel work together.", el("div", { class: "axis-choices" }, patterns.map((one) => tick(one.name, one.id, one.description)))));
}

function EffortAxis({ draft, models, edited }) {
  const known = [...new Set(chosen(draft).flatMap((id) => models.find((model) => model.id === id)?.efforts ?? []))];
  const efforts = known.length > 0 ? known : ["low", "medium", "high"];
  const tick = (label, value) => Tick(label, holds(draft.axes.effort ?? [], value), (on) => {
    put(draft, "effort", value, on);
    edited();
  });
  return Axis(DIALS.effort, "Reasoning effort. Ignored by models that do not reason.",
    el("div", { class: "axis-choices short" }, tick("Model default", null), efforts.map((effort) => tick(effort, effort))));
}

function NumberAxis({ draft, dial, whole, hint, edited }) {
  const values = draft.axes[dial] ?? [];
  const note = el("p", { class: "hint warn", role: "status" });
  const field = Field(DIALS[dial], { value: values.filter((value) => value !== null).join(", "), placeholder: `for example ${USUAL[dial]}`, inputMode: "decimal", autocomplete: "off", on: { input: read } }, hint && `${hint[0].toUpperCase()}${hint.slice(1)}.`);
  const own = dial === "members" || dial === "passages" ? "and the usual number" : "and the model's own";
  let usual = values.includes(null);
  const tick = Tick(own, usual, (on) => {
    usual = on;
    read();
  });

  function read() {
    const words = field.input.value.split(/[;,\s]+/).filter(Boolean);
    const numbers = words.map(Number);
    const bad = words.filter((_, place) => !Number.isFinite(numbers[place]) || (whole && !Number.isInteger(numbers[place])));
    note.textContent = bad.length > 0 ? `${bad.join(", ")}: not ${whole ? "a whole number" : "a number"}.` : "";
    const read = [...new Set(numbers.filter((number, place) => !bad.includes(words[place])))];
    draft.axes[dial] = [...(usual ? [null] : []), ...read];
    edited();
  }

  return el("div", { class: "axis number-axis" }, field.node, tick, note);
}
