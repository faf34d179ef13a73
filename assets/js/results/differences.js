// The differences between any two texts of a run (first answers, revisions, the synthesis), side by side, section
// by section. Readable without color: text only in the first is struck through, text only in the second is
// underlined.
import { button, el, fill } from "../dom.js";
import { plural } from "../format.js";
import { Choice } from "../parts/field.js";
import { nameOf } from "../parts/model-name.js";
import { stageName } from "../parts/stages.js";
import { blocks, reading, Writer } from "../text/writer.js";
import { similarity, isSimilar, tally } from "./diff.js";
import { markDifferences, wordsIn } from "./marks.js";
import { rows } from "./sections.js";

/** The view: two selectors, the similarity, and the two texts side by side. */
export function Differences(run, models) {
  const texts = textsOf(run);
  const [first, second] = defaultPair(texts);
  const options = texts.map((each, place) => [String(place), nameIn(each, models)]);
  const draw = () => show();
  const left = Choice("First text", { value: String(first), on: { change: draw } }, options);
  const right = Choice("Second text", { value: String(second), on: { change: draw } }, options);
  const swap = button("Swap", { class: "secondary", on: { click: () => {
    [left.input.value, right.input.value] = [right.input.value, left.input.value];
    show();
  } } });
  const summary = el("p", { class: "diff-words", role: "status" });
  const textGrid = el("div", { class: "diff", role: "group", "aria-label": "Differences", tabindex: "0" });
  show();
  return el("section", { class: "differences", "aria-label": "Differences" },
    el("h2", { class: "visually-hidden" }, "Differences between two texts"),
    el("div", { class: "diff-choice" }, left.node, right.node, swap),
    summary,
    el("p", { class: "fine diff-key" }, el("del", null, "struck through"), ": only in the first text. ", el("ins", null, "underlined"), ": only in the second."),
    textGrid);

  function show() {
    const [first, second] = [left, right].map(({ input }) => texts[Number(input.value)]);
    summary.textContent = first.text === second.text ? "The two texts are identical." : describeCounts(tally(wordsIn(rendered(first.text)), wordsIn(rendered(second.text))));
    const names = [nameIn(first, models), nameIn(second, models)];
    fill(textGrid, el("div", { class: "diff-row diff-heads" }, names.map((name) => el("p", { class: "fine" }, name))), rows(first.text, second.text).map((row) => Row(row, names)));
  }
}

function textsOf(run) {
  return run.stages.flatMap((stage) => stage.members.filter((member) => member.text).map((member) => ({
    stage: stage.name, final: stage.final, letter: member.letter, model: member.model, text: member.text,
  })));
}

// Defaults to a first answer and its revision, or else to two members' answers.
function defaultPair(texts) {
  const isLater = (each, at) => !each.final && each.letter && texts.findIndex((other) => other.letter === each.letter) < at;
  const revised = texts.findIndex((each, at) => each.stage === "hyper" && isLater(each, at));
  const later = revised < 0 ? texts.findIndex(isLater) : revised;
  return later < 0 ? [0, 1] : [texts.findIndex((each) => each.letter === texts[later].letter), later];
}

function nameIn({ stage, final, letter, model }, models) {
  const { name } = nameOf(model, models);
  return final ? `${stageName(stage)} · ${name}` : `${stageName(stage)}: ${letter ? `${letter} · ` : ""}${name}`;
}

function rendered(text) {
  const env = reading();
  const node = el("div", { class: "prose" });
  Writer(blocks(text, env), env, node).write();
  // `<del>` marks text that only the first one has.
  for (const deletion of node.querySelectorAll("del")) deletion.replaceWith(el("s", null, ...deletion.childNodes));
  return node;
}

function describeCounts(sum) {
  const { same, gone, new: added } = sum;
  // Punctuation is not counted, and "x < 5" is not "x > 5".
  if (gone + added === 0) return same > 0 ? "The two texts have the same words, and differ in punctuation, signs, or layout." : "";
  return `${Math.min(99, Math.round(100 * similarity(sum)))}% alike: ${plural(same, "word")} in both, ${gone} only in the first, ${added} only in the second.`;
}

// One section of both texts. Unchanged parts are collapsed, and marks are shown where they help.
function Row({ title, left, right }, names) {
  if (left === null || right === null) return el("div", { class: "diff-row" }, SideText(left, names[0], "first"), SideText(right, names[1], "second"));
  if (left === right) {
    return el("details", { class: "diff-same" }, el("summary", null, title ? `Identical: ${title}` : "Identical text"), rendered(left));
  }
  const [before, after] = [SideText(left, names[0]), SideText(right, names[1])];
  const isMarked = isSimilar(tally(wordsIn(before), wordsIn(after)));
  if (isMarked) markDifferences(before, after);
  return el("div", { class: "diff-row" }, before, after, !isMarked && el("p", { class: "fine diff-new" }, "Rewritten: less than half is the same, so changed words are not marked."));
}

function SideText(text, name, only) {
  if (text === null) return el("div", { class: "diff-side diff-none" }, el("p", { class: "fine" }, "Not in this text."));
  const node = rendered(text);
  node.classList.add("diff-side");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", only ? `${name}, only in the ${only}` : name);
  return node;
}
