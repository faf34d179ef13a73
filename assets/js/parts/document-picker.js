// Chooses documents for a question: existing ones, and new uploads.
import { button, el, link, uid } from "../dom.js";
import { plural } from "../format.js";
import { openDocument } from "./document-link.js";
import { describe, follow, idOf, nameOf } from "./reading.js";
import { DocumentUpload } from "./upload.js";

/** Returns `{node}`. Changes the Set of IDs `chosen`. `documents` is null for visitors who cannot add any; `files`
 * were dropped on the page earlier. */
export function DocumentPicker({ documents, chosen, onChange, signal, files }) {
  const label = uid("documents");
  if (!documents) {
    return { node: el("p", { class: "notice", id: label }, link("/login?next=/analyze", "Sign in"), " to ask about your own documents. Without documents, the models answer from their own knowledge.") };
  }
  const list = el("ul", { class: "document-choice" });
  const node = el("div", { class: "document-picker", role: "group", "aria-labelledby": label },
    el("p", { id: label, class: "group-label" }, "Documents"), list,
    DocumentUpload({ signal, files, onDone: (stored) => {
      [...list.children].find((row) => row.dataset.id === idOf(stored))?.remove();
      // A document that is still being processed is already selected: the question can use it as soon as it is
      // ready.
      if (stored.status !== "failed") chosen.add(idOf(stored));
      storeUpload(stored);
      list.prepend(row(stored));
      onChange();
    } }));
  for (const stored of documents) list.append(row(stored));

  // Remembers uploads in case the user returns to this step.
  function storeUpload(stored) {
    const place = documents.findIndex((each) => idOf(each) === idOf(stored));
    if (place < 0) documents.unshift(stored);
    else documents[place] = stored;
  }

  function row(stored) {
    let element = choice(stored, chosen, onChange);
    follow(stored, { signal, onNews: (current) => {
      if (current.status === "failed") chosen.delete(idOf(current));
      storeUpload(current);
      const updated = choice(current, chosen, onChange);
      element.replaceWith(updated);
      element = updated;
      onChange();
    } });
    return element;
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
  return el("li", { data: { id: idOf(stored) } },
    el("label", { for: box.id }, box,
      el("span", { class: "model-words" },
        el("span", { id: name, class: "document-name" }, nameOf(stored)),
        el("span", { class: "fine" }, describe(stored)),
        stored.flags?.length > 0 && el("span", { class: "fine warn" }, `${plural(stored.flags.length, "place")} in it ${stored.flags.length === 1 ? "reads" : "read"} like instructions to a model. They are treated as text.`))),
    usable && button(`View the text of ${nameOf(stored)}`, { class: "quiet", on: { click: () => openDocument(stored) } }, "View"));
}
