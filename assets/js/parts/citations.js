// Turns citations in a text, `[D1:p4]` and the older `[3]`, into buttons that open the page with the passage
// highlighted. Each shows the result of its check; a citation of an unknown passage is struck out.
import { button, el, icon } from "../dom.js";
import { plural } from "../format.js";
import { openPlace } from "./sources.js";
import { toast } from "./toast.js";

const MARK_PATTERN = /D\s?(\d{1,3})\s*[:,]?\s*(?:pp?\.?|page)\s?(\d{1,6})(?:\s*[-–]\s*p?\.?\s?(\d{1,6}))?/i;
const MARKS_PATTERN = new RegExp(`^\\s*${MARK_PATTERN.source}(?:\\s*(?:[,;]|and)\\s*${MARK_PATTERN.source})*\\s*$`, "i");
const NUMBERS_PATTERN = /^\d{1,4}(\s*[,;]\s*\d{1,4})*$/;
// Maximum distance in characters between a quotation and its citation.
const MAX_DISTANCE = 1500;

const STATES = {
  verified: { look: "verified", mark: "check", words: "quotation verified" },
  shortened: { look: "doubtful", mark: "warning", words: "quotation shortened" },
  elsewhere: { look: "doubtful", mark: "warning", words: "quotation found on another page" },
  notfound: { look: "doubtful", mark: "warning", words: "quotation not found on this page" },
  supported: { look: "", mark: "", words: "its words are in the passage" },
  cited: { look: "", mark: "", words: "" },
  gone: { look: "doubtful", mark: "warning", words: "the document was deleted, so the citation can no longer be checked" },
};

/**
 * Creates the citation renderer of one text: a function from the content of brackets, the text, and the offset in it
 * to nodes, or null if it is no citation. `where` is the stage and the member, or null for the synthesis.
 */
export function Citer(run, where) {
  return (label, text, offset) => {
    if (NUMBERS_PATTERN.test(label)) return label.split(/[,;]/).flatMap((part) => citeNumber(run, where, Number(part), text, offset));
    if (!MARKS_PATTERN.test(label)) return null;
    return [...label.matchAll(new RegExp(MARK_PATTERN.source, "gi"))].flatMap((match) => citeMark(run, where, match, text, offset));
  };
}

function citeNumber(run, where, number, text, offset) {
  const source = run.sources.find((each) => each.number === number);
  const item = itemFor(run, where, [String(number), source?.mark], text, offset);
  if (!source || stateOf(item) === "unknown") return [UnknownCitation(String(number), `There is no source ${number}: the model made that number up.`)];
  return [Citation(String(number), `Source ${number}, page ${source.page} of ${source.document}`, run, [source], item)];
}

function citeMark(run, where, [, document, page, last], text, offset) {
  const mark = `D${document}:p${page}`;
  const caption = `${run.documents.length > 1 ? `D${document} ` : ""}p. ${page}${last ? `–${last}` : ""}`;
  const sources = run.sources.filter((each) => each.mark === mark);
  const item = itemFor(run, where, [mark], text, offset);
  const documentId = item?.document_id ?? sources[0]?.document_id;
  if (stateOf(item) === "unknown" || (!item && sources.length === 0 && run.citations)) {
    return [UnknownCitation(mark, Number(document) > run.documents.length
      ? `The question has no document ${document}: the citation is made up.`
      : `The model was not given page ${page} of document ${document}: the citation is made up.`)];
  }
  // While an analysis runs, its citations are not checked yet.
  if (!documentId) return [`[${mark}]`];
  const name = sources[0]?.document ?? run.sources.find((each) => each.document_id === documentId)?.document ?? `document ${document}`;
  return [Citation(caption, `${caption} of ${name}`, run, sources, item, Number(page))];
}

function Citation(caption, name, run, sources, item, page) {
  const state = STATES[stateOf(item)] ?? STATES.cited;
  const remark = wordsOf(item, state);
  const label = [name, remark].filter(Boolean).join(", ");
  return button(label, { class: `citation ${state.look}`, title: label, on: { click: () => openPlace({
    id: item?.document_id ?? sources[0]?.document_id, page: item?.page ?? sources[0]?.page ?? page,
    span: item?.end > item?.start ? { start: item.start, end: item.end } : null, sources, remark: remark, doubtful: state.look === "doubtful", analysis: run.id ?? "",
  }) } }, caption, state.mark && icon(state.mark));
}

function wordsOf(item, state) {
  if (stateOf(item) === "elsewhere" && item.page) return `quotation found on page ${item.page} instead`;
  if (stateOf(item) === "verified" && item.continued) return `${state.words}; it continues on page ${item.continued.page}`;
  const omitted = (item?.left_out ?? []).map((words) => `“${words.replace(/\s+/g, " ")}”`);
  return stateOf(item) === "shortened" && omitted.length > 0 ? `${state.words}, leaving out ${omitted.join(" and ")}` : state.words;
}

function UnknownCitation(mark, why) {
  return button(`${mark}, struck out: ${why}`, { class: "citation unknown", title: why, on: { click: () => toast(why, "failed") } }, el("s", null, mark));
}

function stateOf(item) {
  return String(item?.state ?? "").toLowerCase().replace(/[^a-z]/g, "");
}

// The check result for this citation: if there are several, the one whose quotation is closest to this offset.
function itemFor(run, where, marks, text, offset) {
  const items = (run.citations?.items ?? []).filter((item) => isWithin(item.where, where) && marks.includes(withoutBrackets(item.mark)));
  if (items.length < 2 || text === undefined) return items[0] ?? null;
  const before = normalize(text.slice(Math.max(0, offset - MAX_DISTANCE), offset));
  const after = normalize(text.slice(offset, offset + MAX_DISTANCE));
  const distance = ({ quote }) => {
    const quotation = normalize(quote ?? "");
    if (!quotation) return MAX_DISTANCE;
    const beforeAt = before.lastIndexOf(quotation);
    const afterAt = after.indexOf(quotation);
    return Math.min(beforeAt < 0 ? Infinity : before.length - beforeAt - quotation.length, afterAt < 0 ? Infinity : afterAt);
  };
  return items.reduce((best, item) => (distance(item) < distance(best) ? item : best));
}

function isWithin(location, where) {
  if (typeof location === "string" || !location) return where === null;
  if (where === null) return location.stage === undefined || location.final === true;
  return location.stage === where.stage && [where.model, where.letter].includes(location.member ?? location.model);
}

function withoutBrackets(mark) {
  return String(mark ?? "").replace(/[[\]【】()]/g, "").trim();
}

function normalize(text) {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");
}

/** The number of supported citations, as a sentence; null if none were checked. */
export function CitationCount({ citations }) {
  const items = citations?.items ?? [];
  if (items.length === 0) return null;
  const count = (...states) => items.filter((item) => states.includes(stateOf(item))).length;
  const quotations = count("verified", "shortened", "elsewhere", "notfound");
  const facts = [
    quotations > 0 && `${count("verified")} of ${plural(quotations, "quotation")} verified in the page's text`,
    count("shortened") > 0 && `${count("shortened")} shortened`,
    count("elsewhere") > 0 && `${count("elsewhere")} found on another page`,
    count("notfound") > 0 && `${count("notfound")} not found`,
    count("unknown") > 0 && `${plural(count("unknown"), "made-up mark")} struck out`,
  ].filter(Boolean);
  if (facts.length === 0) return null;
  return el("p", { class: "fine citation-count" }, `${plural(items.length, "citation")} checked: ${facts.join(", ")}.`);
}
