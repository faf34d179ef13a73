// One experiment: its progress while it runs, then its results and actions.
import { get } from "../api.js";
import { announce, el, fill, link } from "../dom.js";
import { duration, exactly, plural, sentence, when } from "../format.js";
import { toast } from "../parts/toast.js";
import { CaseTable } from "../experiments/case-table.js";
import { draftOf, saveDraft } from "../experiments/draft.js";
import { Judging } from "../experiments/duel.js";
import { StoppedNotice, ProgressView } from "../experiments/progress.js";
import { ReportView, Verdict } from "../experiments/report.js";
import { Setup } from "../experiments/setup.js";
import { WinnerActions } from "../experiments/take.js";
import { STATE_LABELS, namer, spentOf } from "../experiments/words.js";

export async function load(params, signal) {
  const path = `/api/experiments/${encodeURIComponent(params.id)}`;
  const [experiment, models] = await Promise.all([get(path, { signal }), get("/api/available-models", { signal })]);
  // While the experiment runs, the list of cases would be outdated immediately.
  const cases = experiment.status === "running" ? [] : (await get(`${path}/cases`, { signal })).cases;
  return { experiment, models, cases };
}

export function view(data, context) {
  const page = el("section", { class: "page experiment-page" });
  draw(data);
  return page;

  function draw(loaded) {
    fill(page, ...content(loaded, { ...context, again: reload }));
  }

  // Reloads the page's content. If the focused button is gone, the focus moves to the top of the page.
  async function reload(words) {
    try {
      const updated = await load({ id: data.experiment.id }, context.signal);
      const focusedLabel = page.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
      draw(updated);
      if (focusedLabel) ([...page.querySelectorAll("button")].find((node) => node.getAttribute("aria-label") === focusedLabel) ?? page.querySelector("h1")).focus();
      if (words) announce(words);
    } catch (problem) {
      if (!context.signal.aborted) toast(sentence(problem.message), "failed");
    }
  }
}

function content({ experiment, models, cases }, { signal, go, again: reload }) {
  const words = namer(experiment.space, models);
  const { report } = experiment;
  const running = experiment.status === "running";
  const settings = (report?.leaderboard ?? []).filter((row) => row.cases > 0);
  return [
    Head(experiment),
    running && ProgressView({ experiment, words, signal, ended: () => reload("The experiment has ended.") }).node,
    !running && experiment.status !== "completed" && StoppedNotice({ experiment, signal, resumed: () => reload("The experiment continues.") }),
    !running && report && Verdict({ ...report, notes: experiment.warnings }),
    WinnerActions({ experiment, settings, words, signal, go, again: () => {
      saveDraft(draftOf(experiment, cases));
      go("/experiments?new=1");
    } }),
    Setup(experiment, words),
    !running && report && ReportView(report, words, experiment),
    !running && report && CaseTable({ id: experiment.id, cases, settings, leader: report.leader, current: report.current, baseline: experiment.baseline, words, signal }),
    !running && settings.length > 1 && Judging({ experiment, words, signal }),
  ].filter(Boolean).flat();
}

function Head(experiment) {
  const durationMs = Date.parse(experiment.finished_at) - Date.parse(experiment.created_at);
  return el("header", { class: "page-head" },
    link("/experiments", "Experiments", { class: "back-link" }),
    el("h1", { dir: "auto", tabindex: "-1" }, experiment.name),
    el("p", { class: "fine" },
      el("span", { class: `status-word ${experiment.status}` }, STATE_LABELS[experiment.status] ?? experiment.status),
      ` · ${[plural(experiment.arms, "configuration"), plural(experiment.cases, "case"), experiment.status !== "running" && spentOf(experiment.progress?.spent ?? {}), durationMs > 0 && experiment.status === "completed" && duration(durationMs)].filter(Boolean).join(" · ")}`,
      el("time", { datetime: experiment.created_at, title: exactly(experiment.created_at) }, ` · ${when(experiment.created_at)}`)));
}
