// The setup of a finished experiment: every value in full, the scoring method, the objective, and the
// limits.
import { el } from "../dom.js";
import { count, duration, money } from "../format.js";
import { DIALS, score } from "./words.js";

const SCORING_LABELS = {
  exact: "exactly the expected answer", contains: "contains the expected answer", number: "the expected number", regex: "matches a regular expression", schema: "matches a JSON schema",
  choice: "the expected letter", likeness: "similarity to the expected answer", pairwise: "a model compares", rubric: "a model scores",
};
const GOAL_LABELS = { quality: "the best answers", weighted: "good answers for their price", pareto: "the trade-off of quality, cost, and time" };

/** Takes an experiment and the names of its configurations. Collapsed, since most readers want the result. */
export function Setup(experiment, words) {
  const line = (name, ...value) => el("div", null, el("dt", null, name), el("dd", { dir: "auto" }, value));
  const { evaluator, objective, budget } = experiment;
  const limits = [budget.cost_usd && money(budget.cost_usd), budget.tokens && `${count(budget.tokens)} tokens`, budget.seconds && `${duration(budget.seconds * 1000)} of model time`, budget.evaluations && `${count(budget.evaluations)} evaluations`];
  return el("details", { class: "more setup" }, el("summary", null, "Setup"),
    el("dl", null,
      experiment.space.map(({ dial, values }) => line(DIALS[dial] ?? dial, el("ol", null, values.map((value) => el("li", null, describeValue(dial, value, words)))))),
      experiment.base.prompt && line("Prompt for all", describeValue("prompt", experiment.base.prompt, words)),
      line("Scored by", `${SCORING_LABELS[evaluator.kind] ?? evaluator.kind}${evaluator.model ? `: ${evaluator.model}` : ""}${evaluator.pattern ? `: ${evaluator.pattern}` : ""}`),
      line("Goal", `${GOAL_LABELS[objective.kind] ?? objective.kind}${objective.kind === "weighted" ? `: ${objective.dollar} points per dollar, ${objective.second} per second${objective.uses ? `, ${count(objective.uses)} questions to answer` : ""}` : ""}`),
      line("Limits", limits.filter(Boolean).join(", ") || "none"),
      line("Counts as equal", `closer than ${score(experiment.indifference)}`)));
}

function describeValue(dial, value, words) {
  if (dial === "prompt" && typeof value === "string") return el("span", { class: "setup-prompt" }, value);
  return words.value(dial, value);
}
