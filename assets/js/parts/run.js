// An analysis while it runs: the path of stages, the members side by side, the synthesis, the time.
import { announce, button, el, icon } from "../dom.js";
import { count, duration, excerpt } from "../format.js";
import { Citer } from "./citations.js";
import { MemberCard, nameOf } from "./member.js";
import { isOver, panelStages, placeOf, synthesis } from "./run-model.js";
import { stageHelp, stageName, StagePath } from "./stages.js";

const FRAME_MS = 80;

/** `{node, changed(), line(connected)}`. `onCancel` stops the run, `onHurry` has the answer written now; `began` is its start on this clock. */
export function RunView(run, { models, onCancel, onHurry, began, signal }) {
  const path = StagePath((name) => choose(name));
  const grid = el("div", { class: "members" });
  const final = FinalSheet(run, models);
  const clock = el("span", { class: "run-clock" });
  const written = el("span");
  const doing = el("span", { class: "run-doing" }, "Starting");
  const line = el("p", { class: "notice", hidden: true }, "The line to the server is interrupted. The analysis goes on there; this page picks it up again by itself.");
  const jump = el("button", { type: "button", class: "synthesis-jump", "aria-label": "Go to the synthesis", hidden: true,
    on: { click: () => final.node.scrollIntoView({ block: "start" }) } }, "Synthesis is being written");
  const hurry = onHurry && button("Write the answer now", {
    class: "secondary", hidden: true, title: "Who has not answered yet is left out", on: { click: onHurry },
  });
  const node = el("section", { class: "run", "aria-label": "Running analysis" },
    el("header", { class: "run-head" },
      el("div", { class: "run-status" }, el("span", { class: "loading-spinner", "aria-hidden": "true" }), doing, clock, written),
      el("div", { class: "actions" }, hurry, button("Cancel", { class: "secondary", on: { click: onCancel } }, icon("stop"), "Cancel"))),
    el("h1", { class: "run-question", dir: "auto" }, excerpt(run.prompt, 300)),
    line, path.node, grid, final.node, jump);

  let chosen = null;
  let shownStage = null;
  let cards = [];
  let followed = "";
  let due = false;

  const ticker = setInterval(tick, 1000);
  signal.addEventListener("abort", () => clearInterval(ticker), { once: true });
  tick();
  draw();

  function tick() {
    clock.textContent = elapsed(Date.now() - began);
    if (isOver(run)) clearInterval(ticker);
  }

  function choose(name) {
    chosen = name;
    draw();
  }

  function draw() {
    due = false;
    const current = [...run.stages].reverse().find((stage) => stage.status !== "waiting") ?? run.stages[0];
    if (current && current.name !== followed) {
      followed = current.name;
      tell(current);
    }
    const stages = panelStages(run).filter((stage) => stage.status !== "waiting");
    const stage = stages.find((each) => each.name === chosen) ?? stages.at(-1) ?? panelStages(run)[0];
    path.draw(run, current?.final && !chosen ? current.name : stage?.name);
    if (stage && (stage.name !== shownStage || cards.length !== stage.members.length)) {
      shownStage = stage.name;
      cards = stage.members.map((member) => MemberCard(member, { models, cite: Citer(run, placeOf(stage, member)) }));
      grid.replaceChildren(...cards.map((card) => card.node));
      grid.dataset.count = String(cards.length);
    }
    for (const card of cards) card.draw();
    final.draw();
    jump.hidden = !synthesis(run)?.text;
    if (hurry) hurry.hidden = !canHurry();
    const words = run.stages.flatMap((each) => each.members).reduce((sum, member) => sum + member.text.length, 0);
    written.textContent = words > 0 ? `${count(words)} characters` : "";
  }

  // Somebody has answered, and the answer is not being written yet.
  function canHurry() {
    const answered = panelStages(run).some((stage) => stage.members.some((member) => member.status === "done"));
    return answered && run.stages.length > 1 && run.stages.at(-1).final && run.stages.at(-1).status === "waiting";
  }

  function tell(stage) {
    const place = run.stages.indexOf(stage) + 1;
    const words = `Stage ${place} of ${run.stages.length}: ${stageName(stage.name)}`;
    doing.textContent = words;
    if (stage.status === "running") announce(`${words}, ${stageHelp(stage.name)}.`);
  }

  return {
    node,
    /** Draws soon; many changes are one drawing. */
    changed() {
      if (due) return;
      due = true;
      setTimeout(() => signal.aborted || draw(), FRAME_MS);
    },
    line(connected) {
      line.hidden = connected;
    },
  };
}

// Whole seconds: a clock that jumps between tenths is restless.
function elapsed(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000)) || 0;
  return seconds < 10 ? `${seconds} s` : duration(seconds * 1000);
}

// The sheet on which the synthesis appears.
function FinalSheet(run, models) {
  const node = el("div", { class: "final-sheet", hidden: true });
  let card = null;
  let of = null;
  return {
    node,
    draw() {
      const member = synthesis(run);
      if (!member || member.status === "waiting") return;
      if (of !== member.model) {
        of = member.model;
        card = MemberCard(member, { models, cite: Citer(run, null) });
        card.node.classList.add("synthesis-card");
        card.node.querySelector("h2").textContent = `Synthesis by ${nameOf(member.model, models).name}`;
        node.replaceChildren(card.node);
        node.hidden = false;
      }
      card.draw();
    },
  };
}
