// A dry run: each member's prompt and cost, without calling any model.
import { post } from "../api.js";
import { button, el, fill, icon } from "../dom.js";
import { count, money, plural, sentence } from "../format.js";
import { Choice, Field } from "../parts/field.js";
import { stageName } from "../parts/stages.js";
import { Alert, Loading } from "../parts/states.js";
import { Template } from "./template.js";

const DEPTHS = [["full", "Full: every stage"], ["standard", "Standard: one round of review"], ["quick", "Quick: one model"]];

/** The dry-run section. With `recipe` (a name), the panel and settings are the recipe's. */
export function DryRun({ pattern, models, panel, recipe, signal }) {
  const usable = models.filter((model) => model.available);
  const chosen = new Set(panel);
  const question = Field("Question", { rows: 2, maxLength: 20_000, placeholder: "Enter a question" });
  const depth = Choice("Depth", { value: "full" }, DEPTHS);
  const out = el("div", { class: "dry-out", role: "status" });
  const members = el("details", { class: "more" }, el("summary", null, "The panel"),
    el("ul", { class: "model-choice" }, usable.map((model) => el("li", null, el("label", { class: "check" },
      el("input", { type: "checkbox", "aria-label": model.name || model.id, checked: chosen.has(model.id), on: { change: (event) => (event.target.checked ? chosen.add(model.id) : chosen.delete(model.id)) } }),
      el("span", null, model.name || model.id))))));
  const form = el("form", { class: "dry-form", "aria-label": "Dry run", on: { submit: run } },
    question.node, !recipe && el("div", { class: "pair" }, depth.node), !recipe && usable.length > 1 && members,
    button("Preview", { type: "submit", class: "secondary" }));

  async function run(event) {
    event.preventDefault();
    const prompt = question.input.value.trim();
    if (!prompt) {
      question.input.focus();
      return fill(out, el("p", { class: "error-message", role: "alert" }, "Write a question first."));
    }
    fill(out, Loading("Estimating"));
    const body = recipe ? { prompt, recipe } : { prompt, pattern: pattern.id, depth: depth.input.value, models: [...chosen] };
    try {
      const estimate = await post("/api/estimate", body, { signal });
      fill(out, Result(estimate, pattern, prompt, models));
    } catch (problem) {
      if (!signal.aborted) fill(out, Alert(problem));
    }
  }

  return el("section", { class: "card dry-run", "aria-label": "Dry run" },
    el("h2", null, "Dry run"),
    el("p", null, "Shows each model's prompt and the cost. No model is called."),
    form, out);
}

function Result(estimate, pattern, prompt, models) {
  const stages = [...new Set(estimate.calls.map((call) => call.stage))];
  const nameOf = (id) => models.find((model) => model.id === id)?.name || id;
  const upperBound = estimate.upper_bound_usd > estimate.total.cost_usd ? `, at most ${money(estimate.upper_bound_usd)}` : "";
  return [
    el("p", { class: "dry-sum" }, `About ${plural(estimate.total.input_tokens + estimate.total.output_tokens, "token")} in ${plural(estimate.calls.length, "call")}: ${money(estimate.total.cost_usd)}${upperBound}.`),
    estimate.allowed === false && el("p", { class: "notice suspicious" }, icon("warning"), el("span", null, sentence(estimate.refusal))),
    stages.map((name) => {
      const calls = estimate.calls.filter((call) => call.stage === name);
      const stage = pattern?.stages.find((each) => each.name === name);
      return el("section", { class: "dry-stage", "aria-label": stageName(name) },
        el("h3", null, stageName(name)),
        Calls(calls, nameOf, stageName(name)),
        stage && el("details", { class: "more" }, el("summary", null, calls.length === 1 ? "Prompt" : "Prompts"),
          pattern.rules && el("p", { class: "fine" }, "Every call starts with these rules:"),
          pattern.rules && el("p", { class: "template", dir: "auto" }, pattern.rules),
          Template(stage.prompt, { question: prompt, members: String(estimate.models.length) })));
    }),
    el("p", { class: "fine" }, "Tokens are estimated from the texts. Document passages are not included."),
  ];
}

function Calls(calls, nameOf, label) {
  return el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": `Calls of ${label}` },
    el("table", { class: "dry-table" },
      el("thead", null, el("tr", null, [["Member"], ["Input tokens", "right"], ["Output tokens", "right"], ["Cost", "right"]].map(([head, className]) => el("th", { scope: "col", class: className }, head)))),
      el("tbody", null, calls.map((call) => el("tr", null,
        el("th", { scope: "row" }, nameOf(call.model)),
        el("td", { class: "right" }, count(call.input_tokens)), el("td", { class: "right" }, count(call.output_tokens)),
        el("td", { class: "right" }, money(call.cost_usd)))))));
}
