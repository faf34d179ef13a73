// For administrators: who has an account here and what each may spend, where models come from, who is asked
// in whose place.
import { get, post, put, remove } from "../api.js";
import { button, el, fill } from "../dom.js";
import { plural, sentence, when } from "../format.js";
import { user } from "../state.js";
import { openDialog } from "../parts/dialog.js";
import { Field } from "../parts/field.js";
import { Providers } from "../parts/providers.js";
import { Alert, EmptyPage } from "../parts/states.js";
import { toast } from "../parts/toast.js";

const PROVIDERS = "/api/admin/providers";

export async function load(_params, signal) {
  if (user.get()?.role !== "admin") return { refused: true };
  const [people, providers, status, chains] = await Promise.all([
    get("/api/admin/users", { query: { limit: 200 }, signal }), get(PROVIDERS, { signal }),
    get("/api/llm/status", { signal }), get("/api/admin/fallbacks", { signal }),
  ]);
  return { users: people.users ?? [], providers, states: status.providers, chains: chains.fallbacks };
}

export function view(data, { signal }) {
  if (data.refused) return EmptyPage("For administrators", "Your account may not see this page. An administrator of this server can.");
  return el("section", { class: "page settings-page" },
    el("header", { class: "page-head" }, el("h1", null, "Administration"),
      el("p", { class: "lead" }, `${plural(data.users.length, "account")} on this server. Roles, locks and password links are changed on the command line: `, el("code", null, "quire user --help"), ".")),
    People(data.users),
    Providers({
      path: PROVIDERS, told: data.providers, states: data.states, signal, title: "Providers",
      lead: "Where everyone's models come from. Keys are stored sealed and never shown again.",
      actions: (refresh) => Checks(refresh, signal),
    }),
    Fallbacks(data.chains));
}

function People(users) {
  return el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Accounts" },
    el("table", null,
      el("thead", null, el("tr", null, ["E-mail", "Name", "Role", "State", "Made", "Last seen", "Budget"].map((title) => el("th", { scope: "col" }, title)))),
      el("tbody", null, users.map((each) => el("tr", null,
        el("td", null, each.email), el("td", null, each.name ?? ""), el("td", null, each.role),
        el("td", null, each.disabled ? "locked" : "active"), el("td", null, when(each.created_at)),
        el("td", null, each.last_login_at ? when(each.last_login_at) : "never"),
        el("td", null, button(`Budget of ${each.email}`, { class: "quiet", on: { click: () => budgetOf(each) } }, "Budget")))))));
}

const LIMITS = [["day_usd", "Dollars a day"], ["month_usd", "Dollars a month"], ["day_tokens", "Tokens a day"], ["month_tokens", "Tokens a month"]];

async function budgetOf(person) {
  const path = `/api/admin/users/${person.user_id ?? person.id}/budget`;
  let told;
  try {
    told = await get(path);
  } catch (problem) {
    toast(sentence(problem.message), "failed");
    return;
  }
  const fields = LIMITS.map(([name, label]) => [name, Field(label, {
    type: "number", min: 0, step: name.endsWith("usd") ? "any" : 1, value: told.limits[name] ?? "", placeholder: "no limit",
  })]);
  const message = el("div", { class: "step-message" });
  const act = async (work, said) => {
    try {
      await work();
      form.closest("dialog").close("");
      toast(said);
    } catch (problem) {
      fill(message, Alert(problem));
    }
  };
  const form = el("form", { class: "budget-form", on: { submit: (event) => {
    event.preventDefault();
    const limits = {};
    for (const [name, field] of fields) limits[name] = field.input.value === "" ? null : Number(field.input.value);
    act(() => put(path, limits), "The budget is set.");
  } } },
  el("p", { class: "fine" }, told.own ? "This person has limits of their own." : "The limits of this installation hold."),
  fields.map(([, field]) => field.node), message,
  el("div", { class: "row-actions" }, button("Set the budget", { type: "submit", class: "secondary" }),
    told.own && button("Use the installation's limits", { class: "quiet", on: { click: () => act(() => remove(path), "The installation's limits hold.") } })));
  openDialog(`Budget of ${person.email}`, form);
}

function Checks(refresh, signal) {
  const run = async (path, said) => {
    try {
      const told = await post(path, {}, { signal });
      await refresh(said ?? told.message);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  };
  return el("div", { class: "row-actions" },
    button("Ask all providers now", { class: "secondary", on: { click: () => run("/api/llm/health-check", "all providers were asked") } }),
    button("Reset circuits", { class: "secondary", title: "Models that were left alone after failures are asked again", on: { click: () => run("/api/admin/breakers/reset") } }));
}

function Fallbacks(chains) {
  const lines = Object.entries(chains).map(([model, others]) => `${model} > ${others.join(" > ")}`);
  const text = Field("One chain a line", { rows: 4, value: lines.join("\n"), spellcheck: false, placeholder: "openai/gpt-5.1 > anthropic/claude-sonnet-4.5" },
    "When the first model fails, the next one is asked in its place, at its own price. Every such change is shown. Without a chain nobody takes a model's place.");
  const message = el("div", { class: "step-message", role: "status" });
  return el("section", { class: "card", "aria-label": "Fallbacks" },
    el("h2", null, "Fallbacks"),
    el("form", { on: { submit: async (event) => {
      event.preventDefault();
      const fallbacks = {};
      for (const line of text.input.value.split("\n")) {
        const [model, ...others] = line.split(">").map((part) => part.trim()).filter(Boolean);
        if (model) fallbacks[model] = others;
      }
      try {
        await put("/api/admin/fallbacks", { fallbacks });
        fill(message, el("p", { class: "notice" }, "Saved. It holds for analyses that begin from now on."));
      } catch (problem) {
        fill(message, Alert(problem));
      }
    } } }, text.node, message, button("Save the chains", { type: "submit", class: "secondary" })));
}
