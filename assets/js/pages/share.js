// A shared result: anyone with the link can read and export it. Needs no account.
import { get } from "../api.js";
import { el, link } from "../dom.js";
import { excerpt } from "../format.js";
import { Citer } from "../parts/citations.js";
import { markdown, withoutTitle } from "../parts/markdown.js";
import { nameOf } from "../parts/model-name.js";
import { fromStored, isOver, synthesis } from "../parts/run-model.js";
import { SourceList } from "../parts/sources.js";
import { EmptyPage } from "../parts/states.js";
import { user } from "../state.js";
import { styled } from "../styles.js";

// The names are not written in the calls of `styled()`, from which the build would preload both sheets.
const SHEETS = { thread: "thread", result: "run" };

export async function load({ token }, signal) {
  const [stored, models] = await Promise.all([
    get(`/api/shared/${encodeURIComponent(token)}`, { signal }).catch((problem) => {
      if (problem.status === 404) return null;
      throw problem;
    }),
    get("/api/available-models", { signal }).catch(() => []),
  ]);
  if (!stored) return { stored };
  // A thread and a single result have little in common: each loads only its own code.
  if (stored.turns) {
    await styled(SHEETS.thread);
    return { stored, models };
  }
  const [patterns, { AnalysisResults }, { LocalExportButtons }] = await Promise.all([
    get("/api/orchestrator/patterns", { query: { brief: true }, signal }).catch(() => []),
    import("../parts/results.js"), import("../parts/exports.js"), styled(SHEETS.result),
  ]);
  return { stored, models, patterns, AnalysisResults, LocalExportButtons };
}

export function view({ stored, models, patterns, AnalysisResults, LocalExportButtons }) {
  if (!stored) return LinkGone();
  if (stored.turns) return SharedThread(stored, models);
  const run = fromStored(stored);
  document.title = `${excerpt(run.prompt, 80)} · Quire`;
  return el("div", { class: "shared-page" },
    !isOver(run) && el("p", { class: "notice shared-note" }, "This analysis is still running. Reload the page later."),
    AnalysisResults(run, { models, patterns, exports: LocalExportButtons(run), note: "Shared with you. You can read and export it." }));
}

// A shared thread: its questions and answers, read-only.
function SharedThread({ title, results = [] }, models) {
  document.title = `${title} · Quire`;
  return el("div", { class: "shared-page shared-thread" },
    el("h1", { class: isOfQuestion(title, results[0]?.prompt) ? "visually-hidden" : "shared-title", dir: "auto" }, title),
    results.map((stored) => {
      const run = fromStored(stored);
      const answer = synthesis(run);
      return el("article", { class: "turn", "aria-label": "Turn" },
        el("header", { class: "ask" }, el("div", { class: "bubble", dir: "auto" }, el("h2", { class: "bubble-words" }, run.prompt))),
        answer?.text ? el("div", { class: "answer prose reading preview" }, withoutTitle(markdown(answer.text, Citer(run, null))))
          : el("p", { class: "notice" }, isOver(run) ? "This question has no answer." : "The answer is still being written; reload the page later."),
        el("p", { class: "fine" }, run.models.map((model) => nameOf(model, models).name).join(", ")),
        SourceList(run.sources));
    }),
    el("p", { class: "fine" }, "Shared with you. You can read it."));
}

// The title of a thread begins as its first question, shortened if it is long.
function isOfQuestion(title, prompt = "") {
  return prompt.replace(/\s+/g, " ").startsWith(title.replace(/…$/, "").trimEnd());
}

function LinkGone() {
  return EmptyPage("This link no longer works", "The result was deleted, is no longer shared, or has a newer link. Also check that the address is complete.",
    user.get() ? link("/history", "Your threads", { class: "button primary" }) : link("/", "About Quire", { class: "button primary" }));
}
