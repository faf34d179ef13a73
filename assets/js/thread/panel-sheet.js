// The panel of a question as a sheet: saved panels, the selected models, and a row for every model with its price,
// context length, speed, and image support. Applies to the next question and its follow-ups.
import { get, post } from "../api.js";
import { button, el, fill, icon } from "../dom.js";
import { count, money, plural, sentence, short } from "../format.js";
import { openDialog } from "../parts/dialog.js";
import { Choice, Field } from "../parts/field.js";
import { Letter } from "../parts/letter.js";
import { sortModels } from "../parts/model-order.js";
import { nameOf } from "../parts/model-name.js";
import { letterAt } from "../parts/run-model.js";
import { toast } from "../parts/toast.js";
import { requestOf, takeRecipe } from "../workbench/draft.js";
import { measuredSpeeds, priceAndTime } from "./price.js";

// Maximum number of rows shown at once; search finds the rest.
const MAX_SHOWN = 60;
// Price thresholds for two, three, and four dots, in dollars per million tokens (input plus output).
const PRICE_STEPS = [2, 8, 25];
const FAILED_LABEL = "Failed recently";
const STATE_LABELS = { needs_key: "Needs a key", throttled: "Busy", unavailable: FAILED_LABEL, circuit_open: FAILED_LABEL };

/** Opens the sheet; `bound` is the composer's selection, which "Use panel" changes. */
export function open(bound) {
  const { draft, data, signal } = bound;
  const copy = { ...draft, models: new Set(draft.models), parameters: { ...draft.parameters } };
  const speedMap = new Map();
  let sortedModels = sortModels(data.models);
  const segments = el("div", { class: "segments", role: "group", "aria-label": "Saved panels", hidden: true });
  const search = Field(`Find in ${plural(sortedModels.length, "model")}`, { type: "search", autocomplete: "off", placeholder: `Find in ${plural(sortedModels.length, "model")}`, on: { input: drawRows } });
  search.node.classList.add("sheet-search");
  search.node.prepend(icon("search"));
  const pickedList = el("ul", { class: "picked-list", "aria-label": "Panel" });
  const writer = Choice("Synthesis model", { value: copy.ultra, on: { change: () => {
    copy.ultra = writer.input.value;
    updatePrice();
  } } }, writers());
  writer.node.classList.add("sheet-writer");
  const list = el("ul", { class: "model-rows" });
  const total = el("p", { class: "sheet-total", role: "status" });
  const useButton = button("Use panel", { class: "primary", on: { click: apply } });
  const foot = el("div", { class: "sheet-foot" }, total, el("span", { class: "grow" }), button("Save panel", { class: "quiet", on: { click: savePanel } }), useButton);
  const controller = new AbortController();
  let timer = 0;
  openDialog("Panel", el("div", { class: "panel-sheet" },
    el("div", { class: "sheet-top" }, segments, search.node), el("div", { class: "sheet-picked" }, pickedList, writer.node),
    el("div", { class: "model-head", "aria-hidden": "true" }, ["", "Model", "Provider", "Price", "Context", "Tokens/s", "Vision"].map((name) => el("span", null, name))), list),
  { kind: "bottom wide-sheet", foot }).then(() => {
    controller.abort();
    clearTimeout(timer);
  });
  draw();
  loadSavedPanels();
  refreshModels();
  measuredSpeeds(signal).then((loaded) => {
    for (const [id, speed] of loaded) speedMap.set(id, speed);
    if (speedMap.size > 0 && !controller.signal.aborted) drawRows();
  });

  function draw() {
    fill(pickedList, [...copy.models].map((id, place) => el("li", { class: "picked" }, Letter(letterAt(place)), el("span", null, nameOf(id, data.models).name),
      button(`Remove ${nameOf(id, data.models).name}`, { class: "quiet icon-only", on: { click: () => change(id, false) } }, icon("cross")))));
    drawRows();
    updatePrice();
  }

  // The models that can write the answer, without those that have just failed.
  function writers() {
    return [["", "Automatic"], ...sortedModels.filter((model) => model.available && !failed(model)).map((model) => [model.id, nameOf(model.id, [model]).name])];
  }

  // The page may have been open for a long time, and a model may have failed since.
  async function refreshModels() {
    const response = await get("/api/available-models", { signal: controller.signal }).catch(() => null);
    if (!response || controller.signal.aborted) return;
    data.models = response;
    sortedModels = sortModels(response);
    fill(writer.input, writers().map(([id, name]) => el("option", { value: id }, name)));
    if (![...writer.input.options].some((option) => option.value === copy.ultra)) copy.ultra = "";
    writer.input.value = copy.ultra;
    drawRows();
  }

  function drawRows() {
    const terms = search.input.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const matches = sortedModels.filter((model) => terms.every((word) => `${model.id} ${model.name} ${model.provider} ${(model.tags ?? []).join(" ")} ${model.vision ? "vision images" : ""}`.toLowerCase().includes(word)));
    const focusedModel = list.contains(document.activeElement) ? document.activeElement.value : null;
    list.replaceChildren(...matches.slice(0, MAX_SHOWN).map(Row));
    if (matches.length === 0) list.append(el("li", { class: "rail-empty" }, "No model matches."));
    if (matches.length > MAX_SHOWN) list.append(el("li", { class: "rail-empty" }, `${count(matches.length - MAX_SHOWN)} more: search to see them.`));
    if (focusedModel) list.querySelector(`input[value="${CSS.escape(focusedModel)}"]`)?.focus();
  }

  function Row(model) {
    const place = [...copy.models].indexOf(model.id);
    const speed = speedMap.get(model.id);
    const { name, demo } = nameOf(model.id, [model]);
    const input = el("input", { type: "checkbox", class: "visually-hidden", value: model.id, checked: place >= 0, disabled: !model.available && place < 0, "aria-label": [name, model.provider, priceWords(model), `${short(model.context_window ?? 0)} context`, model.vision && "accepts images", stateOf(model)].filter(Boolean).join(", "),
      on: { change: () => change(model.id, input.checked) } });
    return el("li", null, el("label", { class: `model-row ${place >= 0 ? "on" : ""} ${failed(model) || !model.available ? "off" : ""}` }, input,
      place >= 0 ? Letter(letterAt(place)) : el("span", { class: "model-box", "aria-hidden": "true" }),
      el("span", { class: "model-row-name" }, el("span", null, name), demo && el("span", { class: "badge" }, "Demo"), stateOf(model) && el("span", { class: failed(model) ? "pill bad" : "pill" }, stateOf(model)),
        el("span", { class: "model-row-facts" }, [model.provider, model.context_window && short(model.context_window), speed && `${perSecond(speed)} tokens/s`].filter(Boolean).join(" · "))),
      el("span", { class: "cell provider" }, model.provider), el("span", { class: "cell price", title: priceWords(model) }, Price(model)),
      el("span", { class: "cell number" }, model.context_window ? short(model.context_window) : "–"),
      el("span", { class: "cell number" }, speed ? perSecond(speed) : "–"),
      el("span", { class: "cell number" }, model.vision ? icon("eye") : "–")));
  }

  function change(id, chosen) {
    if (chosen) copy.models.add(id);
    else copy.models.delete(id);
    draw();
  }

  function updatePrice() {
    clearTimeout(timer);
    useButton.disabled = copy.models.size === 0;
    const base = plural(copy.models.size, "model");
    total.textContent = base;
    if (copy.models.size === 0) return;
    timer = setTimeout(async () => {
      try {
        const { price: words, time } = await priceAndTime(requestOf({ ...copy, prompt: bound.request().prompt || "?" }), AbortSignal.any([signal, controller.signal]));
        total.textContent = [base, words, time && `about ${time}`].filter(Boolean).join(" · ");
      } catch {
        // The number of models is shown; the composer explains why a question cannot be asked.
      }
    }, 300);
  }

  async function loadSavedPanels() {
    const response = await get("/api/recipes", { signal: controller.signal }).catch(() => null);
    if (!response || controller.signal.aborted || response.recipes.length === 0) return;
    segments.hidden = false;
    const drawRecipes = () => fill(segments, response.recipes.slice(0, 6).map((recipe) => button(recipe.name, { class: "segment", "aria-pressed": String(copy.recipe === recipe.id), on: { click: () => {
      takeRecipe(copy, recipe, data.models);
      writer.input.value = copy.ultra;
      drawRecipes();
      draw();
    } } })));
    drawRecipes();
  }

  function apply() {
    const isRecipeChanged = copy.recipe !== draft.recipe;
    Object.assign(draft, copy);
    bound.changed("models", "ultra", ...(isRecipeChanged ? ["pattern", "depth", "settings"] : []));
    useButton.closest("dialog").close("");
  }

  async function savePanel() {
    const name = Field("Name", { required: true, maxLength: 60, autocomplete: "off" });
    const form = el("form", { class: "save-recipe", on: { submit: async (event) => {
      event.preventDefault();
      const { prompt: _question, document_ids: _documents, reading: _reading, recipe: _recipe, ...choice } = requestOf({ ...copy, prompt: "" });
      try {
        const response = await post("/api/recipes", { name: name.input.value.trim(), ...choice }, { signal });
        copy.recipe = (response.recipe ?? response).id;
        form.closest("dialog").close("saved");
        toast(`“${name.input.value.trim()}” saved.`);
        loadSavedPanels();
      } catch (problem) {
        toast(sentence(problem.message), "failed");
      }
    } } }, el("p", null, "Saves the models, synthesis model, pattern, and depth."), name.node, button("Save", { type: "submit", class: "primary" }));
    await openDialog("Save panel", form);
  }
}

const perSecond = (speed) => count(Math.max(1, Math.round(speed.perSecond)));

function failed(model) {
  return model.failed_lately || stateOf(model) === FAILED_LABEL;
}

function stateOf(model) {
  return model.failed_lately && model.available ? FAILED_LABEL : STATE_LABELS[model.status];
}

function Price(model) {
  const sum = model.price ? model.price.input + model.price.output : null;
  if (sum === null) return "–";
  if (sum === 0) return "Free";
  const filledDots = 1 + PRICE_STEPS.filter((step) => sum > step).length;
  return el("span", { class: "dots", "aria-hidden": "true" }, [1, 2, 3, 4].map((dot) => el("i", { class: dot <= filledDots ? "" : "o" })));
}

function priceWords({ price: updatePrice }) {
  if (!updatePrice) return "price unknown";
  return updatePrice.input + updatePrice.output === 0 ? "free" : `${money(updatePrice.input)} in, ${money(updatePrice.output)} out per 1M tokens`;
}
