// Schedules redraws in animation frames with a time budget, so that input stays responsive however fast text
// arrives. A hidden page draws nothing.

// Time budget per 16 ms frame, leaving room for layout and paint.
const FRAME_BUDGET_MS = 6;
// Frame interval in milliseconds above which fewer items are drawn per frame.
const SLOW_FRAME_MS = 34;
const FAST_FRAME_MS = 20;
const MAX_STEPS = 24;
// Minimum interval between redraws of an item, in milliseconds; items that are slow to draw wait longer.
const PAUSE_MS = 80;
const PAUSE_FACTOR = 6;

/**
 * Returns `{soon(key, draw, pause)}`. Repeated requests for a key are merged: `draw` is called once, and at least
 * `pause` milliseconds after its last call. It may return a function to call after all drawing in the frame, which is
 * the place for reading element sizes.
 */
export function Frames(signal) {
  const queue = new Map();
  const drawTimes = new Map();
  let requestId = 0;
  let maxSteps = MAX_STEPS;
  let lastFrame = 0;
  signal.addEventListener("abort", () => cancelAnimationFrame(requestId), { once: true });

  function requestFrame() {
    requestId ||= requestAnimationFrame(drawFrame);
  }

  function drawFrame(frame) {
    requestId = 0;
    maxSteps = adjustSteps(maxSteps, frame - lastFrame);
    lastFrame = frame;
    const start = performance.now();
    const afterDraws = [];
    let count = 0;
    for (const [key, { draw, pause }] of queue) {
      const lastDraw = drawTimes.get(key);
      const now = performance.now();
      if (lastDraw && lastDraw.at + Math.max(pause, lastDraw.took * PAUSE_FACTOR) > now) continue;
      if (now - start > FRAME_BUDGET_MS || count >= maxSteps) break;
      count += 1;
      queue.delete(key);
      const afterDraw = draw();
      if (afterDraw) afterDraws.push(afterDraw);
      drawTimes.set(key, { at: now, took: performance.now() - now });
    }
    for (const afterDraw of afterDraws) afterDraw();
    if (queue.size > 0) requestFrame();
  }

  return {
    soon(key, draw, pause = PAUSE_MS) {
      if (signal.aborted) return;
      // Updated in place, so that it keeps its position in the queue.
      queue.set(key, { draw, pause });
      requestFrame();
    },
  };
}

function adjustSteps(maxSteps, frameMs) {
  if (frameMs > SLOW_FRAME_MS) return Math.max(1, maxSteps >> 1);
  return frameMs < FAST_FRAME_MS ? Math.min(MAX_STEPS, maxSteps + 1) : maxSteps;
}
