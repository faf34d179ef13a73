// The available models by provider, with capabilities, price, availability, and a quick test.
import { get, post } from "../api.js";
import { announce, button, el, fill, link } from "../dom.js";
import { plural, sentence } from "../format.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { ProviderPart } from "../models/provider.js";
import { LOCAL_SERVERS } from "../models/words.js";
import { CopyButton } from "../parts/copy.js";
import { Field } from "../parts/field.js";
import { Empty } from "../parts/states.js";
import { toast } from "../parts/toast.js";

export async function load(_params, signal) {
  const [response, status] = await Promise.all([get("/api/models", { signal }), get("/api/llm/status", { signal }), styled("models")]);
  return { models: response.models, providers: status.providers };
}

export function view(data, { signal }) {
  const isAdmin = user.get()?.role === "admin";
  let { models, providers } = data;
  const parts = el("div", { class: "provider-parts" });
  const countLine = el("p", { class: "fine", role: "status" });
  const search = Field("Find a model", { type: "search", autocomplete: "off", on: { input: draw } });
  const local = el("div", { class: "local-found", role: "status" });
  draw();

  function draw() {
    const words = search.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = models.filter((model) => words.every((word) => `${model.id} ${model.name} ${model.family ?? ""} ${model.tags.join(" ")}`.toLowerCase().includes(word)));
    const names = [...new Set([...Object.keys(providers), ...models.map((model) => model.provider)])]
      .sort((a, b) => Boolean(providers[a]?.mock) - Boolean(providers[b]?.mock) || a.localeCompare(b));
    countLine.textContent = words.length > 0 ? `${fits.length} of ${plural(models.length, "model")}` : `${plural(models.length, "model")}, ${models.filter((model) => model.available).length} ready`;
    fill(parts, names.map((name) => {
      const providerModels = fits.filter((model) => model.provider === name);
      if (words.length > 0 && providerModels.length === 0) return null;
      return ProviderPart(name, providers[name] ?? { status: "unknown", source: "" }, providerModels, { searching: words.length > 0 });
    }), words.length > 0 && fits.length === 0 && el("p", null, "No matches."));
  }

  async function checkProviders(event) {
    const clicked = event.currentTarget;
    clicked.disabled = true;
    fill(local, el("p", { class: "fine" }, "Checking providers and looking for servers on this machine…"));
    try {
      providers = (await post("/api/llm/health-check", {}, { signal })).providers;
      models = (await get("/api/models", { signal })).models;
      draw();
      const localServers = Object.entries(providers).filter(([, state]) => state.source === "found on this machine");
      const words = localServers.length > 0 ? `Found on this machine: ${localServers.map(([name, state]) => `${name} (${state.reachable ? plural(state.models, "model") : "its models are unknown"})`).join(", ")}.` : "No model server was found on this machine.";
      fill(local, el("p", { class: "notice" }, words));
      announce(words);
    } catch (problem) {
      if (signal.aborted) return;
      fill(local);
      toast(sentence(problem.message), "failed");
    } finally {
      clicked.disabled = false;
    }
  }

  return el("section", { class: "page models-page" },
    el("header", { class: "page-head page-head-row" },
      el("div", null, el("h1", null, "Models"), el("p", { class: "lead" }, "What each model can do, what it costs, and whether it is ready.")),
      el("div", { class: "actions" },
        isAdmin && button("Check providers", { class: "secondary", title: "Calls every provider and looks for servers on this machine", on: { click: checkProviders } }),
        user.get() && link(isAdmin ? "/admin?add=provider" : "/settings?add=provider", "Add a provider", { class: "button secondary" }))),
    local,
    models.length === 0 && Empty("No models yet", "Add a provider with its key, or start a model server on this machine."),
    models.length > 0 && el("div", { class: "model-find" }, search.node, countLine),
    parts,
    !user.get() && el("p", { class: "notice" }, link("/login?next=/modelrunner", "Sign in"), " to try one."),
    Local(isAdmin));
}

function Local(isAdmin) {
  return el("section", { class: "card local-servers", "aria-label": "Models on your own machine" },
    el("h2", null, "Models on your own machine"),
    el("p", null, `Quire looks for these on their default ports on the machine it runs on${isAdmin ? ": start one, then press “Check providers”" : ""}. Prompts to them stay on the machine.`),
    el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Local servers" },
      el("table", null,
        el("thead", null, el("tr", null, ["Server", "Port", "Start with"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", null, LOCAL_SERVERS.map(([name, port, command]) => el("tr", null,
          el("th", { scope: "row" }, name), el("td", null, String(port)),
          el("td", null, command.includes(",") ? command : [el("code", null, command), " ", CopyButton(`Copy: ${command}`, () => command)])))))));
}
