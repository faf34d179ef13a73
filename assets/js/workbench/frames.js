// Schedules redraws in animation frames with a time budget, so that input stays responsive however fast text
// arrives. A hidden page draws nothing.

// Time budget per 16 ms frame, leaving room for layout and paint.
const SHARE_MS = 6;
// Frame interval in milliseconds above which fewer items are drawn per frame.
const LATE_MS = 34;
const GOOD_MS = 20;
const MAX_STEPS = 24;
// Minimum interval between redraws of an item, in milliseconds; items that are slow to draw wait longer.
const PAUSE_MS = 80;
const REST = 6;

/**
 * `soon(key, draw, pause)`: `draw` is called once, however often it is asked for until then, and not before `pause`
 * milliseconds have gone since it was called last. It may give a function that is called when all drawing of the
 * frame is done: what asks for sizes belongs there.
 */
export function Frames(signal) {
  const waiting = new Map();
  const drawn = new Map();
  let asked = 0;
  let allowed = MAX_STEPS;
  let last = 0;
  signal.addEventListener("abort", () => cancelAnimationFrame(asked), { once: true });

  function ask() {
    asked ||= requestAnimationFrame(work);
  }

  function work(frame) {
    asked = 0;
    allowed = next(allowed, frame - last);
    last = frame;
    const start = performance.now();
    const after = [];
    let count = 0;
    for (const [key, { draw, pause }] of waiting) {
      const before = drawn.get(key);
      const now = performance.now();
      if (before && before.at + Math.max(pause, before.took * REST) > now) continue;
      if (now - start > SHARE_MS || count >= allowed) break;
      count += 1;
      waiting.delete(key);
      const later = draw();
      if (later) after.push(later);
      drawn.set(key, { at: now, took: performance.now() - now });
    }
    for (const later of after) later();
    if (waiting.size > 0) ask();
  }

  return {
    soon(key, draw, pause = PAUSE_MS) {
      if (signal.aborted) return;
      // Updated in place, so that it keeps its position in the queue.
      waiting.set(key, { draw, pause });
      ask();
    },
  };
}

function next(allowed, took) {
  if (took > LATE_MS) return Math.max(1, allowed >> 1);
  return took < GOOD_MS ? Math.min(MAX_STEPS, allowed + 1) : allowed;
}
