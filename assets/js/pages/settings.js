// The user's account: profile, defaults, usage, providers, password, sessions, and API keys.
import { get } from "../api.js";
import { el, link } from "../dom.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { Archive } from "../account/archive.js";
import { Keys } from "../account/keys.js";
import { section } from "../account/parts.js";
import { Appearance, Password, Profile, DefaultRecipe } from "../account/profile.js";
import { Sessions } from "../account/sessions.js";
import { WithContents } from "../parts/contents.js";
import { Providers } from "../parts/providers.js";
import { Worth } from "../parts/worth.js";
import { Budget } from "../usage/budget.js";

export async function load(params, signal) {
  const [keyList, providers, status, usage, worth, recipes, sessions] = await Promise.all([
    get("/api/users/me/api-keys", { signal }), get("/api/users/me/providers", { signal }),
    get("/api/llm/status", { signal }), get("/api/usage", { query: { group: "day" }, signal }),
    get("/api/worth", { signal }), get("/api/recipes", { query: { limit: 200 }, signal }),
    get("/api/users/me/sessions", { signal }), styled("account"),
  ]);
  return { add: params.add === "provider", me: user.get(), keys: keyList.api_keys, providers, states: status.providers, usage, worth, recipes, sessions: sessions.sessions };
}

export function view({ add, me, keys, providers, states, usage, worth, recipes, sessions }, { signal }) {
  const budget = Budget(usage.budget);
  budget.setAttribute("aria-label", "Usage and budget");
  budget.querySelector("h2").textContent = "Usage and budget";
  budget.append(link("/usage", "View usage"));
  return el("section", { class: "page settings-page" },
    el("header", { class: "page-head" }, el("h1", null, "Settings")),
    WithContents("On this page", [
      Profile(me), Appearance(), DefaultRecipe(recipes.recipes, recipes.default), budget,
      section("Is the panel worth it?", null, Worth(worth)),
      Providers({
        path: "/api/users/me/providers", listing: providers, states, signal, open: add, title: "Your providers",
        lead: "Calls with your own key are billed to you and do not count toward shared budgets.",
      }),
      Keys(keys, { isAdmin: me.role === "admin", signal }), Sessions(sessions, signal), Password(me), Archive(),
    ]));
}
