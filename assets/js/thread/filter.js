// Filters an answer's paragraphs by the kind of the members' claims: paragraphs that do not match are dimmed. One
// filter at a time.

/**
 * The filter of one answer: `kind()` is the present one or "", `choose(kind)` sets it and gives the paragraphs that
 * match, `mark(answer)` applies it to the element of the answer, and `watch(callback)` hears of each change. `show()`
 * opens the answer and gives its element.
 */
export function EvidenceFilter(show) {
  const watchers = new Set();
  let kind = "";
  return {
    kind: () => kind,
    choose(next) {
      kind = next;
      const found = mark(show());
      for (const callback of watchers) callback();
      return found;
    },
    mark,
    watch: (callback) => watchers.add(callback),
  };

  function mark(answer) {
    const blocks = [...answer.children];
    const matches = blocks.filter((block) => (block.dataset.kinds ?? "").split(" ").includes(kind));
    for (const block of blocks) block.classList.toggle("unmatched", kind !== "" && !matches.includes(block));
    return kind === "" ? [] : matches;
  }
}
