// A scatter plot of two figures per item, with the Pareto front.
import { Chart } from "./chart.js";
import { linear, mark, svg, ticks } from "./svg.js";

const PAD = { left: 48, right: 18, top: 26, bottom: 44 };
const LABEL = { wide: 20, high: 13 };

/**
 * Props of a chart, and `dots`: `{x, y, label, kind, front, words}`, better ones further up and
 * further left; `across` and `up`: `{name, show}`.
 */
export function Scatter({ title, about, dots, across, up, legend, table }) {
  return Chart({ title, about, legend, table, draw: ({ width, point }) => {
    const height = Math.min(360, Math.max(260, Math.round(width * 0.62)));
    const maxX = Math.max(...dots.map((dot) => dot.x));
    const x = linear([0, maxX > 0 ? maxX * 1.06 : 1], [PAD.left, width - PAD.right]);
    const span = spanOf(dots);
    const y = linear(span, [height - PAD.bottom, PAD.top]);
    const labels = placeLabels(dots.filter((dot) => dot.label), (dot) => labelPosition(x(dot.x), y(dot.y), width));
    return { height, nodes: [
      ...grid({ x, y, span, most: maxX, width, height, across, up }),
      front(dots, x, y, width),
      ...dots.map((dot) => point(dot.words,
        svg("circle", { class: "hit", cx: x(dot.x), cy: y(dot.y), r: 12 }),
        mark(dot.kind, x(dot.x), y(dot.y), dot.front ? 5 : 4),
        labels.has(dot) && svg("text", { class: "dot-label", ...labels.get(dot) }, dot.label))),
    ] };
  } });
}

function spanOf(dots) {
  const all = dots.map((dot) => dot.y);
  const [from, to] = [Math.min(...all), Math.max(...all)];
  const padding = from === to ? 0.5 : (to - from) * 0.08;
  return [from - padding, to + padding];
}

function labelPosition(x, y, width) {
  const left = x > width - 60;
  return { x: left ? x - 10 : x + 10, y: y - 8, "text-anchor": left ? "end" : "start" };
}

// Drops labels that would overlap others; labels of highlighted dots are dropped last.
function placeLabels(dots, placeOf) {
  const placed = new Map();
  for (const dot of [...dots].sort((a, b) => Boolean(b.kind) - Boolean(a.kind))) {
    const place = placeOf(dot);
    const fits = [...placed.values()].every((other) => Math.abs(other.x - place.x) > LABEL.wide || Math.abs(other.y - place.y) > LABEL.high);
    if (fits) placed.set(dot, place);
  }
  return placed;
}

// The Pareto front as a step line: one step for each dot that beats all cheaper ones.
function front(dots, x, y, width) {
  const best = dots.filter((dot) => dot.front).sort((a, b) => a.x - b.x || b.y - a.y);
  let top = -Infinity;
  const steps = best.filter((dot) => dot.y > top && ((top = dot.y), true));
  if (steps.length === 0) return null;
  const [first, ...others] = steps;
  const path = others.map((dot) => `H${x(dot.x)}V${y(dot.y)}`).join("");
  return svg("path", { class: "front", d: `M${x(first.x)} ${y(first.y)}${path}H${width - PAD.right}` });
}

function grid({ x, y, span, most: maxX, width, height, across, up }) {
  const floor = height - PAD.bottom;
  return [
    ...ticks(...span, 5).flatMap((value) => [
      svg("line", { class: "grid", x1: PAD.left, x2: width - PAD.right, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: PAD.left - 8, y: y(value) + 4, "text-anchor": "end" }, up.show(value)),
    ]),
    ...ticks(0, maxX || 1, width < 420 ? 3 : 5).flatMap((value) => [
      svg("line", { class: "grid", x1: x(value), x2: x(value), y1: PAD.top, y2: floor }),
      svg("text", { class: "tick", x: x(value), y: floor + 17, "text-anchor": "middle" }, across.show(value)),
    ]),
    svg("text", { class: "axis-name", x: width - PAD.right, y: height - 6, "text-anchor": "end" }, across.name),
    svg("text", { class: "axis-name", x: 4, y: 11 }, up.name),
  ];
}
