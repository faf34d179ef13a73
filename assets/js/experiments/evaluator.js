// The scoring methods, most reliable first.
import { el, fill, uid } from "../dom.js";
import { Choice, Field } from "../parts/field.js";
import { sortModels } from "../parts/model-order.js";
import { nameOf } from "../parts/model-name.js";

const GROUPS = [
  ["Rule: reproducible", [
    ["exact", "Exact match", "The answer equals the expected one, except for case, spaces, and a final period. For labels and codes."],
    ["contains", "Contains", "The answer contains the expected words. Good for facts; a long answer that mentions everything passes too."],
    ["number", "Numeric", "The last number of the answer equals the expected one, within a tolerance."],
    ["regex", "Regular expression", "The answer matches a regular expression: one for all cases, or each case’s expected answer."],
    ["schema", "JSON schema", "The answer contains JSON that matches a schema. This does not check whether its content is correct."],
    ["choice", "Multiple choice", "The chosen letter is the expected one."],
  ]],
  ["Similarity: reproducible, but ignores meaning", [
    ["likeness", "Text similarity", "The share of words in common with the expected answer, regardless of order. A correct answer in other words scores low."],
  ]],
  ["Judgment: a model’s opinion; check it against yours", [
    ["pairwise", "Pairwise judge", "A judge compares each answer with that of your current configuration, without names and in both orders; a verdict that changes with the order counts as a tie. Judge some pairs yourself to see whether it can be trusted."],
    ["rubric", "Rubric judge", "A judge scores accuracy, completeness, and clarity; low accuracy caps the total. The least reliable method."],
  ]],
];

/** Returns `{node}`. Changes `draft.evaluator` and calls `changed`. */
export function EvaluatorPicker({ draft, models, changed }) {
  const name = uid("evaluator");
  const extraFields = el("div", { class: "evaluator-more" });
  const choose = (kind) => {
    const judge = draft.evaluator.model;
    draft.evaluator = { kind, ...(isJudge(kind) && judge ? { model: judge } : {}) };
    draw();
    changed();
  };
  draw();

  function draw() {
    fill(extraFields, (EXTRA_FIELDS[draft.evaluator.kind] ?? (() => null))(draft.evaluator, { models, changed }));
  }

  return { node: el("div", { class: "evaluator-picker" },
    GROUPS.map(([title, kinds]) => el("fieldset", { class: "radios" }, el("legend", null, title),
      kinds.map(([kind, label, help]) => Radio(name, kind, label, help, draft.evaluator.kind === kind, choose)))),
    extraFields) };
}

const isJudge = (kind) => kind === "pairwise" || kind === "rubric";

/** A radio button with its help text. */
export function Radio(name, value, label, help, checked, choose) {
  const id = uid("radio");
  return el("label", { class: "radio" },
    el("input", { type: "radio", name, value, checked, "aria-labelledby": `${id}-label`, "aria-describedby": `${id}-help`, on: { change: () => choose(value) } }),
    el("span", { class: "radio-words" }, el("span", { class: "radio-label", id: `${id}-label` }, label), el("span", { class: "fine", id: `${id}-help` }, help)));
}

const EXTRA_FIELDS = { number: Tolerance, regex: Pattern, schema: Schema, pairwise: Judge, rubric: Judge };

function Tolerance(evaluator, { changed }) {
  const field = (label, key, factor, hint) => Field(label, { type: "number", min: 0, step: "any", value: (evaluator[key] ?? 0) * factor, on: { input: ({ target }) => {
    evaluator[key] = Math.max(0, Number(target.value) || 0) / factor;
    changed();
  } } }, hint).node;
  return el("div", { class: "pair" }, field("Absolute tolerance", "absolute", 1, "In the number’s own unit."), field("Relative tolerance, in percent", "relative", 100, "Of the expected number."));
}

function Pattern(evaluator, { changed }) {
  return Field("Regular expression for all cases", { value: evaluator.pattern ?? "", autocomplete: "off", spellcheck: false, on: { input: ({ target }) => {
    if (target.value) evaluator.pattern = target.value;
    else delete evaluator.pattern;
    changed();
  } } }, "Leave empty to use each case’s expected answer as its pattern.").node;
}

function Schema(evaluator, { changed }) {
  const note = el("p", { class: "hint warn", role: "status" });
  const field = Field("JSON schema", { rows: 6, class: "code", spellcheck: false, value: evaluator.schema ? JSON.stringify(evaluator.schema, null, 2) : "", on: { input: ({ target }) => {
    try {
      evaluator.schema = JSON.parse(target.value);
      note.textContent = "";
    } catch (error) {
      delete evaluator.schema;
      note.textContent = target.value.trim() ? `Not valid JSON: ${error.message}.` : "";
    }
    changed();
  } } });
  return [field.node, note];
}

function Judge(evaluator, { models, changed }) {
  const ready = sortModels(models).filter((model) => model.available && !model.mock);
  if (ready.length === 0) return el("p", { class: "notice" }, "A judge is a language model, and this server has none: demo algorithms cannot judge. Choose a rule instead.");
  if (!ready.some((model) => model.id === evaluator.model)) delete evaluator.model;
  const judge = Choice("Judge", { value: evaluator.model ?? "", on: { change: ({ target }) => {
    evaluator.model = target.value || undefined;
    changed();
  } } }, [["", "Choose a model"], ...ready.map((model) => [model.id, nameOf(model.id, models).name])], "Best from a different family than the models it judges: models favor their own.");
  const sameFamilyBox = el("label", { class: "check" }, el("input", { type: "checkbox", checked: evaluator.same_family ?? false, "aria-label": "Allow judging models of its own family", on: { change: ({ target }) => {
    if (target.checked) evaluator.same_family = true;
    else delete evaluator.same_family;
    changed();
  } } }), "Allow judging models of its own family");
  return [judge.node, sameFamilyBox];
}
