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
  const changes = ways(run, models, patterns);
  const kinds = changes.map(([kind, name]) => [kind, name]);
  const what = Choice("Change", { value: kinds[0][0], on: { change: show } }, kinds);
  const place = el("div", { class: "rerun-change" });
  const told = el("div", { class: "rerun-plan", role: "status" });
  const go = button("Start", { class: "primary", disabled: true, on: { click: start } });
  let timer = 0;
  let asked = new AbortController();
  let change = {};
  const body = el("div", { class: "rerun" }, what.node, place, told, el("div", { class: "actions" }, go));
  const closed = openDialog("Run again", body);
  show();
  await closed;
  asked.abort();
  clearTimeout(timer);

  function show() {
    const [, , make] = changes.find(([kind]) => kind === what.input.value);
    fill(place, make(foresee));
  }

  // `next` is null as long as the selection does not change anything.
  function foresee(next, why = "") {
    asked.abort();
    clearTimeout(timer);
    go.disabled = true;
    change = next;
    if (!next) return void fill(told, el("p", { class: "fine" }, why));
    timer = setTimeout(ask, TYPING_MS);
  }

  async function ask() {
    asked = new AbortController();
    const { signal } = asked;
    try {
      const plan = await post(pathOf(run), { ...change, dry_run: true }, { signal });
      fill(told, Foreseen(plan, models));
      go.disabled = !plan.allowed;
    } catch (problem) {
      if (!signal.aborted) fill(told, el("p", { class: "error-message" }, sentence(problem.message)));
    }
  }

  async function start() {
    go.disabled = true;
    try {
      const started = await post(pathOf(run), change);
      body.closest("dialog").close("");
      onStarted(started.analysis_id);
    } catch (problem) {
      fill(told, el("p", { class: "error-message" }, sentence(problem.message)));
      go.disabled = false;
    }
  }
}

function pathOf(run) {
  return `/api/analyses/${encodeURIComponent(run.id)}/rerun`;
}

// The possible changes, each with its kind, name, and fields; every change is passed to `foresee`.
function ways(run, models, patterns) {
  const usable = models.filter((model) => model.available);
  const writer = synthesis(run)?.model ?? run.ultra;
  return [
    ["ultra_model", "Synthesis model", (foresee) => Pick("Synthesis model", "ultra_model", usable.filter((model) => model.id !== writer).map((model) => [model.id, nameOf(model.id, models).name]), foresee)],
    ["models", "Models", (foresee) => Panel(run, usable, models, foresee)],
    ["pattern", "Pattern", (foresee) => Pick("Pattern", "pattern", patterns.filter((each) => each.id !== run.pattern).map((each) => [each.id, each.name]), foresee)],
    ["depth", "Depth", (foresee) => Pick("Depth", "depth", DEPTHS, foresee)],
    ["prompt", "Question", (foresee) => Question(run, foresee)],
    ["cache", "Nothing (new answers)", (foresee) => {
      foresee({ cache: "refresh" });
      return el("p", { class: "fine" }, "No answer is reused. Models can answer differently each time.");
    }],
  ];
}

function Pick(label, field, options, foresee) {
  if (options.length === 0) {
    foresee(null);
    return el("p", { class: "fine" }, "No alternatives.");
  }
  const choice = Choice(label, { value: options[0][0], on: { change: () => foresee({ [field]: choice.input.value }) } }, options);
  foresee({ [field]: choice.input.value });
  return choice.node;
}

function Panel(run, usable, models, foresee) {
  const chosen = new Set(run.models.map((model) => model.replace(/#\d+$/, "")));
  const known = [...new Set([...chosen, ...usable.map((model) => model.id)])];
  const tell = () => {
    const now = known.filter((id) => chosen.has(id));
    const same = now.length === run.models.length && now.every((id) => run.models.includes(id));
    foresee(same || now.length === 0 ? null : { models: now }, same ? "Add or remove a model." : "Please select at least one model.");
  };
  tell();
  return el("fieldset", { class: "rerun-panel" }, el("legend", null, "The panel"), known.map((id) => {
    const box = el("input", { type: "checkbox", value: id, checked: chosen.has(id), "aria-label": nameOf(id, models).name, on: { change: () => {
      if (box.checked) chosen.add(id);
      else chosen.delete(id);
      tell();
    } } });
    return el("label", { class: "check" }, box, nameOf(id, models).name);
  }));
}

function Question(run, foresee) {
  const field = Field("Question", { rows: 4, value: run.prompt, dir: "auto", on: { input: () => {
    const prompt = field.input.value.trim();
    foresee(prompt && prompt !== run.prompt.trim() ? { prompt } : null, "Edit the question.");
  } } });
  foresee(null, "Edit the question.");
  return field.node;
}

function Foreseen({ taken_over: taken, calls, cost_usd: cost, allowed, refusal }, models) {
  return [
    el("p", null, el("strong", null, calls.length === 0 ? "No new calls." : `New: ${plural(calls.length, "call")}, ${cost > 0 ? `about ${money(cost)}` : money(cost)}.`)),
    Stages(calls, models),
    el("p", null, el("strong", null, taken.length === 0 ? "No answers are reused." : `Reused: ${plural(taken.length, "answer")}, free`)),
    Stages(taken, models),
    !allowed && el("p", { class: "error-message" }, sentence(refusal)),
  ];
}

function Stages(calls, models) {
  const names = [...new Set(calls.map((call) => call.stage))];
  return names.length > 0 && el("ul", { class: "rerun-stages" }, names.map((name) => el("li", null,
    `${stageName(name)}: ${[...new Set(calls.filter((call) => call.stage === name).map((call) => nameOf(call.model, models).name))].join(", ")}`)));
}
