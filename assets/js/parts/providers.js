// Model providers with their states, and the form that adds one. Used for the user's own providers
// (`/api/users/me/providers`) and for shared ones (`/api/admin/providers`).
import { get, post, put, remove } from "../api.js";
import { button, el, fill, icon, link } from "../dom.js";
import { plural, sentence, when } from "../format.js";
import { confirm } from "./dialog.js";
import { Choice, Field } from "./field.js";
import { RequestSettings, settingsOf } from "./request-settings.js";
import { Alert } from "./states.js";
import { toast } from "./toast.js";

const OTHER = "other";
const STATE_LABELS = {
  ready: "ready", unknown: "not checked yet", needs_key: "needs a key", unavailable: "not reachable",
  throttled: "rate limited", circuit_open: "paused after failures",
};

/** Props: `path`, `listing` (the response of `path`), `states` (the providers of `/api/llm/status`), `title`, `lead`, `signal`, `actions`, `open` (shows the form to add one). */
export function Providers({ path, listing, states, title, lead, signal, actions, open = false }) {
  const list = el("ul", { class: "rows provider-list" });
  const message = el("div", { class: "step-message", role: "status" });
  let providers = listing.providers;
  draw();
  return el("section", { class: "card providers", "aria-label": title },
    el("h2", null, title), el("p", null, lead), list, message, actions?.(refresh), AddForm(listing, add, open));

  function draw() {
    const ownNames = new Set(providers.map((provider) => provider.name));
    // Providers set in the environment or discovered on this machine are shown, but cannot be edited here.
    const others = path.includes("/admin/") ? Object.entries(states).filter(([name, state]) => !ownNames.has(name) && !state.own) : [];
    fill(list, providers.length + others.length === 0 && el("li", { class: "fine" }, "None yet."),
      providers.map(row), others.map(([name, state]) => Fixed(name, state)));
  }

  function row(provider) {
    const { name } = provider;
    return el("li", { class: "row", data: { provider: name } },
      el("div", { class: "row-words" },
        el("p", { class: "row-title" }, name, " ", State(states[name])),
        el("p", { class: "fine" }, [
          provider.has_key ? `key ends in ${provider.key_end}` : "no key",
          provider.base_url ?? "default address",
          provider.models?.length ? plural(provider.models.length, "model") : "all models it lists",
          settingsOf(provider),
        ].filter(Boolean).join(" · ")),
        Trouble(states[name])),
      el("div", { class: "row-actions" },
        button(`Test ${name}`, { class: "secondary", on: { click: () => test(provider) } }, "Test"),
        button(`Change key of ${name}`, { class: "secondary", on: { click: (event) => changeKey(provider, event.target.closest("li")) } }, "Change key"),
        button(`Request settings of ${name}`, { class: "secondary", on: { click: (event) => changeSettings(provider, event.target.closest("li")) } }, "Request settings"),
        button(`Remove ${name}`, { class: "quiet icon-only", title: "Remove", on: { click: () => removeProvider(provider) } }, icon("trash"))));
  }

  async function refresh(confirmation, next = null) {
    const [listing, status] = await Promise.all([get(path, { signal }), get("/api/llm/status", { signal })]);
    providers = listing.providers;
    for (const name of Object.keys(states)) delete states[name];
    Object.assign(states, status.providers);
    draw();
    if (!confirmation) return;
    fill(message, el("p", { class: "notice" }, sentence(confirmation), next && [" ", next]));
    message.scrollIntoView({ block: "center" });
  }

  async function testAndRefresh(work) {
    fill(message, el("p", { class: "fine" }, "Testing the provider…"));
    try {
      await refresh((await work()).message);
    } catch (problem) {
      fill(message, Alert(problem));
    }
  }

  function test(provider) {
    return testAndRefresh(() => post(`${path}/${provider.id}/test`, {}, { signal }));
  }

  function changeKey(provider, item) {
    if (item.querySelector("form")) return;
    const key = Field(`New key for ${provider.name}`, { type: "password", autocomplete: "off", required: true });
    const form = el("form", { class: "key-form", on: { submit: (event) => {
      event.preventDefault();
      testAndRefresh(() => put(`${path}/${provider.id}`, { api_key: key.input.value.trim() }, { signal }));
    } } }, key.node, button("Save and test", { type: "submit", class: "secondary" }));
    item.querySelector(".row-words").append(form);
    key.input.focus();
  }

  function changeSettings(provider, item) {
    if (item.querySelector("form")) return;
    const form = RequestSettings(provider, (changes) => testAndRefresh(() => put(`${path}/${provider.id}`, changes, { signal })));
    item.querySelector(".row-words").append(form);
    form.querySelector("textarea").focus();
  }

  async function removeProvider(provider) {
    if (!(await confirm(`Remove ${provider.name}?`, "Its key will be deleted, and its models will no longer be available.", "Remove"))) return;
    try {
      await remove(`${path}/${provider.id}`, { signal });
      await refresh();
      toast("The provider is removed.");
    } catch (problem) {
      fill(message, Alert(problem));
    }
  }

  async function add(body) {
    fill(message, el("p", { class: "fine" }, "Testing the provider…"));
    try {
      const response = await post(path, body, { signal });
      await refresh(`Connected to ${body.name}. ${sentence(response.message)}`, link("/", "New question"));
      return null;
    } catch (problem) {
      fill(message);
      return problem;
    }
  }
}

function Fixed(name, state) {
  return el("li", { class: "row", data: { provider: name } },
    el("div", { class: "row-words" },
      el("p", { class: "row-title" }, name, " ", State(state)),
      el("p", { class: "fine" }, state.mock ? state.message : `${state.source}${state.models ? ` · ${plural(state.models, "model")}` : ""}`),
      !state.mock && Trouble(state)));
}

function State(state) {
  if (!state) return null;
  return el("span", { class: "badge provider-state", data: { state: state.status } }, STATE_LABELS[state.status] ?? state.status);
}

function Trouble(state) {
  if (!state) return null;
  const paused = (state.circuits ?? []).filter((circuit) => circuit.circuit !== "closed").map((circuit) => circuit.model);
  const failure = state.last_failure;
  return [
    state.message && el("p", { class: "fine" }, sentence(state.message)),
    paused.length > 0 && el("p", { class: "fine" }, `Paused after failures: ${paused.join(", ")}.`),
    failure && el("p", { class: "fine" }, `Last failure ${when(failure.at)}, ${failure.model}${failure.message ? `: ${failure.message}` : ""}`),
  ];
}

function AddForm(listing, add, open) {
  const providerOptions = listing.known.map((each) => [each.name, each.local ? `${each.name} (on this machine)` : each.name]);
  if (listing.takes_addresses) providerOptions.push([OTHER, "Other (by address)"]);
  const providerChoice = Choice("Provider", { value: providerOptions[0]?.[0], on: { change: show } }, providerOptions);
  const name = Field("Name of the provider", { maxLength: 32, autocomplete: "off" }, "Begins the IDs of its models: name/model.");
  const url = Field("Address", { type: "url", autocomplete: "off", placeholder: "https://…/v1" });
  const kind = Choice("API format", { value: "openai" }, listing.kinds.map((each) => [each, each]), "Most servers offer the OpenAI format.");
  const key = Field("API key", { type: "password", autocomplete: "off" }, "Tested when saved, stored encrypted, and never shown again.");
  const force = el("input", { type: "checkbox", "aria-label": "Save even if it cannot be reached" });
  const message = el("div", { class: "step-message" });
  const form = el("form", { class: "provider-form", on: { submit } },
    providerChoice.node, name.node, url.node, kind.node, key.node,
    el("label", { class: "check" }, force, "Save even if it cannot be reached"),
    message, button("Save and test", { type: "submit", class: "secondary" }));
  show();
  const node = el("details", { class: "add-provider", open }, el("summary", null, "Add a provider"), form);
  // The page was opened to add one.
  if (open) {
    requestAnimationFrame(() => {
      node.scrollIntoView({ block: "center" });
      providerChoice.input.focus({ preventScroll: true });
    });
  }
  return node;

  function chosen() {
    return listing.known.find((each) => each.name === providerChoice.input.value);
  }

  function show() {
    const preset = chosen();
    name.node.hidden = Boolean(preset);
    kind.node.hidden = Boolean(preset);
    url.node.hidden = Boolean(preset?.base_url) || !listing.takes_addresses;
    key.input.required = preset?.needs_key ?? false;
    name.input.required = !preset;
    url.input.required = !url.node.hidden;
  }

  async function submit(event) {
    event.preventDefault();
    fill(message);
    const preset = chosen();
    const body = { name: preset?.name ?? name.input.value.trim(), force: force.checked };
    if (!preset) body.kind = kind.input.value;
    if (!url.node.hidden) body.base_url = url.input.value.trim();
    if (key.input.value) body.api_key = key.input.value.trim();
    const problem = await add(body);
    if (problem) {
      fill(message, Alert(inForm(problem)));
      message.scrollIntoView({ block: "nearest" });
    } else {
      form.reset();
      show();
      node.open = false;
    }
  }
}

// Rewords the advice after a failed test for the form; the server's refers to `--force`.
function inForm(problem) {
  if (!problem.resolution?.includes("--force")) return problem;
  return { message: problem.message.replace(/^base url: /i, ""), resolution: "correct the entries, or select “Save even if it cannot be reached”" };
}
