// Server status: health, the answer cache, and where each setting comes from.
import { get, post } from "../api.js";
import { button, el, fill } from "../dom.js";
import { bytes, count, duration, money, plural, sentence, when } from "../format.js";
import { section } from "../account/parts.js";
import { confirm } from "../parts/dialog.js";
import { toast } from "../parts/toast.js";

const REFRESH_MS = 15_000;
const STATUS_CLASS = { ok: "good", warning: "warn" };

/** The health section, refreshed while the page is open. */
export function State(health, signal) {
  const body = el("div", { class: "state-body" });
  draw(health);
  showServers(health);
  const timer = setInterval(async () => {
    if (document.hidden) return;
    const status = await get("/api/health", { signal }).catch(() => null);
    if (status && !signal.aborted) showServers(status);
  }, REFRESH_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });

  // A database on a server may have other servers, which only administrators see.
  async function showServers(status) {
    const isShared = status.database?.type === "postgresql";
    const database = isShared ? await get("/api/admin/database", { signal }).catch(() => null) : null;
    if (!signal.aborted) draw(status, database);
  }

  function draw(status, database = null) {
    const { resources = {} } = status;
    fill(body,
      el("p", { class: `state-word ${STATUS_CLASS[status.status] ?? "bad"}` }, status.status === "ok" ? "Healthy" : sentence(status.message ?? status.status)),
      Facts([
        ["Version", status.version], ["Uptime", duration(status.uptime_seconds * 1000)],
        ["Memory", typeof resources.rss_mb === "number" && `${resources.rss_mb} MB`], ["Threads", resources.threads], ["Open files", resources.open_files],
        ["Database", status.database?.status === "ok" ? status.database.engine : status.database?.status], ["Environment", status.environment],
        ...DatabaseFacts(database),
        ["Replica", status.replica && (status.replica.status === "ok" ? `up to ${status.replica.whole_at ? when(status.replica.whole_at) : "now (first copy in progress)"}` : "behind: see quire doctor")],
      ]));
  }
  return section("State", null, body);
}

function DatabaseFacts(database) {
  if (!database) return [];
  const { connections, servers, redis } = database;
  return [
    ["Connections", connections && `${count(connections.used)} of ${count(connections.max)}, ${count(connections.used_by_quire)} by Quire${database.is_pooled ? ", through a pooler" : ""}`],
    ["Replicas", database.replicas > 0 && `${count(database.replicas)}${database.replica_lag_bytes === null ? "" : `, ${bytes(database.replica_lag_bytes)} behind`}`],
    ["Redis", redis && (redis.status === "ok" ? `${redis.version} at ${redis.address}` : `away since ${when(redis.away_since)}, limits are divided: ${redis.error}`)],
    ["Servers", servers.map((server) => `${server.version || "earlier version"}, up ${duration(server.age_seconds * 1000)}${server.is_this ? " (this one)" : ""}`).join("; ")],
  ];
}

function Facts(rows) {
  return el("dl", { class: "sums" }, rows.filter(([, value]) => value || value === 0).map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, String(value)))));
}

/** The answer cache section. */
export function Cache(initial, signal) {
  const body = el("div");
  draw(initial);

  function draw(status) {
    const { saved } = status;
    fill(body, status.status === "disabled" ? el("p", null, "The cache is off: CACHE_TTL is 0.") : Facts([
      ["Answers", count(status.entries)], ["Size", `${bytes(status.bytes)} of ${bytes(status.limit_bytes)}`], ["Kept for", duration(status.ttl_seconds * 1000)],
      ["Saved so far", saved.hits > 0 ? `${Number(saved.cost_usd) > 0 ? money(saved.cost_usd) : plural(saved.tokens, "token")} in ${plural(saved.hits, "answer")}` : "nothing yet"],
      ["Shared", status.sharing === "team" ? "yes" : "no"],
    ]));
  }

  async function clear() {
    if (!(await confirm("Clear the cache?", "The next identical call is sent to the provider and paid for again. Analyses and their results stay.", "Clear"))) return;
    try {
      toast(sentence((await post("/api/cache/clear", {}, { signal })).message));
      draw(await get("/api/cache/stats", { signal }));
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }
  return section("Response cache", "Identical calls are answered from the cache, free.", body,
    initial.entries > 0 && el("div", { class: "actions" }, button("Clear cache", { class: "secondary", on: { click: clear } })));
}

/** The settings by name with the source of each; their values are never sent to the browser. */
export function Settings({ settings, warnings }) {
  const changed = settings.filter((setting) => setting.source !== "default");
  return section("Server settings", "Set in the server's environment, configuration file, or command line; see quire help settings. Values are not shown.",
    warnings.map((text) => el("p", { class: "notice suspicious" }, sentence(typeof text === "string" ? text : text.message ?? ""))),
    changed.length > 0
      ? el("dl", { class: "config-list" }, changed.map((setting) => el("div", null, el("dt", null, el("code", null, setting.name)), el("dd", null, `from the ${setting.source}`))))
      : el("p", { class: "fine" }, "All settings have their defaults."),
    el("p", { class: "fine" }, `${plural(settings.length - changed.length, "setting")} at the default.`));
}
