// The estimate of a run: how much of the documents each member reads, its tokens, and its cost. Requested from the
// server whenever the selection changes.
import { post } from "../api.js";
import { el, fill, icon } from "../dom.js";
import { count, duration, money, plural, sentence } from "../format.js";
import { timeOf } from "../workbench/speed.js";
import { nameOf } from "./model-name.js";

const DEBOUNCE_MS = 350;

const FIT_LABELS = {
  whole: () => "Whole documents",
  passages: () => "Relevant passages",
  trimmed: () => "Fewer passages than the others",
  parts: ({ parts }) => `Notes on ${plural(parts, "part")}, so that every page is read`,
  cannot: () => "Does not fit: skipped",
};

/**
 * Returns `{node, summary, body, update()}`; `node` contains `summary` and `body`. `request()` returns the body of the
 * analysis as it would be started; `speeds` is a promise of the models' measured speed.
 */
export function PlanView({ request, models, signal, speeds }) {
  const body = el("div", { class: "plan-body" });
  const summary = el("p", { class: "plan-summary", role: "status" }, "Estimating…");
  const node = el("section", { class: "plan", "aria-label": "Estimate" },
    el("h2", null, "Estimate"), summary, body);
  let timer = 0;
  let controller = new AbortController();

  function update() {
    clearTimeout(timer);
    body.setAttribute("aria-busy", "true");
    timer = setTimeout(fetchEstimate, DEBOUNCE_MS);
  }

  async function fetchEstimate() {
    controller.abort();
    controller = new AbortController();
    const requestSignal = AbortSignal.any([signal, controller.signal]);
    const requestBody = request();
    if (!requestBody.prompt) return showHint("Write a question to see the estimated cost.");
    if (requestBody.models.length === 0) return showHint("Choose at least one model.");
    try {
      const [estimate, speedMap] = await Promise.all([post("/api/estimate", requestBody, { signal: requestSignal }), speeds ?? new Map()]);
      if (requestSignal.aborted) return;
      summary.textContent = describeEstimate(estimate, speedMap);
      fill(body, Warnings(estimate, models), requestBody.document_ids && Members(estimate, models));
    } catch (problem) {
      if (requestSignal.aborted) return;
      summary.textContent = "This can't run yet.";
      fill(body, el("p", { class: "notice suspicious" }, icon("warning"),
        el("span", null, [problem.message, problem.resolution].filter(Boolean).map(sentence).join(" "))));
    }
    body.removeAttribute("aria-busy");
  }

  function showHint(describeEstimate) {
    summary.textContent = describeEstimate;
    fill(body);
    body.removeAttribute("aria-busy");
  }

  return { node, summary, body, update };
}

function describeEstimate({ total, calls, upper_bound_usd: upperBound }, speedMap) {
  const ms = timeOf(calls, speedMap);
  const sum = (total.input_tokens ?? 0) + (total.output_tokens ?? 0);
  const bound = upperBound > total.cost_usd ? ` (at most ${money(upperBound)})` : "";
  return `About ${plural(sum, "token")} in ${plural(calls.length, "call")}, ${money(total.cost_usd)}${bound}.${ms ? ` About ${duration(Math.max(1000, ms))}, based on recent runs.` : ""}`;
}

function Warnings({ members = [], allowed, refusal, context_too_small: tooSmall = [], pictures }, models) {
  const skipped = members.filter((member) => member.documents.fit === "cannot");
  const warned = new Set(skipped.map((member) => member.model));
  const warn = (text) => el("p", { class: "notice suspicious" }, icon("warning"), el("span", null, text));
  return [
    skipped.map((member) => warn(`${nameOf(member.model, models).name} cannot take these documents: ${sentence(member.documents.why)} The others continue without it.`)),
    tooSmall.filter((each) => !warned.has(each.model)).map((each) => warn(`${nameOf(each.model, models).name} has a context of ${plural(each.context_window, "token")}, which may be too small for this.`)),
    pictures?.unseen && warn("None of these models accepts images. Choose at least one that does, or remove the images."),
    pictures && !pictures.unseen && pictures.not_seen_by.length > 0 && warn(`${pictures.not_seen_by.map((id) => nameOf(id, models).name).join(", ")} can't see images and will answer without them.`),
    allowed === false && warn(sentence(refusal)),
  ];
}

function Members({ members: entries = [], calls = [] }, models) {
  // The last entry writes the synthesis; a panel member that also writes it has a single row.
  const writer = entries.at(-1);
  const memberWriter = entries.slice(0, -1).find((member) => member.model === writer?.model && member.documents.fit === writer.documents.fit);
  const members = memberWriter ? entries.slice(0, -1) : entries;
  const writerRow = memberWriter ?? writer;
  const costs = new Map();
  for (const call of calls) {
    const speedMap = costs.has(call.model) ? costs.get(call.model) : 0;
    costs.set(call.model, speedMap === null || call.cost_usd === null ? null : speedMap + Number(call.cost_usd));
  }
  return el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Documents of each member" },
    el("table", { class: "plan-table" },
      el("thead", null, el("tr", null, ["Member", "Documents", "Document tokens", "Cost of all calls"].map((title, place) => el("th", { scope: "col", class: place > 1 ? "right" : null }, title)))),
      el("tbody", null, members.map((member) => el("tr", { data: { fit: member.documents.fit } },
        el("th", { scope: "row" }, nameOf(member.model, models).name, member === writerRow && el("span", { class: "fine" }, memberWriter ? " also writes the synthesis" : " writes the synthesis")),
        el("td", null, (FIT_LABELS[member.documents.fit] ?? (() => member.documents.fit))(member.documents),
          member.documents.why && member.documents.fit !== "cannot" && el("p", { class: "fine" }, sentence(member.documents.why))),
        el("td", { class: "right" }, member.documents.tokens ? count(member.documents.tokens) : "–"),
        el("td", { class: "right" }, costs.has(member.model) ? money(costs.get(member.model)) : "–"))))));
}
