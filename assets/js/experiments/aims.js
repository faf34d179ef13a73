// The objective, the current configuration, and the budget of an experiment.
import { el, fill, uid } from "../dom.js";
import { Choice, Field } from "../parts/field.js";
import { includesValue, spaceOf } from "./draft.js";
import { Radio } from "./evaluator.js";
import { DIALS, namer } from "./words.js";

const OBJECTIVES = [
  ["quality", "The best answers", "Only the score counts; cost and time are shown."],
  ["weighted", "Good answers for their price", "Cost and latency reduce the score."],
  ["pareto", "Trade-off", "No single winner: every configuration that no other beats on quality, cost, and time at once."],
];

/** Returns `{node}`. Changes `draft.objective` and calls `changed`. */
export function ObjectivePicker({ draft, changed }) {
  const name = uid("objective");
  const extra = el("div", { class: "pair" });
  draw();

  function draw() {
    const weightField = (label, key, usual, hint) => {
      draft.objective[key] ??= usual;
      return Field(label, { type: "number", min: 0, step: "any", value: draft.objective[key], on: { input: ({ target }) => {
        draft.objective[key] = Math.max(0, Number(target.value) || 0);
        changed();
      } } }, hint).node;
    };
    fill(extra, draft.objective.kind === "weighted" && [
      weightField("Points per dollar", "dollar", 1, "At 1, an answer that costs a dollar more must score 1 point more, the full range."),
      weightField("Points per second", "second", 0.005, "At 0.005, 20 more seconds cost as much as 0.1 points."),
      Field("Questions to answer", { type: "number", min: 1, step: 1, value: draft.objective.uses ?? "", placeholder: "not known", on: { input: ({ target }) => {
        const uses = Math.trunc(Number(target.value));
        if (uses > 0) draft.objective.uses = uses;
        else delete draft.objective.uses;
        changed();
      } } }, "If set, the experiment also ends when continuing would cost more than a better configuration could save.").node,
    ]);
  }

  return { node: el("div", null,
    el("fieldset", { class: "radios" }, el("legend", null, "Goal"), OBJECTIVES.map(([kind, label, help]) => Radio(name, kind, label, help, draft.objective.kind === kind, (chosen) => {
      draft.objective = { kind: chosen };
      draw();
      changed();
    }))), extra) };
}

/** Returns `{node, refresh()}` for the current configuration; call `refresh` when the search space changes. */
export function CurrentPicker({ draft, models, changed }) {
  const node = el("div", { class: "current-picker" });
  refresh();

  function refresh() {
    const varied = spaceOf(draft).filter((axis) => axis.values.length > 1);
    const names = namer(varied, models);
    fill(node,
      el("h3", null, "Current configuration"),
      el("p", { class: "hint" }, "The best configuration is compared with this one at the end, on held-out cases."),
      el("div", { class: "pair" }, varied.map(({ dial, values }) => {
        if (!includesValue(values, draft.current[dial] ?? null)) draft.current[dial] = values[0];
        return Choice(DIALS[dial], { value: JSON.stringify(draft.current[dial]), on: { change: ({ target }) => {
          draft.current[dial] = JSON.parse(target.value);
          changed();
        } } }, values.map((value) => [JSON.stringify(value), names.value(dial, value)])).node;
      })));
    node.hidden = varied.length === 0;
  }

  return { node, refresh };
}

/** Returns `{node}`. Changes `draft.budget` and the advanced options. */
export function BudgetFields({ draft, changed }) {
  const amount = (label, key, factor, hint) => Field(label, { type: "number", min: 0, step: "any", value: draft.budget[key] ? draft.budget[key] / factor : "", on: { input: ({ target }) => {
    const entered = Number(target.value) * factor;
    if (entered > 0) draft.budget[key] = key === "cost_usd" ? entered : Math.round(entered);
    else delete draft.budget[key];
    changed();
  } } }, hint).node;
  const advancedField = (label, key, factor, maximum, hint) => Field(label, { type: "number", min: 0, max: maximum, step: "any", value: draft[key] * factor, on: { input: ({ target }) => {
    draft[key] = (Number(target.value) || 0) / factor;
    changed();
  } } }, hint).node;
  return { node: el("div", { class: "budget-fields" },
    el("h3", null, "Limits"),
    el("p", { class: "hint" }, "Set at least one limit if any model costs money. The experiment stops before exceeding it."),
    el("div", { class: "pair four" }, amount("US dollars", "cost_usd", 1), amount("Tokens", "tokens", 1), amount("Model minutes", "seconds", 60), amount("Evaluations", "evaluations", 1, "One configuration on one case.")),
    el("details", { class: "more" }, el("summary", null, "Advanced"), el("div", { class: "pair" },
      advancedField("Indifference margin", "indifference", 1, 0.5, "In points of the score, 0 to 1. Smaller differences count as a tie."),
      advancedField("False-positive rate, in percent", "wrong", 100, 50, "How often an experiment may name a winner although no configuration is better."),
      Field("Random seed", { type: "number", step: 1, min: 0, value: draft.seed ?? "", placeholder: "automatic", on: { input: ({ target }) => {
        draft.seed = target.value === "" ? undefined : Math.trunc(Number(target.value));
        changed();
      } } }, "The same number always gives the same order of cases.").node))) };
}
