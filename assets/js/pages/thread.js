// A conversation with a panel. Without an id it is a new question: a heading, the composer, and examples.
import { get } from "../api.js";
import { EmptyPage } from "../parts/states.js";
import { link } from "../dom.js";
import { styled } from "../styles.js";
import { ThreadPage } from "../thread/page.js";
import { newest, newestBelow, pathTo } from "../thread/tree.js";

/** The frame fits itself to it: no footer, and on phones one bar. */
export const kind = "thread";

export async function load({ id, turn, tab, project }, signal) {
  const [models, patterns, documents, thread] = await Promise.all([
    get("/api/available-models", { signal }),
    get("/api/orchestrator/patterns", { signal }),
    get("/api/documents", { query: { limit: 200 }, signal }).then((told) => told.documents),
    id ? get(`/api/threads/${encodeURIComponent(id)}`, { signal }).catch(orNone) : null,
    styled("thread"), styled("sheets"), styled("results"), styled("workbench"),
  ]);
  const wanted = thread?.turns.some((each) => each.analysis_id === turn) ? newestBelow(thread.turns, turn) : newest(thread?.turns ?? []);
  const last = thread && wanted ? pathTo(thread.turns, wanted).at(-1) : null;
  const stored = last ? await get(`/api/analyses/${encodeURIComponent(last.analysis_id)}`, { signal }).catch(orNone) : null;
  return { models, patterns, documents, thread, missing: Boolean(id) && !thread, leaf: last?.analysis_id ?? null, stored, tab: tab ?? "", project: project ?? null };
}

function orNone(problem) {
  if (problem.status !== 404) throw problem;
  return null;
}

export function view(data, context) {
  if (data.missing) return EmptyPage("There is no such thread", "It was deleted, or belongs to another account.", link("/", "New question", { class: "button primary" }));
  return ThreadPage(data, context);
}
