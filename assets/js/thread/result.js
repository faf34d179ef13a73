// A finished turn: its views behind tabs, and the evidence beside them. The answer comes first; the other views
// are loaded when opened.
import { button, el } from "../dom.js";
import { plural, sentence } from "../format.js";
import { lazyView } from "../parts/later.js";
import { synthesis } from "../parts/run-model.js";
import { Tabs } from "../parts/tabs.js";
import { toast } from "../parts/toast.js";
import { optionalViews } from "../results/views.js";
import { styled } from "../styles.js";
import { Answer } from "./answer.js";
import { EvidenceFilter } from "./filter.js";
import { Trust } from "./trust.js";

/** Returns `{node, choose(index), evidence}` for a finished run. `page` knows the models, the turn, and the available actions. */
export function Result(run, page) {
  const { data, turn } = page;
  const hasAnswer = Boolean(synthesis(run)?.text);
  if (!hasAnswer && run.status !== "completed") return { node: lazyView(() => import("./stopped.js"), (viewModule) => viewModule.Stopped(run, page)).node, evidence: { data, filter: null, map: null }, choose() {} };
  const context = { run, models: data.models, sought: page.sought ?? null };
  const panel = el("div", { class: "view-panel", role: "tabpanel" });
  const conflicts = run.evidence?.contradictions?.length ?? 0;
  const open = (view) => tabs.choose(views.indexOf(view));
  const filter = EvidenceFilter(() => {
    if (!panel.querySelector(".answer")) tabs.choose(0);
    return panel.querySelector(".answer");
  });
  const optional = optionalViews(run, {
    models: data.models, names: ["Disagreements", "Changes", "Cost"], panel, context, open, members: () => views[1],
    actions: page.composer?.() ?? null, badge: conflicts || null,
  });
  const views = [
    ["Answer", () => {
      const parts = Answer(run, page);
      if (hasAnswer) filter.mark(parts[0]);
      return parts;
    }],
    ["Members", () => Members(context), "", run.models.length || null],
    ...optional,
  ].filter(Boolean);
  const initialIndex = Math.max(0, views.findIndex(([name]) => name.toLowerCase() === page.tab));
  const tabs = Tabs("Views of the answer", panel, views, initialIndex, { onChoose: (index) => page.tabbed(page.view, index === 0 ? "" : views[index][0].toLowerCase()) });
  const partial = run.degraded && button("Partial result", { class: "pill warn", title: sentence(run.degraded), on: { click: showDetails } });
  // What the members did not get, such as an image or older turns: shown as a number of notes, which opens the
  // details.
  const noted = !run.degraded && run.notes.length > 0 && button(plural(run.notes.length, "note"), { class: "pill", title: run.notes.map(sentence).join("\n"), on: { click: showDetails } });
  const [map] = optional;
  const evidence = { data, filter: hasAnswer ? filter : null, map: map ? () => open(map) : null };
  const node = el("div", { class: "turn-cols" },
    el("div", { class: "turn-main" }, el("div", { class: "turn-tabs" }, tabs.node, partial, noted), EndNote(run, page), panel),
    Trust(run, evidence));
  return { node, evidence, choose: (index) => index < views.length && tabs.choose(index) };

  async function showDetails() {
    try {
      (await import("./details.js")).openDetails(run, data);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }
}

// The sought position is known only when the view opens.
function Members(context) {
  const snapshot = { ...context };
  const load = () => Promise.all([import("../results/members.js"), styled("run")]).then(([module]) => module);
  return lazyView(load, (viewModule) => el("div", null, viewModule.MembersView(snapshot))).node;
}

// A run that was stopped while its answer was being written, or that failed late, still shows what it has.
function EndNote(run, page) {
  if (run.status === "cancelled") {
    return el("div", { class: "turn-note" }, el("span", { class: "pill" }, "Stopped"), el("p", null, "You stopped this run; the beginning of the answer is kept."),
      button("Continue", { class: "secondary", title: "Continues the text where it was stopped", on: { click: () => page.proceed(page.turn, "continue_of") } }));
  }
  if (run.status === "failed") return el("p", { class: "turn-note" }, el("span", { class: "pill bad" }, "Failed"), sentence(run.problem));
  return null;
}
