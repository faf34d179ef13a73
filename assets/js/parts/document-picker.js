// Chooses documents for a question: those that are there, and new ones.
import { button, el, fill, link, uid } from "../dom.js";
import { plural, sentence } from "../format.js";
import { idOf, nameOf, openDocument } from "./document-view.js";
import { DocumentUpload } from "./upload.js";

/** `{node}`; `chosen` is a Set of ids that it changes. `documents` null: nobody is signed in. */
export function DocumentPicker({ documents, chosen, onChange, signal }) {
  const label = uid("documents");
  if (!documents) {
    return { node: el("p", { class: "notice", id: label }, link("/login?next=/analyze", "Sign in"), " to ask about your own documents. Without them the models answer from what they know.") };
  }
  const all = [...documents];
  const list = el("ul", { class: "document-choice" });
  const node = el("div", { class: "document-picker", role: "group", "aria-labelledby": label },
    el("p", { id: label, class: "group-label" }, "Which documents shall they read?"), list,
    DocumentUpload({ signal, onDone: (stored) => {
      const known = all.findIndex((each) => idOf(each) === idOf(stored));
      if (known >= 0) all[known] = stored;
      else all.unshift(stored);
      if (stored.status !== "failed") chosen.add(idOf(stored));
      draw();
      onChange();
    } }));
  draw();

  function draw() {
    fill(list, all.map((stored) => choice(stored, chosen, onChange)));
  }
  return { node };
}

function choice(stored, chosen, onChange) {
  const name = uid("document");
  const usable = stored.status === "processed";
  const box = el("input", {
    type: "checkbox", id: `${name}-box`, class: "document-checkbox", checked: chosen.has(idOf(stored)), disabled: !usable, "aria-labelledby": name,
    on: { change: () => {
      if (box.checked) chosen.add(idOf(stored));
      else chosen.delete(idOf(stored));
      onChange();
    } },
  });
  return el("li", null,
    el("label", { for: box.id }, box,
      el("span", { class: "model-words" },
        el("span", { id: name, class: "document-name" }, nameOf(stored)),
        el("span", { class: "fine" }, usable ? `${plural(stored.words ?? 0, "word")}` : sentence(stored.message) || stored.status))),
    usable && button(`Look at the text of ${nameOf(stored)}`, { class: "quiet", on: { click: () => openDocument(stored) } }, "Look"));
}
