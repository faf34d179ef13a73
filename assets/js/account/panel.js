// The landing-page illustration: a question with documents, a panel whose members read each other, and an answer
// whose claims cite passages. Purely decorative and without text, since the page says the same in words.
import { svg } from "../charts/svg.js";

const MEMBERS = [["A", 60], ["B", 150], ["C", 240]];

/** Returns the illustration as an SVG element. */
export function PanelPicture() {
  return svg("svg", { class: "panel-picture", viewBox: "0 0 560 300", role: "img", "aria-label": "A question and a document go to three models, A, B and C. They read each other's answers, and one answer with cited passages results." },
    Sheet(20, 66, 84, 64, 3, "asked"), Sheet(20, 160, 84, 100, 6, "document"),
    MEMBERS.flatMap(([, y]) => [line(104, 98, 186, y, "soft"), line(104, 210, 186, y, "soft")]),
    MEMBERS.flatMap(([, from]) => MEMBERS.map(([, to]) => line(218, from, 306, to, from === to ? "own" : "cross"))),
    MEMBERS.map(([, y]) => line(338, y, 420, 150, "end")),
    MEMBERS.flatMap(([letter, y], place) => [memberCircle(letter, 202, y, place), memberCircle(letter, 322, y, place)]),
    Answer());
}

function line(x1, y1, x2, y2, kind) {
  const bend = (x2 - x1) / 2;
  return svg("path", { class: `panel-line ${kind}`, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
}

function memberCircle(letter, x, y, place) {
  return svg("g", { class: `panel-seat tint-${place}` },
    svg("circle", { cx: x, cy: y, r: 16 }), svg("text", { x, y: y + 6, "text-anchor": "middle", "aria-hidden": "true" }, letter));
}

function Sheet(x, y, width, height, rows, kind) {
  return svg("g", { class: `panel-sheet ${kind}` },
    svg("rect", { x, y, width, height, rx: 4 }),
    Array.from({ length: rows }, (_, row) => svg("path", { d: `M${x + 12} ${y + 16 + row * 14}h${row === rows - 1 ? width * 0.4 : width - 24}` })),
    kind === "document" && svg("path", { class: "passage", d: `M${x + 12} ${y + 44}h${width - 24}` }));
}

// Three claims, each marked with its member and its passage.
function Answer() {
  return svg("g", { class: "panel-sheet answer" },
    svg("rect", { x: 420, y: 50, width: 124, height: 200, rx: 4 }),
    svg("path", { class: "title", d: "M436 76h70" }),
    [104, 150, 196].flatMap((y, place) => [
      svg("path", { d: `M436 ${y}h92M436 ${y + 14}h${[48, 60, 36][place]}` }),
      svg("rect", { class: `panel-mark tint-${place}`, x: 436 + [56, 68, 44][place], y: y + 8, width: 20, height: 12, rx: 6 }),
    ]));
}
