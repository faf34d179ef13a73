// What an answer quotes from a document: the result of the check, who quotes it, and links to the other citations of
// the same answer.
import { get } from "../api.js";
import { el, icon, link } from "../dom.js";
import { excerpt } from "../format.js";
import { addressOf } from "../parts/document-link.js";
import { Letter } from "../parts/letter.js";
import { nameOf } from "../parts/model-name.js";
import { fromStored, letterAt } from "../parts/run-model.js";

// Ordered from best to worst: of several quotations of the same words, the best state is shown.
const VERDICTS = [
  ["verified", "check", "Quote verified", "contains these exact words."],
  ["shortened", "warning", "Quote shortened", "contains these words with others between them."],
  ["elsewhere", "warning", "Quote found here", "is not the page that was cited, but contains these words."],
  ["notfound", "warning", "Quote not found", "does not contain the quoted words."],
  ["supported", "document", "Cited", "is cited without a quotation."],
];

/** `{nodes, answer, state}`: what to show next to this page, the URL of the answer, and the result of the check, if the page is cited. */
export async function evidenceOf(analysis, { document, page, span, signal }) {
  const [run, models] = await Promise.all([runOf(analysis, signal), get("/api/available-models", { signal })]);
  const places = placesOf(run);
  const index = places.findIndex((place) => place.document === document && place.page === page && isSameSpan(place, span));
  const answer = run.thread ? `/t/${encodeURIComponent(run.thread)}?turn=${encodeURIComponent(run.id)}` : `/analyze?id=${encodeURIComponent(run.id)}`;
  const nodes = [
    index >= 0 && [Verdict(places[index]), el("hr"), QuotedBy(places[index], run, models), el("hr")],
    el("h2", { class: "sheet-label cited-label" }, "Cited in"), el("p", { class: "cited" }, link(answer, excerpt(run.prompt, 90), { class: "cited-in", dir: "auto" })),
    places.length > 0 && [el("hr"), Steps(places, index, run)],
  ];
  return { nodes, answer, state: index >= 0 ? verdictOf(places[index])[0] : "" };
}

let cachedRun = null;

async function runOf(id, signal) {
  if (cachedRun?.id !== id) cachedRun = fromStored(await get(`/api/analyses/${encodeURIComponent(id)}`, { signal }));
  return cachedRun;
}

// The cited places in order of the documents and pages: several quotations of the same words are one place.
function placesOf(run) {
  const places = [];
  for (const item of run.citations?.items ?? []) {
    if (!item.document_id || !item.page || item.state === "unknown") continue;
    const span = item.end > item.start ? { start: item.start, end: item.end } : null;
    const existing = places.find((place) => place.document === item.document_id && place.page === item.page && isSameSpan(place, span));
    if (existing) existing.items.push(item);
    else places.push({ document: item.document_id, page: item.page, span, items: [item] });
  }
  const rank = (place) => run.documents.indexOf(place.document);
  return places.sort((a, b) => rank(a) - rank(b) || a.page - b.page || (a.span?.start ?? 0) - (b.span?.start ?? 0));
}

function isSameSpan(place, span) {
  if (!place.span || !span) return !place.span && !span;
  return place.span.start < span.end && span.start < place.span.end;
}

function verdictOf(place) {
  const states = place.items.map((item) => String(item.state).toLowerCase().replace(/[^a-z]/g, ""));
  return VERDICTS.find(([name]) => states.includes(name)) ?? VERDICTS.at(-1);
}

function Verdict(place) {
  const [state, iconName, title, explanation] = verdictOf(place);
  return el("div", { class: `verdict ${state}` }, el("p", { class: "verdict-title" }, icon(iconName), title), el("p", { class: "fine" }, `Page ${place.page} ${explanation}`));
}

function QuotedBy({ items }, run, models) {
  const members = run.models.map((model, place) => [letterAt(place), model]).filter(([letter, model]) => items.some((item) => [letter, model].includes(item.where?.member ?? item.where?.model)));
  const inAnswer = items.some((item) => !item.where || typeof item.where === "string" || item.where.final);
  return [
    el("h2", { class: "sheet-label" }, "Quoted by"),
    el("ul", { class: "quoted-by" },
      members.map(([letter, model]) => el("li", null, Letter(letter), el("span", null, nameOf(model, models).name))),
      inAnswer && el("li", null, el("span", { class: "letter none" }, icon("pen")), el("span", null, "The answer"))),
  ];
}

function Steps(places, index, run) {
  const to = (place, label, iconName) => link(addressOf(place.document, place.page, place.span, run.id), icon(iconName), { class: "button quiet icon-only", "aria-label": label, title: label });
  const before = places[index < 0 ? -1 : index - 1];
  const after = places[index + 1];
  return el("nav", { class: "citation-steps", "aria-label": "Citations" },
    el("span", { class: "fine" }, index < 0 ? `${places.length} citations` : `Citation ${index + 1} of ${places.length}`),
    before && to(before, "Previous citation", "previous"), after && to(after, "Next citation", "next"));
}
