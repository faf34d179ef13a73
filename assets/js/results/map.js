// The disagreement map: every claim a row, every member a column, a sign where a member takes a side. A sign
// leads to the words in the draft.
import { button, el } from "../dom.js";
import { svg } from "../charts/svg.js";
import { count, excerpt, plural, sentence } from "../format.js";
import { Citer } from "../parts/citations.js";
import { inline } from "../parts/inline.js";
import { Letter } from "../parts/member.js";
import { nameOf } from "../parts/model-name.js";
import { lastWords } from "../parts/run-model.js";
import { claimsOf, draftOf, KINDS } from "./claims.js";

// Sides differ in shape, so that no row speaks by colour alone.
const SHAPES = [
  ["circle", { cx: 8, cy: 8, r: 6 }],
  ["path", { d: "M8 .6L15.4 8L8 15.4L.6 8z" }],
  ["path", { d: "M8 1.4L15 14.4H1z" }],
  ["path", { d: "M2 2h12v12H2z" }],
];
const ALL = { 2: "Both", 3: "All three", 4: "All four", 5: "All five" };
const SIDES = ["the first side", "the second side", "the third side", "another side"];

/** The map of a run; `onDraft({stage, letter, says})` when somebody wants to see the words in their draft. */
export function DisagreementMap(run, { models, onDraft }) {
  const members = lastWords(run).filter((member) => member.letter);
  const claims = claimsOf(run);
  const bodies = KINDS.map(([kind, title, help]) => [kind, title, claims.filter((claim) => claim.kind === kind), help])
    .filter(([, , rows]) => rows.length > 0)
    .map(([kind, title, rows, help]) => ({ kind, title, size: rows.length, node: Group(title, help, rows, { run, members, models, onDraft }) }));
  return el("section", { class: "map", "aria-label": "Disagreement map" },
    el("h2", null, "Who says what"),
    Camps(run),
    Choices(bodies),
    el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Claims and members" },
      el("table", { class: "map-table" },
        el("caption", { class: "visually-hidden" }, "Claims in rows, members in columns: a sign where a member makes the claim or takes a side"),
        el("thead", null, el("tr", null,
          el("th", { scope: "col" }, "Claim"),
          members.map((member) => el("th", { scope: "col", class: "map-who" }, Letter(member.letter), el("span", { class: "map-name" }, nameOf(member.model, models).name))))),
        bodies.map((body) => body.node))),
    el("p", { class: "fine map-note" }, sentence(run.findings.note)));
}

// The first answers, put together where they say the same.
function Camps(run) {
  const { clusters = [] } = run.findings.disagreement ?? {};
  if (clusters.length === 0) return null;
  const answers = clusters.reduce((sum, { letters }) => sum + letters.length, 0);
  const all = ALL[answers] ?? `All ${answers}`;
  const words = clusters.length === 1 ? (answers === 1 ? "There is one first answer." : `${all} first answers agree.`)
    : clusters.length === answers ? `${all} first answers disagree.`
      : `The ${answers} first answers form ${plural(clusters.length, "group")}.`;
  return el("div", { class: "camps" },
    el("p", null, words),
    el("ul", null, clusters.map((cluster) => el("li", { class: "camp" },
      el("span", { class: "camp-letters" }, cluster.letters.map(Letter)),
      el("span", { class: "camp-says", dir: "auto" }, inline(excerpt(cluster.says, 180), unchecked(run)))))));
}

function Choices(bodies) {
  if (bodies.length < 2) return null;
  const all = ["all", "All", bodies.reduce((sum, body) => sum + body.size, 0)];
  const chips = [all, ...bodies.map((body) => [body.kind, body.title, body.size])].map(([kind, title, size]) => {
    const chip = button(`${title} ${count(size)}`, { class: "chip", "aria-pressed": String(kind === "all"), on: { click: () => {
      for (const body of bodies) body.node.hidden = kind !== "all" && body.kind !== kind;
      for (const other of chips) other.setAttribute("aria-pressed", String(other === chip));
    } } }, `${title} `, el("span", { class: "chip-count" }, count(size)));
    return chip;
  });
  return el("div", { class: "chips", role: "group", "aria-label": "Kinds of claims" }, chips);
}

function Group(title, help, rows, context) {
  return el("tbody", { class: `map-${rows[0].kind}` },
    el("tr", { class: "map-kind" }, el("th", { scope: "rowgroup", colSpan: context.members.length + 1 },
      el("span", { class: "map-title" }, title), el("span", { class: "fine" }, ` ${plural(rows.length, "claim")}: ${help}`))),
    rows.map((claim) => Row(claim, context)));
}

function Row(claim, context) {
  const { run, members } = context;
  const cite = unchecked(run);
  return el("tr", null,
    el("th", { scope: "row" },
      el("p", { dir: "auto" }, inline(claim.text, cite)),
      claim.sides.length > 0 && el("ul", { class: "sides" }, claim.sides.map((side, place) => el("li", null,
        Sign(place), el("span", { dir: "auto" }, el("b", null, side.letters.join(", ") || "The passages"), ": ", inline(side.says, cite))))),
      el("p", { class: "fine" }, inline(sentence(claim.remark), cite))),
    members.map((member) => Cell(claim, member, context)));
}

// What is quoted on the map has not been checked at this place: its citations only lead to their pages.
function unchecked(run) {
  return Citer(run, { stage: "", model: "", letter: "" });
}

function Cell(claim, member, { run, models, onDraft }) {
  const cell = claim.cells.get(member.letter);
  if (!cell) return el("td", { class: "map-cell" }, el("span", { class: "silent", "aria-hidden": "true" }), el("span", { class: "visually-hidden" }, "silent"));
  const written = run.stages.some((stage) => !stage.final && stage.members.some((one) => one.letter === member.letter && one.text));
  const side = claim.sides.length > 0 ? `takes ${SIDES[Math.min(cell.side, 3)]}: ${excerpt(cell.says, 80)}` : "says so";
  const words = `${member.letter}, ${nameOf(member.model, models).name}, ${side}`;
  if (!written) return el("td", { class: "map-cell" }, Sign(cell.side), el("span", { class: "visually-hidden" }, words));
  return el("td", { class: "map-cell" }, button(`${words}. Show it in the draft`, { class: "map-sign", title: `${words}: show it in the draft`, on: { click: (event) => onDraft(draftOf(run, member.letter, cell), event.currentTarget) } }, Sign(cell.side)));
}

function Sign(side) {
  const place = Math.min(side, SHAPES.length - 1);
  const [shape, attributes] = SHAPES[place];
  return svg("svg", { class: `sign sign-${place}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, svg(shape, attributes));
}
