// The choice of an embedding model for ranking passages by meaning: off by default. Shows its progress and cost.
import { get, put } from "../api.js";
import { button, el, fill } from "../dom.js";
import { money, plural, sentence } from "../format.js";
import { Field } from "./field.js";
import { Failure } from "./states.js";
import { toast } from "./toast.js";

const POLL_MS = 3000;
const PATH = "/api/meaning-search";

/** A collapsed section; its content is fetched when it is opened. */
export function MeaningSearch({ signal }) {
  const body = el("div", { class: "meaning-search" });
  const node = el("details", { data: { component: "MeaningSearch" } }, el("summary", null, "Search by meaning"), body);
  node.addEventListener("toggle", () => node.open && show());
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer));

  async function show(request = () => get(PATH, { signal })) {
    clearTimeout(timer);
    try {
      draw(await request());
    } catch (problem) {
      if (!signal.aborted) fill(body, Failure(problem, () => show()));
    }
  }

  function draw(status) {
    fill(body, el("p", { class: "fine" }, "Finds passages that say the same in other words. Sends the text of your documents to the embedding model's provider."),
      status.model ? ChosenModel(status) : ModelForm());
    // Progress is polled only while the section is open.
    if (status.state === "working" && node.open) timer = setTimeout(() => show(), POLL_MS);
  }

  function ChosenModel(status) {
    const share = status.passages ? Math.floor((status.embedded / status.passages) * 100) : 100;
    return [
      el("p", { role: "status" }, `${status.model}: ${status.embedded} of ${plural(status.passages, "passage")} (${share}%)`),
      status.error && el("p", { class: "fine warn" }, sentence(status.error)),
      button("Turn off", { class: "secondary", on: { click: () => show(() => put(PATH, { model: null }, { signal })) } }),
    ];
  }

  function ModelForm() {
    const field = Field("Embedding model", { maxLength: 200, autocomplete: "off", placeholder: "openai/text-embedding-3-small" });
    const cost = el("p", { class: "fine", role: "status" });
    const modelName = () => field.input.value.trim();
    field.input.addEventListener("change", async () => {
      fill(cost);
      if (!modelName()) return;
      const { missing } = await get(PATH, { query: { model: modelName() }, signal }).catch(() => ({}));
      if (missing) fill(cost, missing.cost_usd === null ? "Its price is unknown." : `About ${money(missing.cost_usd)} for the documents you have now.`);
    }, { signal });
    return el("form", { on: { submit: async (event) => {
      event.preventDefault();
      if (!modelName()) return;
      try {
        draw(await put(PATH, { model: modelName() }, { signal }));
      } catch (problem) {
        if (!signal.aborted) toast(problem.message, "failed");
      }
    } } }, field.node, cost, button("Turn on", { type: "submit", class: "secondary" }));
  }
  return node;
}
