// Whether the panel is worth it: the user's blind votes by topic, and how often to offer a comparison.
import { put } from "../api.js";
import { el } from "../dom.js";
import { count, sentence } from "../format.js";
import { Choice } from "./field.js";
import { toast } from "./toast.js";

const VERDICTS = {
  pays: "preferred",
  does_not_pay: "single answers preferred",
  no_difference: "no relevant difference",
  unknown: "unknown",
};

const FREQUENCIES = [["default", "Server default"], ["0", "Never"], ["1", "Every time"], ["3", "About 1 in 3"], ["10", "About 1 in 10"], ["30", "About 1 in 30"]];

/** Renders the report of `GET /api/worth` and the setting. */
export function Worth(report) {
  return [
    el("p", { class: "notice" }, report.overall.sentence),
    report.votes && el("p", { class: "notice", title: sentence(report.votes.rule) }, report.votes.sentence),
    report.topics.length > 0 && VotesTable(report.topics),
    FrequencyChoice(report).node,
  ];
}

function VotesTable(topics) {
  const cell = (text) => el("td", null, text);
  const row = (topic) => el("tr", null,
    el("th", { scope: "row" }, topic.topic || "no topic"),
    cell(count(topic.votes)),
    cell(topic.votes > 0 ? `${percent(topic.win_rate)} (${percent(topic.interval[0])}\u00a0to\u00a0${percent(topic.interval[1])})` : "none"),
    cell(topic.cost_multiple === null ? "not known" : `${topic.cost_multiple.toFixed(1)} times`),
    cell(VERDICTS[topic.verdict] + (topic.votes_needed === null ? "" : `, ${count(topic.votes_needed)} more needed`)),
    cell(`${count(topic.helpful)} of ${count(topic.helpful + topic.not_helpful)}`));
  const head = ["Topic", "Blind votes", "Panel won", "Relative cost", "Verdict", "Rated helpful"];
  return el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Votes by topic" },
    el("table", null,
      el("thead", null, el("tr", null, head.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", null, topics.map(row))));
}

function percent(part) {
  return `${Math.round(part * 100)}\u00a0%`;
}

function FrequencyChoice(report) {
  const value = report.compare_every_own ? String(report.compare_every) : "default";
  const options = FREQUENCIES.some(([frequency]) => frequency === value) ? FREQUENCIES : [...FREQUENCIES, [value, `About one time in ${value}`]];
  return Choice("Offer a blind comparison", { value, on: { change: async ({ target }) => {
    try {
      await put("/api/worth", { compare_every: target.value === "default" ? null : Number(target.value) });
      toast("Saved.");
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  } } }, options, "Shows the panel's answer and a single model's without names. More votes give a more certain result.");
}
