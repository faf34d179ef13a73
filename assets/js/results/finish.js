// A run that is over, with what can be done with it: compare, share, take along, ask again.
import { button } from "../dom.js";
import { CompareButton, Offer, SingleButton } from "../parts/compare.js";
import { AnalysisExports, LocalExportButtons } from "../parts/exports.js";
import { AnalysisResults } from "../parts/results.js";
import { RunAgainButton } from "../parts/run-again.js";
import { ShareButton } from "../parts/share-link.js";
import { Alert } from "../parts/states.js";
import { MODELS } from "../parts/steps.js";
import { remember, user } from "../state.js";
import { clearDraft } from "../workbench/draft.js";

/** Shows the result of a run that is over, with `show`. */
export function finish(run, data, context, show) {
  const again = button("Ask again", { class: "secondary", title: "The same question with another panel or pattern", on: { click: () => {
    const known = new Set((data.documents ?? []).map((each) => each.document_id ?? each.id));
    remember("draft", {
      step: MODELS, prompt: run.prompt, models: run.models, pattern: run.pattern,
      documents: run.documents.filter((id) => known.has(id)), ultra: "",
    }, sessionStorage);
    context.go("/analyze");
  } } });
  const another = button("New question", { class: "secondary", on: { click: () => {
    clearDraft();
    context.go("/analyze");
  } } });
  const comparable = user.get() && run.single && run.status === "completed" && run.stages.length > 1;
  show(
    comparable && run.offered && Offer(run, data.models),
    run.status !== "completed" && run.stages.length === 0 && Alert({ message: run.problem || `the analysis ended as ${run.status}` }),
    AnalysisResults(run, {
      models: data.models, patterns: data.patterns, own: Boolean(user.get()),
      exports: user.get() ? AnalysisExports(run.id) : LocalExportButtons(run),
      actions: [
        comparable && SingleButton(run, data.models), comparable && CompareButton(run, data.models),
        user.get() && ShareButton(run.id, run.shared),
        user.get() ? RunAgainButton(run, { ...data, onStarted: (id) => context.go(`/analyze?id=${encodeURIComponent(id)}`) }) : again,
        another,
      ],
    }));
}
