// The map of a panel: one row per claim, one column per member, and a mark where a member asserts or denies the
// claim. A row expands to the quotes; a mark leads to the words in the draft.
import { button, el, icon } from "../dom.js";
import { svg } from "../charts/svg.js";
import { count, plural, sentence } from "../format.js";
import { Citer } from "../parts/citations.js";
import { inline } from "../parts/inline.js";
import { Letter, tintOf } from "../parts/letter.js";
import { nameOf } from "../parts/model-name.js";
import { lastTexts } from "../parts/run-model.js";
import { blindSpots, claimsOf, draftOf, KINDS, STANCES, unverifiedOf } from "./claims.js";
import { JudgeNote, Support } from "./support.js";

// Shorter labels in the legend for stances whose label is too long for it.
const SHORT_STANCES = { unconfirmed: "not confirmed" };

/**
 * The map of a run. `onDraft({stage, letter, says}, button)` shows words in their draft; `actions` is
 * `{pushBack(text, model), only(model)}` if a follow-up can be asked, otherwise null.
 */
export function DisagreementMap(run, { models, onDraft, actions = null }) {
  const members = lastTexts(run).filter((member) => member.letter);
  const context = { run, members, models, onDraft, actions, cite: uncheckedCiter(run) };
  const claims = claimsOf(run);
  const groups = KINDS.map(([kind, title, help]) => ({ kind, title, help, rows: claims.filter((claim) => claim.kind === kind) }))
    .filter(({ rows }) => rows.length > 0)
    .map((group) => ({ ...group, node: Group(group, context) }));
  return el("section", { class: "map", "aria-label": "Disagreement map" },
    el("h2", { class: "visually-hidden" }, "Who says what"),
    groups.length > 0 && [KindFilter(groups), Table(groups, context)],
    Points("Contradictions not confirmed", (size) => `${plural(size, "point")}: the judge reports them, but no quotes from the answers confirm them`, unverifiedOf(run), context.cite),
    Points("Not covered", (size) => `${plural(size, "point")} that no answer makes, in the judge’s words`, blindSpots(run), context.cite),
    JudgeNote(run, models),
    Support(run, context.cite));
}

function Table(groups, { members, models }) {
  const isUnconfirmed = groups.some(({ rows }) => rows.some(({ stances }) => stances.some(({ stance }) => stance === "unconfirmed")));
  const legend = Object.keys(STANCES).filter((stance) => stance !== "unconfirmed" || isUnconfirmed);
  return el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Claims and members" },
    el("table", { class: "map-table" },
      el("caption", { class: "visually-hidden" }, "Claims in rows, members in columns: whether a member asserts or denies a claim, or is silent"),
      el("thead", null, el("tr", null,
        el("th", { scope: "col" }, el("span", { class: "visually-hidden" }, "Claim"), el("span", { class: "map-legend", "aria-hidden": "true" },
          legend.map((stance) => el("span", null, StanceMark(stance), SHORT_STANCES[stance] ?? STANCES[stance])))),
        members.map((member) => el("th", { scope: "col", class: "map-who" }, Letter(member.letter), el("span", { class: "map-name" }, nameOf(member.model, models).name))))),
      groups.map((group) => group.node)));
}

// Citations in the map's quotes are not checked; they only link to their pages.
function uncheckedCiter(run) {
  return Citer(run, { stage: "", model: "", letter: "" });
}

function KindFilter(groups) {
  if (groups.length < 2) return null;
  const all = ["all", "All", groups.reduce((sum, { rows }) => sum + rows.length, 0)];
  const chips = [all, ...groups.map(({ kind, title, rows }) => [kind, title, rows.length])].map(([kind, title, size]) => {
    const chip = button(`${title} ${count(size)}`, { class: "chip", "aria-pressed": String(kind === "all"), on: { click: () => {
      for (const group of groups) group.node.hidden = kind !== "all" && group.kind !== kind;
      for (const other of chips) other.setAttribute("aria-pressed", String(other === chip));
    } } }, `${title} `, el("span", { class: "chip-count" }, count(size)));
    return chip;
  });
  return el("div", { class: "chips", role: "group", "aria-label": "Kinds of claims" }, chips);
}

function Group({ kind, title, help, rows }, context) {
  return el("tbody", { class: `map-${kind}` },
    el("tr", { class: "map-kind" }, el("th", { scope: "rowgroup", colSpan: context.members.length + 1 },
      el("span", { class: "map-title" }, title), ` ${count(rows.length)}`, el("span", { class: "map-help" }, help))),
    rows.map((claim, place) => Row(claim, context, kind === "conflict" && place === 0)));
}

// The row of a claim; expanded, it shows each member's words. The first contradiction is expanded at the start.
function Row(claim, context, isOpen) {
  const id = `claim-${context.run.id}-${claim.index}`;
  const detail = el("tr", { class: "map-detail", id, hidden: !isOpen }, el("td", { colSpan: context.members.length + 1 }, Detail(claim, context)));
  const opener = button(claim.text, { class: "map-claim", "aria-expanded": String(isOpen), "aria-controls": id, on: { click: () => {
    detail.hidden = !detail.hidden;
    opener.setAttribute("aria-expanded", String(!detail.hidden));
  } } }, icon("next"), el("span", { dir: "auto" }, inline(claim.text, context.cite)));
  return [el("tr", null, el("th", { scope: "row" }, opener), context.members.map((member) => Cell(claim, member, context))), detail];
}

function Cell(claim, member, { run, models, onDraft }) {
  const memberStance = claim.stances.find((entry) => entry.letter === member.letter);
  const stance = memberStance?.stance ?? "silent";
  const stanceLabel = STANCES[stance] ?? stance;
  const label = `${member.letter}, ${nameOf(member.model, models).name}, ${stanceLabel}`;
  const draft = memberStance?.quote && draftOf(run, memberStance);
  if (!draft) return el("td", { class: "map-cell" }, StanceMark(stance), el("span", { class: "visually-hidden" }, stanceLabel));
  return el("td", { class: "map-cell" }, button(`${label}. Show in the draft`, { class: "map-sign", title: `${label}: “${memberStance.quote}”${memberStance.lowered ? ` (${memberStance.lowered})` : ""}`, on: { click: (event) => onDraft(draft, event.currentTarget) } }, StanceMark(stance)));
}

// Stances have different shapes, so that no mark relies on color alone.
function StanceMark(stance) {
  const [shape, attributes] = {
    asserts: ["path", { d: "M4.5 8.4l2.4 2.4 4.6-5" }],
    unconfirmed: ["path", { d: "M4.5 8.4l2.4 2.4 4.6-5" }],
    denies: ["path", { d: "M8 1.6L14.4 8 8 14.4 1.6 8zM6 6l4 4M10 6l-4 4" }],
    silent: ["path", { d: "M5 8h6" }],
  }[stance] ?? ["path", { d: "M5 8h6" }];
  return svg("svg", { class: `stance ${stance}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    (stance === "asserts" || stance === "unconfirmed") && svg("circle", { cx: 8, cy: 8, r: 7 }), svg(shape, attributes));
}

function Detail(claim, { run, models, onDraft, actions, cite }) {
  const quoted = claim.stances.filter((entry) => entry.quote);
  const passage = (run.evidence.sentences ?? []).find((entry) => entry.claim === claim.index && entry.quote);
  const opponent = claim.stances.find((entry) => entry.stance === "denies") ?? quoted[0];
  return [
    claim.why && el("p", { class: "map-why" }, el("b", null, "Judge: "), sentence(claim.why)),
    el("div", { class: "map-quotes" }, quoted.map((entry) => {
      const draft = draftOf(run, entry);
      return el("figure", { class: `map-quote ${tintOf(entry.letter)}` },
        el("figcaption", null, Letter(entry.letter), `${nameOf(entry.model, models).name} ${STANCES[entry.stance] ?? entry.stance}`, entry.lowered && ` (${entry.lowered})`),
        el("blockquote", { dir: "auto" }, "“", inline(entry.quote, cite), "”"),
        draft && button(`Show in draft: the words of ${entry.letter}`, { class: "link-button", on: { click: (event) => onDraft(draft, event.currentTarget) } }, "Show in draft"));
    })),
    passage && el("div", { class: "map-source" }, el("p", { class: "map-source-head" }, "In the document ", inline(`[${passage.passage}]`, cite)), el("p", { dir: "auto" }, `“${passage.quote}”`)),
    actions && el("div", { class: "map-actions" },
      button("Push back", { class: "quiet", on: { click: () => actions.pushBack(`You say: “${claim.text}” Is that right? `, "") } }, icon("speech"), "Push back"),
      opponent && button(`Ask just ${opponent.letter}`, { class: "quiet", on: { click: () => actions.pushBack(`About “${claim.text}”: `, opponent.model) } })),
  ];
}

function Points(title, help, points, cite) {
  if (points.length === 0) return null;
  return el("section", { class: "map-open" },
    el("h3", null, title, " ", el("span", { class: "map-help" }, help(points.length))),
    el("ul", null, points.map((point) => el("li", { dir: "auto" }, inline(point, cite)))));
}
