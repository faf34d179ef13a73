// One member on the board: its header, a thin progress line, and its text in a fixed-height box that follows the
// newest line. If there are many members, each is only a row that shows its newest words.
import { button, el, fill, icon } from "../dom.js";
import { cost, duration, plural, sentence } from "../format.js";
import { Citer } from "../parts/citations.js";
import { CopyButton } from "../parts/copy.js";
import { GrowingText } from "../parts/growing.js";
import { Letter, Mark, tintOf } from "../parts/letter.js";
import { nameOf } from "../parts/model-name.js";
import { placeOf } from "../parts/run-model.js";

// Characters in a typical answer; scales the progress line while the length is unknown.
const TYPICAL_LENGTH = 2400;
const TAIL_LENGTH = 160;

/** Returns `{node, member, draw(), tab(choose), select(chosen)}`; `draw` returns a function to call after layout, or null. */
export function Column(member, { run, stage, models, rows = false, onSkip = null }) {
  const { name, demo } = nameOf(member.model, models);
  const text = rows ? null : GrowingText(Citer(run, placeOf(stage, member)));
  const state = el("p", { class: "col-state" });
  const pill = el("span", { class: "pill", hidden: true });
  const bar = el("i");
  const tailText = rows ? el("p", { class: "col-tail", dir: "auto" }) : null;
  const skeleton = rows && el("span", { class: "skeleton", "aria-hidden": "true" });
  const body = rows ? tailText : el("div", { class: "col-body", tabindex: "0", role: "group", "aria-label": `Answer of ${name}`, on: { scroll: () => {
    following = body.scrollHeight - body.scrollTop - body.clientHeight < 40;
  } } }, text.node, Skeletons());
  const skip = onSkip && button(`Stop ${name}`, { class: "quiet icon-only", title: "Stop this member; the others continue", hidden: true, on: { click: () => {
    skip.disabled = true;
    onSkip(member).finally(() => (skip.disabled = false));
  } } }, icon("stop"));
  const copy = rows ? null : CopyButton(`Copy the answer of ${name}`, () => member.text);
  const tint = tintOf(member.letter);
  const head = el("header", null, Letter(member.letter), el("div", { class: "col-title" }, el("h3", null, el("span", { class: "col-name" }, name), demo && el("span", { class: "badge", title: "An algorithm on this server, not a language model" }, "Demo")), !rows && state), tailText, skeleton, rows && state, pill, skip, copy);
  const node = el("article", { class: `col ${tint}`, "aria-label": name }, head, el("div", { class: "hair", "aria-hidden": "true" }, bar), !rows && body);
  const countWords = WordCounter();
  let drawnVersion = -1;
  let following = true;
  let tabButton = null;
  draw();

  function draw() {
    if (drawnVersion === member.version) return null;
    drawnVersion = member.version;
    node.dataset.status = member.status;
    state.textContent = rows ? shortState(member, countWords) : stateOf(member, countWords);
    if (tabButton) updateTab();
    const failed = member.status === "failed";
    pill.hidden = !failed && member.status !== "stopped";
    pill.className = `pill ${failed ? "bad" : ""}`;
    pill.textContent = failed ? "Failed" : "Stopped";
    if (rows) state.hidden = !pill.hidden;
    bar.style.transform = `scaleX(${progressOf(member)})`;
    if (skip) skip.hidden = member.status !== "running";
    if (copy) copy.hidden = member.status === "running" || !member.text;
    if (rows) {
      tailText.textContent = failed ? sentence(member.problem) : newestWords(member.text);
      node.classList.toggle("speechless", !member.text && (member.status === "running" || member.status === "waiting"));
      return null;
    }
    node.classList.toggle("speechless", !member.text && !failed && member.status !== "stopped");
    // A stopped text may end within markup, like one that is being written.
    if (member.text && (member.status === "running" || member.status === "stopped")) text.set(member.text);
    else if (member.status === "running") text.set("");
    else if (member.status === "stopped") fill(text.node, el("p", { class: "fine" }, "Stopped before the first words."));
    else if (failed && !member.text) fill(text.node, el("p", { class: "col-problem" }, `No answer: ${sentence(member.problem)} ${member.note || "The others continue without it."}`));
    else text.finish(member.text);
    return member.status === "running" && following ? scrollToEnd : null;
  }

  function updateTab() {
    const words = shortState(member, countWords);
    tabButton.querySelector(".seat-words").textContent = words;
    tabButton.querySelector("i").style.transform = `scaleX(${progressOf(member)})`;
    tabButton.dataset.status = member.status;
    tabButton.setAttribute("aria-label", `${words}: show ${[member.letter, name].filter(Boolean).join(", ")}`);
  }

  function scrollToEnd() {
    const height = body.scrollHeight;
    node.classList.toggle("over", height > body.clientHeight + 1);
    body.scrollTop = height;
  }

  return {
    node, member, name, draw,
    tab(choose) {
      tabButton = button(`Show ${[member.letter, name].filter(Boolean).join(", ")}`, { class: `member-seat ${tint}`, "aria-pressed": "false", on: { click: choose } }, member.letter ? Mark(member.letter) : null, el("span", { class: "seat-words" }, "Waiting"), el("span", { class: "hair", "aria-hidden": "true" }, el("i")));
      updateTab();
      return tabButton;
    },
    select(chosen) {
      node.classList.toggle("chosen", chosen);
      tabButton?.setAttribute("aria-pressed", String(chosen));
    },
  };
}

/** A member on one line, below the answer while it is being written. */
export function Strip(member, models) {
  const failed = member.status === "failed";
  return el("div", { class: "strip" }, Letter(member.letter), el("span", { class: "strip-name" }, nameOf(member.model, models).name),
    el("span", { class: failed ? "pill bad" : "strip-state" }, failed ? "Failed" : stateOf(member)));
}

function Skeletons() {
  return el("div", { class: "skeletons", "aria-hidden": "true" }, [100, 92, 64].map((width) => el("span", { class: "skeleton", style: `width:${width}%` })));
}

// Animate only opacity and transforms.
function progressOf(member) {
  if (member.status === "done") return 1;
  return Math.min(0.95, member.text.length / TYPICAL_LENGTH);
}

function wordsIn(text) {
  return text.match(/\S+/g)?.length ?? 0;
}

// Counts the words of a growing text and reads only what was added since the last call.
function WordCounter() {
  let length = 0;
  let words = 0;
  return (text) => {
    if (text.length < length) length = words = 0;
    const added = text.slice(length);
    words += wordsIn(added);
    // The first word continues the last one.
    if (length > 0 && /\S/.test(text[length - 1]) && /^\S/.test(added)) words -= 1;
    length = text.length;
    return words;
  };
}

// The newest words, from the beginning of one.
function newestWords(text) {
  const end = text.slice(-TAIL_LENGTH);
  return (text.length > TAIL_LENGTH ? end.slice(end.search(/\s/) + 1) : end).replace(/[*_#`>|]+/g, "").replace(/\s+/g, " ");
}

// The state in one or two words, for a row or a tab.
function shortState(member, countWords = wordsIn) {
  const label = { done: "Done", failed: "Failed", stopped: "Stopped", left: "Not reached" }[member.status];
  return label ?? (member.text ? plural(countWords(member.text), "word") : "Waiting");
}

function stateOf(member, countWords = wordsIn) {
  switch (member.status) {
    case "waiting":
      return "Waiting for its turn";
    case "running":
      return member.text ? `Writing · ${plural(countWords(member.text), "word")}` : member.reasoning ? "Thinking" : "Waiting for the first words…";
    case "failed":
      return member.note || "The others continue without it.";
    case "left":
      return "Not reached";
    case "stopped":
      return [plural(wordsIn(member.text), "word"), typeof member.cost === "number" && cost(member.cost, member.usage)].filter(Boolean).join(" · ");
    default:
      return [member.latency !== null && `Done in ${duration(member.latency)}`, typeof member.cost === "number" && cost(member.cost, member.usage)].filter(Boolean).join(" · ") || "Done";
  }
}
