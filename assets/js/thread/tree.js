// The turns of a thread as a tree: each follows another, and an edited or regenerated turn is a sibling of the
// original. Pure: creates no elements and sends no requests.

/** The turns from the first one to this one, in order. */
export function pathTo(turns, id) {
  const byId = new Map(turns.map((turn) => [turn.analysis_id, turn]));
  const path = [];
  // A thread has no cycles, but a corrupt one must not hang the page.
  for (let turn = byId.get(id); turn && path.length <= turns.length; turn = byId.get(turn.parent)) path.unshift(turn);
  return path;
}

/** The versions of a turn, oldest first: the turns with the same predecessor. */
export function versionsOf(turns, turn) {
  return turns.filter((each) => (each.parent ?? null) === (turn.parent ?? null)).sort(byTime);
}

/** The newest descendant of this turn, or the turn itself. */
export function newestBelow(turns, id) {
  let currentId = id;
  for (let step = 0; step <= turns.length; step += 1) {
    const next = turns.filter((turn) => turn.parent === currentId).sort(byTime).at(-1);
    if (!next) break;
    currentId = next.analysis_id;
  }
  return currentId;
}

/** The most recently asked turn; null in an empty thread. */
export function newest(turns) {
  return [...turns].sort(byTime).at(-1)?.analysis_id ?? null;
}

function byTime(a, b) {
  return (Date.parse(a.created_at) || 0) - (Date.parse(b.created_at) || 0) || (a.analysis_id < b.analysis_id ? -1 : 1);
}
