// A user's budget, shown and changed in a dialog.
import { get, put, remove } from "../api.js";
import { button, el, fill } from "../dom.js";
import { sentence } from "../format.js";
import { openDialog } from "../parts/dialog.js";
import { Field } from "../parts/field.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";

const LIMITS = [["day_usd", "Daily limit, in dollars"], ["month_usd", "Monthly limit, in dollars"], ["day_tokens", "Daily limit, in tokens"], ["month_tokens", "Monthly limit, in tokens"]];

/** Opens the budget dialog for this user. */
export async function openBudgetDialog(person) {
  const path = `/api/admin/users/${person.user_id ?? person.id}/budget`;
  let budget;
  try {
    budget = await get(path);
  } catch (problem) {
    toast(sentence(problem.message), "failed");
    return;
  }
  const fields = LIMITS.map(([name, label]) => [name, Field(label, {
    type: "number", min: 0, step: name.endsWith("usd") ? "any" : 1, value: budget.limits[name] ?? "", placeholder: "no limit",
  })]);
  const message = el("div", { class: "step-message" });
  const saveAndClose = async (work, confirmation) => {
    try {
      await work();
      form.closest("dialog").close("");
      toast(confirmation);
    } catch (problem) {
      fill(message, Alert(problem));
    }
  };
  const form = el("form", { class: "budget-form", on: { submit: (event) => {
    event.preventDefault();
    const limits = {};
    for (const [name, field] of fields) limits[name] = field.input.value === "" ? null : Number(field.input.value);
    saveAndClose(() => put(path, limits), "Budget saved.");
  } } },
  el("p", { class: "fine" }, budget.own ? "This account has its own limits." : "The server's default limits apply."),
  fields.map(([, field]) => field.node), message,
  el("div", { class: "row-actions" }, button("Save budget", { type: "submit", class: "secondary" }),
    budget.own && button("Use default limits", { class: "quiet", on: { click: () => saveAndClose(() => remove(path), "The default limits apply.") } })));
  openDialog(`Budget of ${person.email}`, form);
}
