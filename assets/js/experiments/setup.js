// The setup of a finished experiment: every value in full, the scoring method, the objective, and the
// limits.
import { el } from "../dom.js";
import { count, duration, money } from "../format.js";
import { DIALS, score } from "./words.js";

const WAYS = {
  exact: "exactly the expected answer", contains: "holds the expected answer", number: "the expected number", regex: "fits a pattern", schema: "fits a JSON schema",
  choice: "the expected letter", likeness: "likeness to the expected answer", pairwise: "a model compares", rubric: "a model marks",
};
const GOALS = { quality: "the best answers", weighted: "good answers for their price", pareto: "the trade-off of quality, cost and time" };

/** Takes an experiment and the names of its settings. Collapsed, since most readers want the result. */
export function Setup(told, words) {
  const line = (name, ...value) => el("div", null, el("dt", null, name), el("dd", { dir: "auto" }, value));
  const { evaluator, objective, budget } = told;
  const limits = [budget.cost_usd && money(budget.cost_usd), budget.tokens && `${count(budget.tokens)} tokens`, budget.seconds && `${duration(budget.seconds * 1000)} of answering`, budget.evaluations && `${count(budget.evaluations)} evaluations`];
  return el("details", { class: "more setup" }, el("summary", null, "Setup"),
    el("dl", null,
      told.space.map(({ dial, values }) => line(DIALS[dial] ?? dial, el("ol", null, values.map((value) => el("li", null, full(dial, value, words)))))),
      told.base.prompt && line("Prompt for all", full("prompt", told.base.prompt, words)),
      line("Scored by", `${WAYS[evaluator.kind] ?? evaluator.kind}${evaluator.model ? `: ${evaluator.model}` : ""}${evaluator.pattern ? `: ${evaluator.pattern}` : ""}`),
      line("Goal", `${GOALS[objective.kind] ?? objective.kind}${objective.kind === "weighted" ? `: ${objective.dollar} points for a dollar, ${objective.second} for a second${objective.uses ? `, ${count(objective.uses)} questions to answer` : ""}` : ""}`),
      line("Limits", limits.filter(Boolean).join(", ") || "none"),
      line("Counts as equal", `closer than ${score(told.indifference)}`)));
}

function full(dial, value, words) {
  if (dial === "prompt" && typeof value === "string") return el("span", { class: "setup-prompt" }, value);
  return words.value(dial, value);
}
