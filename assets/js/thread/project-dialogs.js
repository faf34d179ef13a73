// The dialogs that change a project: its name, instructions, and members, and its deletion. Each takes the page's
// `{data, context, change}`.
import { remove } from "../api.js";
import { button, el } from "../dom.js";
import { confirm, openDialog } from "../parts/dialog.js";
import { Field } from "../parts/field.js";
import { toast } from "../parts/toast.js";
import { refresh } from "../shell/threads.js";

export function editInstructions({ data, change }) {
  const field = Field("Instructions", { rows: 8, value: data.project.instructions ?? "", maxLength: 8000, dir: "auto" }, "Added to every question in this project.");
  return openForm("Instructions", field, "Save", () => change({ instructions: field.input.value.trim() }));
}

export function rename({ data, change }) {
  const field = Field("Name", { value: data.project.name, required: true, maxLength: 80, autocomplete: "off" });
  return openForm("Rename project", field, "Rename", () => change({ name: field.input.value.trim() }));
}

export function share({ data, change }) {
  const emails = (data.project.members ?? []).map((each) => each.email ?? String(each));
  const field = Field("Email addresses, one per line", { rows: 4, value: emails.join("\n") }, "People with an account on this server. They see the project's threads and can ask in it.");
  return openForm("Share the project", field, "Save", () => change({ members: field.input.value.split(/[\s,;]+/).filter(Boolean) }));
}

export async function deleteProject({ data, context }) {
  if (!(await confirm("Delete this project?", "Its threads stay, without its instructions and documents.", "Delete"))) return;
  await remove(data.path);
  toast("Project deleted.");
  refresh();
  context.go("/");
}

// A dialog with one field; it closes once `save()` resolves to true.
function openForm(title, field, label, save) {
  const form = el("form", { class: "save-recipe", on: { submit: async (event) => {
    event.preventDefault();
    if (await save()) form.closest("dialog").close("");
  } } }, field.node, button(label, { type: "submit", class: "primary" }));
  return openDialog(title, form);
}
