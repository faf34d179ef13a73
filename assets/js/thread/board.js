// A running analysis: the stages as a strip, the members side by side in fixed-size boxes, and the answer in its
// final position. Only text and progress lines move.
import { announce, button, el, fill, icon } from "../dom.js";
import { cost, elapsed } from "../format.js";
import { Citer } from "../parts/citations.js";
import { GrowingText } from "../parts/growing.js";
import { untitled } from "../parts/markdown.js";
import { nameOf } from "../parts/model-name.js";
import { isOver, panelStages, synthesis } from "../parts/run-model.js";
import { stageHelp, stageName } from "../parts/stages.js";
import { Frames } from "../workbench/frames.js";
import { Sight } from "../workbench/sight.js";
import { Speaker } from "../workbench/speaker.js";
import { Column, Strip } from "./column.js";

// With more members than this, they are shown as rows.
const MAX_COLUMNS = 4;

/**
 * Returns `{node, changed(member), line(connected)}`. `onStop` stops the run, `onSkip(member)` skips one member, and
 * `onFinish` requests the answer now; `began` is the run's start on this browser's clock.
 */
export function Board(run, { models, onStop, onSkip, onFinish, began, signal }) {
  const frames = Frames(signal);
  const speaker = Speaker();
  const strip = el("ol", { class: "stages", "aria-label": "Stages" });
  const spentLine = el("span", { class: "run-spent" });
  const finish = button("Finish now", { class: "secondary board-finish", title: "Skips models that haven't answered", disabled: true, on: { click: onFinish } });
  const stop = button("Stop", { class: "quiet board-stop", on: { click: () => {
    stop.disabled = true;
    onStop();
  } } }, icon("stop"), "Stop");
  const line = el("p", { class: "notice board-line", hidden: true }, "Connection lost. The run continues; reconnecting…");
  const grid = el("div", { class: "board" });
  const tabs = el("div", { class: "board-tabs", role: "group", "aria-label": "Members" });
  const answer = Answer(run);
  const strips = el("div", { class: "strips", hidden: true });
  const node = el("section", { class: "live", "aria-label": "Running analysis" },
    el("div", { class: "stage-strip" }, el("span", { class: "visually-hidden loading-spinner" }), strip, el("div", { class: "stage-end" }, spentLine, finish, stop)),
    line, el("div", { class: "slot" }, tabs, grid, answer.node, strips));
  let cards = [];
  let shownStage = "";
  let drawnStages = "";
  const ticker = setInterval(tick, 1000);
  const visibility = Sight(frames, signal, "200px");
  signal.addEventListener("abort", () => clearInterval(ticker), { once: true });
  tick();
  draw();

  function tick() {
    const billed = run.stages.flatMap((stage) => stage.members).filter((member) => member.usage);
    const usd = billed.every((member) => typeof member.cost === "number") ? billed.reduce((sum, member) => sum + member.cost, 0) : null;
    const words = [elapsed(Date.now() - began), billed.length > 0 && usd > 0 && cost(usd, { estimated: billed.some((member) => member.usage.estimated) })].filter(Boolean).join(" · ");
    if (spentLine.textContent !== words) spentLine.textContent = words;
    if (isOver(run)) clearInterval(ticker);
  }

  // Draws everything except the texts, each of which is drawn separately.
  function draw() {
    drawStages();
    const stages = panelStages(run).filter((stage) => stage.status !== "waiting");
    const stage = stages.at(-1) ?? panelStages(run)[0];
    if (stage && (stage.name !== shownStage || cards.length !== stage.members.length)) showStage(stage);
    for (const card of cards) visibility.draw(card);
    const last = synthesis(run);
    const writing = Boolean(last && last.status !== "waiting");
    if (writing && grid.hidden === false) showAnswer();
    if (writing) frames.soon(answer, answer.draw);
    speaker.hear(last?.text ?? "");
    const ready = panelStages(run).some((each) => each.members.some((member) => member.status === "done"));
    finish.disabled = !(ready && run.stages.length > 1 && run.stages.at(-1).final && run.stages.at(-1).status === "waiting");
    // Invisible rather than hidden, so that Stop keeps its position.
    finish.classList.toggle("over", writing);
  }

  function drawStages() {
    const snapshot = JSON.stringify(run.stages.map((stage) => [stage.name, stage.status, ...stage.members.map((member) => member.status)]));
    if (snapshot === drawnStages) return;
    const previous = drawnStages && JSON.parse(drawnStages);
    drawnStages = snapshot;
    fill(strip, run.stages.map((stage) => Stage(stage, models)));
    const current = run.stages.findLast((stage) => stage.status === "running");
    if (current && previous?.find(([name]) => name === current.name)?.[1] !== "running") announce(`${stageName(current.name)}: ${stageHelp(current.name)}.`);
  }

  function showStage(stage) {
    shownStage = stage.name;
    const rows = stage.members.length > MAX_COLUMNS;
    cards = stage.members.map((member) => Column(member, { run, stage, models, rows, onSkip }));
    grid.classList.toggle("rows", rows);
    grid.style.setProperty("--board-rows", String(Math.ceil(cards.length / 2)));
    fill(grid, cards.map((card) => card.node));
    visibility.watch(cards);
    fill(tabs, !rows && cards.map((card, answerNode) => card.tab(() => choose(answerNode))));
    choose(0);
  }

  // On a phone, only one member is shown at a time.
  function choose(answerNode) {
    cards.forEach((card, index) => card.select(index === answerNode));
  }

  // The answer opens in its final position; the members become strips below it.
  function showAnswer() {
    grid.hidden = true;
    tabs.hidden = true;
    strips.hidden = false;
    answer.node.hidden = false;
    fill(strips, cards.map((card) => Strip(card.member, models)));
  }

  return {
    node,
    /** Schedules a redraw of the member whose text grew, and of everything that depends on it. */
    changed(member) {
      const card = member && cards.find((each) => each.member === member);
      if (card) visibility.draw(card);
      frames.soon(node, draw);
    },
    line(connected) {
      line.hidden = connected;
    },
  };

  function Answer() {
    const text = GrowingText(Citer(run, null));
    // Placed behind the text, which covers them as it grows.
    const skeletons = el("div", { class: "skeletons", "aria-hidden": "true" }, [100, 92, 96, 64, 0, 100, 88, 94, 72].map((width) => el("span", { class: "skeleton", style: `width:${width}%` })));
    text.node.classList.add("reading");
    const answerNode = el("div", { class: "answer live-answer", hidden: true }, skeletons, text.node);
    return { node: answerNode, draw() {
      const member = synthesis(run);
      if (!member) return null;
      text.set(untitled(member.text));
      skeletons.hidden = member.text.length > 900;
      return null;
    } };
  }
}

function Stage(stage, models) {
  const done = stage.members.filter((member) => member.status === "done").length;
  const failed = stage.members.filter((member) => member.status === "failed").length;
  const state = stage.status === "running" ? "now" : stage.status;
  const count = state === "now" && (stage.final ? `${nameOf(stage.members[0]?.model ?? "", models).name} is writing` : `${done} of ${stage.members.length}${failed > 0 ? `, ${failed} failed` : ""}`);
  const words = { now: "running", done: "done", waiting: "waiting" }[state] ?? state;
  return el("li", { class: `stage-step ${state}` },
    state === "done" ? icon("check") : el("span", { class: "dot", "aria-hidden": "true" }),
    el("span", null, stage.final ? "Answer" : stageName(stage.name)), el("span", { class: "visually-hidden" }, `, ${words}`),
    count && el("span", { class: "stage-count" }, count));
}
