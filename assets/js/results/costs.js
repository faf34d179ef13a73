// Each call's start, first token, end, tokens, and cost, as stored by the server; missing figures are not
// estimated.
import { Bars } from "../charts/bars.js";
import { Waterfall } from "../charts/waterfall.js";
import { el } from "../dom.js";
import { count, duration, money, plural, tokens } from "../format.js";
import { nameOf } from "../parts/model-name.js";
import { stageName } from "../parts/stages.js";
import { styled } from "../styles.js";

const OUTCOME_LABELS = { answered: "answered", failed: "failed", cancelled: "stopped" };

/** The charts of a run. */
export function CostAndTime(run, models) {
  styled("charts");
  const calls = callsOf(run).map((call) => ({ ...call, name: nameOf(call.model, models).name }));
  const cached = fromCache(run);
  return el("section", { class: "costs", "aria-label": "Cost and time" },
    el("h2", { class: "visually-hidden" }, "Cost and time"),
    cached > 0 && el("p", { class: "notice" }, `${plural(cached, "answer")} came from the cache or an earlier run, free.`),
    calls.length > 0 && Timeline(run, calls),
    Shares(calls));
}

function fromCache(run) {
  return run.stages.reduce((sum, stage) => sum + stage.members.filter((member) => member.cached).length, 0);
}

// Without stored calls (old ones are deleted), only the durations of the answers are known, not their start times.
function callsOf(run) {
  if (run.timeline.length > 0) {
    return run.timeline.map((call) => ({
      stage: call.stage ?? "", letter: call.letter ?? "", model: call.model, ended: call.outcome, tries: call.tries,
      from: call.offset_ms, first: call.time_to_first_token_ms, took: call.latency_ms, usage: call.usage, cost: call.cost_usd,
    }));
  }
  return run.stages.flatMap((stage) => stage.members.filter((member) => member.latency > 0 && !member.cached).map((member) => ({
    stage: stage.name, letter: stage.final ? "" : member.letter, model: member.model, ended: member.problem ? "failed" : "answered", tries: member.tries,
    from: null, first: member.firstToken ?? null, took: member.latency, usage: member.usage, cost: member.cost,
  })));
}

function Timeline(run, calls) {
  const names = [...new Set(calls.map((call) => call.stage))];
  const hasStartTimes = calls.every((call) => call.from !== null);
  const lanes = names.map((name) => ({
    label: stageName(name) || "Reading",
    bars: calls.filter((call) => call.stage === name).sort((a, b) => a.letter.length - b.letter.length || (a.letter < b.letter ? -1 : 1)).map((call) => {
      const from = call.from ?? 0;
      return { label: label(call), from, first: call.first === null ? null : from + call.first, to: from + call.took, ended: call.ended, words: describeCall(call) };
    }),
  }));
  const endLegend = [["failed", ["beaten", "failed"]], ["cancelled", ["aside", "stopped"]]].filter(([end]) => calls.some((call) => call.ended === end)).map(([, legendEntry]) => legendEntry);
  return Waterfall({
    title: "Timeline",
    about: hasStartTimes
      ? `${plural(calls.length, "call")} in ${plural(names.length, "stage")}${run.totals?.ms > 0 ? `, ${span(run.totals.ms)} in all` : ""}. Calls in a stage run in parallel; each stage waits for the previous one.`
      : "This analysis has no stored start times: every bar starts at zero and shows how long its call took.",
    lanes, show: span, legend: [["waited", "until the first word"], ["wrote", "while it wrote"], ...endLegend],
    hint: "Point at a bar, or use the arrow keys.",
    table: () => ({
      heads: ["Member", "Stage", "Started after", "First word after", "Duration", "Input tokens", "Output tokens", "Cost", "Ended"],
      rows: calls.map((call) => [label(call), stageName(call.stage), call.from === null ? "not stored" : span(call.from), call.first === null ? "none" : span(call.first), span(call.took),
        count(call.usage?.input), count(call.usage?.output), money(call.cost), OUTCOME_LABELS[call.ended]]),
    }),
  });
}

// Cost by member, or tokens by member if the run was free or prices are unknown.
function Shares(calls) {
  const members = new Map();
  for (const call of calls) {
    const key = `${call.letter} ${call.model}`;
    const sum = members.get(key) ?? { label: label(call), cost: 0, unknown: 0, tokens: 0, calls: 0 };
    sum.cost += call.cost ?? 0;
    sum.unknown += call.cost === null || call.cost === undefined ? 1 : 0;
    sum.tokens += (call.usage?.input ?? 0) + (call.usage?.output ?? 0);
    sum.calls += 1;
    members.set(key, sum);
  }
  const sums = [...members.values()];
  const total = (field) => sums.reduce((sum, each) => sum + each[field], 0);
  const [totalCost, usedTokens, unknownPrices] = [total("cost"), total("tokens"), total("unknown")];
  if (totalCost + usedTokens === 0) return null;
  const field = totalCost > 0 ? "cost" : "tokens";
  const totalAmount = total(field);
  const formatAmount = (amount) => (field === "cost" ? money(amount) : count(Math.round(amount)));
  const costSummary = totalCost > 0 ? `${money(totalCost)} in all` : unknownPrices > 0 ? "Prices unknown" : "No cost";
  return Bars({
    title: field === "cost" ? "Cost by member" : "Tokens by member",
    about: `${costSummary}, ${plural(usedTokens, "token")}.${unknownPrices > 0 && totalCost > 0 ? ` The price of ${plural(unknownPrices, "call")} is unknown and not included.` : ""}`,
    bars: sums.sort((a, b) => b[field] - a[field]).map((each) => ({
      label: each.label, part: each[field] / totalAmount,
      words: `${each.label}: ${each.unknown === each.calls ? "price unknown" : money(each.cost)}, ${tokens({ input: each.tokens })}, ${plural(each.calls, "call")}`,
    })),
    show: (part) => formatAmount(part * totalAmount),
    table: () => ({
      heads: ["Member", "Calls", "Tokens", "Cost"],
      rows: sums.map((each) => [each.label, count(each.calls), count(each.tokens), each.unknown === each.calls ? "price unknown" : `${each.unknown > 0 ? "at least " : ""}${money(each.cost)}`]),
    }),
  });
}

// Fast models and cached prompts take only milliseconds.
function span(ms) {
  return ms < 1000 ? `${count(Math.round(ms))} ms` : duration(ms);
}

function label(call) {
  return `${call.letter ? `${call.letter} · ` : ""}${call.name ?? call.model}`;
}

function describeCall(call) {
  return [
    `${label(call)}, ${stageName(call.stage)}`,
    call.from !== null && `started after ${span(call.from)}`,
    call.first !== null && `first word after ${span(call.first)}`,
    `took ${span(call.took)}`,
    tokens(call.usage),
    call.cost !== undefined && money(call.cost),
    call.tries > 1 && `tried ${call.tries} times`,
    call.ended !== "answered" && OUTCOME_LABELS[call.ended],
  ].filter(Boolean).join(", ");
}
