// Profile settings: the user's name, the color theme, and the password.
import { post, put } from "../api.js";
import { el } from "../dom.js";
import { chooseTheme, recall, remember, theme, user } from "../state.js";
import { Choice, Field } from "../parts/field.js";
import { toast } from "../parts/toast.js";
import { form, section } from "./parts.js";

/** The section with the user's name and role. */
export function Profile(me) {
  const name = Field("Name", { value: me.name ?? "", autocomplete: "name", maxLength: 100 });
  return section("Profile", null,
    el("p", { class: "fine" }, `${me.email} · ${me.role === "admin" ? "administrator" : "member"}`),
    form([name], "Save", async () => {
      await put("/api/users/me", { name: name.input.value.trim() });
      user.set({ ...user.get(), name: name.input.value.trim() });
      toast("Saved.");
    }));
}

/** The appearance section: the theme, and whether single letters act as shortcuts. */
export function Appearance() {
  const keys = el("input", { type: "checkbox", "aria-label": "Single-letter shortcuts", checked: recall("single-keys") !== false, on: { change: () => remember("single-keys", keys.checked ? null : false) } });
  const choice = Choice("Theme", { value: theme(), on: { change: (event) => chooseTheme(event.target.value) } },
    [["system", "System"], ["light", "Light"], ["dark", "Dark"]], "Kept in this browser.");
  return section("Appearance", null, choice.node, el("label", { class: "check" }, keys, "Single-letter shortcuts"));
}

/** The default recipe, used when a question does not specify one. */
export function DefaultRecipe(recipes, defaultRecipe) {
  const choice = Choice("Recipe", { value: defaultRecipe ?? "", on: { change: async (event) => {
    try {
      await put("/api/users/me/recipe", { recipe: event.target.value || null });
      toast("Saved.");
    } catch (problem) {
      toast(problem.message, "failed");
    }
  } } }, [["", "None (default panel and pattern)"], ...recipes.map((recipe) => [recipe.id, recipe.name])],
  "Used if a question or an API request names no panel, pattern, or settings.");
  return section("Panel and recipe", null, choice.node,
    el("p", null, el("a", { href: "/orchestrator" }, recipes.length > 0 ? "Edit recipes" : "New recipe")));
}

/** The password section. Changing the password ends all other sessions. */
export function Password(me) {
  // A hidden field that tells password managers which account the password belongs to.
  const account = el("input", { type: "email", value: me.email, autocomplete: "username", hidden: true, readOnly: true, "aria-label": "Account" });
  const currentPassword = Field("Current password", { type: "password", autocomplete: "current-password", required: true });
  const newPassword = Field("New password", { type: "password", autocomplete: "new-password", required: true, minLength: 8 },
    "At least 8 characters. A few unrelated words are easy to remember.");
  const node = form([currentPassword, newPassword], "Change password", async (element) => {
    await post("/api/users/me/change-password", { current_password: currentPassword.input.value, new_password: newPassword.input.value });
    element.reset();
    toast("Password changed. All other sessions are signed out.");
  });
  node.prepend(account);
  return section("Password", null, node);
}
