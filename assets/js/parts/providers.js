// Model providers with their states, and the form that adds one. Used for the user's own providers
// (`/api/users/me/providers`) and for shared ones (`/api/admin/providers`).
import { get, post, put, remove } from "../api.js";
import { button, el, fill, icon } from "../dom.js";
import { plural, sentence, when } from "../format.js";
import { confirm } from "./dialog.js";
import { Choice, Field } from "./field.js";
import { RequestSettings, settingsOf } from "./request-settings.js";
import { Alert } from "./states.js";
import { toast } from "./toast.js";

const OTHER = "other";
const WORDS = {
  ready: "ready", unknown: "not checked yet", needs_key: "needs a key", unavailable: "not reachable",
  throttled: "rate limited", circuit_open: "paused after failures",
};

/** Props: `path`, `told` (the response of `path`), `states` (the providers of `/api/llm/status`), `title`, `lead`, `signal`, `actions`. */
export function Providers({ path, told, states, title, lead, signal, actions, open = false }) {
  const list = el("ul", { class: "rows provider-list" });
  const message = el("div", { class: "step-message", role: "status" });
  let providers = told.providers;
  draw();
  return el("section", { class: "card providers", "aria-label": title },
    el("h2", null, title), el("p", null, lead), list, message, actions?.(refresh), AddForm(told, add, open));

  function draw() {
    const mine = new Set(providers.map((provider) => provider.name));
    // Providers set in the environment or discovered on this machine are shown, but cannot be edited here.
    const others = path.includes("/admin/") ? Object.entries(states).filter(([name, state]) => !mine.has(name) && !state.own) : [];
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
        button(`Remove ${name}`, { class: "quiet icon-only", title: "Remove", on: { click: () => drop(provider) } }, icon("trash"))));
  }

  async function refresh(said) {
    const [again, status] = await Promise.all([get(path, { signal }), get("/api/llm/status", { signal })]);
    providers = again.providers;
    for (const name of Object.keys(states)) delete states[name];
    Object.assign(states, status.providers);
    draw();
    if (!said) return;
    fill(message, el("p", { class: "notice" }, sentence(said)));
    message.scrollIntoView({ block: "nearest" });
  }

  async function act(work) {
    fill(message, el("p", { class: "fine" }, "Testing the provider…"));
    try {
      await refresh((await work()).message);
    } catch (problem) {
      fill(message, Alert(problem));
    }
  }

  function test(provider) {
    return act(() => post(`${path}/${provider.id}/test`, {}, { signal }));
  }

  function changeKey(provider, item) {
    if (item.querySelector("form")) return;
    const key = Field(`New key for ${provider.name}`, { type: "password", autocomplete: "off", required: true });
    const form = el("form", { class: "key-form", on: { submit: (event) => {
      event.preventDefault();
      act(() => put(`${path}/${provider.id}`, { api_key: key.input.value.trim() }, { signal }));
    } } }, key.node, button("Save and test", { type: "submit", class: "secondary" }));
    item.querySelector(".row-words").append(form);
    key.input.focus();
  }

  function changeSettings(provider, item) {
    if (item.querySelector("form")) return;
    const form = RequestSettings(provider, (changes) => act(() => put(`${path}/${provider.id}`, changes, { signal })));
    item.querySelector(".row-words").append(form);
    form.querySelector("textarea").focus();
  }

  async function drop(provider) {
    if (!(await confirm(`Remove ${provider.name}?`, "Its key is deleted, and its models are no longer available.", "Remove"))) return;
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
      const made = await post(path, body, { signal });
      await refresh(made.message);
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
  return el("span", { class: "badge provider-state", data: { state: state.status } }, WORDS[state.status] ?? state.status);
}

function Trouble(state) {
  if (!state) return null;
  const open = (state.circuits ?? []).filter((one) => one.circuit !== "closed").map((one) => one.model);
  const failure = state.last_failure;
  return [
    state.message && el("p", { class: "fine" }, sentence(state.message)),
    open.length > 0 && el("p", { class: "fine" }, `Paused after failures: ${open.join(", ")}.`),
    failure && el("p", { class: "fine" }, `Last failure ${when(failure.at)}, ${failure.model}${failure.message ? `: ${failure.message}` : ""}`),
  ];
}

function AddForm(told, add, open) {
  const known = told.known.map((each) => [each.name, each.local ? `${each.name} (on this machine)` : each.name]);
  if (told.takes_addresses) known.push([OTHER, "Other (by address)"]);
  const which = Choice("Provider", { value: known[0]?.[0], on: { change: show } }, known);
  const name = Field("Name of the provider", { maxLength: 32, autocomplete: "off" }, "Its models are called name/model.");
  const url = Field("Address", { type: "url", autocomplete: "off", placeholder: "https://…/v1" });
  const kind = Choice("API format", { value: "openai" }, told.kinds.map((each) => [each, each]));
  const key = Field("Key", { type: "password", autocomplete: "off" }, "Tested when saved, stored encrypted, and never shown again.");
  const force = el("input", { type: "checkbox", "aria-label": "Save even if it cannot be reached" });
  const message = el("div", { class: "step-message" });
  const form = el("form", { class: "provider-form", on: { submit } },
    which.node, name.node, url.node, kind.node, key.node,
    el("label", { class: "check" }, force, "Save even if it cannot be reached"),
    message, button("Save and test", { type: "submit", class: "secondary" }));
  show();
  const node = el("details", { class: "add-provider", open }, el("summary", null, "Add a provider"), form);
  // The page was opened to add one.
  if (open) {
    requestAnimationFrame(() => {
      node.scrollIntoView({ block: "center" });
      which.input.focus({ preventScroll: true });
    });
  }
  return node;

  function chosen() {
    return told.known.find((each) => each.name === which.input.value);
  }

  function show() {
    const one = chosen();
    name.node.hidden = Boolean(one);
    kind.node.hidden = Boolean(one);
    url.node.hidden = Boolean(one?.base_url) || !told.takes_addresses;
    key.input.required = one?.needs_key ?? false;
    name.input.required = !one;
    url.input.required = !url.node.hidden;
  }

  async function submit(event) {
    event.preventDefault();
    fill(message);
    const one = chosen();
    const body = { name: one?.name ?? name.input.value.trim(), force: force.checked };
    if (!one) body.kind = kind.input.value;
    if (!url.node.hidden) body.base_url = url.input.value.trim();
    if (key.input.value) body.api_key = key.input.value.trim();
    const problem = await add(body);
    if (problem) fill(message, Alert(problem));
    else {
      form.reset();
      show();
    }
  }
}
