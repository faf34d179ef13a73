// A conversation with a panel. Without an ID, it is a new question: a heading, the composer, and examples.
import { get } from "../api.js";
import { EmptyPage } from "../parts/states.js";
import { link } from "../dom.js";
import { styled } from "../styles.js";
import { ThreadPage } from "../thread/page.js";
import { newest, newestBelow, pathTo } from "../thread/tree.js";

/** Lets the router load the data early, since it does not depend on the user. */
export const early = true;

/** Selects the page layout: no footer, and a single bar on phones. */
export const kind = "thread";

export async function load({ id, turn, tab, member, says, project, document }, signal) {
  const [models, patterns, thread, attached] = await Promise.all([
    get("/api/available-models", { signal }),
    get("/api/orchestrator/patterns", { query: { brief: true }, signal }),
    id ? get(`/api/threads/${encodeURIComponent(id)}`, { signal }).catch(orNone) : null,
    document ? get(`/api/documents/${encodeURIComponent(document)}`, { signal }).catch(orNone) : null,
    styled("thread"),
  ]);
  const leafTurn = thread?.turns.some((each) => each.analysis_id === turn) ? newestBelow(thread.turns, turn) : newest(thread?.turns ?? []);
  const path = thread && leafTurn ? pathTo(thread.turns, leafTurn) : [];
  // The address may name an older turn of the path, for example from a search.
  const target = path.find((each) => each.analysis_id === turn) ?? path.at(-1);
  // The thread includes the answer's text, which is shown while the rest of the analysis is fetched.
  const stored = target ? get(`/api/analyses/${encodeURIComponent(target.analysis_id)}`, { signal }) : null;
  stored?.catch(() => {});
  // Documents are fetched only when the user opens the picker.
  return { models, patterns, documents: null, thread, missing: Boolean(id) && !thread, leaf: path.at(-1)?.analysis_id ?? null, target: target?.analysis_id ?? null, stored, tab: tab ?? "", sought: member && says ? { letter: member, says } : null, project: project ?? null, document: attached };
}

function orNone(problem) {
  if (problem.status !== 404) throw problem;
  return null;
}

export function view(data, context) {
  if (data.missing) return EmptyPage("Thread not found", "It was deleted or belongs to another account.", link("/", "New question", { class: "button primary" }));
  return ThreadPage(data, context);
}
