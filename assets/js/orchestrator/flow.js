// A pattern as a diagram: the members of each stage, and whose texts each of them reads. Drawn from the server's
// description, with no knowledge of specific patterns.
import { svg } from "../charts/svg.js";
import { stageName } from "../parts/stages.js";

const GAP = 26;
const DOT = 6;

/** Returns the diagram. `small` omits all text, for lists. */
export function Flow(pattern, { small = false } = {}) {
  const columns = columnsOf(pattern);
  const rows = Math.max(...columns.map((column) => column.seats));
  // In a list, diagrams with more stages have narrower columns, so that all diagrams are about equally wide.
  const columnWidth = small ? Math.max(34, 132 / columns.length) : 150;
  const top = small ? 8 : 34;
  const width = columns.length * columnWidth;
  const height = top + rows * GAP - (GAP - 2 * DOT) + 8;
  const position = (place, seat) => ({
    x: place * columnWidth + columnWidth / 2,
    y: top + DOT + ((rows - columns[place].seats) / 2 + seat) * GAP,
  });
  const nodes = [];
  columns.forEach((column, place) => {
    for (const [from, to, kind] of place > 0 ? connections(columns, place) : []) {
      const a = position(place - 1, from);
      const b = position(place, to);
      const bend = (b.x - a.x) / 2;
      nodes.push(svg("path", { class: `flow-line ${kind}`, d: `M${a.x + DOT} ${a.y}C${a.x + bend} ${a.y} ${b.x - bend} ${b.y} ${b.x - DOT} ${b.y}` }));
    }
  });
  columns.forEach((column, place) => {
    for (let seat = 0; seat < column.seats; seat += 1) {
      const { x, y } = position(place, seat);
      nodes.push(column.final
        ? svg("rect", { class: "flow-seat final", x: x - DOT - 1, y: y - DOT - 1, width: 2 * DOT + 2, height: 2 * DOT + 2, rx: 2 })
        : svg("circle", { class: `flow-seat tint-${seat % 6}`, cx: x, cy: y, r: DOT }));
    }
    if (!small) nodes.push(svg("text", { class: "flow-name", x: position(place, 0).x, y: 14, "text-anchor": "middle" }, column.name));
  });
  return svg("svg", {
    class: `flow ${small ? "small" : ""}`, viewBox: `0 0 ${width} ${height}`, width, height,
    ...(small ? { "aria-hidden": "true", focusable: "false" } : { role: "img", "aria-label": describeFlow(pattern) }),
  }, nodes);
}

/** A text description of the diagram. */
export function describeFlow(pattern) {
  const [from, to] = [pattern.recommended_panel.from, pattern.recommended_panel.to];
  const panel = from === to ? (from === 1 ? "One model" : `${from} models`) : `${from} to ${to} models`;
  const steps = pattern.stages.map((stage) => `${stageName(stage.name)}: ${stage.help || describeStage(stage)}`);
  return [`${panel}.`, ...steps, ARRANGEMENT_NOTES[pattern.arrangement] ?? ""].filter(Boolean).join(" ");
}

const ARRANGEMENT_NOTES = {
  vote: "Quire counts the answers.",
  cascade: "If the drafts agree, one of them becomes the answer.",
};

function describeStage({ who: panel, task }) {
  if (panel === "synthesiser") return "one model writes the answer.";
  return { answer: "every model answers alone.", review: "each reads the others.", revise: "each revises its own answer." }[task] ?? "";
}

function columnsOf(pattern) {
  const seats = Math.min(Math.max(pattern.recommended_panel.from, pattern.arrangement === "single" ? 1 : 2), 5);
  const columns = pattern.stages.map((stage) => ({
    name: stageName(stage.name), task: stage.task, final: stage.who === "synthesiser", seats: stage.who === "synthesiser" ? 1 : seats,
  }));
  if (pattern.arrangement === "vote") columns.push({ name: "Counted", task: "count", final: true, seats: 1 });
  return columns;
}

// The lines between two stages that show who reads whom; a member's own text has a separate line.
function connections(columns, place) {
  const { seats, final } = columns[place];
  const previousSeats = columns[place - 1].seats;
  const lines = [];
  for (let from = 0; from < previousSeats; from += 1) {
    for (let to = 0; to < seats; to += 1) {
      lines.push([from, to, final ? "to-final" : from === to ? "own" : "others"]);
    }
  }
  return lines;
}
