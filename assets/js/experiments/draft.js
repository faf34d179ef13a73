// The draft of an experiment: survives a reload, and is turned into the request. Contains no UI code.
import { recall, remember } from "../state.js";

const STORAGE_KEY = "experiment-draft";
const PLAIN_PROMPT = "{{question}}";
/** Model parameters; the others concern how the question is asked. */
export const MODEL_DIALS = ["effort", "temperature", "top_p", "max_tokens"];
/** The order in which parameters are shown. */
export const DIAL_ORDER = ["model", "prompt", "pattern", "members", ...MODEL_DIALS, "passages"];

export function newDraft() {
  return {
    name: "", cases: [], documents: [], axes: { model: [], prompt: [PLAIN_PROMPT] }, current: {},
    evaluator: { kind: "contains" }, objective: { kind: "quality" }, budget: {}, indifference: 0.02, wrong: 0.1,
  };
}

export function loadDraft() {
  const stored = recall(STORAGE_KEY, sessionStorage);
  return stored?.axes && Array.isArray(stored.cases) ? { ...newDraft(), ...stored } : newDraft();
}

export const saveDraft = (draft) => remember(STORAGE_KEY, draft, sessionStorage);
export const dropDraft = () => remember(STORAGE_KEY, null, sessionStorage);

/** The parameters that vary, as `[{dial, values}]`. */
export function spaceOf(draft) {
  const improve = draft.improve?.model && { model: draft.improve.model, proposals: draft.improve.proposals };
  return DIAL_ORDER.map((dial) => ({ dial, values: draft.axes[dial] ?? [], ...(improve && dial === "prompt" ? { improve } : {}) }))
    .filter(({ values, improve: searched }) => values.length > 1 || searched);
}

// The fixed parameters: those with a single value, shared by all configurations.
function baseOf(draft) {
  const base = {};
  for (const dial of DIAL_ORDER) {
    const values = draft.axes[dial] ?? [];
    const [value] = values;
    if (values.length !== 1 || value === null || (dial === "prompt" && draft.improve?.model) || (dial === "prompt" && value.trim() === PLAIN_PROMPT)) continue;
    if (dial === "model") base.models = [value].flat();
    else if (dial === "members") base.samples = value;
    else if (MODEL_DIALS.includes(dial)) base.parameters = { ...base.parameters, [dial === "effort" ? "reasoning_effort" : dial]: value };
    else base[dial] = value;
  }
  return base;
}

/** Returns a draft with the values of an existing experiment. */
export function draftOf(experiment, cases) {
  const { base } = experiment;
  const axisOf = (dial, value) => (value === null || value === undefined || value.length === 0 ? {} : { [dial]: [value] });
  const { reasoning_effort: effort, temperature, top_p, max_tokens } = base.parameters ?? {};
  const fixed = {
    model: base.models?.length === 1 ? base.models : base.models?.length > 1 ? [base.models] : [], prompt: [base.prompt ?? PLAIN_PROMPT],
    ...axisOf("pattern", base.pattern), ...axisOf("members", base.samples), ...axisOf("passages", base.passages),
    ...axisOf("effort", effort), ...axisOf("temperature", temperature), ...axisOf("top_p", top_p), ...axisOf("max_tokens", max_tokens),
  };
  const { cost_usd, tokens, seconds, evaluations } = experiment.budget;
  const current = experiment.report?.leaderboard.find((row) => row.place === experiment.current)?.setting ?? {};
  return {
    ...newDraft(), name: experiment.name, evaluator: experiment.evaluator, objective: experiment.objective, indifference: experiment.indifference, wrong: experiment.wrong,
    cases: cases.map(({ prompt, expected, label, documents }) => ({ prompt, expected: expected ?? "", label, documents })),
    improve: experiment.space.find(({ dial }) => dial === "prompt")?.improve,
    axes: { ...fixed, ...Object.fromEntries(experiment.space.map(({ dial, values }) => [dial, values])) },
    current: { ...current },
    budget: Object.fromEntries(Object.entries({ cost_usd, tokens, seconds, evaluations }).filter(([, amount]) => amount > 0)),
  };
}

/** The request body for `POST /api/experiments` and for its estimate. */
export function requestOf(draft) {
  const space = spaceOf(draft);
  const cases = draft.cases.filter((each) => each.prompt.trim()).map(({ prompt, expected, label, documents }) => ({
    prompt,
    ...(expected?.trim() ? { expected } : {}),
    ...(label ? { label } : {}),
    ...(documents?.length || draft.documents.length ? { documents: documents?.length ? documents : draft.documents } : {}),
  }));
  const current = Object.fromEntries(Object.entries(draft.current).filter(([dial, value]) => space.some((axis) => axis.dial === dial && includesValue(axis.values, value))));
  const budget = Object.fromEntries(Object.entries(draft.budget).filter(([, amount]) => amount > 0));
  return {
    ...(draft.name.trim() ? { name: draft.name.trim() } : {}),
    cases, space, base: baseOf(draft), current, evaluator: draft.evaluator, objective: draft.objective, budget,
    indifference: draft.indifference, wrong: draft.wrong,
    ...(Number.isInteger(draft.seed) ? { seed: draft.seed } : {}),
  };
}

/** What the draft still lacks for an estimate, as text; empty when it is complete. */
export function problemsOf(draft) {
  const problems = [];
  const cases = draft.cases.filter((each) => each.prompt.trim());
  if (cases.length === 0) problems.push("Add at least one case: a question and its expected answer.");
  if (draft.axes.model.length === 0) problems.push("Choose at least one model.");
  if (draft.axes.prompt?.some((text) => !text.includes(PLAIN_PROMPT))) problems.push("Every prompt needs {{question}} where the question goes.");
  if (draft.axes.model.length > 0 && !draft.improve?.model && countSettings(draft, () => true) < 2) problems.push("A single configuration cannot be compared: choose a second model, prompt, or value.");
  const hasJudge = ["pairwise", "rubric"].includes(draft.evaluator.kind);
  if (hasJudge && !draft.evaluator.model) problems.push("Choose a judge model.");
  if (draft.evaluator.kind === "schema" && !draft.evaluator.schema) problems.push("Enter the JSON schema for the answers.");
  const needsExpected = !hasJudge && draft.evaluator.kind !== "schema" && !draft.evaluator.pattern;
  const unanswered = needsExpected ? draft.cases.filter((each) => each.prompt.trim() && !each.expected?.trim()).length : 0;
  if (unanswered > 0) problems.push(`${unanswered === cases.length ? "No case has" : unanswered === 1 ? "One case has no" : `${unanswered} cases have no`} ${unanswered === cases.length ? "an expected answer" : "expected answer"}, which this scoring method requires.`);
  return problems;
}

/** The number of configurations; `takes(model, dial)` returns whether a model supports a parameter. */
export function countSettings(draft, takes) {
  const space = spaceOf(draft);
  const models = draft.axes.model;
  return models.reduce((sum, model) => sum + space.reduce((all, { dial, values }) => {
    if (dial === "model") return all;
    const isApplicable = !MODEL_DIALS.includes(dial) || [model].flat().every((id) => takes(id, dial));
    return all * (isApplicable ? values.length : 1);
  }, 1), 0);
}

/** Whether the list contains this value; values may be lists themselves. */
export function includesValue(values, value) {
  return values.some((each) => isSameValue(each, value));
}

export const isSameValue = (a, b) => JSON.stringify(a) === JSON.stringify(b);
