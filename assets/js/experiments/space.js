// The search space: models, prompts, and other parameters, each as a list of values. Offers only parameters that
// at least one chosen model supports, and always shows the number of configurations.
import { button, el, fill, icon, uid } from "../dom.js";
import { plural } from "../format.js";
import { Choice, Field } from "../parts/field.js";
import { sortModels } from "../parts/model-order.js";
import { nameOf } from "../parts/model-name.js";
import { countSettings, includesValue, isSameValue } from "./draft.js";
import { DIALS } from "./words.js";

const MANY_MODELS = 10;
const DEFAULT_PROPOSALS = 8;
const EXAMPLE_VALUES = { temperature: "0, 0.7", top_p: "0.5, 1", max_tokens: "300, 1000", members: "2, 3", passages: "4, 12" };
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
  let usesDocuments = hasDocuments(draft);
  fill(more, dials());
  updateCount();

  function updateCount() {
    const settings = countSettings(draft, (id, dial) => supportsDial(data.models, id, dial));
    total.textContent = settings === 0 ? "No configurations yet: choose models." : `${plural(settings, "configuration")} to try.`;
  }

  function edited() {
    updateCount();
    changed();
  }

  // The models and the documents determine which parameters are offered.
  function rebuild() {
    fill(more, dials());
    edited();
  }

  function refresh() {
    if (usesDocuments === hasDocuments(draft)) return;
    usesDocuments = !usesDocuments;
    fill(more, dials());
    updateCount();
  }

  function dials() {
    const isSupported = (dial) => {
      const usable = chosenModels(draft).some((id) => supportsDial(data.models, id, dial));
      if (!usable) delete draft.axes[dial];
      return usable;
    };
    const panel = draft.axes.model.some((value) => Array.isArray(value) && value.length > 1);
    const keepIf = (dial, isApplicable) => {
      if (!isApplicable) delete draft.axes[dial];
      return isApplicable;
    };
    const numberAxis = (dial, isInteger) => () => NumberAxis({ draft, dial, whole: isInteger, hint: HINTS[dial] ?? meaningOf(data.parameters, dial), edited });
    return [
      keepIf("pattern", panel) && (() => PatternAxis({ draft, patterns: data.patterns, edited })),
      keepIf("members", panel) && numberAxis("members", true),
      isSupported("effort") && (() => EffortAxis({ draft, models: data.models, edited })),
      isSupported("temperature") && numberAxis("temperature"),
      isSupported("top_p") && numberAxis("top_p"),
      isSupported("max_tokens") && numberAxis("max_tokens", true),
      keepIf("passages", usesDocuments) && numberAxis("passages", true),
    ].filter(Boolean).map((build) => build());
  }

  return { node: el("div", { class: "space-editor" }, models, prompts, more, total), refresh };
}

const hasDocuments = (draft) => draft.documents.length > 0 || draft.cases.some((each) => each.documents?.length > 0);

const chosenModels = (draft) => [...new Set(draft.axes.model.flat())];
const meaningOf = (parameters, dial) => parameters.parameters.find((each) => each.name === dial)?.meaning;

/** Whether a model supports this parameter; assumed if the model has no such information. */
export function supportsDial(models, id, dial) {
  const known = models.find((model) => model.id === id)?.parameters ?? [];
  const parameter = dial === "effort" ? "reasoning_effort" : dial;
  return known.length === 0 || known.includes(parameter);
}

function Axis(title, hint, ...content) {
  const name = uid("axis");
  return el("div", { class: "axis", role: "group", "aria-labelledby": name },
    el("h3", { id: name }, title), hint && el("p", { class: "hint" }, hint), content);
}

function CheckboxField(label, checked, onChange, about) {
  return el("label", { class: "check" }, el("input", { type: "checkbox", checked, "aria-label": label, on: { change: ({ target }) => onChange(target.checked) } }),
    el("span", null, label, about && el("span", { class: "fine" }, ` ${about}`)));
}

function setValue(draft, dial, value, isIncluded) {
  const values = (draft.axes[dial] ?? []).filter((each) => !isSameValue(each, value));
  draft.axes[dial] = isIncluded ? [...values, value] : values;
}

function ModelAxis({ draft, models, edited }) {
  const list = el("div", { class: "axis-choices" });
  const panels = el("ul", { class: "panels" });
  const ready = sortModels(models).filter((model) => model.available);
  const search = Field("Find a model", { type: "search", autocomplete: "off", on: { input: draw } });
  search.node.hidden = ready.length < MANY_MODELS;
  const panelButton = button("Also as one panel", { class: "secondary", on: { click: () => {
    setValue(draft, "model", singles(), true);
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
    const isIncluded = search.input.value.trim().toLowerCase();
    const matching = ready.filter((model) => includesValue(draft.axes.model, model.id) || `${model.id} ${model.name}`.toLowerCase().includes(isIncluded));
    fill(list, matching.map((model) => CheckboxField(nameOf(model.id, models).name, includesValue(draft.axes.model, model.id), (isOn) => {
      setValue(draft, "model", model.id, isOn);
      drawPanels();
      edited();
    }, model.id)));
  }

  function drawPanels() {
    panelButton.hidden = singles().length < 2 || includesValue(draft.axes.model, singles());
    fill(panels, draft.axes.model.filter(Array.isArray).map((panel) => {
      const entries = `Panel of ${panel.map((id) => nameOf(id, models).name).join(", ")}`;
      return el("li", null, entries, button(`Remove the ${entries}`, { class: "quiet icon-only", title: "Remove", on: { click: () => {
        setValue(draft, "model", panel, false);
        drawPanels();
        edited();
      } } }, icon("cross")));
    }));
  }

  return Axis("Models", "Each model alone is a configuration, and so is each panel.", search.node, list, panels, panelButton);
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
  const writers = sortModels(models).filter((model) => model.available && !model.mock);
  if (draft.improve && !writers.some((model) => model.id === draft.improve.model)) delete draft.improve;
  const proposalsField = Field("Proposals", { type: "number", min: 1, max: 24, step: 1, value: draft.improve?.proposals ?? DEFAULT_PROPOSALS, on: { input: ({ target }) => {
    if (!draft.improve) return;
    draft.improve.proposals = Math.min(24, Math.max(1, Math.trunc(Number(target.value)) || DEFAULT_PROPOSALS));
    edited();
  } } }, "Maximum number of prompts to propose and try.");
  proposalsField.node.hidden = !draft.improve;
  const writer = Choice("Improve the prompts", { value: draft.improve?.model ?? "", on: { change: ({ target }) => {
    if (target.value) draft.improve = { model: target.value, proposals: Number(proposalsField.input.value) || DEFAULT_PROPOSALS };
    else delete draft.improve;
    proposalsField.node.hidden = !draft.improve;
    edited();
  } } }, [["", "No"], ...writers.map((model) => [model.id, `Yes, with ${nameOf(model.id, models).name}`])], "The model reads the failed answers and proposes better prompts.");
  const node = el("div", { class: "pair" }, writer.node, proposalsField.node);
  node.hidden = writers.length === 0;
  return node;
}

function PatternAxis({ draft, patterns, edited }) {
  const tick = (label, value, about) => CheckboxField(label, includesValue(draft.axes.pattern ?? [], value), (isOn) => {
    setValue(draft, "pattern", value, isOn);
    edited();
  }, about);
  return el("details", { class: "more", open: draft.axes.pattern?.length > 0 }, el("summary", null, "Patterns"),
    Axis("Patterns", "How the members of a panel work together.", el("div", { class: "axis-choices" }, patterns.map((pattern) => tick(pattern.name, pattern.id, pattern.description)))));
}

function EffortAxis({ draft, models, edited }) {
  const known = [...new Set(chosenModels(draft).flatMap((id) => models.find((model) => model.id === id)?.efforts ?? []))];
  const efforts = known.length > 0 ? known : ["low", "medium", "high"];
  const tick = (label, value) => CheckboxField(label, includesValue(draft.axes.effort ?? [], value), (isOn) => {
    setValue(draft, "effort", value, isOn);
    edited();
  });
  return Axis(DIALS.effort, "Reasoning effort. Ignored by models that do not reason.",
    el("div", { class: "axis-choices short" }, tick("Model default", null), efforts.map((effort) => tick(effort, effort))));
}

function NumberAxis({ draft, dial, whole: isInteger, hint, edited }) {
  const values = draft.axes[dial] ?? [];
  const note = el("p", { class: "hint warn", role: "status" });
  const field = Field(DIALS[dial], { value: values.filter((value) => value !== null).join(", "), placeholder: `for example ${EXAMPLE_VALUES[dial]}`, inputMode: "decimal", autocomplete: "off", on: { input: usesDocuments } }, hint && `${hint[0].toUpperCase()}${hint.slice(1)}.`);
  const defaultLabel = dial === "members" || dial === "passages" ? "and the default number" : "and the model's default";
  let includesDefault = values.includes(null);
  const tick = CheckboxField(defaultLabel, includesDefault, (isOn) => {
    includesDefault = isOn;
    usesDocuments();
  });

  function usesDocuments() {
    const entries = field.input.value.split(/[;,\s]+/).filter(Boolean);
    const numberAxis = entries.map(Number);
    const invalid = entries.filter((_, place) => !Number.isFinite(numberAxis[place]) || (isInteger && !Number.isInteger(numberAxis[place])));
    note.textContent = invalid.length > 0 ? `${invalid.join(", ")}: not ${isInteger ? "a whole number" : "a number"}.` : "";
    const usesDocuments = [...new Set(numberAxis.filter((number, place) => !invalid.includes(entries[place])))];
    draft.axes[dial] = [...(includesDefault ? [null] : []), ...usesDocuments];
    edited();
  }

  return el("div", { class: "axis number-axis" }, field.node, tick, note);
}
