// Runs an analysis again with one change. First shows the server's plan: what is reused from the earlier run,
// which calls are repeated, and what they may cost.
import { post } from "../api.js";
import { button, el, fill } from "../dom.js";
import { money, plural, sentence } from "../format.js";
import { openDialog } from "../parts/dialog.js";
import { Choice, Field } from "../parts/field.js";
import { nameOf } from "../parts/model-name.js";
import { synthesis } from "../parts/run-model.js";
import { stageName } from "../parts/stages.js";
import { styled } from "../styles.js";

const TYPING_MS = 300;
const DEPTHS = [["quick", "Quick: one model answers"], ["standard", "Standard: first answers, one round of critique, synthesis"], ["full", "Full: every stage of the pattern"]];

/** A dialog that starts the analysis again with one change; `onStarted(id)` is called when the new one has started. */
export async function runAgain(run, { models, patterns, onStarted }) {
  await styled("views");
  const changes = changeOptions(run, models, patterns);
  const kinds = changes.map(([kind, name]) => [kind, name]);
  const kindChoice = Choice("Change", { value: kinds[0][0], on: { change: show } }, kinds);
  const fieldArea = el("div", { class: "rerun-change" });
  const planView = el("div", { class: "rerun-plan", role: "status" });
  const startButton = button("Start", { class: "primary", disabled: true, on: { click: start } });
  let timer = 0;
  let controller = new AbortController();
  let request = {};
  const body = el("div", { class: "rerun" }, kindChoice.node, fieldArea, planView, el("div", { class: "actions" }, startButton));
  const closed = openDialog("Run again", body);
  show();
  await closed;
  controller.abort();
  clearTimeout(timer);

  function show() {
    const [, , make] = changes.find(([kind]) => kind === kindChoice.input.value);
    fill(fieldArea, make(updatePlan));
  }

  // `newRequest` is null as long as the selection changes nothing.
  function updatePlan(newRequest, hint = "") {
    controller.abort();
    clearTimeout(timer);
    startButton.disabled = true;
    request = newRequest;
    if (!newRequest) return void fill(planView, el("p", { class: "fine" }, hint));
    timer = setTimeout(fetchPlan, TYPING_MS);
  }

  async function fetchPlan() {
    controller = new AbortController();
    const { signal } = controller;
    try {
      const plan = await post(pathOf(run), { ...request, dry_run: true }, { signal });
      fill(planView, PlanSummary(plan, models));
      startButton.disabled = !plan.allowed;
    } catch (problem) {
      if (!signal.aborted) fill(planView, el("p", { class: "error-message" }, sentence(problem.message)));
    }
  }

  async function start() {
    startButton.disabled = true;
    try {
      const started = await post(pathOf(run), request);
      body.closest("dialog").close("");
      onStarted(started.analysis_id);
    } catch (problem) {
      fill(planView, el("p", { class: "error-message" }, sentence(problem.message)));
      startButton.disabled = false;
    }
  }
}

function pathOf(run) {
  return `/api/analyses/${encodeURIComponent(run.id)}/rerun`;
}

// The possible changes, each with its kind, name, and fields; every change is passed to `updatePlan`.
function changeOptions(run, models, patterns) {
  const usable = models.filter((model) => model.available);
  const writer = synthesis(run)?.model ?? run.ultra;
  return [
    ["ultra_model", "Synthesis model", (updatePlan) => OptionField("Synthesis model", "ultra_model", usable.filter((model) => model.id !== writer).map((model) => [model.id, nameOf(model.id, models).name]), updatePlan)],
    ["models", "Models", (updatePlan) => Panel(run, usable, models, updatePlan)],
    ["pattern", "Pattern", (updatePlan) => OptionField("Pattern", "pattern", patterns.filter((each) => each.id !== run.pattern).map((each) => [each.id, each.name]), updatePlan)],
    ["depth", "Depth", (updatePlan) => OptionField("Depth", "depth", DEPTHS, updatePlan)],
    ["prompt", "Question", (updatePlan) => Question(run, updatePlan)],
    ["cache", "Nothing (new answers)", (updatePlan) => {
      updatePlan({ cache: "refresh" });
      return el("p", { class: "fine" }, "No answer is reused. Models can answer differently each time.");
    }],
  ];
}

function OptionField(label, field, options, updatePlan) {
  if (options.length === 0) {
    updatePlan(null);
    return el("p", { class: "fine" }, "No alternatives.");
  }
  const choice = Choice(label, { value: options[0][0], on: { change: () => updatePlan({ [field]: choice.input.value }) } }, options);
  updatePlan({ [field]: choice.input.value });
  return choice.node;
}

function Panel(run, usable, models, updatePlan) {
  const chosen = new Set(run.models.map((model) => model.replace(/#\d+$/, "")));
  const ids = [...new Set([...chosen, ...usable.map((model) => model.id)])];
  const notifySelection = () => {
    const selected = ids.filter((id) => chosen.has(id));
    const isUnchanged = selected.length === run.models.length && selected.every((id) => run.models.includes(id));
    updatePlan(isUnchanged || selected.length === 0 ? null : { models: selected }, isUnchanged ? "Add or remove a model." : "Please select at least one model.");
  };
  notifySelection();
  return el("fieldset", { class: "rerun-panel" }, el("legend", null, "The panel"), ids.map((id) => {
    const box = el("input", { type: "checkbox", value: id, checked: chosen.has(id), "aria-label": nameOf(id, models).name, on: { change: () => {
      if (box.checked) chosen.add(id);
      else chosen.delete(id);
      notifySelection();
    } } });
    return el("label", { class: "check" }, box, nameOf(id, models).name);
  }));
}

function Question(run, updatePlan) {
  const field = Field("Question", { rows: 4, value: run.prompt, dir: "auto", on: { input: () => {
    const prompt = field.input.value.trim();
    updatePlan(prompt && prompt !== run.prompt.trim() ? { prompt } : null, "Edit the question.");
  } } });
  updatePlan(null, "Edit the question.");
  return field.node;
}

function PlanSummary({ taken_over: reused, calls, cost_usd: cost, allowed, refusal }, models) {
  return [
    el("p", null, el("strong", null, calls.length === 0 ? "No new calls." : `New: ${plural(calls.length, "call")}, ${cost > 0 ? `about ${money(cost)}` : money(cost)}.`)),
    StageList(calls, models),
    el("p", null, el("strong", null, reused.length === 0 ? "No answers are reused." : `Reused: ${plural(reused.length, "answer")}, free`)),
    StageList(reused, models),
    !allowed && el("p", { class: "error-message" }, sentence(refusal)),
  ];
}

function StageList(calls, models) {
  const names = [...new Set(calls.map((call) => call.stage))];
  return names.length > 0 && el("ul", { class: "rerun-stages" }, names.map((name) => el("li", null,
    `${stageName(name)}: ${[...new Set(calls.filter((call) => call.stage === name).map((call) => nameOf(call.model, models).name))].join(", ")}`)));
}
