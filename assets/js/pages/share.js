// A shared result: anyone with the link can read and export it. Needs no account.
import { get } from "../api.js";
import { el, link } from "../dom.js";
import { when } from "../format.js";
import { LocalExportButtons } from "../parts/exports.js";
import { fromStored, isOver } from "../parts/run-model.js";
import { AnalysisResults } from "../parts/results.js";
import { EmptyPage } from "../parts/states.js";
import { user } from "../state.js";
import { styled } from "../styles.js";

export async function load({ token }, signal) {
  const [stored, models, patterns] = await Promise.all([
    get(`/api/shared/${encodeURIComponent(token)}`, { signal }).catch((problem) => {
      if (problem.status === 404) return null;
      throw problem;
    }),
    get("/api/available-models", { signal }).catch(() => []),
    get("/api/orchestrator/patterns", { signal }).catch(() => []),
    styled("results"),
  ]);
  return { stored, models, patterns };
}

export function view({ stored, models, patterns }) {
  if (!stored) return Gone();
  const run = fromStored(stored);
  return el("div", { class: "shared-page" },
    el("p", { class: "notice shared-note" },
      el("span", null, `Shared with you. You can read and export it. Asked ${when(run.createdAt)}.`),
      !isOver(run) && el("span", null, " It is still running; reload the page later.")),
    AnalysisResults(run, { models, patterns, exports: LocalExportButtons(run) }));
}

function Gone() {
  return EmptyPage("This link no longer works", "The result was deleted, is no longer shared, or has a newer link. Also check that the address is complete.",
    user.get() ? link("/history", "Your history", { class: "button primary" }) : link("/", "About Quire", { class: "button primary" }));
}
