// What differs between any two texts of a run: drafts, revisions, the synthesis. Readable without colour:
// what only the first has is struck through, what only the second has is underlined.
import { button, el, fill } from "../dom.js";
import { plural } from "../format.js";
import { Choice } from "../parts/field.js";
import { nameOf } from "../parts/model-name.js";
import { stageName } from "../parts/stages.js";
import { diff, sentences, tally } from "./diff.js";

// A longer stretch that is the same is folded, but for its ends.
const FOLD = 3;

/** The view: two choices, how much is alike, and the text with what differs marked in it. */
export function Differences(run, models) {
  const texts = textsOf(run);
  const [first, second] = firstPair(texts);
  const options = texts.map((each, place) => [String(place), nameIn(each, models)]);
  const draw = () => show();
  const left = Choice("First text", { value: String(first), on: { change: draw } }, options);
  const right = Choice("Second text", { value: String(second), on: { change: draw } }, options);
  const swap = button("Swap", { class: "secondary", on: { click: () => {
    [left.input.value, right.input.value] = [right.input.value, left.input.value];
    show();
  } } });
  const words = el("p", { class: "diff-words", role: "status" });
  const sheet = el("div", { class: "diff prose", role: "group", "aria-label": "Differences", tabindex: "0" });
  show();
  return el("section", { class: "differences", "aria-label": "Differences" },
    el("h2", { class: "visually-hidden" }, "Differences between two texts"),
    el("div", { class: "diff-choice" }, left.node, right.node, swap),
    words,
    el("p", { class: "fine diff-key" }, el("del", null, "struck through"), ": only in the first text. ", el("ins", null, "underlined"), ": only in the second."),
    sheet);

  function show() {
    const pieces = diff(bare(texts[Number(left.input.value)].text), bare(texts[Number(right.input.value)].text));
    words.textContent = inWords(tally(pieces));
    fill(sheet, pieces.map(Piece));
  }
}

function textsOf(run) {
  return run.stages.flatMap((stage) => stage.members.filter((member) => member.text).map((member) => ({
    stage: stage.name, final: stage.final, letter: member.letter, model: member.model, text: member.text,
  })));
}

// What became of a draft is what one mostly wants to know; else how two members differ.
function firstPair(texts) {
  const revised = texts.findIndex((each) => each.stage === "hyper");
  const draft = revised < 0 ? -1 : texts.findIndex((each) => each.letter === texts[revised].letter);
  return draft >= 0 && draft !== revised ? [draft, revised] : [0, 1];
}

function nameIn({ stage, final, letter, model }, models) {
  const { name } = nameOf(model, models);
  return final ? `${stageName(stage)} · ${name}` : `${stageName(stage)}: ${letter ? `${letter} · ` : ""}${name}`;
}

// The signs of Markdown are no words.
function bare(text) {
  return text.replace(/^ {0,3}#{1,6}\s+/gm, "").replace(/(\*\*|__|`+)/g, "").replace(/^(\s*)[*+-]\s+/gm, "$1• ").replace(/(^|[\s(])[*_](\S[^*_\n]*?)[*_](?=[\s).,;:!?]|$)/gm, "$1$2");
}

function inWords({ same, gone, new: fresh }) {
  if (gone + fresh === 0) return same > 0 ? "The two are the same, word for word." : "";
  const part = Math.round((200 * same) / (2 * same + gone + fresh));
  return `${part} % alike: ${plural(same, "word")} in both, ${gone} only in the first, ${fresh} only in the second.`;
}

function Piece({ kind, text }) {
  if (kind === "gone") return el("del", null, text);
  if (kind === "new") return el("ins", null, text);
  const all = sentences(text);
  if (all.length <= FOLD + 2) return text;
  const hidden = all.slice(1, -1).join("");
  const more = button(`${plural(all.length - 2, "sentence")} the same: show`, { class: "link-button diff-fold", on: { click: () => more.replaceWith(hidden) } });
  return [all[0], more, " ", all.at(-1)];
}
