// Server status: health, the answer cache, and where each setting comes from.
import { get, post } from "../api.js";
import { button, el, fill } from "../dom.js";
import { bytes, count, duration, money, plural, sentence, when } from "../format.js";
import { section } from "../account/parts.js";
import { confirm } from "../parts/dialog.js";
import { toast } from "../parts/toast.js";

const NEWS_MS = 15_000;
const LOOK = { ok: "good", warning: "warn" };

/** The health section, refreshed while the page is open. */
export function State(health, signal) {
  const body = el("div", { class: "state-body" });
  draw(health);
  const timer = setInterval(async () => {
    if (document.hidden) return;
    const told = await get("/api/health", { signal }).catch(() => null);
    if (told && !signal.aborted) draw(told);
  }, NEWS_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });

  function draw(told) {
    const { resources = {} } = told;
    fill(body,
      el("p", { class: `state-word ${LOOK[told.status] ?? "bad"}` }, told.status === "ok" ? "Healthy" : sentence(told.message ?? told.status)),
      Facts([
        ["Version", told.version], ["Uptime", duration(told.uptime_seconds * 1000)],
        ["Memory", typeof resources.rss_mb === "number" && `${resources.rss_mb} MB`], ["Threads", resources.threads], ["Open files", resources.open_files],
        ["Database", told.database?.status === "ok" ? told.database.engine : told.database?.status], ["Environment", told.environment],
        ["Replica", told.replica && (told.replica.status === "ok" ? `up to ${told.replica.whole_at ? when(told.replica.whole_at) : "now, for the first time"}` : "behind: see quire doctor")],
      ]));
  }
  return section("State", null, body);
}

function Facts(rows) {
  return el("dl", { class: "sums" }, rows.filter(([, value]) => value || value === 0).map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, String(value)))));
}

/** The answer cache section. */
export function Cache(first, signal) {
  const body = el("div");
  draw(first);

  function draw(told) {
    const { saved } = told;
    fill(body, told.status === "disabled" ? el("p", null, "The cache is off: CACHE_TTL is 0.") : Facts([
      ["Answers", count(told.entries)], ["Size", `${bytes(told.bytes)} of ${bytes(told.limit_bytes)}`], ["Kept for", duration(told.ttl_seconds * 1000)],
      ["Saved so far", saved.hits > 0 ? `${Number(saved.cost_usd) > 0 ? money(saved.cost_usd) : plural(saved.tokens, "token")} in ${plural(saved.hits, "answer")}` : "nothing yet"],
      ["Shared", told.sharing === "team" ? "yes" : "no"],
    ]));
  }

  async function clear() {
    if (!(await confirm("Clear the cache?", "The same questions will be answered and paid for again. Analyses and their results stay.", "Clear"))) return;
    try {
      toast(sentence((await post("/api/cache/clear", {}, { signal })).message));
      draw(await get("/api/cache/stats", { signal }));
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }
  return section("Response cache", "Identical calls are answered from the cache, free.", body,
    first.entries > 0 && el("div", { class: "actions" }, button("Clear cache", { class: "secondary", on: { click: clear } })));
}

/** The settings by name with the source of each; their values are never sent to the browser. */
export function Settings({ settings, warnings }) {
  const changed = settings.filter((one) => one.source !== "default");
  return section("Server settings", "Set where the server starts. See quire help settings. Values are not shown.",
    warnings.map((text) => el("p", { class: "notice suspicious" }, sentence(typeof text === "string" ? text : text.message ?? ""))),
    changed.length > 0
      ? el("dl", { class: "config-list" }, changed.map((one) => el("div", null, el("dt", null, el("code", null, one.name)), el("dd", null, `from the ${one.source}`))))
      : el("p", { class: "fine" }, "All settings have their defaults."),
    el("p", { class: "fine" }, `${plural(settings.length - changed.length, "setting")} as ${settings.length - changed.length === 1 ? "it comes" : "they come"}.`));
}
