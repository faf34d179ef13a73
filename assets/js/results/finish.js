// A finished run with its actions: compare, share, export, and run again.
import { button, el, link } from "../dom.js";
import { excerpt, sentence } from "../format.js";
import { CompareButton, ComparisonOffer, SingleButton } from "../parts/compare.js";
import { AnalysisExports, LocalExportButtons } from "../parts/exports.js";
import { AnalysisResults } from "../parts/results.js";
import { RunAgainButton } from "../parts/run-again.js";
import { ShareButton } from "../parts/share-link.js";
import { Alert } from "../parts/states.js";
import { remember, user } from "../state.js";
import { styled } from "../styles.js";
import { toast } from "../parts/toast.js";
import { clearDraft, MODELS } from "../workbench/draft.js";

/** Shows the result of a finished run, using `show`. */
export function finish(run, data, context, show) {
  const askAgain = button("Ask again", { class: "secondary", title: "Asks the same question with another panel or pattern", on: { click: () => {
    const existingIds = new Set((data.documents ?? []).map((each) => each.document_id ?? each.id));
    remember("draft", {
      step: MODELS, prompt: run.prompt, models: run.models, pattern: run.pattern,
      documents: run.documents.filter((id) => existingIds.has(id)), ultra: "",
    }, sessionStorage);
    context.go("/analyze");
  } } });
  const newQuestion = button("New question", { class: "secondary", on: { click: () => {
    clearDraft();
    context.go("/analyze");
  } } });
  document.title = `${excerpt(run.prompt, 80)} · Quire`;
  const comparable = user.get() && run.single && run.status === "completed" && run.stages.length > 1;
  show(
    comparable && run.offered && ComparisonOffer(run, data.models),
    run.status !== "completed" && run.stages.length === 0 && Alert({ message: run.problem || "the analysis ended without an answer" }),
    AnalysisResults(run, {
      models: data.models, patterns: data.patterns, own: Boolean(user.get()),
      exports: user.get() ? AnalysisExports(run.id) : LocalExportButtons(run),
      actions: [
        run.thread && link(`/t/${encodeURIComponent(run.thread)}?turn=${encodeURIComponent(run.id)}`, "Open thread", { class: "button secondary" }),
        comparable && SingleButton(run, data.models), comparable && CompareButton(run, data.models),
        user.get() && ShareButton(run.id, run.shared),
        user.get() ? RunAgainButton(run, { ...data, onStarted: (id) => context.go(`/analyze?id=${encodeURIComponent(id)}`) }) : askAgain,
        newQuestion,
      ],
    }),
    user.get() && run.id && FollowUp(run, data, context));
}

// Distance from the window's edge at which the composer is loaded.
const NEAR_MARGIN = "200px";

// The composer below a result: a follow-up continues its thread, on the thread's page. Its code is loaded when the
// reader comes near, so that a long answer does not wait for it.
function FollowUp(run, data, context) {
  const section = el("section", { class: "follow-up", "aria-label": "Follow-up" });
  const turn = { analysis_id: run.id, question: run.prompt, status: run.status, models: run.models, pattern: run.pattern };
  const last = { turn, run: () => run, edit() {} };
  const observer = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    observer.disconnect();
    load();
  }, { rootMargin: NEAR_MARGIN });
  observer.observe(section);
  context.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  return section;

  async function load() {
    try {
      const [{ Composer }, { startThread }] = await Promise.all([import("../thread/composer.js"), import("../thread/start.js"), styled("thread")]);
      if (context.signal.aborted) return;
      const composer = Composer({ data, context, last: () => last, send: (body) => startThread(body, context) });
      composer.follow(last);
      section.append(composer.node);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }
}
