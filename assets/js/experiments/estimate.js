// The expected cost and statistical power of an experiment before anything is spent, with the button that starts
// it.
import { post } from "../api.js";
import { announce, button, el, fill, icon } from "../dom.js";
import { count, money, plural, sentence } from "../format.js";
import { Alert, Loading, Missing } from "../parts/states.js";
import { missing, requestOf } from "./draft.js";
import { namer } from "./words.js";

/** Returns `{node, stale()}`; call `stale` when the draft changes. `begun(id)` is called after the start. */
export function EstimateView({ draft, models, begun, signal }) {
  const body = el("div", { class: "estimate-body" });
  const ask = button("Estimate cost", { class: "secondary", on: { click: estimate } });
  const start = button("Start experiment", { class: "primary", hidden: true, on: { click: begin } }, "Start experiment", icon("arrow"));
  const message = el("div", { class: "step-message" });
  let asked = 0;

  function stale() {
    asked += 1;
    if (start.hidden) return;
    start.hidden = true;
    fill(body, el("p", { class: "fine" }, "The experiment has changed. Estimate again."));
  }

  function refused() {
    const told = missing(draft);
    fill(message, told.length > 0 && Missing(told[0]));
    return told.length > 0;
  }

  async function estimate() {
    if (refused()) return;
    asked += 1;
    const mine = asked;
    start.hidden = true;
    fill(body, Loading("Planning every setting"));
    try {
      const request = requestOf(draft);
      const told = await post("/api/experiments/estimate", request, { signal });
      if (mine !== asked) return fill(body);
      fill(body, Forecast(told, namer(request.space, models)));
      start.hidden = false;
      announce("The estimate is ready.");
    } catch (problem) {
      if (signal.aborted) return;
      fill(body);
      fill(message, Alert(problem));
    }
  }

  async function begin() {
    if (refused()) return;
    start.disabled = true;
    try {
      const told = await post("/api/experiments", requestOf(draft), { signal });
      begun(told.experiment_id);
    } catch (problem) {
      start.disabled = false;
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }

  return { node: el("div", { class: "estimate" }, body, message, el("div", { class: "actions" }, ask, start)), stale };
}

function Forecast(told, words) {
  const fact = (name, value) => el("div", null, el("dt", null, name), el("dd", null, value));
  const listed = told.settings ?? [];
  return [
    el("p", { class: "detectable" }, told.detectable.sentence),
    el("dl", { class: "facts" },
      fact("Settings", count(told.arms)),
      fact("Cases", told.held_back > 0 ? `${count(told.cases)}, ${count(told.held_back)} of them held back` : count(told.cases)),
      fact("Evaluations", `at most ${count(told.evaluations_at_most)}`),
      fact("Cost", costOf(told.cost_usd)),
      fact("Tokens", told.tokens?.expected ? `about ${count(told.tokens.expected)}` : "not known")),
    el("p", { class: "fine" }, sentence(told.stopping)),
    told.warnings?.length > 0 && el("ul", { class: "warnings", "aria-label": "Warnings" }, told.warnings.map((warning) => el("li", { class: "warn" }, icon("warning"), el("span", null, sentence(warning))))),
    el("details", { class: "more" }, el("summary", null, `The ${plural(told.arms, "setting")}`),
      el("ol", { class: "settings" }, listed.map((setting, place) => el("li", { dir: "auto" }, words.name(setting), place === told.current && told.baseline !== "first" && el("span", { class: "badge" }, "now")))),
      told.arms > listed.length && el("p", { class: "fine" }, `and ${count(told.arms - listed.length)} more`)),
  ];
}

function costOf({ expected, at_most: most } = {}) {
  if (expected === null || expected === undefined) return "a price is not known";
  if (!most) return "no cost";
  return most > expected ? `about ${money(expected)}, at most ${money(most)}` : `about ${money(expected)}`;
}
