// The draft of an experiment: survives a reload, and is turned into the request. Contains no UI code.
import { recall, remember } from "../state.js";

const KEY = "experiment-draft";
const PLAIN = "{{question}}";
/** Model parameters; the others concern how the question is asked. */
export const OF_MODELS = ["effort", "temperature", "top_p", "max_tokens"];
/** The order in which parameters are shown. */
export const ORDER = ["model", "prompt", "pattern", "members", ...OF_MODELS, "passages"];

export function newDraft() {
  return {
    name: "", cases: [], documents: [], axes: { model: [], prompt: [PLAIN] }, current: {},
    evaluator: { kind: "contains" }, objective: { kind: "quality" }, budget: {}, indifference: 0.02, wrong: 0.1,
  };
}

export function loadDraft() {
  const kept = recall(KEY, sessionStorage);
  return kept?.axes && Array.isArray(kept.cases) ? { ...newDraft(), ...kept } : newDraft();
}

export const saveDraft = (draft) => remember(KEY, draft, sessionStorage);
export const dropDraft = () => remember(KEY, null, sessionStorage);

/** The parameters that vary, as `[{dial, values}]`. */
export function spaceOf(draft) {
  const improve = draft.improve?.model && { model: draft.improve.model, proposals: draft.improve.proposals };
  return ORDER.map((dial) => ({ dial, values: draft.axes[dial] ?? [], ...(improve && dial === "prompt" ? { improve } : {}) }))
    .filter(({ values, improve: searched }) => values.length > 1 || searched);
}

// The fixed parameters: those with a single value, shared by all settings.
function baseOf(draft) {
  const base = {};
  for (const dial of ORDER) {
    const values = draft.axes[dial] ?? [];
    const [value] = values;
    if (values.length !== 1 || value === null || (dial === "prompt" && draft.improve?.model) || (dial === "prompt" && value.trim() === PLAIN)) continue;
    if (dial === "model") base.models = [value].flat();
    else if (dial === "members") base.samples = value;
    else if (OF_MODELS.includes(dial)) base.parameters = { ...base.parameters, [dial === "effort" ? "reasoning_effort" : dial]: value };
    else base[dial] = value;
  }
  return base;
}

/** Returns a draft with the values of an existing experiment. */
export function draftOf(told, cases) {
  const { base } = told;
  const of = (dial, value) => (value === null || value === undefined || value.length === 0 ? {} : { [dial]: [value] });
  const { reasoning_effort: effort, temperature, top_p, max_tokens } = base.parameters ?? {};
  const fixed = {
    model: base.models?.length === 1 ? base.models : base.models?.length > 1 ? [base.models] : [], prompt: [base.prompt ?? PLAIN],
    ...of("pattern", base.pattern), ...of("members", base.samples), ...of("passages", base.passages),
    ...of("effort", effort), ...of("temperature", temperature), ...of("top_p", top_p), ...of("max_tokens", max_tokens),
  };
  const { cost_usd, tokens, seconds, evaluations } = told.budget;
  const current = told.report?.leaderboard.find((row) => row.place === told.current)?.setting ?? {};
  return {
    ...newDraft(), name: told.name, evaluator: told.evaluator, objective: told.objective, indifference: told.indifference, wrong: told.wrong,
    cases: cases.map(({ prompt, expected, label, documents }) => ({ prompt, expected: expected ?? "", label, documents })),
    improve: told.space.find(({ dial }) => dial === "prompt")?.improve,
    axes: { ...fixed, ...Object.fromEntries(told.space.map(({ dial, values }) => [dial, values])) },
    current: { ...current },
    budget: Object.fromEntries(Object.entries({ cost_usd, tokens, seconds, evaluations }).filter(([, amount]) => amount > 0)),
  };
}

/** The request body for `POST /api/experiments` and for its estimate. */
export function requestOf(draft) {
  const space = spaceOf(draft);
  const cases = draft.cases.filter((one) => one.prompt.trim()).map(({ prompt, expected, label, documents }) => ({
    prompt,
    ...(expected?.trim() ? { expected } : {}),
    ...(label ? { label } : {}),
    ...(documents?.length || draft.documents.length ? { documents: documents?.length ? documents : draft.documents } : {}),
  }));
  const current = Object.fromEntries(Object.entries(draft.current).filter(([dial, value]) => space.some((axis) => axis.dial === dial && holds(axis.values, value))));
  const budget = Object.fromEntries(Object.entries(draft.budget).filter(([, amount]) => amount > 0));
  return {
    ...(draft.name.trim() ? { name: draft.name.trim() } : {}),
    cases, space, base: baseOf(draft), current, evaluator: draft.evaluator, objective: draft.objective, budget,
    indifference: draft.indifference, wrong: draft.wrong,
    ...(Number.isInteger(draft.seed) ? { seed: draft.seed } : {}),
  };
}

/** What the draft still lacks for an estimate, as text; empty when it is complete. */
export function missing(draft) {
  const told = [];
  const cases = draft.cases.filter((one) => one.prompt.trim());
  if (cases.length === 0) told.push("Add at least one case: a question and its expected answer.");
  if (draft.axes.model.length === 0) told.push("Choose at least one model.");
  if (draft.axes.prompt?.some((text) => !text.includes(PLAIN))) told.push("Every prompt needs {{question}} where the question goes.");
  if (draft.axes.model.length > 0 && !draft.improve?.model && countSettings(draft, () => true) < 2) told.push("One setting alone cannot be compared: choose a second model, prompt or value.");
  const judged = ["pairwise", "rubric"].includes(draft.evaluator.kind);
  if (judged && !draft.evaluator.model) told.push("Choose a judge model.");
  if (draft.evaluator.kind === "schema" && !draft.evaluator.schema) told.push("Enter the JSON schema for the answers.");
  const compares = !judged && draft.evaluator.kind !== "schema" && !draft.evaluator.pattern;
  const bare = compares ? draft.cases.filter((one) => one.prompt.trim() && !one.expected?.trim()).length : 0;
  if (bare > 0) told.push(`${bare === cases.length ? "No case has" : bare === 1 ? "One case has no" : `${bare} cases have no`} ${bare === cases.length ? "an expected answer" : "expected answer"}, and this way of scoring compares with one.`);
  return told;
}

/** The number of settings; `takes(model, dial)` tells whether a model supports a parameter. */
export function countSettings(draft, takes) {
  const space = spaceOf(draft);
  const models = draft.axes.model;
  return models.reduce((sum, model) => sum + space.reduce((all, { dial, values }) => {
    if (dial === "model") return all;
    const reached = !OF_MODELS.includes(dial) || [model].flat().every((one) => takes(one, dial));
    return all * (reached ? values.length : 1);
  }, 1), 0);
}

/** Whether the list contains this value; values may be lists themselves. */
export function holds(values, value) {
  return values.some((one) => same(one, value));
}

export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
