// A value with its uncertainty per row: a mark on a line, with whiskers for the confidence interval.
import { Chart } from "./chart.js";
import { truncate, linear, mark, svg, ticks } from "./svg.js";

const NARROW = 700;

/**
 * Props of a chart, and `rows`: `{label, value, interval, kind, words}`; `show(value)` formats a value;
 * `range` is the minimum range of the axis.
 */
export function Intervals({ title, about, rows, show, range, legend, hint, table }) {
  return Chart({ title, about, legend, hint, table, draw: ({ width, point }) => {
    const narrow = width < NARROW;
    const left = narrow ? 8 : Math.round(width * 0.4);
    const rowHeight = narrow ? 42 : 30;
    const right = width - 14;
    const scale = linear(spanOf(rows, range), [left, right]);
    const bottom = rows.length * rowHeight + 8;
    const nodes = [...axis({ span: spanOf(rows, range), scale, bottom, show, wanted: narrow ? 4 : 6 })];
    rows.forEach((row, place) => {
      const middle = place * rowHeight + (narrow ? 30 : 20);
      const text = svg("text", { class: "row-label", x: narrow ? left : left - 14, y: narrow ? middle - 12 : middle + 4, "text-anchor": narrow ? "start" : "end" },
        truncate(row.label, narrow ? width - 16 : left - 20));
      const [from, to] = row.interval ?? [row.value, row.value];
      nodes.push(point(row.words,
        svg("rect", { class: "hit", x: 0, y: place * rowHeight + 2, width, height: rowHeight - 2 }),
        text,
        svg("line", { class: `whisker ${row.kind ?? ""}`, x1: scale(from), x2: scale(to), y1: middle, y2: middle }),
        mark(row.kind, scale(row.value), middle)));
    });
    return { height: bottom + 26, nodes };
  } });
}

// The axis spans only the intervals, so that small differences stay visible.
function spanOf(rows, range) {
  const values = [...rows.flatMap((row) => [row.value, ...(row.interval ?? [])]), ...(range ?? [])].filter(Number.isFinite);
  const [from, to] = [Math.min(...values), Math.max(...values)];
  return from === to ? [from - 0.5, to + 0.5] : [from, to];
}

function axis({ span, scale, bottom, show, wanted: tickCount }) {
  return ticks(...span, tickCount).flatMap((value) => [
    svg("line", { class: "grid", x1: scale(value), x2: scale(value), y1: 4, y2: bottom }),
    svg("text", { class: "tick", x: scale(value), y: bottom + 18, "text-anchor": "middle" }, show(value)),
  ]);
}
