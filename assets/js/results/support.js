// How well the sentences of an answer are supported, and who judged it.
import { el } from "../dom.js";
import { money, plural, sentence } from "../format.js";
import { inline } from "../parts/inline.js";
import { nameOf } from "../parts/model-name.js";
import { isJudged, LEVELS, reasonOf, supportOf } from "./claims.js";

/** Which model compared the answers, or why none did, and how similar the answers are in wording (not in meaning). */
export function JudgeNote(run, models) {
  const { evidence } = run;
  if (!evidence) return null;
  const name = (id) => nameOf(id, models).name;
  const judgeFacts = isJudged(run) && [
    evidence.judge && `Claims judged by ${name(evidence.judge)}; every quote shown was found in its draft.`,
    evidence.checker && ` Passages checked by ${name(evidence.checker)}.`,
    Number(evidence.cost_usd) > 0 && ` Cost: ${money(evidence.cost_usd)}.`,
  ];
  return el("div", { class: "judge-note" },
    el("p", null, judgeFacts || (evidence.reason ? sentence(evidence.reason) : "No model compared the answers.")),
    judgeFacts && evidence.reason && el("p", null, sentence(evidence.reason)),
    typeof evidence.similarity === "number" && el("p", { class: "fine", title: "Share of words that the first answers have in common, 0 to 1. It says nothing about meaning." }, `Similarity in wording: ${evidence.similarity.toFixed(2)} of 1. It says nothing about meaning.`));
}

/** The cited or disputed sentences of the answer, each with its level. */
export function Support(run, cite) {
  const { shown: listed, others } = supportOf(run);
  if (listed.length === 0) return null;
  return el("section", { class: "support" },
    el("h3", null, "Support of the answer"),
    el("ul", null, listed.map((sentenceSupport) => el("li", null,
      el("p", { dir: "auto" }, inline(sentenceSupport.text, cite)),
      el("p", { class: "support-facts" }, Level(sentenceSupport), sentenceSupport.disputed && el("span", { class: "pill warn", title: "A member contradicts it, in words that were found in its draft." }, "disputed"),
        sentenceSupport.verdict === "contradicts" && el("span", { class: "pill warn", title: "A model found that the passage says otherwise, and its words were found there." }, "passage contradicts"),
        sentenceSupport.lowered && el("span", { class: "fine" }, sentence(sentenceSupport.lowered))),
      sentenceSupport.quote && el("p", { class: "support-quote", dir: "auto" }, `Passage ${sentenceSupport.passage}: “${sentenceSupport.quote}”`)))),
    others > 0 && el("p", { class: "fine" }, `${plural(others, "other sentence")} of the answer ${others === 1 ? "cites" : "cite"} no passage that was given.`));
}

function Level(sentenceSupport) {
  const [label] = LEVELS[sentenceSupport.level] ?? LEVELS.none;
  return el("span", { class: `pill level-${sentenceSupport.level}`, title: reasonOf(sentenceSupport) }, label);
}
