// Turns citations in a text, `[D1:p4]` and the older `[3]`, into buttons that open the page with the passage
// highlighted. Each shows the result of its check; a citation of an unknown passage is struck out.
import { button, el, icon } from "../dom.js";
import { plural } from "../format.js";
import { openPlace } from "./sources.js";
import { toast } from "./toast.js";

const MARK = /D\s?(\d{1,3})\s*[:,]?\s*(?:pp?\.?|page)\s?(\d{1,6})(?:\s*[-–]\s*p?\.?\s?(\d{1,6}))?/i;
const MARKS = new RegExp(`^\\s*${MARK.source}(?:\\s*(?:[,;]|and)\\s*${MARK.source})*\\s*$`, "i");
const NUMBERS = /^\d{1,4}(\s*[,;]\s*\d{1,4})*$/;
// Maximum distance in characters between a quotation and its citation.
const NEAR = 1500;

const STATES = {
  verified: { look: "verified", mark: "check", words: "quotation verified" },
  shortened: { look: "doubtful", mark: "warning", words: "quotation shortened" },
  elsewhere: { look: "doubtful", mark: "warning", words: "quotation found on another page" },
  notfound: { look: "doubtful", mark: "warning", words: "quotation not found on this page" },
  supported: { look: "", mark: "", words: "its words are in the passage" },
  cited: { look: "", mark: "", words: "" },
  gone: { look: "doubtful", mark: "warning", words: "the document is gone: it cannot be checked any more" },
};

/**
 * Creates the citation renderer of one text: a function from the content of brackets, the text, and the offset in it
 * to nodes, or null if it is no citation. `where` is the stage and the member, or null for the synthesis.
 */
export function Citer(run, where) {
  return (label, text, at) => {
    if (NUMBERS.test(label)) return label.split(/[,;]/).flatMap((part) => numbered(run, where, Number(part), text, at));
    if (!MARKS.test(label)) return null;
    return [...label.matchAll(new RegExp(MARK.source, "gi"))].flatMap((found) => byMark(run, where, found, text, at));
  };
}

function numbered(run, where, number, text, at) {
  const source = run.sources.find((each) => each.number === number);
  const item = itemFor(run, where, [String(number), source?.mark], text, at);
  if (!source || stateOf(item) === "unknown") return [Unknown(String(number), `There is no source ${number}: the model made that number up.`)];
  return [Citation(String(number), `Source ${number}, page ${source.page} of ${source.document}`, run, [source], item)];
}

function byMark(run, where, [, document, page, last], text, at) {
  const mark = `D${document}:p${page}`;
  const shown = `${run.documents.length > 1 ? `D${document} ` : ""}p. ${page}${last ? `–${last}` : ""}`;
  const sources = run.sources.filter((each) => each.mark === mark);
  const item = itemFor(run, where, [mark], text, at);
  const place = item?.document_id ?? sources[0]?.document_id;
  if (stateOf(item) === "unknown" || (!item && sources.length === 0 && run.citations)) {
    return [Unknown(mark, Number(document) > run.documents.length
      ? `The question has no document ${document}: the citation is made up.`
      : `The model was not given page ${page} of document ${document}: the citation is made up.`)];
  }
  // While an analysis runs, its citations are not checked yet.
  if (!place) return [`[${mark}]`];
  const name = sources[0]?.document ?? run.sources.find((each) => each.document_id === place)?.document ?? `document ${document}`;
  return [Citation(shown, `${shown} of ${name}`, run, sources, item, Number(page))];
}

function Citation(shown, name, run, sources, item, page) {
  const state = STATES[stateOf(item)] ?? STATES.cited;
  const found = wordsOf(item, state);
  const label = [name, found].filter(Boolean).join(", ");
  return button(label, { class: `citation ${state.look}`, title: label, on: { click: () => openPlace({
    id: item?.document_id ?? sources[0]?.document_id, page: item?.page ?? sources[0]?.page ?? page,
    span: item?.end > item?.start ? { start: item.start, end: item.end } : null, sources, remark: found, doubtful: state.look === "doubtful", analysis: run.id ?? "",
  }) } }, shown, state.mark && icon(state.mark));
}

function wordsOf(item, state) {
  if (stateOf(item) === "elsewhere" && item.page) return `quotation found on page ${item.page} instead`;
  if (stateOf(item) === "verified" && item.continued) return `${state.words}; it continues on page ${item.continued.page}`;
  const left = (item?.left_out ?? []).map((words) => `“${words.replace(/\s+/g, " ")}”`);
  return stateOf(item) === "shortened" && left.length > 0 ? `${state.words}, leaving out ${left.join(" and ")}` : state.words;
}

function Unknown(mark, why) {
  return button(`${mark}, struck out: ${why}`, { class: "citation unknown", title: why, on: { click: () => toast(why, "failed") } }, el("s", null, mark));
}

function stateOf(item) {
  return String(item?.state ?? "").toLowerCase().replace(/[^a-z]/g, "");
}

// The check result for this citation: if there are several, the one whose quotation is closest to this offset.
function itemFor(run, where, marks, text, at) {
  const items = (run.citations?.items ?? []).filter((item) => isAt(item.where, where) && marks.includes(bare(item.mark)));
  if (items.length < 2 || text === undefined) return items[0] ?? null;
  const before = letters(text.slice(Math.max(0, at - NEAR), at));
  const after = letters(text.slice(at, at + NEAR));
  const distance = ({ quote }) => {
    const wanted = letters(quote ?? "");
    if (!wanted) return NEAR;
    const left = before.lastIndexOf(wanted);
    const right = after.indexOf(wanted);
    return Math.min(left < 0 ? Infinity : before.length - left - wanted.length, right < 0 ? Infinity : right);
  };
  return items.reduce((best, item) => (distance(item) < distance(best) ? item : best));
}

function isAt(told, where) {
  if (typeof told === "string" || !told) return where === null;
  if (where === null) return told.stage === undefined || told.final === true;
  return told.stage === where.stage && [where.model, where.letter].includes(told.member ?? told.model);
}

function bare(mark) {
  return String(mark ?? "").replace(/[[\]【】()]/g, "").trim();
}

function letters(text) {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");
}

/** The number of supported citations, as a sentence; null if none were checked. */
export function CitationCount({ citations }) {
  const items = citations?.items ?? [];
  if (items.length === 0) return null;
  const count = (...states) => items.filter((item) => states.includes(stateOf(item))).length;
  const quotations = count("verified", "shortened", "elsewhere", "notfound");
  const said = [
    quotations > 0 && `${count("verified")} of ${plural(quotations, "quotation")} verified in the page's text`,
    count("shortened") > 0 && `${count("shortened")} shortened`,
    count("elsewhere") > 0 && `${count("elsewhere")} found on another page`,
    count("notfound") > 0 && `${count("notfound")} not found`,
    count("unknown") > 0 && `${plural(count("unknown"), "made-up mark")} struck out`,
  ].filter(Boolean);
  if (said.length === 0) return null;
  return el("p", { class: "fine citation-count" }, `${plural(items.length, "citation")} checked: ${said.join(", ")}.`);
}
