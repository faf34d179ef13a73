// The estimate of a run: how much of the documents each member reads, its tokens, and its cost. Requested from the
// server whenever the selection changes.
import { post } from "../api.js";
import { el, fill, icon } from "../dom.js";
import { count, duration, money, plural, sentence } from "../format.js";
import { timeOf } from "../workbench/speed.js";
import { nameOf } from "./model-name.js";

const PATIENCE_MS = 350;

const FITS = {
  whole: () => "Whole documents",
  passages: () => "Relevant passages",
  trimmed: () => "Fewer passages than the others",
  parts: ({ parts }) => `Notes on ${plural(parts, "part")}, so that every page is read`,
  cannot: () => "Does not fit: skipped",
};

/**
 * `{node, summary, body, update()}`; the first contains the other two. `request()` returns the body of the analysis as
 * it would be started; `speeds` is a promise of the models' known speed.
 */
export function PlanView({ request, models, signal, speeds }) {
  const body = el("div", { class: "plan-body" });
  const summary = el("p", { class: "plan-summary", role: "status" }, "Estimating…");
  const node = el("section", { class: "plan", "aria-label": "Estimate" },
    el("h2", null, "Estimate"), summary, body);
  let timer = 0;
  let asked = new AbortController();

  function update() {
    clearTimeout(timer);
    body.setAttribute("aria-busy", "true");
    timer = setTimeout(ask, PATIENCE_MS);
  }

  async function ask() {
    asked.abort();
    asked = new AbortController();
    const mine = AbortSignal.any([signal, asked.signal]);
    const wanted = request();
    if (!wanted.prompt) return wait("Write a question to see the estimated cost.");
    if (wanted.models.length === 0) return wait("Choose at least one model.");
    try {
      const [told, known] = await Promise.all([post("/api/estimate", wanted, { signal: mine }), speeds ?? new Map()]);
      if (mine.aborted) return;
      summary.textContent = words(told, known);
      fill(body, Warnings(told, models), wanted.document_ids && Members(told, models));
    } catch (problem) {
      if (mine.aborted) return;
      summary.textContent = "This can't run yet.";
      fill(body, el("p", { class: "notice suspicious" }, icon("warning"),
        el("span", null, [problem.message, problem.resolution].filter(Boolean).map(sentence).join(" "))));
    }
    body.removeAttribute("aria-busy");
  }

  function wait(words) {
    summary.textContent = words;
    fill(body);
    body.removeAttribute("aria-busy");
  }

  return { node, summary, body, update };
}

function words({ total, calls, upper_bound_usd: most }, known) {
  const ms = timeOf(calls, known);
  const sum = (total.input_tokens ?? 0) + (total.output_tokens ?? 0);
  const bound = most > total.cost_usd ? ` (at most ${money(most)})` : "";
  return `About ${plural(sum, "token")} in ${plural(calls.length, "call")}, ${money(total.cost_usd)}${bound}.${ms ? ` About ${duration(Math.max(1000, ms))}, based on recent runs.` : ""}`;
}

function Warnings({ members = [], allowed, refusal, context_too_small: small = [], pictures }, models) {
  const left = members.filter((member) => member.documents.fit === "cannot");
  const told = new Set(left.map((member) => member.model));
  const warn = (text) => el("p", { class: "notice suspicious" }, icon("warning"), el("span", null, text));
  return [
    left.map((member) => warn(`${nameOf(member.model, models).name} cannot take these documents: ${sentence(member.documents.why)} The others continue without it.`)),
    small.filter((each) => !told.has(each.model)).map((each) => warn(`${nameOf(each.model, models).name} has a context of ${plural(each.context_window, "token")}, which may be too small for this.`)),
    pictures?.unseen && warn("None of these models can see images. Choose at least one that can, or remove the images."),
    pictures && !pictures.unseen && pictures.not_seen_by.length > 0 && warn(`${pictures.not_seen_by.map((id) => nameOf(id, models).name).join(", ")} can't see images and will answer without them.`),
    allowed === false && warn(sentence(refusal)),
  ];
}

function Members({ members: told = [], calls = [] }, models) {
  // The last entry writes the synthesis; a panel member that also writes it has a single row.
  const writer = told.at(-1);
  const both = told.slice(0, -1).find((member) => member.model === writer?.model && member.documents.fit === writer.documents.fit);
  const members = both ? told.slice(0, -1) : told;
  const writes = both ?? writer;
  const costs = new Map();
  for (const call of calls) {
    const known = costs.has(call.model) ? costs.get(call.model) : 0;
    costs.set(call.model, known === null || call.cost_usd === null ? null : known + Number(call.cost_usd));
  }
  return el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Documents of each member" },
    el("table", { class: "plan-table" },
      el("thead", null, el("tr", null, ["Member", "Documents", "Document tokens", "Cost of all calls"].map((title, place) => el("th", { scope: "col", class: place > 1 ? "right" : null }, title)))),
      el("tbody", null, members.map((member) => el("tr", { data: { fit: member.documents.fit } },
        el("th", { scope: "row" }, nameOf(member.model, models).name, member === writes && el("span", { class: "fine" }, both ? " also writes the synthesis" : " writes the synthesis")),
        el("td", null, (FITS[member.documents.fit] ?? (() => member.documents.fit))(member.documents),
          member.documents.why && member.documents.fit !== "cannot" && el("p", { class: "fine" }, sentence(member.documents.why))),
        el("td", { class: "right" }, member.documents.tokens ? count(member.documents.tokens) : "–"),
        el("td", { class: "right" }, costs.has(member.model) ? money(costs.get(member.model)) : "–"))))));
}
