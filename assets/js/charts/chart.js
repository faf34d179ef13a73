// The frame of every chart: a caption, a drawing whose points can be reached by keyboard, a description of the
// current point, and the same figures as a table. Redraws when its width changes.
import { el, fill, uid } from "../dom.js";
import { svg } from "./svg.js";

/**
 * Props: `title`, `about` (what the chart shows, in a sentence), `draw({width, point})` returning
 * `{height, nodes}`, `table()` returning `{heads, rows}`, `legend` as `[[kind, words]]`, `hint`
 * on how to read it. `point(words, ...nodes)` makes a part of the drawing reachable by keyboard.
 */
export function Chart({ title, about, draw, table, legend = [], hint = "" }) {
  const name = uid("chart");
  const readout = el("p", { class: "chart-readout fine", "aria-hidden": "true" }, hint);
  const drawing = svg("svg", { class: "chart-picture", role: "group", "aria-labelledby": `${name}-title`, "aria-describedby": `${name}-about` });
  const box = el("div", { class: "chart-box" }, drawing);
  let points = [];
  let current = 0;
  let drawnWidth = 0;

  drawing.addEventListener("keydown", move);
  drawing.addEventListener("focusin", (event) => visit(points.indexOf(event.target.closest(".point"))));
  drawing.addEventListener("pointerover", (event) => showReadout(event.target.closest(".point")));
  // The observer is garbage-collected with the element, so it needs no disconnect.
  new ResizeObserver(([entry]) => paint(Math.floor(entry.contentRect.width))).observe(box);

  function paint(width) {
    if (width === drawnWidth || width < 40) return;
    drawnWidth = width;
    const hadFocus = drawing.contains(document.activeElement);
    points = [];
    const { height, nodes } = draw({ width, point });
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("height", height);
    fill(drawing, svg("title", { id: `${name}-title` }, title), svg("desc", { id: `${name}-about` }, about), nodes);
    current = Math.min(current, points.length - 1);
    points[Math.max(current, 0)]?.setAttribute("tabindex", "0");
    if (hadFocus) points[current]?.focus();
  }

  function point(words, ...nodes) {
    const node = svg("g", { class: "point", role: "img", "aria-label": words, tabindex: "-1" }, ...nodes);
    points.push(node);
    return node;
  }

  function visit(place) {
    if (place < 0) return;
    points[current]?.setAttribute("tabindex", "-1");
    current = place;
    points[current].setAttribute("tabindex", "0");
    showReadout(points[current]);
  }

  function showReadout(node) {
    if (node) readout.textContent = node.getAttribute("aria-label");
  }

  // Keyboard navigation: one tab stop; arrow keys move between points in table order.
  function move(event) {
    const next = { ArrowRight: current + 1, ArrowDown: current + 1, ArrowLeft: current - 1, ArrowUp: current - 1, Home: 0, End: points.length - 1 }[event.key];
    if (next === undefined || points.length === 0) return;
    event.preventDefault();
    points[Math.min(Math.max(next, 0), points.length - 1)].focus();
  }

  return el("figure", { class: "chart" },
    el("figcaption", null, el("h3", null, title), el("p", { class: "fine" }, about)),
    legend.length > 0 && el("ul", { class: "chart-legend fine", "aria-label": "Legend" }, legend.map(([kind, words]) => el("li", null, LegendMark(kind), words))),
    box, readout, table && Figures(title, table));
}

function LegendMark(kind) {
  return el("span", { class: `chart-sign ${kind}`, "aria-hidden": "true" });
}

/** The figures of a chart as a table, built on demand. */
export function Figures(title, table) {
  const node = el("details", { class: "chart-figures", on: { toggle: () => {
    if (node.open && node.children.length === 1) node.append(Table(title, table()));
  } } }, el("summary", null, "As a table"));
  return node;
}

/** A scrollable table. `heads` is a list of strings; `rows` is a list of string lists whose first entry is the row header. */
export function Table(label, { heads, rows }) {
  return el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": label },
    el("table", { class: "figures" },
      el("thead", null, el("tr", null, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", null, rows.map(([first, ...others]) => el("tr", null, el("th", { scope: "row" }, first), others.map((cell) => el("td", null, cell)))))));
}
