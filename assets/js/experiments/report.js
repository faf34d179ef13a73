// The results of an experiment as charts with tables: the leaderboard, quality against cost and time, the
// elimination rounds, and the influence of each parameter. Shows only figures from the report and computes none of
// its own.
import { el } from "../dom.js";
import { cost, count, duration, money, plural, sentence } from "../format.js";
import { Bars } from "../charts/bars.js";
import { EliminationChart } from "../charts/falls.js";
import { Intervals } from "../charts/intervals.js";
import { Scatter } from "../charts/scatter.js";
import { DIALS, change, fate, percent, score, span } from "./words.js";

const MAX_DRAWN = 20;
const MAX_LISTED = 300;
// The baseline is the current configuration if the user named one, otherwise the first.
const BASELINE_LEGEND = { current: "your current configuration", first: "the first configuration" };
const BASELINE_LABELS = { current: "used now", first: "the first configuration" };


const STOP_REASONS = {
  not_worth: "Ended: continuing would have cost more than a better configuration could save.",
  one_left: "Ended: one configuration was left.", close_enough: "Ended: the leader was as good as the remaining configurations.",
  cases: "Ended: all cases were used.", budget: "Ended: the budget was spent.",
};

/** The conclusion as a sentence, with the figures behind it. */
export function Verdict({ sentence: words, finding, difference, stop, notes }) {
  const figures = difference && `On ${plural(difference.cases, "case")}: ${change(difference.mean)} (${change(difference.interval[0])} to ${change(difference.interval[1])}), p ${difference.p < 0.001 ? "under 0.001" : `= ${difference.p.toFixed(3)}`}.`;
  return el("div", { class: "verdict", data: { finding: finding ?? "" } },
    el("p", { class: "verdict-words", dir: "auto" }, sentence(words)),
    el("p", { class: "fine" }, [figures, STOP_REASONS[stop]].filter(Boolean).join(" ")),
    notes?.length > 0 && el("ul", { class: "fine notes" }, notes.map((note) => el("li", null, sentence(note)))));
}

/** Everything below the conclusion. `words` provides the names of configurations. */
export function ReportView(report, words, { objective, baseline = "current" }) {
  const board = report.leaderboard.filter((row) => row.cases > 0);
  if (board.length === 0) return [el("p", { class: "fine" }, "No configuration has a score.")];
  const context = { report, words, board, mark: BASELINE_LABELS[baseline], signs: [["leader", "the leader"], ["current", BASELINE_LEGEND[baseline]]], measure: objective?.kind === "weighted" ? "Score minus price" : "Score", kind: (place) => (place === report.leader ? "leader" : place === report.current ? "current" : ""), rank: new Map(board.map((row, place) => [row.place, place + 1])) };
  return [Leaderboard(context), PromptTree(context), TradeOffs(context), Eliminations(context), Sensitivity(context)].filter(Boolean);
}

function Section(title, ...content) {
  return el("section", { class: "report-section" }, el("h2", null, title), content);
}

// Fast models differ by less than a tenth of a second.
const formatLatency = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : duration(ms));

const rowName = ({ words, kind, rank, mark }, row) => `${rank.get(row.place)}. ${words.name(row.setting)}${kind(row.place) === "leader" ? ", the leader" : kind(row.place) === "current" ? `, ${mark}` : ""}`;

// The best configurations, plus the current one wherever it ranks.
function topRows(board, current, limit) {
  const shown = board.slice(0, limit);
  const currentRow = board.find((row) => row.place === current);
  return currentRow && !shown.includes(currentRow) ? [...shown, currentRow] : shown;
}

function Leaderboard(context) {
  const { report, words, board, measure, kind, rank, signs } = context;
  const shown = topRows(board, report.current, MAX_DRAWN);
  const untriedCount = report.leaderboard.length - board.length;
  const rows = shown.map((row) => ({
    label: `${rank.get(row.place)}. ${words.name(row.setting)}`, value: row.mean, interval: row.interval, kind: kind(row.place),
    words: `${rowName(context, row)}: ${score(row.mean)}, ${span(row.interval)}, on ${plural(row.cases, "case")}; ${fate(row.fate)}`,
  }));
  return Section("Leaderboard",
    Intervals({
      title: "Scores with intervals", rows, show: score, legend: signs,
      hint: "Point to a mark, or use the arrow keys.",
      about: `Each mark is the mean ${measure.toLowerCase()}, and its line shows where the true mean may be. Where lines overlap, the order may be due to chance. Configurations that were eliminated early got fewer cases; the order takes the difficulty of those cases into account. The leader was chosen by these scores, so its own score is more likely too high than too low; only the final comparison tests it.${board.length > shown.length ? ` The first ${MAX_DRAWN} of ${count(board.length)}.` : ""}${untriedCount > 0 ? ` ${plural(untriedCount, "configuration was", "configurations were")} not tried.` : ""}`,
      table: () => boardTable(context),
    }));
}

function boardTable({ words, board, measure, rank, kind, mark }) {
  const differenceToLeader = (row) => (row.against_leader ? `${change(row.against_leader.mean)} (${change(row.against_leader.from)} to ${change(row.against_leader.to)}${Number.isFinite(row.against_leader.p_adjusted) ? `, p = ${row.against_leader.p_adjusted.toFixed(3)}` : ""})` : "");
  return {
    heads: ["Configuration", measure, "Interval", "Adjusted for case difficulty", "Against the leader", "Cases", "Failed", "Cost per case", "Mean latency", "95th-percentile latency", "Tokens", "Outcome"],
    rows: board.slice(0, MAX_LISTED).map((row) => [
      `${rank.get(row.place)}. ${words.name(row.setting)}${kind(row.place) ? ` (${kind(row.place) === "leader" ? "leader" : mark})` : ""}`,
      score(row.mean), span(row.interval), score(row.level), differenceToLeader(row), count(row.cases), count(row.failed ?? 0), cost(row.cost_usd), formatLatency(row.latency_ms?.mean), formatLatency(row.latency_ms?.p95), count(Math.round(row.tokens ?? 0)), fate(row.fate),
    ]),
  };
}

// The prompts that a model proposed, each below the one it improves on.
function PromptTree({ report, words, kind, mark }) {
  const rows = report.leaderboard;
  if (!rows.some((row) => Number.isInteger(row.parent))) return null;
  const inOrder = [...rows].sort((a, b) => a.place - b.place);
  const branch = (parent) => {
    const members = inOrder.filter((row) => (row.parent ?? null) === parent);
    return members.length > 0 && el("ul", { class: parent === null ? "family" : null }, members.map((row) => el("li", null,
      el("p", null, `${words.name(row.setting)}${kind(row.place) === "leader" ? ", the leader" : kind(row.place) === "current" ? `, ${mark}` : ""}: ${row.cases > 0 ? `${score(row.mean)} on ${plural(row.cases, "case")}, ` : ""}${fate(row.fate)}`),
      row.parent !== null && row.setting.prompt && el("details", { class: "more" }, el("summary", null, "Prompt"), el("p", { class: "setup-prompt", dir: "auto" }, row.setting.prompt)),
      branch(row.place))));
  };
  return Section("Prompts and their origin",
    el("p", { class: "fine" }, "A model read the failed answers and proposed better prompts. Each is listed below the prompt that it improves."),
    branch(null));
}

function TradeOffs(context) {
  const { report, board, measure, kind, rank, words, signs } = context;
  const axes = [
    ["Quality against cost", "Cost per case", (row) => Number(row.cost_usd), (usd) => (usd === 0 ? "$0" : money(usd))],
    ["Quality against time", "Latency", (row) => row.latency_ms?.mean, formatLatency],
  ];
  const front = new Set(report.pareto ?? board.filter((row) => row.pareto).map((row) => row.place));
  const parts = axes.map(([title, across, x, show]) => {
    const dots = board.filter((row) => Number.isFinite(x(row))).slice(0, 200).map((row) => ({
      x: x(row), y: row.mean, kind: kind(row.place), front: front.has(row.place),
      label: front.has(row.place) || kind(row.place) ? String(rank.get(row.place)) : "",
      words: `${rowName(context, row)}: ${score(row.mean)} at ${show(x(row))}${front.has(row.place) ? ", no configuration measured better in quality, cost, and time" : ""}`,
    }));
    if (dots.length === 0 || dots.every((dot) => dot.x === 0)) return el("p", { class: "fine" }, `${title}: ${across.startsWith("Cost") ? "every configuration was free" : "every configuration took less than 1 ms"}.`);
    return Scatter({
      title, about: `Up is better, left is ${across.startsWith("Cost") ? "cheaper" : "quicker"}. Numbers are ranks on the leaderboard.`,
      dots, across: { name: across, show }, up: { name: measure, show: score }, legend: [...signs, ["front", "none measured better and cheaper"]].slice(0, across.startsWith("Cost") ? 3 : 2),
      table: () => ({ heads: ["Configuration", measure, across, "On the Pareto front"], rows: board.slice(0, MAX_LISTED).map((row) => [`${rank.get(row.place)}. ${words.name(row.setting)}`, score(row.mean), show(x(row)), front.has(row.place) ? "yes" : "no"]) }),
    });
  });
  const charts = parts.filter((part) => part.tagName === "FIGURE");
  return Section("Cost of quality", charts.length > 0 && el("div", { class: "chart-pair" }, charts), parts.filter((part) => !charts.includes(part)));
}

function Eliminations(context) {
  const { report, words, kind } = context;
  const rounds = report.fates ?? [];
  if (rounds.length === 0) return null;
  const length = Math.max(...rounds.map((round) => round.cases));
  const settings = new Map(report.leaderboard.map((row) => [row.place, row]));
  const ends = new Map();
  for (const round of rounds) {
    for (const [eliminated, word] of [[round.set_aside, "set_aside"], [round.beaten, "beaten"]]) {
      for (const place of eliminated ?? []) if (!ends.has(place)) ends.set(place, { to: round.cases, fate: word });
    }
  }
  for (const place of rounds.at(-1).left ?? []) ends.set(place, { to: length, fate: "left" });
  const runners = [...ends].filter(([place]) => settings.has(place)).map(([place, end]) => ({ place, ...end, setting: words.name(settings.get(place).setting) }))
    .sort((a, b) => b.to - a.to || (context.rank.get(a.place) ?? Infinity) - (context.rank.get(b.place) ?? Infinity));
  const reasons = { left: "in the race until the end", set_aside: "set aside: not in the better half at a cut, which does not mean worse", beaten: "beaten: shown to be worse" };
  const shown = runners.slice(0, MAX_DRAWN + 4);
  return Section("Elimination rounds",
    EliminationChart({
      title: "How far each configuration got", length, course: "cases in the race",
      about: `Set aside does not mean worse: the configuration was not in the better half when the other half was cut. A cross means that it was shown to be worse.${runners.length > shown.length ? ` The ${shown.length} that came furthest, of ${count(runners.length)}.` : ""}`,
      legend: [["leader", "leads"], ["aside", "set aside"], ["beaten", "shown to be worse"]],
      runners: shown.map((runner) => ({ label: runner.setting, to: runner.to, fate: runner.fate, kind: kind(runner.place), words: `${runner.setting}: ${reasons[runner.fate]}, after ${plural(runner.to, "case")}` })),
      table: () => ({ heads: ["Configuration", "Cases", "Outcome"], rows: runners.slice(0, MAX_LISTED).map((runner) => [runner.setting, count(runner.to), reasons[runner.fate]]) }),
    }));
}

function Sensitivity({ report, words }) {
  const dials = (report.sensitivity ?? []).filter((dial) => dial.values.length > 1);
  if (dials.length === 0) return null;
  const bars = dials.map((dial) => ({ label: DIALS[dial.dial] ?? dial.dial, part: Math.min(1, Math.max(0, dial.share ?? 0)), words: `${DIALS[dial.dial] ?? dial.dial} accounts for ${percent(dial.share ?? 0)} of the differences between configurations` })).sort((a, b) => b.part - a.part);
  return Section("Parameter importance",
    Bars({
      title: "Sources of the differences", show: percent, bars,
      about: "How much each parameter contributes to the differences between the configurations’ mean scores. With few cases or configurations, part of a share may be chance.",
      table: () => ({ heads: ["Parameter", "Share"], rows: bars.map((bar) => [bar.label, percent(bar.part)]) }),
    }),
    el("div", { class: "chart-pair" }, dials.map((dial) => {
      const name = DIALS[dial.dial] ?? dial.dial;
      const rows = dial.values.map((entry) => ({ label: words.value(dial.dial, entry.value), value: entry.mean, interval: entry.interval, words: `${name} ${words.value(dial.dial, entry.value)}: ${score(entry.mean)}, ${span(entry.interval)}, in ${plural(entry.settings, "configuration")}` }));
      return Intervals({ title: name, about: `The mean score with each ${name.toLowerCase()} across all other parameters.`, rows, show: score,
        table: () => ({ heads: [name, "Score", "Interval", "Configurations"], rows: dial.values.map((entry) => [words.value(dial.dial, entry.value), score(entry.mean), span(entry.interval), count(entry.settings)]) }) });
    })));
}
