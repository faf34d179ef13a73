// Redraws cards according to their visibility: often in view, rarely out of view.

// Redraw interval for cards out of view, in milliseconds.
const HIDDEN_INTERVAL_MS = 1500;

/** Returns `{watch(cards), draw(card)}`. `frames` schedules the redraws; `margin` is how far around the window still counts as in view. */
export function Sight(frames, signal, margin) {
  const visible = new Set();
  let cards = [];
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) visible.add(target);
      else visible.delete(target);
      const card = isIntersecting && cards.find((each) => each.node === target);
      if (card) frames.soon(card, card.draw, 0);
    }
  }, { rootMargin: margin });
  signal.addEventListener("abort", () => watcher.disconnect(), { once: true });
  return {
    /** Watches these cards instead of the previous ones. */
    watch(next) {
      watcher.disconnect();
      visible.clear();
      cards = next;
      for (const card of cards) watcher.observe(card.node);
    },
    /** Schedules a redraw. */
    draw(card) {
      if (visible.has(card.node)) frames.soon(card, card.draw);
      // The scroll position of an invisible card does not matter.
      else frames.soon(card, () => void card.draw(), HIDDEN_INTERVAL_MS);
    },
  };
}
