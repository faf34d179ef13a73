// Filters an answer's paragraphs by the kind of the members' claims: paragraphs that do not match are dimmed. One
// filter at a time.

/**
 * The filter of one answer: `kind()` returns the current kind or "", `choose(kind)` sets it and returns the matching
 * paragraphs, `mark(answer)` applies it to the answer's element, and `watch(callback)` calls back on each change.
 * `show()` opens the answer and returns its element.
 */
export function EvidenceFilter(show) {
  const watchers = new Set();
  let kind = "";
  return {
    kind: () => kind,
    choose(next) {
      kind = next;
      const matching = mark(show());
      for (const callback of watchers) callback();
      return matching;
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
