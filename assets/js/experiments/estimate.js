// The expected cost and statistical power of an experiment before anything is spent, with the button that starts
// it.
import { post } from "../api.js";
import { announce, button, el, fill, icon } from "../dom.js";
import { count, money, plural, sentence } from "../format.js";
import { Alert, Loading, FormHint } from "../parts/states.js";
import { problemsOf, requestOf } from "./draft.js";
import { namer } from "./words.js";

/** Returns `{node, stale()}`; call `stale` when the draft changes. `begun(id)` is called after the start. */
export function EstimateView({ draft, models, begun, signal }) {
  const body = el("div", { class: "estimate-body" });
  const estimateButton = button("Estimate cost", { class: "secondary", on: { click: estimate } });
  const startButton = button("Start experiment", { class: "primary", hidden: true, on: { click: begin } }, "Start experiment", icon("arrow"));
  const message = el("div", { class: "step-message" });
  let requestCount = 0;

  function stale() {
    requestCount += 1;
    if (startButton.hidden) return;
    startButton.hidden = true;
    fill(body, el("p", { class: "fine" }, "The experiment has changed. Estimate again."));
  }

  function showProblem() {
    const problems = problemsOf(draft);
    fill(message, problems.length > 0 && FormHint(problems[0]));
    return problems.length > 0;
  }

  async function estimate() {
    if (showProblem()) return;
    requestCount += 1;
    const requestNumber = requestCount;
    startButton.hidden = true;
    fill(body, Loading("Planning all configurations"));
    try {
      const request = requestOf(draft);
      const response = await post("/api/experiments/estimate", request, { signal });
      if (requestNumber !== requestCount) return fill(body);
      fill(body, EstimateDetails(response, namer(request.space, models)));
      startButton.hidden = false;
      announce("The estimate is ready.");
    } catch (problem) {
      if (signal.aborted) return;
      fill(body);
      fill(message, Alert(problem));
    }
  }

  async function begin() {
    if (showProblem()) return;
    startButton.disabled = true;
    try {
      const response = await post("/api/experiments", requestOf(draft), { signal });
      begun(response.experiment_id);
    } catch (problem) {
      startButton.disabled = false;
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }

  return { node: el("div", { class: "estimate" }, body, message, el("div", { class: "actions" }, estimateButton, startButton)), stale };
}

function EstimateDetails(response, words) {
  const fact = (name, value) => el("div", null, el("dt", null, name), el("dd", null, value));
  const configurations = response.settings ?? [];
  return [
    el("p", { class: "detectable" }, response.detectable.sentence),
    el("dl", { class: "facts" },
      fact("Configurations", count(response.arms)),
      fact("Cases", response.held_back > 0 ? `${count(response.cases)}, ${count(response.held_back)} of them held back` : count(response.cases)),
      fact("Evaluations", `at most ${count(response.evaluations_at_most)}`),
      fact("Cost", costOf(response.cost_usd)),
      fact("Tokens", response.tokens?.expected ? `about ${count(response.tokens.expected)}` : "unknown")),
    el("p", { class: "fine" }, sentence(response.stopping)),
    response.warnings?.length > 0 && el("ul", { class: "warnings", "aria-label": "Warnings" }, response.warnings.map((warning) => el("li", { class: "warn" }, icon("warning"), el("span", null, sentence(warning))))),
    el("details", { class: "more" }, el("summary", null, `The ${plural(response.arms, "configuration")}`),
      el("ol", { class: "settings" }, configurations.map((setting, place) => el("li", { dir: "auto" }, words.name(setting), place === response.current && response.baseline !== "first" && el("span", { class: "badge" }, "now")))),
      response.arms > configurations.length && el("p", { class: "fine" }, `and ${count(response.arms - configurations.length)} more`)),
  ];
}

function costOf({ expected, at_most: upperBound } = {}) {
  if (expected === null || expected === undefined) return "a price is unknown";
  if (!upperBound) return "no cost";
  return upperBound > expected ? `about ${money(expected)}, at most ${money(upperBound)}` : `about ${money(expected)}`;
}
