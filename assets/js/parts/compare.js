// The panel's answer next to the best single draft: openly on request, or blind with one vote. Nothing shown or
// fetched before the vote reveals a name.
import { get, post } from "../api.js";
import { button, el } from "../dom.js";
import { money, sentence } from "../format.js";
import { openDialog } from "./dialog.js";
import { markdown } from "./markdown.js";
import { nameOf } from "./model-name.js";
import { toast } from "./toast.js";

const SIDES = { left: "the first text", right: "the second text" };
const PREFERRED = {
  panel: "You preferred the panel's answer.",
  single: "You preferred the single model's answer.",
  tie: "You saw no important difference.",
};

/** A button that shows the best single draft. */
export function SingleButton(run, models) {
  const draft = run.single;
  return button("Single-model answer", { class: "secondary", title: "The first answer of the strongest member", on: { click: () => openDialog(
    "Single-model answer",
    [
      el("p", { class: "fine" }, `${nameOf(draft.model, models).name}${draft.cost_usd > 0 ? ` · ${money(draft.cost_usd)}` : ""} · ${sentence(draft.rule)}`),
      el("div", { class: "prose" }, markdown(draft.text)),
    ],
    { kind: "wide" },
  ) } });
}

/** A button that starts a blind comparison for this analysis. */
export function CompareButton(run, models) {
  return button("Blind test", { class: "secondary", title: "Compare the panel's answer with a single model's, without names", on: { click: () => compare(run, models) } });
}

/** The invitation shown above a result that was sampled for a comparison. */
export function ComparisonOffer(run, models) {
  const node = el("p", { class: "notice offer" },
    "Was the panel worth it? Compare two texts without names, and vote once.  ",
    button("Compare now", { class: "link-button", on: { click: async () => {
      if (await compare(run, models)) node.remove();
    } } }));
  return node;
}

// Opens the comparison. Returns whether the analysis has a vote, new or earlier.
async function compare(run, models) {
  const path = `/api/analyses/${encodeURIComponent(run.id)}/comparison`;
  try {
    let comparison = await post(path);
    if (!comparison.reveal) {
      const choice = await askForVote(run, comparison);
      if (!choice) return false;
      comparison = await post(`${path}/vote`, { choice });
    }
    await reveal(comparison, models);
    return true;
  } catch (problem) {
    toast(sentence(problem.message), "failed");
    return false;
  }
}

function askForVote(run, comparison) {
  return openDialog("Which answer is better?", [
    el("p", { dir: "auto" }, run.prompt.length > 280 ? `${run.prompt.slice(0, 280)}…` : run.prompt),
    el("p", { class: "fine" }, "One is the panel's answer, and the other a single model's. Your vote is final; it reveals which is which."),
    Sides(comparison),
  ], { kind: "wide blind", actions: [["tie", "No difference", "secondary"], ["left", "First is better", "primary"], ["right", "Second is better", "primary"]] });
}

function Sides(comparison) {
  const side = (title, { text }) => el("article", { class: "compare-side", "aria-label": title },
    el("h3", null, title),
    el("div", { class: "prose" }, markdown(text)));
  return el("div", { class: "compare" }, side("First", comparison.left), side("Second", comparison.right));
}

async function reveal(comparison, models) {
  const { preferred, panel, single, model, panel_cost_usd: panelCost, single_cost_usd: singleCost } = comparison.reveal;
  const worth = await get("/api/worth", { query: { topic: comparison.topic } }).catch(() => null);
  const hasPrices = panelCost > 0 && singleCost > 0;
  await openDialog("Your vote", [
    el("p", { class: "compare-choice" }, PREFERRED[preferred]),
    el("p", null, `${sentence(`${SIDES[panel]} was the panel's`)} ${sentence(`${SIDES[single]} was ${nameOf(model, models).name} alone`)}`,
      hasPrices && ` The panel cost ${money(panelCost)}, ${(panelCost / singleCost).toFixed(1)} times the ${money(singleCost)} of that answer.`),
    worth && el("p", { class: "notice" }, comparison.topic && el("strong", null, `${comparison.topic}: `), worth.overall.sentence),
    Sides(comparison),
  ], { kind: "wide", actions: [["", "Done", "primary"]] });
}
