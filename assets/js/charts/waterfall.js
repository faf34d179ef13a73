// A timeline of calls in lanes: one bar per call, hollow until its first token and filled while it streams.
import { Chart } from "./chart.js";
import { truncate, linear, mark, svg, ticks } from "./svg.js";

const NARROW = 700;
const LANE_HEAD_HEIGHT = 28;
const BAR_HEIGHT = 14;

/**
 * Props of a chart, and `lanes`: `{label, bars}` with bars `{label, from, first, to, ended, words}` where
 * `first` may be null; `show(value)` formats a value of the axis.
 */
export function Waterfall({ title, about, lanes, show, legend, hint, table }) {
  return Chart({ title, about, legend, hint, table, draw: ({ width, point }) => {
    const narrow = width < NARROW;
    const left = narrow ? 8 : Math.round(width * 0.3);
    const rowHeight = narrow ? 44 : 28;
    const maxTime = Math.max(1, ...lanes.flatMap((lane) => lane.bars.map((bar) => bar.to)));
    const scale = linear([0, maxTime], [left, width - 16]);
    const bottom = lanes.reduce((sum, lane) => sum + LANE_HEAD_HEIGHT + lane.bars.length * rowHeight, 0) + 6;
    const nodes = ticks(0, maxTime, narrow ? 3 : 6).flatMap((value) => [
      svg("line", { class: "grid", x1: scale(value), x2: scale(value), y1: 4, y2: bottom }),
      svg("text", { class: "tick", x: scale(value), y: bottom + 18, "text-anchor": value > maxTime * 0.97 ? "end" : "middle" }, show(value)),
    ]);
    let top = 0;
    for (const lane of lanes) {
      nodes.push(svg("text", { class: "lane-name", x: narrow ? left : 0, y: top + 19 }, truncate(lane.label, width - 16)));
      top += LANE_HEAD_HEIGHT;
      for (const bar of lane.bars) {
        nodes.push(point(bar.words, ...row(bar, { top, tall: rowHeight, width, left, narrow, scale })));
        top += rowHeight;
      }
    }
    return { height: bottom + 26, nodes };
  } });
}

function row(bar, { top, tall: rowHeight, width, left, narrow, scale }) {
  const middle = top + (narrow ? 29 : rowHeight / 2);
  const [from, first, to] = [scale(bar.from), scale(bar.first ?? bar.to), scale(bar.to)];
  const segment = (kind, x1, x2) => svg("rect", { class: `span ${kind}`, x: x1, y: middle - BAR_HEIGHT / 2, width: Math.max(1.5, x2 - x1), height: BAR_HEIGHT, rx: 2 });
  return [
    svg("rect", { class: "hit", x: 0, y: top + 1, width, height: rowHeight - 2 }),
    svg("text", { class: "row-label", x: narrow ? left : left - 14, y: narrow ? middle - 13 : middle + 4, "text-anchor": narrow ? "start" : "end" }, truncate(bar.label, narrow ? width - 16 : left - 20)),
    segment("waited", from, first),
    bar.first !== null && segment("wrote", first, to),
    bar.ended === "failed" && mark("beaten", to, middle, 5),
    bar.ended === "cancelled" && mark("aside", to, middle, 5),
  ];
}
