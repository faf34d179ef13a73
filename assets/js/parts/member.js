// One member of the panel in one stage: its streamed text, its state, its cost, and its time.
import { button, el, icon } from "../dom.js";
import { sentence } from "../format.js";
import { CopyButton } from "./copy.js";
import { GrowingText } from "./growing.js";
import { factsOf, Letter, remarksOf } from "./letter.js";
import { nameOf } from "./model-name.js";

/**
 * Returns `{node, name, member, draw()}`. `draw` redraws the member if it has changed, and returns a function to call
 * after layout, or null. `onStop(member)` skips the member while it runs.
 */
export function MemberCard(member, { models, cite, onStop }) {
  const { name, demo } = nameOf(member.model, models);
  const state = el("p", { class: "member-state" });
  const text = GrowingText(cite);
  const body = el("div", { class: "member-body", tabindex: "0", role: "group", "aria-label": `Answer of ${name}`, on: { scroll: () => {
    // Auto-scroll only while the reader is at the end.
    following = body.scrollHeight - body.scrollTop - body.clientHeight < 40;
  } } }, text.node);
  const facts = el("p", { class: "member-facts" });
  const stop = onStop && button(`Stop ${name}`, { class: "quiet icon-only member-stop", title: "The others continue without it", hidden: true, on: { click: () => {
    stop.disabled = true;
    onStop(member).finally(() => {
      stop.disabled = false;
    });
  } } }, icon("stop"));
  const node = el("article", { class: "member-card", "aria-label": name },
    el("header", { class: "member-head" },
      Letter(member.letter),
      el("div", { class: "member-title" },
        el("h2", null, name),
        el("p", { class: "fine" }, member.model, demo && el("span", { class: "badge" }, "Demo algorithm"))),
      stop, CopyButton(`Copy the answer of ${name}`, () => member.text)),
    state, body, facts);
  let drawnVersion = -1;
  let following = true;

  // Once a card has reached its maximum height, growing text no longer shifts anything around it.
  function scrollToEnd() {
    const height = body.scrollHeight;
    if (height > body.clientHeight + 1) node.classList.add("full");
    body.scrollTop = height;
  }
  return {
    node, name, member,
    draw() {
      if (drawnVersion === member.version) return null;
      drawnVersion = member.version;
      node.dataset.status = member.status;
      drawState(state, member);
      const isRunning = member.status === "running";
      if (isRunning) text.set(member.text);
      else text.finish(member.text);
      body.hidden = member.text === "";
      if (stop) stop.hidden = !isRunning;
      facts.textContent = factsOf(member);
      return isRunning && following ? scrollToEnd : null;
    },
  };
}

function drawState(node, member) {
  const words = stateOf(member);
  node.hidden = words === "";
  node.replaceChildren(member.status === "failed" ? icon("warning") : "", words);
}

function stateOf(member) {
  switch (member.status) {
    case "waiting":
      return "Waiting for its turn";
    case "running":
      if (member.text) return member.note ? `Writing (${member.note})` : "";
      return member.reasoning ? "Thinking" : member.note ? `Called (${member.note})` : "Waiting for the first words…";
    case "failed":
      return `No answer: ${sentence(member.problem)} ${member.note || "The others continue without it."}`;
    case "left":
      return "Not reached.";
    case "stopped":
      return "Stopped. The text so far is kept.";
    default:
      return remarksOf(member);
  }
}
