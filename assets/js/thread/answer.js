// The answer: its paragraphs, the members that support each in the margin, and the actions below.
import { post } from "../api.js";
import { announce, button, el, icon } from "../dom.js";
import { sentence } from "../format.js";
import { Citer } from "../parts/citations.js";
import { CopyButton } from "../parts/copy.js";
import { markdown, withoutTitle } from "../parts/markdown.js";
import { Letter, remarksOf } from "../parts/letter.js";
import { Menu } from "../parts/menu.js";
import { nameOf } from "../parts/model-name.js";
import { lastTexts, synthesis } from "../parts/run-model.js";
import { SourceList } from "../parts/sources.js";
import { toast } from "../parts/toast.js";
import { claimsOf, lettersOf } from "../results/claims.js";
import { locate } from "../results/words.js";
import { ReadAloud } from "./aloud.js";

// Maximum number of letters shown beside a paragraph; the rest are shown as a count.
const MAX_LETTERS = 4;
// Minimum similarity between a claim's sentence (which has no formatting) and a sentence of the paragraph.
const MIN_SIMILARITY = 0.8;

/** The answer view. */
export function Answer(run, page) {
  const member = synthesis(run);
  if (!member?.text) return el("p", { class: "notice" }, "There is no single answer. The members' answers are under Members.");
  const claims = claimsOf(run);
  const remarks = remarksOf(member);
  return [
    el("div", { class: "answer prose reading" }, withoutTitle(markdown(member.text, Citer(run, null))).map((block) => Block(block, claims))),
    remarks && el("p", { class: "fine" }, remarks),
    AnswerActions(run, member, page),
    SourceList(run.sources),
  ];
}

// Paragraphs, lists, and quotes get a margin note listing the members that assert or deny them; other blocks span
// the full width.
function Block(block, claims) {
  if (!(block instanceof Element) || !/^(P|UL|OL|BLOCKQUOTE)$/.test(block.tagName)) return el("div", { class: `blk ${block.tagName && /^H\d$/.test(block.tagName) ? "" : "full"}` }, block);
  const text = block.textContent;
  const kinds = new Set();
  const letters = new Set();
  const opponents = new Set();
  for (const claim of claims) {
    if (!claim.answer || (locate(text, claim.answer)?.score ?? 0) < MIN_SIMILARITY) continue;
    kinds.add(claim.kind);
    lettersOf(claim, "asserts").forEach((letter) => letters.add(letter));
    lettersOf(claim, "denies").forEach((letter) => opponents.add(letter));
  }
  const supporters = [...letters].filter((letter) => !opponents.has(letter)).sort();
  return el("div", { class: "blk", data: { kinds: [...kinds].join(" ") } }, block, (supporters.length > 0 || opponents.size > 0) && el("div", { class: "by" },
    supporters.length > 0 && el("span", { class: "visually-hidden" }, "Asserted by "),
    supporters.slice(0, MAX_LETTERS).map(Letter), supporters.length > MAX_LETTERS && el("span", { class: "by-more" }, `+${supporters.length - MAX_LETTERS}`),
    opponents.size > 0 && el("span", { class: "dis" }, icon("diamond"), `${[...opponents].sort().join(", ")} ${opponents.size === 1 ? "disagrees" : "disagree"}`)));
}

function AnswerActions(run, member, page) {
  const { data, turn, regenerate } = page;
  const panel = lastTexts(run).filter((each) => each.letter);
  return el("div", { class: "after" },
    CopyButton("Copy answer", () => member.text),
    ReadAloud(() => member.text, page.context.signal),
    button("Regenerate", { class: "quiet icon-only", title: "Regenerate", on: { click: () => regenerate(turn) } }, icon("redo")),
    Votes(run),
    panel.length > 0 && Menu("Ask one model", panel.map((each) => ({
      label: `${each.letter} · ${nameOf(each.model, data.models).name}`, act: () => page.composer().only(each.model),
    })), { class: "quiet", content: ["Ask one model", icon("down")] }));
}

function Votes(run) {
  const choices = [["helpful", "Good answer", "like"], ["not_helpful", "Poor answer", "dislike"]];
  const buttons = choices.map(([choice, label, iconName]) => button(label, { class: "quiet icon-only vote", title: label, "aria-pressed": String(run.vote === choice), on: { click: () => castVote(choice) } }, icon(iconName)));
  return buttons;

  async function castVote(choice) {
    try {
      await post(`/api/analyses/${encodeURIComponent(run.id)}/vote`, { choice });
      run.vote = choice;
      buttons.forEach((node, place) => node.setAttribute("aria-pressed", String(choices[place][0] === choice)));
      announce("Vote saved.");
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }
}
