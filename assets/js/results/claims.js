// The claims of a run as rows of the map: who asserts or denies each, with quotes. All of this was judged by a
// model, and the server has verified every quote against its draft. Pure: creates no elements.
import { panelStages } from "../parts/run-model.js";
import { locate } from "./words.js";

/** The kinds of claims, most important first. */
export const KINDS = [
  ["conflict", "Contradictions", "Not all can be right"],
  ["alone", "Said by one", "An insight, or a mistake of one model"],
  ["some", "Said by some", "The others deny it, or no words of theirs were found"],
  ["unconfirmed", "Not confirmed", "The judge says so, but Quire could not confirm the quotes or the agreement"],
  ["shared", "Agreed by all", "Agreement is weak evidence: models share mistakes"],
];

/** The support levels: label and criterion. */
export const LEVELS = {
  none: ["no source", "The sentence cites none of the passages that the models were given."],
  cited: ["cited", "The sentence cites a passage. No model confirmed that the passage says so."],
  quoted: ["quoted", "The quoted words were found in the cited passage."],
  supported: ["supported", "A model found that the cited passage says so, and its words were found there."],
  supported_agreed: ["supported, members agree", "A model found that the cited passage says so, and that at least two first answers say so and none denies it."],
};

/** Why a sentence has its level: the checker's verdict, if it is below "supported". */
export function reasonOf({ level, verdict, lowered }) {
  const [, reason] = LEVELS[level] ?? LEVELS.none;
  if (level === "supported" || level === "supported_agreed") return reason;
  if (verdict === "contradicts") return "A model found that the cited passage says otherwise, and its words were found there.";
  if (verdict !== "neither") return reason;
  return lowered ? "A model compared the sentence with the cited passage, but its finding does not count as support." : "A model found that the cited passage does not say so.";
}

/** Whether a model compared the answers. */
export function isJudged({ evidence }) {
  return evidence?.status === "judged";
}

/** Returns rows `{index, kind, text, why, answer, stances}`; a stance is `{letter, model, stance, stage, quote, lowered}`. */
export function claimsOf(run) {
  if (!isJudged(run)) return [];
  const { claims = [], consensus = [], contradictions = [], unique = [] } = run.evidence;
  const kindOf = (index) => {
    if (contradictions.some((entry) => entry.claim === index)) return "conflict";
    if (unique.some((entry) => entry.claim === index)) return "alone";
    if (consensus.includes(index)) return "shared";
    const stances = claims[index].stances ?? [];
    // All of them assert the claim, but in conflicting words, or on a point where the judge reports a contradiction.
    const isOpen = stances.some((entry) => entry.stance === "unconfirmed") || stances.every((entry) => entry.stance === "asserts");
    return isOpen ? "unconfirmed" : "some";
  };
  return claims.map((claim, index) => ({
    index, kind: kindOf(index), text: claim.text, answer: claim.answer ?? "", stances: claim.stances ?? [],
    why: contradictions.find((entry) => entry.claim === index)?.why ?? "",
  }));
}

/** The label of each stance. */
export const STANCES = { asserts: "asserts", unconfirmed: "says so, not confirmed by Quire", denies: "denies", silent: "silent" };

/** Contradictions that the judge reported but that no quotes confirm, in the judge's wording. */
export function unverifiedOf(run) {
  const points = isJudged(run) ? run.evidence.unverified ?? [] : [];
  return points.map(({ point = "", why = "" }) => [point, why].filter(Boolean).join(" – ") || "The judge did not say what they disagree about.");
}

/** What no answer covers, as the judge worded it. */
export function blindSpots(run) {
  return isJudged(run) ? run.evidence.blind_spots ?? [] : [];
}

/** The answer's sentences that cite something or are disputed, and the number of remaining sentences. */
export function supportOf({ evidence }) {
  const points = evidence?.sentences ?? [];
  const shown = points.filter((entry) => entry.level !== "none" || entry.disputed);
  return { shown, others: points.length - shown.length };
}

/** The letters of the members that take this stance on a claim, in order. */
export function lettersOf(claim, stance) {
  return claim.stances.filter((entry) => entry.stance === stance).map((entry) => entry.letter).sort();
}

/** The stage and member whose text contains these words; the named stage is searched first. */
export function draftOf(run, { letter, stage, quote }) {
  const found = panelStages(run).filter((each) => each.members.some((entry) => entry.letter === letter && entry.text && locate(entry.text, quote)));
  const best = found.find((each) => each.name === stage) ?? found[0];
  return best ? { stage: best.name, letter, says: quote } : null;
}
