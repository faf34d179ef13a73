// Headers and body fields added to every request to a provider. Values are write-only.
import { button, el } from "../dom.js";

const FIELDS = [
  ["headers", "Headers", '{"X-Team": "research"}'],
  ["body", "Body fields", '{"service_tier": "flex"}'],
  ["model_settings", "Per model", '{"model-name": {"headers": {}, "body": {}}}'],
];

/** The names of the values that are set; empty if there are none. */
export function settingsOf({ added }) {
  const names = [...(added?.headers ?? []), ...(added?.body ?? []), ...Object.keys(added?.model_settings ?? {})];
  return names.length > 0 && `adds ${names.join(", ")}`;
}

/** The form. `save` receives the filled-in fields; an empty field keeps the stored value. */
export function RequestSettings(provider, save) {
  const error = el("p", { class: "fine", role: "alert" });
  const boxes = FIELDS.map(([name, label, sample]) => {
    const input = el("textarea", { rows: 2, spellcheck: "false", placeholder: sample, "aria-label": `${label} of ${provider.name}, as JSON` });
    return { name, label, input, node: el("label", { class: "field" }, el("span", null, label), input) };
  });
  function submit(event) {
    event.preventDefault();
    const changes = {};
    for (const { name, label, input } of boxes) {
      if (input.value.trim() === "") continue;
      try {
        changes[name] = JSON.parse(input.value);
      } catch {
        error.textContent = `${label}: not valid JSON.`;
        return input.focus();
      }
    }
    save(changes);
  }
  return el("form", { class: "key-form request-settings", on: { submit } },
    el("p", { class: "fine" }, "JSON objects. Stored values are encrypted and never shown; {} clears a field."),
    boxes.map(({ node }) => node), error, button("Save and test", { type: "submit", class: "secondary" }));
}
