// A bar chart of shares of a whole, largest first.
import { Chart } from "./chart.js";
import { truncate, linear, svg } from "./svg.js";

const NARROW = 480;

/** Takes the props of `Chart`, and `bars`: `{label, part, words}` with parts from 0 to 1; `show(part)` formats a part. */
export function Bars({ title, about, bars, show, table }) {
  return Chart({ title, about, table, draw: ({ width, point }) => {
    const narrow = width < NARROW;
    const left = narrow ? 8 : Math.min(170, Math.round(width * 0.34));
    const scale = linear([0, 1], [left, width - 64]);
    const rowHeight = narrow ? 52 : 34;
    const barOffset = narrow ? 20 : 0;
    const nodes = bars.map((bar, place) => {
      const top = place * rowHeight + 6;
      return point(bar.words,
        svg("rect", { class: "hit", x: 0, y: top - 4, width, height: rowHeight - 2 }),
        svg("text", { class: "row-label", x: narrow ? left : left - 12, y: top + 16, "text-anchor": narrow ? "start" : "end" }, truncate(bar.label, narrow ? width - 16 : left - 16)),
        svg("rect", { class: "bar-ground", x: left, y: top + 3 + barOffset, width: scale(1) - left, height: 18 }),
        svg("rect", { class: "bar", x: left, y: top + 3 + barOffset, width: Math.max(1, scale(bar.part) - left), height: 18 }),
        svg("text", { class: "tick", x: width - 4, y: top + 17 + barOffset, "text-anchor": "end" }, show(bar.part)));
    });
    return { height: bars.length * rowHeight + 8, nodes };
  } });
}
