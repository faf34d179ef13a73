// A running analysis: the stages, the members side by side, the synthesis, and the elapsed time.
import { announce, button, el, fill, icon } from "../dom.js";
import { cost, count, elapsed, excerpt, plural } from "../format.js";
import { Frames } from "../workbench/frames.js";
import { Sight } from "../workbench/sight.js";
import { Speaker } from "../workbench/speaker.js";
import { Citer } from "./citations.js";
import { Letter } from "./letter.js";
import { MemberCard } from "./member.js";
import { nameOf } from "./model-name.js";
import { isOver, panelStages, placeOf, synthesis } from "./run-model.js";
import { stageHelp, stageName, StagePath } from "./stages.js";

const NEAR_MARGIN = "300px";

/**
 * Returns `{node, changed(member), line(connected)}`. `onCancel` stops the run, `onStop(member)` skips one member, and
 * `onFinish` requests the answer now; `began` is the run's start on this browser's clock.
 */
export function RunView(run, { models, onCancel, onStop, onFinish, began, signal }) {
  const frames = Frames(signal);
  const speaker = Speaker();
  const path = StagePath((name) => choose(name));
  const grid = el("div", { class: "members" });
  const memberButtons = el("nav", { class: "member-seats", "aria-label": "Members" });
  const final = FinalSheet(run, models);
  const clock = el("span", { class: "run-clock" });
  const spentLine = el("span", { class: "run-spent" });
  const stageLine = el("span", { class: "run-doing" }, "Starting");
  const line = el("p", { class: "notice", hidden: true }, "Connection lost. The run continues; reconnecting…");
  const jump = el("button", { type: "button", class: "synthesis-jump", "aria-label": "Go to the synthesis: it is being written", hidden: true,
    on: { click: () => final.node.scrollIntoView({ block: "start" }) } }, "Synthesis is being written");
  const finishButton = onFinish && button("Finish now", {
    class: "secondary", hidden: true, title: "Skips models that haven't answered", on: { click: onFinish },
  });
  const node = el("section", { class: "run", "aria-label": "Running analysis" },
    el("header", { class: "run-head" },
      el("div", { class: "run-status" }, el("span", { class: "loading-spinner", "aria-hidden": "true" }), stageLine, clock, spentLine),
      el("div", { class: "actions" }, finishButton, button("Cancel", { class: "secondary", on: { click: onCancel } }, icon("stop"), "Cancel"))),
    el("h1", { class: "run-question", dir: "auto" }, excerpt(run.prompt, 300)),
    line, path.node, memberButtons, grid, final.node, jump);

  let chosenStage = null;
  let shownStage = null;
  let cards = [];
  let followedStage = "";
  let atSynthesis = false;

  const ticker = setInterval(tick, 1000);
  const watcher = new IntersectionObserver(([entry]) => {
    atSynthesis = entry.isIntersecting;
    frames.soon(jump, drawJump);
  });
  watcher.observe(final.node);
  const sight = Sight(frames, signal, NEAR_MARGIN);
  signal.addEventListener("abort", () => {
    clearInterval(ticker);
    watcher.disconnect();
  }, { once: true });
  tick();
  draw();

  function tick() {
    clock.textContent = elapsed(Date.now() - began);
    if (isOver(run)) clearInterval(ticker);
  }

  function choose(name) {
    chosenStage = name;
    frames.soon(node, draw);
  }

  // Draws everything except the texts, each of which is drawn separately.
  function draw() {
    const current = [...run.stages].reverse().find((stage) => stage.status !== "waiting") ?? run.stages[0];
    if (current && current.name !== followedStage) {
      followedStage = current.name;
      announceStage(current);
    }
    const stages = panelStages(run).filter((stage) => stage.status !== "waiting");
    const stage = stages.find((each) => each.name === chosenStage) ?? stages.at(-1) ?? panelStages(run)[0];
    path.draw(run, current?.final && !chosenStage ? current.name : stage?.name);
    if (stage && (stage.name !== shownStage || cards.length !== stage.members.length)) showStage(stage);
    for (const card of cards) sight.draw(card);
    frames.soon(final, final.draw);
    speaker.hear(synthesis(run)?.text ?? "");
    drawJump();
    if (finishButton) finishButton.hidden = !canFinish();
    const words = spent(run);
    if (spentLine.textContent !== words) spentLine.textContent = words;
  }

  function showStage(stage) {
    shownStage = stage.name;
    cards = stage.members.map((member) => MemberCard(member, { models, cite: Citer(run, placeOf(stage, member)), onStop }));
    fill(grid, cards.map((card) => card.node));
    sight.watch(cards);
    grid.dataset.count = String(cards.length);
    fill(memberButtons, cards.map((card) => button(`Show ${[card.member.letter, card.name].filter(Boolean).join(", ")}`, { class: "member-seat", on: { click: () => {
      card.node.scrollIntoView({ block: "nearest", inline: "start" });
    } } }, Letter(card.member.letter) ?? card.name)));
  }

  function drawJump() {
    jump.hidden = atSynthesis || !synthesis(run)?.text;
  }

  // Whether "Finish now" is possible: a member has answered and the synthesis has not started.
  function canFinish() {
    const answered = panelStages(run).some((stage) => stage.members.some((member) => member.status === "done"));
    return answered && run.stages.length > 1 && run.stages.at(-1).final && run.stages.at(-1).status === "waiting";
  }

  function announceStage(stage) {
    const place = run.stages.indexOf(stage) + 1;
    const words = `Stage ${place} of ${run.stages.length}: ${stageName(stage.name)}`;
    stageLine.textContent = words;
    if (stage.status === "running") announce(`${words}, ${stageHelp(stage.name)}.`);
  }

  return {
    node,
    /** Schedules a redraw of the member whose text grew, and of everything that depends on it. */
    changed(member) {
      const card = member && cards.find((each) => each.member === member);
      if (card) sight.draw(card);
      frames.soon(node, draw);
    },
    line(connected) {
      line.hidden = connected;
    },
  };
}

// The number of characters written so far and, for finished calls, tokens and cost.
function spent(run) {
  const members = run.stages.flatMap((stage) => stage.members);
  const finished = members.filter((member) => member.usage);
  const words = members.reduce((sum, member) => sum + member.text.length, 0);
  const usedTokens = finished.reduce((sum, { usage }) => sum + (usage.input ?? 0) + (usage.output ?? 0), 0);
  const priced = finished.every((member) => typeof member.cost === "number");
  const sum = finished.reduce((all, member) => all + (member.cost ?? 0), 0);
  return [
    words > 0 && `${count(words)} characters`,
    usedTokens > 0 && `${finished.some(({ usage }) => usage.estimated) ? "about " : ""}${plural(usedTokens, "token")}`,
    usedTokens > 0 && (priced ? `${cost(sum, { estimated: finished.some(({ usage }) => usage.estimated) })} so far` : "price not known"),
  ].filter(Boolean).join(" · ");
}

// The card in which the synthesis appears.
function FinalSheet(run, models) {
  const node = el("div", { class: "final-sheet", hidden: true });
  let card = null;
  let shownModel = null;
  return {
    node,
    draw() {
      const member = synthesis(run);
      if (!member || member.status === "waiting") return null;
      if (shownModel !== member.model) {
        shownModel = member.model;
        card = MemberCard(member, { models, cite: Citer(run, null) });
        card.node.classList.add("synthesis-card");
        card.node.querySelector("h2").textContent = `Synthesis by ${nameOf(member.model, models).name}`;
        node.replaceChildren(card.node);
        node.hidden = false;
      }
      return card.draw();
    },
  };
}
