// Model parameters and budget: a preset, individual parameters with descriptions, and a budget. All of them are
// optional.
import { get } from "../api.js";
import { el, fill } from "../dom.js";
import { plural, sentence } from "../format.js";
import { Choice, Field } from "../parts/field.js";

// Bounds above this are just limits of the number type and are not shown.
const MAX_MEANINGFUL_BOUND = 1e9;
const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/** Returns `{node, draw()}`, a collapsed section; call `draw` when the panel or the draft changes. */
export function Settings({ draft, data, signal, changed }) {
  const body = el("div", { class: "settings-body" });
  const state = el("span", { class: "fine" });
  const node = el("details", { class: "more run-settings", on: { toggle: () => node.open && draw() } },
    el("summary", null, "Settings and budget ", state), body);
  let glossary = null;
  updateState();

  async function draw() {
    updateState();
    if (!node.open) return;
    data.glossary ??= get("/api/parameters", { signal });
    try {
      glossary = await data.glossary;
    } catch (problem) {
      data.glossary = null;
      if (!signal.aborted) fill(body, el("p", { class: "error-alert", role: "alert" }, `Error: ${sentence(problem.message)}`));
      return;
    }
    if (!signal.aborted) show();
  }

  function updateState() {
    const parameterCount = Object.keys(draft.parameters).length;
    state.textContent = [
      draft.preset, parameterCount > 0 && plural(parameterCount, "parameter"), draft.budget !== null && `at most $${draft.budget}`,
    ].filter(Boolean).join(" · ") || "defaults";
  }

  function show() {
    const preset = Choice("Preset", { class: "preset-selector", value: draft.preset, on: { change: () => {
      draft.preset = preset.input.value;
      onDraftChange();
    } } }, [["", "Model defaults"], ...glossary.presets.map((each) => [each.name, `${each.name}: ${each.meaning}`])]);
    const budget = Field("Budget for this run, in dollars", {
      type: "number", class: "budget-input", min: 0, step: "any", inputMode: "decimal", value: draft.budget ?? "", placeholder: "no limit",
      on: { input: () => {
        draft.budget = budget.input.value === "" || !(budget.input.valueAsNumber >= 0) ? null : budget.input.valueAsNumber;
        onDraftChange();
      } },
    }, "A run that would cost more is refused. Your account’s budget also applies.");
    fill(body, el("div", { class: "pair" }, preset.node, budget.node),
      el("details", { class: "more", open: Object.keys(draft.parameters).length > 0 },
        el("summary", null, "Parameters"),
        el("div", { class: "parameter-grid" }, glossary.parameters.map(Parameter))));
  }

  function Parameter(entry) {
    const supporting = data.models.filter((model) => draft.models.has(model.id) && model.parameters?.includes(entry.name)).length;
    // The call timeout is not user-configurable.
    const isSupportedParameter = entry.name !== "timeout_s";
    const hint = [sentence(entry.meaning), rangeOf(entry), !isSupportedParameter ? "" : supporting === 0 ? "No model on this panel supports it." : supporting < draft.models.size ? `${supporting} of ${draft.models.size} on this panel support it.` : ""].filter(Boolean).join(" ");
    const name = entry.name.replaceAll("_", " ");
    const value = draft.parameters[entry.name];
    if (entry.name === "reasoning_effort") {
      const { node: field, input } = Choice(name, { value: value ?? "", on: { change: () => setParameter(entry.name, input.value || undefined) } }, [["", "default"], ...EFFORTS.map((each) => [each, each])], hint);
      return field;
    }
    const isList = entry.type === "array";
    const { node: field, input } = Field(name, {
      ...(isList ? { rows: 2 } : { type: "number", step: entry.type === "integer" ? 1 : "any", ...bounds(entry) }),
      value: isList ? (value ?? []).join("\n") : value ?? "", placeholder: isList ? "one per line" : entry.default,
      on: { input: () => setParameter(entry.name, isList ? lines(input.value) : input.value === "" || Number.isNaN(input.valueAsNumber) ? undefined : input.valueAsNumber) },
    }, hint);
    return field;
  }

  function setParameter(name, value) {
    if (value === undefined) delete draft.parameters[name];
    else draft.parameters[name] = value;
    onDraftChange();
  }

  function onDraftChange() {
    updateState();
    changed();
  }
  return { node, draw };
}

function lines(text) {
  const found = text.split("\n").filter((line) => line !== "");
  return found.length > 0 ? found : undefined;
}

function bounds({ minimum, maximum }) {
  const meaningful = (number) => (Math.abs(number ?? Infinity) < MAX_MEANINGFUL_BOUND ? number : null);
  return { min: meaningful(minimum), max: meaningful(maximum) };
}

function rangeOf(entry) {
  const { min, max } = bounds(entry);
  return min !== null && max !== null ? `From ${min} to ${max}.` : "";
}
