// How reliable the scores are: agreement with the user, the judge model's errors, and preferences between
// configurations.
import { el } from "../dom.js";
import { count, money, plural, sentence } from "../format.js";
import { Figures, Table } from "../charts/chart.js";
import { percent, score, span } from "./words.js";

const BIASES = {
  sameness: "Prefers one of two identical answers",
  blindness: "Does not notice that half an answer is missing",
  padding: "Prefers an answer with polite filler",
  obedience: "Obeys an instruction inside an answer",
};

/** The section on the reliability of the scores; `judge` is the `judge` field of an experiment. */
export function Trust(judge) {
  const { calibration, model, preference, probes } = judge;
  const unknown = !calibration || (calibration.labels === 0 && !model);
  return [
    !unknown && el("p", { class: `notice ${calibration.trusted === false ? "distrusted" : ""}` }, sentence(calibration.words)),
    !unknown && calibration.kappa !== null && el("p", { class: "fine" }, [
      `κ = ${score(calibration.kappa)}${calibration.interval ? ` (${span(calibration.interval)})` : ""}`,
      `on ${plural(calibration.labels, "verdict")} by you`, calibration.errors !== null && `differing on ${percent(calibration.errors)}`,
    ].filter(Boolean).join(", ") + ". 1 is full agreement, 0 is agreement by chance."),
    preference && el("p", { class: "notice preference" }, sentence(preference.words)),
    model && el("p", { class: "fine" }, judgeFacts(judge)),
    probes?.length > 0 && [
      el("h3", null, "Judge biases"),
      el("p", { class: "fine" }, `The judge was tested on pairs with a known verdict${judge.probes_cost_usd > 0 ? `, for ${money(judge.probes_cost_usd)}` : ""}.`),
      Table("Judge biases", { heads: ["Probe", "Tries", "Fooled"], rows: probes.map((entry) => [BIASES[entry.bias] ?? entry.bias, count(entry.tried), entry.tried > 0 ? `${count(entry.taken_in)} (${percent(entry.taken_in / entry.tried)})` : "0"]) }),
    ],
  ];
}

function judgeFacts({ model, kind, pairs, flips, unreadable, orders }) {
  return [
    kind === "pairwise" ? `${model} compared ${plural(pairs, "pair")} in both orders; on ${count(flips)} its verdict changed with the order, which counts as a tie.` : `${model} gave the scores.`,
    unreadable > 0 && `${plural(unreadable, "reply", "replies")} could not be read.`,
    orders > 0 && `${plural(orders, "answer")} contained instructions to the judge: ${orders === 1 ? "it was" : "they were"} not judged and scored 0.`,
  ].filter(Boolean).join(" ");
}

/** The pairwise preferences as one strength per configuration; empty before the first comparison. */
export function Strengths(report, words) {
  if (!report.strengths?.length) return null;
  const settings = new Map(report.leaderboard.map((row) => [row.place, row.setting]));
  const rows = [...report.strengths].sort((a, b) => b.strength - a.strength).map((entry) => [words.name(settings.get(entry.place) ?? {}), score(entry.strength), entry.interval ? span(entry.interval) : "Unknown: all cases agree"]);
  return [
    el("h3", null, "Bradley–Terry strength"),
    el("p", { class: "fine" }, "Estimated from pairwise preferences: the judges' and yours. The mean is 0; a lead of one point wins about 73 of 100 comparisons."),
    Figures("Bradley–Terry strength", () => ({ heads: ["Configuration", "Strength", "Interval"], rows })),
  ];
}
