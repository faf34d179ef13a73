// One experiment: its progress while it runs, then its results and actions.
import { get } from "../api.js";
import { announce, el, fill, link } from "../dom.js";
import { duration, exactly, plural, sentence, when } from "../format.js";
import { toast } from "../parts/toast.js";
import { CaseTable } from "../experiments/case-table.js";
import { draftOf, saveDraft } from "../experiments/draft.js";
import { Judging } from "../experiments/duel.js";
import { Halted, ProgressView } from "../experiments/progress.js";
import { ReportView, Verdict } from "../experiments/report.js";
import { Setup } from "../experiments/setup.js";
import { Taking } from "../experiments/take.js";
import { STATES, namer, spentOf } from "../experiments/words.js";

export async function load(params, signal) {
  const path = `/api/experiments/${encodeURIComponent(params.id)}`;
  const [told, models] = await Promise.all([get(path, { signal }), get("/api/available-models", { signal })]);
  // While the experiment runs, the list of cases would be outdated immediately.
  const cases = told.status === "running" ? [] : (await get(`${path}/cases`, { signal })).cases;
  return { told, models, cases };
}

export function view(data, context) {
  const page = el("section", { class: "page experiment-page" });
  draw(data);
  return page;

  function draw(shown) {
    fill(page, ...content(shown, { ...context, again }));
  }

  // Reloads the page's content. If the focused button is gone, the focus moves to the top of the page.
  async function again(words) {
    try {
      const fresh = await load({ id: data.told.id }, context.signal);
      const held = page.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
      draw(fresh);
      if (held) ([...page.querySelectorAll("button")].find((node) => node.getAttribute("aria-label") === held) ?? page.querySelector("h1")).focus();
      if (words) announce(words);
    } catch (problem) {
      if (!context.signal.aborted) toast(sentence(problem.message), "failed");
    }
  }
}

function content({ told, models, cases }, { signal, go, again }) {
  const words = namer(told.space, models);
  const { report } = told;
  const running = told.status === "running";
  const settings = (report?.leaderboard ?? []).filter((row) => row.cases > 0);
  return [
    Head(told),
    running && ProgressView({ told, words, signal, ended: () => again("The experiment has ended.") }).node,
    !running && told.status !== "completed" && Halted({ told, signal, resumed: () => again("The experiment continues.") }),
    !running && report && Verdict({ ...report, notes: told.warnings }),
    Taking({ told, settings, words, signal, go, again: () => {
      saveDraft(draftOf(told, cases));
      go("/experiments?new=1");
    } }),
    Setup(told, words),
    !running && report && ReportView(report, words, told),
    !running && report && CaseTable({ id: told.id, cases, settings, leader: report.leader, current: report.current, baseline: told.baseline, words, signal }),
    !running && settings.length > 1 && Judging({ told, words, signal }),
  ].filter(Boolean).flat();
}

function Head(told) {
  const took = Date.parse(told.finished_at) - Date.parse(told.created_at);
  return el("header", { class: "page-head" },
    link("/experiments", "Experiments", { class: "back-link" }),
    el("h1", { dir: "auto", tabindex: "-1" }, told.name),
    el("p", { class: "fine" },
      el("span", { class: `status-word ${told.status}` }, STATES[told.status] ?? told.status),
      ` · ${[plural(told.arms, "setting"), plural(told.cases, "case"), told.status !== "running" && spentOf(told.progress?.spent ?? {}), took > 0 && told.status === "completed" && duration(took)].filter(Boolean).join(" · ")}`,
      el("time", { datetime: told.created_at, title: exactly(told.created_at) }, ` · ${when(told.created_at)}`)));
}
