// Administration: server health, accounts and budgets, providers, the answer cache, and the audit log.
import { get } from "../api.js";
import { el, link } from "../dom.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { Audit } from "../admin/audit.js";
import { Backups } from "../admin/backups.js";
import { ActivityCharts } from "../admin/hours.js";
import { ProviderActions, Fallbacks } from "../admin/models.js";
import { People, PasswordResets } from "../admin/people.js";
import { Cache, Settings, State } from "../admin/state.js";
import { WithContents } from "../parts/contents.js";
import { sectionWhenSeen } from "../parts/later.js";
import { Providers } from "../parts/providers.js";
import { EmptyPage } from "../parts/states.js";

const HEALTH = "/api/health";
const HOURS = "/api/admin/metrics";
const PROVIDERS = "/api/admin/providers";

export async function load(params, signal) {
  if (user.get()?.role !== "admin") return { refused: true };
  // If the page was opened to add a provider, the sections above the form are loaded later.
  const isAdding = params.add === "provider";
  const [people, waiting, health, hours, providers] = await Promise.all([
    get("/api/admin/users", { query: { limit: 200 }, signal }), get("/api/admin/password-resets", { signal }),
    isAdding ? null : get(HEALTH, { signal }), isAdding ? null : get(HOURS, { signal }), isAdding ? ProviderSection(signal, true) : null, styled("account"),
  ]);
  return { people, waiting, health, hours, providers };
}

async function ProviderSection(signal, open) {
  const [listing, status] = await Promise.all([get(PROVIDERS, { signal }), get("/api/llm/status", { signal })]);
  return Providers({
    path: PROVIDERS, listing, states: status.providers, signal, open, title: "Providers",
    lead: "The models that everyone can use come from these. Keys are stored encrypted and never shown again.",
    actions: (refresh) => ProviderActions(refresh, signal),
  });
}

export function view(data, { signal }) {
  if (data.refused) return EmptyPage("For administrators", "Only administrators of this server can open this page.");
  const later = (title, build) => sectionWhenSeen(title, build, signal);
  return el("section", { class: "page settings-page" },
    el("header", { class: "page-head" }, el("h1", null, "Administration"),
      el("p", { class: "lead" }, "For everyone's spending, see ", link("/usage?user=all", "Usage"), ".")),
    WithContents("On this page", [
      data.health ? State(data.health, signal) : later("State", async () => State(await get(HEALTH, { signal }), signal)),
      data.hours ? ActivityCharts(data.hours, signal) : later("Recent activity", async () => ActivityCharts(await get(HOURS, { signal }), signal)),
      PasswordResets(data.waiting, signal),
      People(data.people, signal),
      data.providers || later("Providers", () => ProviderSection(signal, false)),
      later("Fallbacks", async () => Fallbacks((await get("/api/admin/fallbacks", { signal })).fallbacks)),
      later("Response cache", async () => Cache(await get("/api/cache/stats", { signal }), signal)),
      later("Backup", async () => Backups(await get("/api/admin/backups", { signal }), signal)),
      later("Audit log", async () => Audit(data.people.users, signal)),
      later("Server settings", async () => Settings(await get("/api/admin/config", { signal }))),
    ]));
}
