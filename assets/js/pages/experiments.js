// The experiments: a list; with `new` in the URL, a new experiment; with an `id`, that experiment.
import { get } from "../api.js";
import { button, el, fill, icon, link } from "../dom.js";
import { exactly, money, plural, sentence, when } from "../format.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { Empty, EmptyPage, Failure, Loading } from "../parts/states.js";
import { isBeingDeleted } from "../parts/owed.js";
import { removeWithUndo } from "../parts/undo.js";
import { STATE_LABELS, finding } from "../experiments/words.js";

const PAGE_SIZE = 30;
const REFRESH_MS = 5000;
const ABOUT = "Which model, prompt, or parameter answers your questions best, and is the difference real? An experiment runs the same cases on all of them, and reports what the results show and what they do not.";

export async function load(params, signal) {
  if (!user.get()) return {};
  const pageModule = params.id ? import("./experiment.js") : "new" in params ? import("./experiment-new.js") : null;
  const [page] = await Promise.all([pageModule, styled("experiments")]);
  if (page) return { page, data: await page.load(params, signal) };
  return { list: await get("/api/experiments", { query: { limit: PAGE_SIZE }, signal }) };
}

export function view({ page, data, list }, context) {
  if (page) return page.view(data, context);
  if (!list) {
    return EmptyPage("Find out which configuration is best for you", ABOUT,
      link(`/login?next=${encodeURIComponent("/experiments")}`, "Sign in", { class: "button primary" }));
  }
  return List(list, context);
}

const addressOf = ({ id }) => `/api/experiments/${encodeURIComponent(id)}`;

function List(response, { signal, go }) {
  const rows = el("ul", { class: "rows" });
  const footer = el("div", { class: "rows-below" });
  show(response);
  const timer = setInterval(refreshRunning, REFRESH_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });

  function show({ experiments, next_cursor: cursor }) {
    rows.append(...experiments.filter((experiment) => !isBeingDeleted(addressOf(experiment))).map((experiment) => Row(experiment, deleteRow)));
    rows.hidden = rows.children.length === 0;
    fill(footer, cursor && button("Show more", { class: "secondary", on: { click: () => loadMore(cursor) } }),
      rows.hidden && Empty("No experiments yet", ABOUT, link("/experiments?new=1", "New experiment", { class: "button primary" })));
  }

  // Updates the list while experiments run. A row keeps the focus when an update replaces it.
  async function refreshRunning() {
    if (document.hidden || !rows.querySelector("[data-status='running']")) return;
    const updated = await get("/api/experiments", { query: { limit: PAGE_SIZE }, signal }).catch(() => null);
    for (const experiment of updated?.experiments ?? []) {
      const row = [...rows.children].find((each) => each.dataset.id === experiment.id && each.dataset.status === "running");
      if (!row) continue;
      const hadFocus = row.contains(document.activeElement);
      const newRow = Row(experiment, deleteRow);
      row.replaceWith(newRow);
      if (hadFocus) newRow.querySelector("a").focus();
    }
  }

  function deleteRow(experiment, row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    next?.querySelector("a")?.focus();
    rows.hidden = rows.children.length === 0;
    removeWithUndo(addressOf(experiment), `“${experiment.name}” is deleted with its cases and answers.`, () => go("/experiments", { replace: true }));
  }

  async function loadMore(cursor) {
    fill(footer, Loading("Loading"));
    try {
      show(await get("/api/experiments", { query: { limit: PAGE_SIZE, cursor }, signal }));
    } catch (problem) {
      if (!signal.aborted) fill(footer, Failure(problem, () => loadMore(cursor)));
    }
  }

  return el("section", { class: "page experiments-page" },
    el("header", { class: "page-head page-head-row" }, el("h1", null, "Experiments"),
      response.experiments.length > 0 && link("/experiments?new=1", "New experiment", { class: "button primary" })),
    rows, footer);
}

function Row(experiment, deleteRow) {
  const summary = experiment.sentence ? sentence(experiment.sentence) : experiment.status === "completed" ? sentence(finding(experiment.finding)) : "";
  const row = el("li", { class: "row", data: { status: experiment.status, id: experiment.id } },
    el("div", { class: "row-words" },
      link(`/experiments?id=${encodeURIComponent(experiment.id)}`, experiment.name, { class: "row-title", dir: "auto" }),
      summary && el("p", null, summary),
      el("p", { class: "fine" },
        el("span", { class: `status-word ${experiment.status}` }, STATE_LABELS[experiment.status] ?? experiment.status),
        ` · ${[plural(experiment.arms, "configuration"), plural(experiment.cases, "case"), plural(experiment.evaluations, "evaluation"), experiment.cost_usd > 0 && money(experiment.cost_usd)].filter(Boolean).join(" · ")}`,
        el("time", { datetime: experiment.created_at, title: exactly(experiment.created_at) }, ` · ${when(experiment.created_at)}`))),
    experiment.status !== "running" && el("div", { class: "row-actions" },
      button(`Delete the experiment “${experiment.name}”`, { class: "quiet icon-only", title: "Delete", on: { click: () => deleteRow(experiment, row) } }, icon("trash"))));
  return row;
}
