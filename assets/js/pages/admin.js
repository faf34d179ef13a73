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
import { Providers } from "../parts/providers.js";
import { EmptyPage } from "../parts/states.js";

const PROVIDERS = "/api/admin/providers";

export async function load(params, signal) {
  if (user.get()?.role !== "admin") return { refused: true };
  const [people, providers, status, chains, health, cache, config, waiting, hours, backups] = await Promise.all([
    get("/api/admin/users", { query: { limit: 200 }, signal }), get(PROVIDERS, { signal }),
    get("/api/llm/status", { signal }), get("/api/admin/fallbacks", { signal }), get("/api/health", { signal }),
    get("/api/cache/stats", { signal }), get("/api/admin/config", { signal }), get("/api/admin/password-resets", { signal }),
    get("/api/admin/metrics", { signal }), get("/api/admin/backups", { signal }), styled("account"), styled("charts"),
  ]);
  return { add: params.add === "provider", people, providers, states: status.providers, chains: chains.fallbacks, health, cache, config, waiting, hours, backups };
}

export function view(data, { signal }) {
  if (data.refused) return EmptyPage("For administrators", "Only administrators of this server can open this page.");
  return el("section", { class: "page settings-page" },
    el("header", { class: "page-head" }, el("h1", null, "Administration"),
      el("p", { class: "lead" }, "Everyone's spending is under ", link("/usage?user=all", "usage"), ".")),
    WithContents("On this page", [
      State(data.health, signal),
      ActivityCharts(data.hours, signal),
      PasswordResets(data.waiting, signal),
      People(data.people, signal),
      Providers({
        path: PROVIDERS, listing: data.providers, states: data.states, signal, open: data.add, title: "Providers",
        lead: "Where everyone's models come from. Keys are stored encrypted and never shown again.",
        actions: (refresh) => ProviderActions(refresh, signal),
      }),
      Fallbacks(data.chains), Cache(data.cache, signal), Backups(data.backups, signal), Audit(data.people.users, signal), Settings(data.config),
    ]));
}
