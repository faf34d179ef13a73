// The form fields of a question, each bound to the draft. Both layouts, step by step and all on one screen, are
// built from them.
import { Choice } from "../parts/field.js";
import { DocumentPicker } from "../parts/document-picker.js";
import { ModelSelector } from "../parts/model-selector.js";
import { PatternPicker } from "../parts/pattern-picker.js";
import { PlanView } from "../parts/plan.js";
import { PromptInput } from "../parts/prompt-input.js";
import { RecipeChoice } from "./recipes.js";
import { Settings } from "./settings.js";
import { speeds } from "./speed.js";

const DEPTHS = [["quick", "Quick: one model answers"], ["standard", "Standard: first answers, one round of critique, synthesis"], ["full", "Full: every stage of the pattern"]];
const READING_MODES = [["auto", "Automatic: whole if short, otherwise the matching passages"], ["whole", "Whole, where they fit"], ["passages", "Matching passages only"], ["parts", "In parts: every page is read, and every member gets the notes"]];

/** The question field. `onSubmit` is called on Ctrl+Enter; `hint` says where documents are added. */
export function Question({ draft, changed }, onSubmit, hint) {
  return PromptInput({
    text: draft.prompt, onSubmit, hint,
    onInput: (text) => {
      draft.prompt = text;
      changed();
    },
  });
}

/** The panel picker. */
export function Panel({ draft, data, signal, changed }) {
  return ModelSelector({ models: data.models, chosen: draft.models, onChange: changed, speeds: speedsOf(data, signal) });
}

/** The documents and their reading mode; `onChange` is called after each change. */
export function Documents({ draft, data, signal, changed }, onChange) {
  for (const id of draft.documents) {
    if (!(data.documents ?? []).some((each) => (each.document_id ?? each.id) === id)) draft.documents.delete(id);
  }
  const reading = boundChoice("reading", "Reading mode", "reading-selector", READING_MODES, draft, changed, "In parts costs the most and leaves nothing out; passages cost the least.");
  const picker = DocumentPicker({ documents: data.documents, chosen: draft.documents, signal, files: data.dropped?.splice(0), onChange: () => {
    changed();
    onDocumentsChange();
  } });
  const onDocumentsChange = () => {
    reading.node.hidden = draft.documents.size === 0;
    onChange?.();
  };
  onDocumentsChange();
  return [picker.node, reading.node];
}

/** The pattern picker; `brief` if space is limited. */
export function Pattern({ draft, data, changed }, brief = false) {
  return PatternPicker({ brief, patterns: data.patterns, chosen: draft.pattern, onChange: (id) => {
    draft.pattern = id;
    changed();
  } });
}

/** The depth: how many of the pattern's stages to run. */
export function Depth({ draft, changed }) {
  return boundChoice("depth", "Depth", "depth-selector", DEPTHS, draft, changed, "Each additional stage calls every member again.");
}

/** The choice of the model that writes the answer. */
export function Writer({ draft, data, changed }) {
  const models = data.models.filter((model) => model.available).map((model) => [model.id, model.name || model.id]);
  return boundChoice("ultra", "Synthesis model", "ultra-selector", [["", "Automatic"], ...models], draft, changed,
    "Automatic picks the strongest model that is not on the panel.");
}

/** The estimate; `update` requests it again. */
export function Plan({ data, signal, request }) {
  return PlanView({ request, models: data.models, signal, speeds: speedsOf(data, signal) });
}

export { RecipeChoice, Settings };

// Requested once per visit, when first opened.
function speedsOf(data, signal) {
  data.speeds ??= speeds(signal);
  return data.speeds;
}

function boundChoice(name, label, className, options, draft, changed, hint) {
  const field = Choice(label, { class: className, value: draft[name], on: { change: () => {
    draft[name] = field.input.value;
    changed();
  } } }, options, hint);
  return field;
}
