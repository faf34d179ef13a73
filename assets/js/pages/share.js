// A result somebody has shared: to be read and taken along by whoever has the link, not changed. Needs no
// account.
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
      el("span", null, `Somebody shares this result with you. It was asked ${when(run.createdAt)}; you can read it and take it along.`),
      !isOver(run) && el("span", null, " It is not finished yet: load the page again later.")),
    AnalysisResults(run, { models, patterns, exports: LocalExportButtons(run) }));
}

function Gone() {
  return EmptyPage("This link no longer works", "Whoever shared the result has stopped sharing it or deleted it, or made a newer link. It may also be that a part of the address is missing.",
    user.get() ? link("/history", "To your own results", { class: "button primary" }) : link("/", "What Quire is", { class: "button primary" }));
}
