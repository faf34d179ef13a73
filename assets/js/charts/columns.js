// A column chart with one value per day, from the first day to the last, including days without data.
import { Chart } from "./chart.js";
import { linear, svg, ticks } from "./svg.js";

// Assumed width of a label's character and the minimum gap between two labels, in pixels.
const LETTER_WIDTH = 8;
const GAP = 16;
const PAD = { left: 58, right: 6, top: 10, bottom: 26 };

/** Takes the props of `Chart`, and `columns`: `{label, value, words}`; `show(value)` formats a value for the axis. */
export function Columns({ title, about, columns, show, table }) {
  return Chart({ title, about, table, draw: ({ width, point }) => {
    const height = width < 480 ? 180 : 230;
    const baseline = height - PAD.bottom;
    const maxValue = Math.max(...columns.map((column) => column.value), 0);
    const y = linear([0, maxValue || 1], [baseline, PAD.top]);
    const step = (width - PAD.left - PAD.right) / Math.max(columns.length, 1);
    const barWidth = Math.max(1, Math.min(step - 2, 34));
    // Show as many labels as fit, always including the last day.
    const labelWidth = Math.max(...columns.map((column) => column.label.length), 0) * LETTER_WIDTH;
    const labelStep = Math.max(1, Math.ceil(columns.length / Math.max(1, Math.floor((width - PAD.left) / Math.max(64, labelWidth + GAP)))));
    const nodes = ticks(0, maxValue || 1, 4).flatMap((value) => [
      svg("line", { class: "grid", x1: PAD.left, x2: width - PAD.right, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: PAD.left - 8, y: y(value) + 4, "text-anchor": "end" }, maxValue > 0 || value === 0 ? show(value) : ""),
    ]);
    columns.forEach((column, place) => {
      const left = PAD.left + place * step;
      const middle = left + step / 2;
      nodes.push(point(column.words,
        svg("rect", { class: "hit", x: left, y: PAD.top, width: step, height: baseline - PAD.top }),
        column.value > 0 && svg("rect", { class: "bar", x: middle - barWidth / 2, y: Math.min(y(column.value), baseline - 1.5), width: barWidth, height: Math.max(1.5, baseline - y(column.value)) })));
      if ((columns.length - 1 - place) % labelStep === 0) nodes.push(svg("text", { class: "tick", x: Math.min(middle, width - labelWidth / 2), y: height - 8, "text-anchor": "middle" }, column.label));
    });
    return { height, nodes };
  } });
}
