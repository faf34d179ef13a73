// One provider: whether it is reachable, its last error, and its models, each of which can be tested.
import { button, el, fill } from "../dom.js";
import { exactly, money, plural, sentence, short, when } from "../format.js";
import { user } from "../state.js";
import { MODEL_STATES, PROVIDER_STATES } from "./words.js";
import { tryModel } from "./try.js";

const INITIAL_ROWS = 12;

/** The provider's section. `models` are the provider's models that match the search. */
export function ProviderPart(name, state, models, { searching }) {
  const [words, look] = PROVIDER_STATES[state.status] ?? [state.status, "soft"];
  const footer = el("div");
  const rows = el("tbody", null, models.slice(0, INITIAL_ROWS).map(Row));
  if (models.length > INITIAL_ROWS) {
    fill(footer, button(`Show all ${plural(models.length, "model")} of ${name}`, { class: "quiet", on: { click: () => {
      const first = INITIAL_ROWS;
      rows.append(...models.slice(first).map(Row));
      footer.remove();
      rows.children[first]?.querySelector("button")?.focus();
    } } }));
  }
  return el("section", { class: "card provider-part", "aria-label": name, data: { provider: name } },
    el("header", { class: "provider-head" },
      el("h2", null, name),
      el("p", { class: `state-word ${look}` }, words),
      el("p", { class: "fine provider-source" }, [
        state.mock ? "built in: algorithms, not language models" : state.own ? "yours" : state.source,
        !searching && !state.mock && models.length > 0 && plural(models.length, "model"),
      ].filter(Boolean).join(" · "),
      state.checked_at && el("time", { datetime: state.checked_at, title: exactly(state.checked_at) }, ` · checked ${when(state.checked_at)}`))),
    Trouble(state),
    models.length > 0 && el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": `Models of ${name}` },
      el("table", { class: "model-table" },
        el("thead", null, el("tr", null, [["Model"], ["Context", "right"], ["Price per million tokens", "right"], ["Supports"], ["State"], [""]].map(([head, align]) => (head ? el("th", { scope: "col", class: align }, head) : el("td", { class: "head" }))))),
        rows)),
    models.length > INITIAL_ROWS && footer);
}

function Trouble(state) {
  const failure = state.last_failure;
  const openCircuits = (state.circuits ?? []).filter((circuit) => circuit.circuit !== "closed");
  const throttled = (state.circuits ?? []).filter((circuit) => circuit.throttled_until && Date.parse(circuit.throttled_until) > Date.now());
  return [
    state.message && !state.mock && el("p", { class: "trouble" }, sentence(state.message)),
    openCircuits.map((circuit) => el("p", { class: "trouble" }, `${circuit.model} failed several times and is not called${circuit.open_until ? ` until ${when(circuit.open_until)}` : ""}.`)),
    throttled.map((circuit) => el("p", { class: "trouble" }, `${circuit.model} is rate limited until ${when(circuit.throttled_until)}.`)),
    failure && el("p", { class: "fine" }, `Last failure ${when(failure.at)}, ${failure.model}${failure.message ? `: ${sentence(failure.message)}` : "."}`),
  ];
}

function Row(model) {
  const capabilities = [model.vision && "images", model.efforts?.length > 0 && "effort", model.structured === "schema" && "schemas"].filter(Boolean);
  return el("tr", null,
    el("th", { scope: "row" }, model.name || model.id, model.name && model.name !== model.id && el("span", { class: "fine model-id" }, model.id)),
    el("td", { class: "right" }, model.context_window > 0 ? short(model.context_window) : "unknown"),
    el("td", { class: "right" }, priceOf(model)),
    el("td", null, capabilities.join(", ") || "text"),
    el("td", null, MODEL_STATES[model.status] ?? model.status),
    el("td", { class: "right" }, user.get() && model.available && button(`Try ${model.name || model.id}`, { class: "secondary small-button", on: { click: () => tryModel(model) } }, "Try")));
}

function priceOf({ price, mock }) {
  if (mock) return "no cost";
  if (!price) return "unknown";
  const dollars = (usd) => money(usd).replace("no cost", "$0");
  return Number(price.input) === 0 && Number(price.output) === 0 ? "no cost" : `${dollars(price.input)} in, ${dollars(price.output)} out`;
}
