// How far each contender got: a line up to the point where it was eliminated, with a mark for the reason.
import { Chart } from "./chart.js";
import { truncate, linear, mark, svg, ticks } from "./svg.js";

const NARROW = 700;
const MARKS = { beaten: "beaten", set_aside: "aside" };

/**
 * Props of a chart, and `runners`: `{label, to, fate, kind, words}` where `to` is how far each got;
 * `length` is the length of the course and `course` its name.
 */
export function EliminationChart({ title, about, runners, length, course, legend, table }) {
  return Chart({ title, about, legend, table, draw: ({ width, point }) => {
    const narrow = width < NARROW;
    const left = narrow ? 8 : Math.round(width * 0.4);
    const rowHeight = narrow ? 40 : 26;
    const scale = linear([0, Math.max(length, 1)], [left, width - 16]);
    const bottom = runners.length * rowHeight + 6;
    const nodes = ticks(0, Math.max(length, 1), narrow ? 4 : 6).flatMap((value) => [
      svg("line", { class: "grid", x1: scale(value), x2: scale(value), y1: 4, y2: bottom }),
      svg("text", { class: "tick", x: scale(value), y: bottom + 17, "text-anchor": "middle" }, String(value)),
    ]);
    nodes.push(svg("text", { class: "axis-name", x: width - 16, y: bottom + 36, "text-anchor": "end" }, course));
    runners.forEach((runner, place) => {
      const middle = place * rowHeight + (narrow ? 28 : 18);
      nodes.push(point(runner.words,
        svg("rect", { class: "hit", x: 0, y: place * rowHeight + 2, width, height: rowHeight - 2 }),
        svg("text", { class: "row-label", x: narrow ? left : left - 14, y: narrow ? middle - 11 : middle + 4, "text-anchor": narrow ? "start" : "end" }, truncate(runner.label, narrow ? width - 16 : left - 20)),
        svg("line", { class: `course ${runner.fate}`, x1: scale(0), x2: scale(runner.to), y1: middle, y2: middle }),
        mark(MARKS[runner.fate] ?? runner.kind, scale(runner.to), middle, 4.5)));
    });
    return { height: bottom + 44, nodes };
  } });
}
