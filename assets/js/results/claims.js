// The findings of a run as rows of a map: a claim, who takes which side, in which words. Pure: no element.
import { panelStages } from "../parts/run-model.js";
import { locate } from "./words.js";

/** The kinds of rows, in the order in which they matter. */
export const KINDS = [
  ["conflict", "Contradictions", "not all can be right"],
  ["alone", "Said by one alone", "an insight, or one model's error"],
  ["shared", "Said by several", "agreement is weak evidence: models share their mistakes"],
  ["answer", "Sentences of the answer", "and which drafts have them"],
  ["open", "Not covered", "what the question needs and no answer gives"],
];

const LEVELS = { very_high: "very high", high: "high", medium: "medium", low: "low", none: "none" };

/**
 * Rows `{kind, text, remark, sides, cells}`. A side is `{letters, says}`; a cell of a letter is
 * `{side, says, stage}`, where `stage` may be unknown.
 */
export function claimsOf({ findings }) {
  if (!findings) return [];
  return [
    ...(findings.contradictions ?? []).map(conflict),
    ...(findings.unique ?? []).map((one) => row("alone", one.point, whence(one), one.letter ? [one.letter] : [])),
    ...(findings.consensus ?? []).map((one) => row("shared", one.point, whence(one), one.letters)),
    ...(findings.support ?? []).map(support),
    ...(findings.blind_spots ?? []).map((one) => row("open", one.point, whence(one), [])),
  ];
}

function row(kind, text, remark, letters) {
  const cells = new Map(letters.map((letter) => [letter, { side: 0, says: text, stage: "" }]));
  return { kind, text, remark, sides: [], cells };
}

function conflict(one) {
  const cells = new Map();
  one.sides.forEach((side, place) => {
    for (const letter of side.letters) cells.set(letter, { side: place, says: side.says, stage: "" });
  });
  const remark = [whence(one), one.settled_by && `settled by: ${one.settled_by}`].filter(Boolean).join("; ");
  return { kind: "conflict", text: one.point, remark, sides: one.sides, cells };
}

function support(one) {
  const cells = new Map(one.letters.map((letter) => {
    const draft = one.drafts.find((each) => each.letter === letter);
    return [letter, { side: 0, says: draft?.says ?? one.sentence, stage: draft?.stage ?? "" }];
  }));
  const remark = `support: ${LEVELS[one.level] ?? one.level}${one.stated ? ", as the answer says itself" : ""}`;
  return { kind: "answer", text: one.sentence, remark, sides: [], cells };
}

function whence({ from, reviewers }) {
  if (from !== "critique") return "from the synthesis";
  return reviewers?.length > 0 ? `shown by the critique of ${reviewers.join(", ")}` : "from a critique";
}

/** The stage and the member whose text has these words; of several texts the one that is most like them. */
export function draftOf(run, letter, { says, stage }) {
  let best = null;
  for (const each of panelStages(run)) {
    const member = each.members.find((one) => one.letter === letter && one.text);
    if (!member) continue;
    const found = locate(member.text, says);
    const score = (found?.score ?? 0) + (each.name === stage ? 1 : 0);
    if (!best || score > best.score) best = { stage: each.name, letter, says, score };
  }
  return best;
}
