// The panel: which models take part, and whether each can be asked now.
import { el, fill, uid } from "../dom.js";
import { money, plural, short } from "../format.js";
import { Field } from "./field.js";
import { nameOf } from "./member.js";

const MANY = 9;

const STATUS = {
  ready: "Ready",
  needs_key: "Needs a key",
  throttled: "Busy, may have to wait",
  unavailable: "Not reachable",
  circuit_open: "Paused after failures",
};

/** Those that can be asked first; language models before demo algorithms. */
export function inOrder(models) {
  const rank = (model) => (model.available ? 0 : 2) + (model.mock ? 1 : 0);
  return [...models].sort((a, b) => rank(a) - rank(b));
}

/** The panel for somebody who has not chosen yet. */
export function defaultPanel(models) {
  return inOrder(models).filter((model) => model.available).slice(0, 3).map((model) => model.id);
}

/** `{node}`; `chosen` is a Set that it changes, `onChange` is called after each change. */
export function ModelSelector({ models, chosen, onChange }) {
  const legend = uid("models");
  const list = el("ul", { class: "model-list" });
  const summary = el("p", { class: "hint", role: "status" });
  const all = inOrder(models);
  const search = Field("Find a model", { type: "search", autocomplete: "off", on: { input: draw } });
  search.node.hidden = all.length < MANY;
  const node = el("div", { class: "model-selector", role: "group", "aria-labelledby": legend, data: { component: "ModelSelector" } },
    el("p", { id: legend, class: "group-label" }, "Who shall answer?"), search.node, list, summary);
  draw();
  sum();

  function draw() {
    const wanted = search.input.value.trim().toLowerCase();
    const matching = all.filter((model) => `${model.id} ${model.name}`.toLowerCase().includes(wanted) || chosen.has(model.id));
    fill(list, matching.map((model) => item(model, chosen, () => {
      sum();
      onChange();
    })));
  }

  function sum() {
    const advice = chosen.size === 1 ? " One model alone gives no second opinion." : chosen.size > 4 ? " More than four seldom add much, and each costs." : "";
    summary.textContent = `${plural(chosen.size, "model")} chosen.${advice}`;
  }

  return { node };
}

function item(model, chosen, changed) {
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
  return el("li", { class: "model-item", data: { status: model.status } },
    el("label", { for: box.id },
      box,
      el("span", { class: "model-words" },
        el("span", { class: "model-name", id: name }, nameOf(model.id, [model]).name),
        el("span", { class: "model-about fine", id: about }, facts(model)),
        model.mock && el("span", { class: "badge" }, "Demo algorithm")),
      el("span", { class: `availability-indicator ${model.available ? "is-ready" : "is-off"}` }, STATUS[model.status] ?? model.status)));
}

function facts(model) {
  const price = model.price && (model.price.input > 0 || model.price.output > 0)
    ? `${money(model.price.input)} in, ${money(model.price.output)} out per 1M tokens`
    : model.price ? "no cost" : "price unknown";
  return [model.id, model.context_window ? `${short(model.context_window)} tokens` : "", price].filter(Boolean).join(" · ");
}
