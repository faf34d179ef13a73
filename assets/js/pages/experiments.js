// The experiments: a list; with `new` in the URL, a new experiment; with an `id`, that experiment.
import { get } from "../api.js";
import { button, el, fill, icon, link } from "../dom.js";
import { exactly, money, plural, sentence, when } from "../format.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { Empty, EmptyPage, Failure, Loading } from "../parts/states.js";
import { isGoing } from "../parts/owed.js";
import { removeWithUndo } from "../parts/undo.js";
import { STATES, finding } from "../experiments/words.js";

const PAGE = 30;
const NEWS_MS = 5000;
const ABOUT = "Which model, which prompt, which setting answers your questions best, and is the difference real? An experiment runs the same cases on all of them and reports what the data shows, and what it cannot show.";

export async function load(params, signal) {
  if (!user.get()) return {};
  const which = params.id ? import("./experiment.js") : "new" in params ? import("./experiment-new.js") : null;
  const [page] = await Promise.all([which, styled("charts"), styled("experiments")]);
  if (page) return { page, data: await page.load(params, signal) };
  return { list: await get("/api/experiments", { query: { limit: PAGE }, signal }) };
}

export function view({ page, data, list }, context) {
  if (page) return page.view(data, context);
  if (!list) {
    return EmptyPage("Find out which setting is best for you", ABOUT,
      link(`/login?next=${encodeURIComponent("/experiments")}`, "Sign in", { class: "button primary" }));
  }
  return List(list, context);
}

const addressOf = ({ id }) => `/api/experiments/${encodeURIComponent(id)}`;

function List(told, { signal, go }) {
  const rows = el("ul", { class: "rows" });
  const below = el("div", { class: "rows-below" });
  show(told);
  const timer = setInterval(news, NEWS_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });

  function show({ experiments, next_cursor: cursor }) {
    rows.append(...experiments.filter((one) => !isGoing(addressOf(one))).map((one) => Row(one, drop)));
    rows.hidden = rows.children.length === 0;
    fill(below, cursor && button("Show more", { class: "secondary", on: { click: () => more(cursor) } }),
      rows.hidden && Empty("No experiments yet", ABOUT, link("/experiments?new=1", "New experiment", { class: "button primary" })));
  }

  // Updates the list while experiments run. A row keeps the focus when an update replaces it.
  async function news() {
    if (document.hidden || !rows.querySelector("[data-status='running']")) return;
    const fresh = await get("/api/experiments", { query: { limit: PAGE }, signal }).catch(() => null);
    for (const one of fresh?.experiments ?? []) {
      const row = [...rows.children].find((each) => each.dataset.id === one.id && each.dataset.status === "running");
      if (!row) continue;
      const held = row.contains(document.activeElement);
      const now = Row(one, drop);
      row.replaceWith(now);
      if (held) now.querySelector("a").focus();
    }
  }

  function drop(one, row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    next?.querySelector("a")?.focus();
    rows.hidden = rows.children.length === 0;
    removeWithUndo(addressOf(one), `“${one.name}” is deleted with its cases and answers.`, () => go("/experiments", { replace: true }));
  }

  async function more(cursor) {
    fill(below, Loading("Loading"));
    try {
      show(await get("/api/experiments", { query: { limit: PAGE, cursor }, signal }));
    } catch (problem) {
      if (!signal.aborted) fill(below, Failure(problem, () => more(cursor)));
    }
  }

  return el("section", { class: "page experiments-page" },
    el("header", { class: "page-head page-head-row" }, el("h1", null, "Experiments"),
      told.experiments.length > 0 && link("/experiments?new=1", "New experiment", { class: "button primary" })),
    rows, below);
}

function Row(one, drop) {
  const words = one.sentence ? sentence(one.sentence) : one.status === "completed" ? sentence(finding(one.finding)) : "";
  const row = el("li", { class: "row", data: { status: one.status, id: one.id } },
    el("div", { class: "row-words" },
      link(`/experiments?id=${encodeURIComponent(one.id)}`, one.name, { class: "row-title", dir: "auto" }),
      words && el("p", null, words),
      el("p", { class: "fine" },
        el("span", { class: `status-word ${one.status}` }, STATES[one.status] ?? one.status),
        ` · ${[plural(one.arms, "setting"), plural(one.cases, "case"), plural(one.evaluations, "evaluation"), one.cost_usd > 0 && money(one.cost_usd)].filter(Boolean).join(" · ")}`,
        el("time", { datetime: one.created_at, title: exactly(one.created_at) }, ` · ${when(one.created_at)}`))),
    one.status !== "running" && el("div", { class: "row-actions" },
      button(`Delete the experiment “${one.name}”`, { class: "quiet icon-only", title: "Delete", on: { click: () => drop(one, row) } }, icon("trash"))));
  return row;
}
