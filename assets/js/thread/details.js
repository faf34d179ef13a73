// The facts of a turn, behind "Details": the models, the pattern, the time, the cost, and how the answer was
// produced.
import { el } from "../dom.js";
import { duration, money, sentence, tokens, when } from "../format.js";
import { CitationCount } from "../parts/citations.js";
import { openDialog } from "../parts/dialog.js";
import { nameOf } from "../parts/model-name.js";
import { synthesis } from "../parts/run-model.js";

/** Opens the details of a run. */
export function openDetails(run, { models, patterns }) {
  const totals = run.totals ?? {};
  const row = (term, text) => text && el("div", null, el("dt", null, term), el("dd", null, text));
  const notes = run.notes.includes(run.degraded) || !run.degraded ? run.notes : [run.degraded, ...run.notes];
  openDialog("Details", [
    el("dl", { class: "detail-list" },
      row("Models", run.models.map((model) => nameOf(model, models).name).join(", ")),
      row("Pattern", patterns.find((each) => each.id === run.pattern)?.name ?? run.pattern),
      row("Synthesis", synthesis(run)?.text ? nameOf(synthesis(run).model, models).name : ""),
      row("Time", totals.ms > 0 && duration(totals.ms)),
      row("Tokens", totals.usage && tokens(totals.usage)),
      row("Cost", totals.cost !== undefined && (totals.incomplete ? `At least ${money(totals.cost)}: some prices are unknown` : money(totals.cost))),
      row("Asked", run.createdAt && when(run.createdAt))),
    CitationCount(run),
    notes.length > 0 && [el("h3", null, run.degraded ? "Partial result" : "Notes"), el("ul", { class: "notes" }, notes.map((note) => el("li", null, sentence(note))))],
  ]);
}
