// The panel picker: which models take part, with the price, capabilities, and availability of each.
import { button, el, fill, uid } from "../dom.js";
import { count, money, plural, short } from "../format.js";
import { Choice, Field } from "./field.js";
import { nameOf } from "./model-name.js";
import { sortModels } from "./model-order.js";

const SEARCH_THRESHOLD = 9;
// Maximum number of models shown at once; a provider may list hundreds, and the rest can be found by search.
const MAX_SHOWN = 40;

const STATUS = {
  ready: "Ready",
  needs_key: "Needs a key",
  throttled: "Rate limited",
  unavailable: "Not reachable",
  circuit_open: "Paused after failures",
};

const priceOf = (model) => (model.price ? model.price.input + model.price.output : Infinity);
const ORDERS = [
  ["", "Available first", () => 0],
  ["price", "Lowest price", (a, b) => priceOf(a) - priceOf(b)],
  ["speed", "Fastest", (a, b, speedMap) => (speedMap.get(b.id)?.perSecond ?? 0) - (speedMap.get(a.id)?.perSecond ?? 0)],
  ["context", "Largest context", (a, b) => (b.context_window ?? 0) - (a.context_window ?? 0)],
];

/**
 * Returns `{node, draw()}`. Changes the Set `chosen` and calls `onChange` after each change. `speeds` is a promise of
 * the models' measured speed.
 */
export function ModelSelector({ models, chosen, onChange, speeds }) {
  const legend = uid("models");
  const list = el("ul", { class: "model-list" });
  const more = el("div", { class: "model-more" });
  const summary = el("p", { class: "hint", role: "status" });
  const all = sortModels(models);
  let speedMap = new Map();
  let showAll = false;
  const search = Field("Find a model", { type: "search", autocomplete: "off", placeholder: "Name, provider, images, effort…", on: { input: draw } });
  const order = Choice("Sort by", { value: "", on: { change: draw } }, ORDERS.map(([id, name]) => [id, name]));
  const searchBar = el("div", { class: "model-find", hidden: all.length < SEARCH_THRESHOLD }, search.node, order.node);
  const node = el("div", { class: "model-selector", role: "group", "aria-labelledby": legend, data: { component: "ModelSelector" } },
    el("p", { id: legend, class: "group-label" }, "Models"), searchBar, list, more, summary);
  draw();
  speeds?.then((loaded) => {
    speedMap = loaded;
    if (speedMap.size > 0) updateSpeeds();
  });

  function draw() {
    const terms = search.input.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const compare = ORDERS.find(([id]) => id === order.input.value)[2];
    const matching = all.filter((model) => terms.every((word) => searchText(model).includes(word)) || chosen.has(model.id))
      .sort((a, b) => compare(a, b, speedMap));
    // Selected models are always visible.
    const visible = matching.filter((model, place) => showAll || place < MAX_SHOWN || chosen.has(model.id));
    fill(list, visible.map((model) => Item(model, chosen, speedMap, () => {
      updateSummary();
      onChange();
    })));
    fill(more, matching.length > visible.length && button(`Show all ${count(matching.length)} models`, { class: "link-button", on: { click: () => {
      showAll = true;
      draw();
    } } }), matching.length === 0 && el("p", { class: "fine" }, "No matches."));
    updateSummary();
  }

  // Updates only the text, so that the focus stays where it is.
  function updateSpeeds() {
    for (const item of list.children) {
      const model = all.find((each) => each.id === item.dataset.model);
      item.querySelector(".model-about").textContent = facts(model, speedMap);
    }
  }

  function updateSummary() {
    const advice = chosen.size === 1 ? " One model gives no second opinion." : chosen.size > 4 ? " More than four rarely improve the answer, and each one costs money." : "";
    summary.textContent = `${plural(chosen.size, "model")} chosen.${advice}`;
  }

  return { node, draw };
}

function Item(model, chosen, speedMap, changed) {
  const name = uid("model");
  const about = uid("about");
  const box = el("input", {
    type: "checkbox", class: "model-checkbox", id: `${name}-box`, value: model.id, checked: chosen.has(model.id),
    disabled: !model.available, "aria-labelledby": name, "aria-describedby": about,
    on: { change: () => {
      if (box.checked) chosen.add(model.id);
      else chosen.delete(model.id);
      changed();
    } },
  });
  return el("li", { class: "model-item", data: { status: model.status, model: model.id } },
    el("label", { for: box.id },
      box,
      el("span", { class: "model-words" },
        el("span", { class: "model-name", id: name }, nameOf(model.id, [model]).name),
        el("span", { class: "model-about fine", id: about }, facts(model, speedMap)),
        el("span", { class: "model-takes" }, model.mock && el("span", { class: "badge" }, "Demo algorithm"), capabilitiesOf(model).map((capability) => el("span", { class: "tag" }, capability)))),
      el("span", { class: `availability-indicator ${model.available && !model.failed_lately ? "is-ready" : "is-off"}` }, model.available && model.failed_lately ? "Failed recently" : STATUS[model.status] ?? model.status)));
}

function facts(model, speedMap) {
  const price = model.price && (model.price.input > 0 || model.price.output > 0)
    ? `${money(model.price.input)} in, ${money(model.price.output)} out per 1M tokens`
    : model.price ? "no cost" : "price unknown";
  const speed = speedMap.get(model.id);
  return [
    model.id, model.context_window ? `${short(model.context_window)} tokens` : "", price,
    speed && `${count(Math.max(1, Math.round(speed.perSecond)))} tokens per second recently`,
  ].filter(Boolean).join(" · ");
}

// Every model accepts documents as text; these are the capabilities that only some models have.
function capabilitiesOf({ vision, efforts, parameters, structured, tags }) {
  return [
    vision && "Images",
    efforts?.length > 0 && (efforts.length > 1 ? `Effort ${efforts[0]} to ${efforts.at(-1)}` : `Effort ${efforts[0]}`),
    structured && structured !== "prompt" && "Strict JSON",
    parameters?.includes("temperature") && "Temperature",
    parameters?.includes("seed") && "Seed",
    tags?.includes("local") && "Local",
  ].filter(Boolean);
}

function searchText(model) {
  return [model.id, model.name, model.provider, ...capabilitiesOf(model), ...(model.tags ?? [])].join(" ").toLowerCase();
}
