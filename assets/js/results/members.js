// The texts of all members of a finished run.
import { button, el, fill } from "../dom.js";
import { sentence } from "../format.js";
import { Citer } from "../parts/citations.js";
import { MemberCard } from "../parts/member.js";
import { panelStages, placeOf } from "../parts/run-model.js";
import { stageHelp, StagePath } from "../parts/stages.js";

/** The members' texts side by side, by stage. `sought` is a position to show: `{letter, says, stage, back}`;
 * without a stage, it is the last text that contains the words. */
export function MembersView({ run, models, sought: wanted }) {
  const grid = el("div", { class: "members" });
  const help = el("p", { class: "fine stage-help" });
  const stages = { ...run, stages: panelStages(run) };
  const path = StagePath(draw);
  const sought = located(wanted, stages.stages);
  draw(sought?.stage ?? stages.stages.at(-1)?.name);
  if (sought) show();
  function draw(name) {
    const stage = stages.stages.find((each) => each.name === name);
    path.draw(stages, name);
    help.textContent = stage ? sentence(stageHelp(stage.name)) : "No member answered.";
    const cards = (stage?.members ?? []).map((member) => MemberCard(member, { models, cite: Citer(run, placeOf(stage, member)) }));
    for (const card of cards) card.draw();
    grid.dataset.count = String(cards.length);
    fill(grid, cards.map((card) => card.node));
  }
  function show() {
    const stage = stages.stages.find((each) => each.name === sought.stage);
    const card = grid.children[stage.members.findIndex((member) => member.letter === sought.letter && member.text)];
    // The cards are on the page only after the tab has inserted them.
    import("./reveal.js").then(({ reveal }) => {
      if (!reveal(card.querySelector(".member-body"), sought.says)) note.firstChild.textContent = "The answer words this differently. This is the whole answer.";
    });
  }
  const note = sought && el("p", { class: "notice view-note" },
    el("span", null, `The words of ${sought.letter} are marked.`), sought.back && button("Back to the map", { class: "link-button", on: { click: sought.back } }));
  return [stages.stages.length > 1 && path.node, note, help, grid];
}

// The position with its stage; null if no text of the member contains the words.
function located(wanted, stages) {
  if (!wanted || wanted.stage) return wanted;
  const words = wanted.says.toLowerCase();
  const stage = stages.findLast((each) => each.members.some((member) => member.letter === wanted.letter && member.text.toLowerCase().includes(words)));
  return stage ? { ...wanted, stage: stage.name } : null;
}
