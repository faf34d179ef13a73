// The views of a finished run that most readers never open: the map of disagreements, the differences between the
// texts, and cost and time. Their code is loaded when they are opened.
import { lazyView } from "../parts/later.js";
import { styled } from "../styles.js";

/**
 * Returns the views as rows for `Tabs`: the map, the differences, and the costs; false for a view that this run does not
 * have. `names` are their labels in this order, `panel` contains the current view, and `open(row)` opens one. A mark on
 * the map leads to its text in the row `members()`, which reads `context.sought`; `actions` and `badge` are the map's.
 */
export function optionalViews(run, { models, names, panel, context, open, members, actions = null, badge = null }) {
  let shown = null;
  const onOpen = (load, build) => () => {
    const view = lazyView(() => Promise.all([load(), styled("views")]).then(([module]) => module), build);
    shown = view.shown;
    return view.node;
  };
  const map = isMappable(run) && [names[0], onOpen(() => import("./map.js"), (viewModule) => viewModule.DisagreementMap(run, { models, onDraft: showDraft, actions })), "", badge];
  return [
    map,
    isComparable(run) && [names[1], onOpen(() => import("./differences.js"), (viewModule) => viewModule.Differences(run, models))],
    isDrawable(run) && [names[2], onOpen(() => import("./costs.js"), (viewModule) => viewModule.CostAndTime(run, models))],
  ];

  // Navigates from a mark on the map to its text in the draft, and back.
  function showDraft(draft, mark) {
    const place = markButtons().indexOf(mark);
    context.sought = { ...draft, back: async () => {
      open(map);
      await shown;
      (markButtons()[place] ?? panel).focus();
    } };
    open(members());
    context.sought = null;
  }

  function markButtons() {
    return [...panel.querySelectorAll(".map-sign")];
  }
}

// Whether there is a map, or a reason why the members' answers were not compared.
function isMappable({ evidence, models }) {
  const isShown = evidence?.status !== "off" || evidence.sentences?.some((one) => one.level !== "none");
  return models.length > 1 && Boolean(evidence) && isShown;
}

// Whether there are two texts to compare.
function isComparable({ stages }) {
  return stages.flatMap((stage) => stage.members).filter((member) => member.text).length > 1;
}

// Whether any call's time or cost is known.
function isDrawable({ timeline, stages }) {
  return timeline.length > 0 || stages.some((stage) => stage.members.some((member) => member.latency > 0 || member.cached));
}
