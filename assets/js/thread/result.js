// A turn that is over: its views behind tabs, and the evidence beside them. The answer comes first; the other views are
// loaded when somebody opens them.
import { button, el, fill } from "../dom.js";
import { sentence } from "../format.js";
import { MembersView, isComparable, isDrawable, isMappable } from "../parts/results.js";
import { synthesis } from "../parts/run-model.js";
import { Failure, Loading } from "../parts/states.js";
import { Tabs } from "../parts/tabs.js";
import { Answer } from "./answer.js";
import { openDetails } from "./details.js";
import { Stopped } from "./stopped.js";
import { Trust } from "./trust.js";

/** `{node, choose(index)}` of a run that is over. `page` knows the models, the turn, and what can be done. */
export function Result(run, page) {
  const { data, turn } = page;
  const answered = Boolean(synthesis(run)?.text);
  if (!answered && run.status !== "completed") return { node: Stopped(run, page), choose() {} };
  const context = { run, models: data.models, sought: null };
  const panel = el("div", { class: "view-panel", role: "tabpanel" });
  const conflicts = run.evidence?.contradictions?.length ?? 0;
  let shown = null;
  const map = isMappable(run) && ["Disagreements", later(() => import("../results/map.js"), (it) => it.DisagreementMap(run, { models: data.models, onDraft: seek, actions: page.composer?.() ?? null })), "", conflicts || null];
  const views = [
    ["Answer", () => Answer(run, page)],
    ["Members", () => MembersView(context), "", run.models.length || null],
    map,
    isComparable(run) && ["Changes", later(() => import("../results/differences.js"), (it) => it.Differences(run, data.models))],
    isDrawable(run) && ["Cost", later(() => import("../results/costs.js"), (it) => it.CostAndTime(run, data.models))],
  ].filter(Boolean);
  const first = Math.max(0, views.findIndex(([name]) => name.toLowerCase() === page.tab));
  const tabs = Tabs("Views of the answer", panel, views, first, { onChoose: (index) => page.tabbed(page.view, index === 0 ? "" : views[index][0].toLowerCase()) });
  const partial = run.degraded && button("Partial result", { class: "pill warn", title: sentence(run.degraded), on: { click: () => openDetails(run, data) } });
  const node = el("div", { class: "turn-cols" },
    el("div", { class: "turn-main" }, el("div", { class: "turn-tabs" }, tabs.node, partial), Trouble(run, page), panel),
    Trust(run, { data, turn, map: () => map && tabs.choose(views.indexOf(map)) }));
  return { node, choose: (index) => index < views.length && tabs.choose(index) };

  // A view whose code is loaded on demand: most readers only read the answer.
  function later(load, build) {
    return () => {
      const place = el("div", { class: "later" }, Loading("Loading"));
      shown = load().then((module) => place.replaceWith(build(module)), (problem) => fill(place, Failure(problem)));
      return place;
    };
  }

  // Jumps from a mark on the map to its text in the draft, and back to the same mark.
  function seek(draft, from) {
    const place = signs().indexOf(from);
    context.sought = { ...draft, back: async () => {
      tabs.choose(views.indexOf(map));
      await shown;
      (signs()[place] ?? panel).focus();
    } };
    tabs.choose(1);
    context.sought = null;
  }

  function signs() {
    return [...panel.querySelectorAll(".map-sign")];
  }
}

// A run that was stopped while its answer was being written, or that failed late, still shows what there is.
function Trouble(run, page) {
  if (run.status === "cancelled") {
    return el("div", { class: "turn-note" }, el("span", { class: "pill" }, "Stopped"), el("p", null, "You stopped this run; the beginning of the answer is kept."),
      button("Continue", { class: "secondary", title: "The model goes on where it was stopped", on: { click: () => page.proceed(page.turn, "continue_of") } }));
  }
  if (run.status === "failed") return el("p", { class: "turn-note" }, el("span", { class: "pill bad" }, "Failed"), sentence(run.problem));
  return null;
}
