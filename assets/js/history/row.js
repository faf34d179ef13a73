// One past analysis in the history list.
import { button, el, icon, link } from "../dom.js";
import { duration, exactly, excerpt, money, plural, when } from "../format.js";
import { AnalysisExports } from "../parts/exports.js";

const STATUS = { queued: "Queued", running: "Running", completed: "Complete", failed: "Failed", cancelled: "Cancelled" };

/** The ID of an analysis. */
export function idOf(analysis) {
  return analysis.analysis_id ?? analysis.id;
}

/** The row of an analysis; `drop(analysis, row)` deletes it. */
export function Row(analysis, { patterns, drop }) {
  const id = idOf(analysis);
  const words = excerpt(analysis.prompt, 160);
  const exporting = el("details", { class: "row-export" }, el("summary", null, "Export"), AnalysisExports(id));
  const address = analysis.thread_id ? `/t/${encodeURIComponent(analysis.thread_id)}?turn=${encodeURIComponent(id)}` : `/analyze?id=${encodeURIComponent(id)}`;
  const row = el("li", { class: "row", data: { status: analysis.status, id, preview: id } },
    el("div", { class: "row-words" },
      link(address, words, { class: "row-title", dir: "auto" }),
      el("p", { class: "fine" },
        el("span", { class: `status-word ${analysis.status}` }, STATUS[analysis.status] ?? analysis.status),
        ` · ${facts(analysis, patterns)}`,
        el("time", { datetime: analysis.created_at, title: exactly(analysis.created_at) }, ` · ${when(analysis.created_at)}`),
        analysis.shared && el("span", { class: "badge" }, "Shared by link"))),
    el("div", { class: "row-actions" }, exporting,
      button(`Delete the analysis “${excerpt(analysis.prompt, 60)}”`, { class: "quiet icon-only row-delete", title: "Delete", on: { click: () => drop(analysis, row) } }, icon("trash"))));
  return row;
}

function facts(analysis, patterns) {
  const took = Date.parse(analysis.finished_at) - Date.parse(analysis.started_at);
  return [
    patterns.find((each) => each.id === analysis.pattern)?.name ?? analysis.pattern,
    plural(analysis.models?.length ?? 0, "model"),
    took > 0 && duration(took),
    analysis.cost_usd > 0 && money(analysis.cost_usd),
  ].filter(Boolean).join(" · ");
}
