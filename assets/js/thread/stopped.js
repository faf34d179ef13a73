// A run without an answer: stopped by its owner, or failed. The text so far is kept and shown. Stopping is not an
// error; red is reserved for failures.
import { button, el } from "../dom.js";
import { cost, duration, plural, sentence } from "../format.js";
import { panelStages } from "../parts/run-model.js";
import { Column } from "./column.js";

/** The view of a run that ended before its answer. */
export function Stopped(run, page) {
  const { data, turn, regenerate } = page;
  const stage = panelStages(run).findLast((each) => each.members.some((member) => member.text)) ?? panelStages(run).at(-1);
  const members = stage?.members ?? [];
  const texts = members.filter((member) => member.text);
  const partial = members.some((member) => member.status === "stopped");
  const byOwner = run.status === "cancelled";
  const cards = members.map((member) => Column(member, { run, stage, models: data.models }));
  for (const card of cards) card.draw();
  cards[0]?.select(true);
  const usd = run.totals?.cost;
  return el("div", { class: "stopped" },
    el("div", { class: "stopped-head" },
      el("span", { class: byOwner ? "pill" : "pill bad" }, byOwner ? "Stopped" : "Failed"),
      el("p", null, byOwner ? describeStop(run, members) : sentence(run.problem) || "The run failed."),
      usd > 0 && el("span", { class: "fine" }, cost(usd, run.totals.usage)),
      el("div", { class: "actions" },
        partial && button("Continue", { class: "secondary", title: "Continues the text where it was stopped", on: { click: () => page.proceed(turn, "continue_of") } }),
        byOwner && texts.length > 0 && button("Write from this", { class: "primary", title: "One model writes the answer from these texts", on: { click: () => page.proceed(turn, "write_from") } }),
        (!byOwner || texts.length === 0) && button(byOwner ? "Run again" : "Try again", { class: "secondary", on: { click: () => regenerate(turn) } }))),
    cards.length > 0 && el("div", { class: "board" }, cards.map((card) => card.node)));
}

function describeStop(run, members) {
  const elapsed = run.totals?.ms > 0 ? ` after ${duration(run.totals.ms)}` : "";
  const done = members.filter((member) => member.status === "done").length;
  const partial = members.filter((member) => member.status === "stopped").length;
  if (done + partial === 0) return `You stopped this run${elapsed}, before anything was written.`;
  const parts = [done > 0 && `${plural(done, "answer")} ${done === 1 ? "is" : "are"} complete`, partial > 0 && `${done > 0 ? partial : plural(partial, "answer")} ${partial === 1 ? "is" : "are"} partial`].filter(Boolean).join(" and ");
  return `You stopped this run${elapsed}. ${parts[0].toUpperCase()}${parts.slice(1)}; all text is kept.`;
}
