// A user's budget, shown and changed in a dialog.
import { get, put, remove } from "../api.js";
import { button, el, fill } from "../dom.js";
import { sentence } from "../format.js";
import { openDialog } from "../parts/dialog.js";
import { Field } from "../parts/field.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";

const LIMITS = [["day_usd", "Dollars a day"], ["month_usd", "Dollars a month"], ["day_tokens", "Tokens a day"], ["month_tokens", "Tokens a month"]];

/** Opens the dialog. */
export async function budgetOf(person) {
  const path = `/api/admin/users/${person.user_id ?? person.id}/budget`;
  let told;
  try {
    told = await get(path);
  } catch (problem) {
    toast(sentence(problem.message), "failed");
    return;
  }
  const fields = LIMITS.map(([name, label]) => [name, Field(label, {
    type: "number", min: 0, step: name.endsWith("usd") ? "any" : 1, value: told.limits[name] ?? "", placeholder: "no limit",
  })]);
  const message = el("div", { class: "step-message" });
  const act = async (work, said) => {
    try {
      await work();
      form.closest("dialog").close("");
      toast(said);
    } catch (problem) {
      fill(message, Alert(problem));
    }
  };
  const form = el("form", { class: "budget-form", on: { submit: (event) => {
    event.preventDefault();
    const limits = {};
    for (const [name, field] of fields) limits[name] = field.input.value === "" ? null : Number(field.input.value);
    act(() => put(path, limits), "The budget is set.");
  } } },
  el("p", { class: "fine" }, told.own ? "This person has limits of their own." : "The limits of this installation hold."),
  fields.map(([, field]) => field.node), message,
  el("div", { class: "row-actions" }, button("Set the budget", { type: "submit", class: "secondary" }),
    told.own && button("Use the installation's limits", { class: "quiet", on: { click: () => act(() => remove(path), "The installation's limits hold.") } })));
  openDialog(`Budget of ${person.email}`, form);
}
