// Names of the parameters, configurations, states, and scores of an experiment. Pure functions.
import { cost, duration, money, plural } from "../format.js";

const decimalFormat = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const signedFormat = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" });
const percentFormat = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });

/** 0.6666 → "0.67" */
export const score = (value) => (value === null || value === undefined ? "none" : decimalFormat.format(value));
/** 0.051 → "+0.05" */
export const change = (value) => signedFormat.format(value);
/** 0.62 → "62%" */
export const percent = (value) => percentFormat.format(value);
/** [0.1, 0.4] → "0.10 to 0.40" */
export const span = (interval) => (interval ? `${decimalFormat.format(interval[0])} to ${decimalFormat.format(interval[1])}` : "not known");

export const DIALS = {
  model: "Model", prompt: "Prompt", pattern: "Pattern", members: "Members", effort: "Effort", temperature: "Temperature",
  top_p: "Top p", max_tokens: "Maximum tokens", passages: "Passages",
};

export const STATE_LABELS = { running: "Running", paused: "Paused", completed: "Complete", cancelled: "Stopped", failed: "Failed" };

const FINDINGS = {
  better: "A configuration scored better",
  worse: "The leader scored worse in the final comparison",
  not_distinguishable: "No difference was shown",
  current_leads: "No configuration scored better",
  not_tested: "Not enough data",
};

/** The finding, as worded in a list row. */
export const finding = (name) => FINDINGS[name] ?? "";

const FATES = {
  untried: "not tried", racing: "in the race until the end", set_aside: "set aside, not shown to be worse", beaten: "shown to be worse",
};

/** The outcome of a configuration. Outcomes are strings or objects with a single key. */
export const fate = (outcome) => FATES[fateOf(outcome)] ?? String(fateOf(outcome) ?? "");
export const fateOf = (outcome) => (typeof outcome === "object" && outcome !== null ? outcome.fate ?? Object.keys(outcome)[0] : outcome);

/** The amounts spent, as a phrase. */
export function spentOf(spent) {
  return [plural(spent.evaluations ?? 0, "evaluation"), spent.cost_usd > 0 && money(spent.cost_usd), spent.tokens > 0 && plural(spent.tokens, "token")].filter(Boolean).join(" · ");
}

/** Cost and time per evaluation. */
export const perCase = ({ cost_usd: usd, latency_ms: ms }) => [cost(usd), duration(ms)].filter(Boolean).join(", ");

/**
 * Returns functions that describe a configuration by the parameters that vary: `name` as a phrase, `parts` as
 * `[label, value]` pairs.
 * `axes` is the search space; `models` are the known models, for their names.
 */
export function namer(axes, models = []) {
  const varied = axes.filter((axis) => axis.values.length > 1);
  const shownAxes = varied.length > 0 ? varied : axes;
  const value = (dial, content) => valueOf(dial, content, axes.find((axis) => axis.dial === dial), models);
  const parts = (setting) => shownAxes.map(({ dial }) => [DIALS[dial] ?? dial, value(dial, setting[dial])]);
  return {
    value,
    parts,
    name: (setting) => shownAxes.map((axis) => phrase(axis.dial, Array.isArray(setting[axis.dial]) ? panelName(setting[axis.dial], axis) : value(axis.dial, setting[axis.dial]))).join(" · "),
  };
}

function valueOf(dial, content, axis, models) {
  if (content === null || content === undefined) return "default";
  if (dial === "model") return Array.isArray(content) ? `panel of ${content.map((id) => modelName(id, models)).join(", ")}` : modelName(content, models);
  if (dial === "prompt") return promptName(content, axis);
  return String(content);
}

function phrase(dial, words) {
  if (words === "default") return USUAL[dial] ?? `default ${(DIALS[dial] ?? dial).toLowerCase()}`;
  return (PHRASES[dial] ?? ((value) => `${(DIALS[dial] ?? dial).toLowerCase()} ${value}`))(words);
}

const PLAIN = "the question alone";
const USUAL = { members: "all members", max_tokens: "default length", passages: "default number of passages" };
const PHRASES = {
  model: (name) => name, prompt: (name) => (name === PLAIN ? "no prompt" : name), pattern: (name) => name,
  members: (number) => plural(Number(number), "member"),
  max_tokens: (number) => `at most ${plural(Number(number), "token")}`,
  passages: (number) => plural(Number(number), "passage"),
};

// The model ID without the provider prefix; the full ID if several providers have the same model.
function modelName(id, models) {
  const withoutProvider = (text) => text.slice(text.indexOf("/") + 1);
  const samePanels = models.filter((model) => withoutProvider(model.id) === withoutProvider(id));
  return samePanels.length > 1 ? id : withoutProvider(id);
}

// In a phrase, a panel is named by its size; panels of the same size are numbered.
function panelName(panel, { values }) {
  const samePanels = values.filter((one) => Array.isArray(one) && one.length === panel.length);
  const place = samePanels.length > 1 ? ` (${samePanels.findIndex((one) => one.join() === panel.join()) + 1})` : "";
  return `panel of ${panel.length}${place}`;
}

function promptName(text, axis) {
  if (text.trim() === "{{question}}") return PLAIN;
  const place = axis ? axis.values.indexOf(text) : -1;
  return `prompt ${place < 0 ? "(new)" : place + 1}`;
}
