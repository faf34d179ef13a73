// One's own account: profile, password, keys for programs, the look.
import { get, post, put, remove } from "../api.js";
import { button, el, fill, icon } from "../dom.js";
import { sentence, when } from "../format.js";
import { chooseTheme, theme, user } from "../state.js";
import { CopyButton } from "../parts/copy.js";
import { confirm } from "../parts/dialog.js";
import { Choice, Field } from "../parts/field.js";
import { Alert } from "../parts/states.js";
import { Providers } from "../parts/providers.js";
import { toast } from "../parts/toast.js";
import { UsageTable } from "../parts/usage-table.js";
import { Worth } from "../parts/worth.js";

export async function load(_params, signal) {
  const [told, providers, status, usage, days, worth] = await Promise.all([
    get("/api/users/me/api-keys", { signal }), get("/api/users/me/providers", { signal }),
    get("/api/llm/status", { signal }), get("/api/usage", { query: { group: "model" }, signal }),
    get("/api/usage", { query: { group: "day" }, signal }), get("/api/worth", { signal }),
  ]);
  const keys = Array.isArray(told) ? told : told.api_keys ?? told.keys ?? [];
  return { me: user.get(), keys, providers, states: status.providers, usage, days: days.usage, worth };
}

export function view({ me, keys, providers, states, usage, days, worth }, { signal }) {
  return el("section", { class: "page settings-page" },
    el("header", { class: "page-head" }, el("h1", null, "Settings")),
    Profile(me), Look(),
    section("Usage and budget", null, UsageTable(usage, days)),
    section("Does the panel pay?", null, Worth(worth)),
    Providers({
      path: "/api/users/me/providers", told: providers, states, signal, title: "Your providers",
      lead: "With a key of your own, its models are asked on your account and count against nobody else's budget.",
    }),
    Password(me), Keys(keys, signal));
}

function section(title, lead, ...content) {
  return el("section", { class: "card", "aria-label": title }, el("h2", null, title), lead && el("p", null, lead), content);
}

function form(fields, label, submit) {
  const message = el("div", { class: "step-message" });
  const node = el("form", { on: { submit: async (event) => {
    event.preventDefault();
    fill(message);
    try {
      await submit(node);
    } catch (problem) {
      fill(message, Alert(problem));
    }
  } } }, fields.map((field) => field.node), message, button(label, { type: "submit", class: "secondary" }));
  return node;
}

function Profile(me) {
  const name = Field("Name", { value: me.name ?? "", autocomplete: "name", maxLength: 100 });
  return section("Profile", null,
    el("p", { class: "fine" }, `${me.email} · ${me.role === "admin" ? "administrator" : "member"}`),
    form([name], "Save the name", async () => {
      await put("/api/users/me", { name: name.input.value.trim() });
      user.set({ ...user.get(), name: name.input.value.trim() });
      toast("Saved.");
    }));
}

function Look() {
  const choice = Choice("Theme", { value: theme(), on: { change: (event) => chooseTheme(event.target.value) } },
    [["system", "As this device has it"], ["light", "Light"], ["dark", "Dark"]]);
  return section("Look", null, choice.node);
}

function Password(me) {
  // Hidden, so that password keepers know whose password changes.
  const account = el("input", { type: "email", value: me.email, autocomplete: "username", hidden: true, readOnly: true, "aria-label": "Account" });
  const old = Field("Present password", { type: "password", autocomplete: "current-password", required: true });
  const fresh = Field("New password", { type: "password", autocomplete: "new-password", required: true, minLength: 8 },
    "At least 8 characters, with three of: small letters, capitals, digits, other signs.");
  const node = form([old, fresh], "Change the password", async (element) => {
    await post("/api/users/me/change-password", { current_password: old.input.value, new_password: fresh.input.value });
    element.reset();
    toast("The password is changed.");
  });
  node.prepend(account);
  return section("Password", null, node);
}

function Keys(keys, signal) {
  const list = el("ul", { class: "rows" });
  const shown = el("div", { class: "new-key" });
  const name = Field("Name of the key", { required: true, maxLength: 80, autocomplete: "off" }, "So that you know later which program uses it.");
  draw();

  function draw() {
    fill(list, keys.length === 0 ? el("li", { class: "fine" }, "No keys yet.") : keys.map(row));
  }

  function row(key) {
    return el("li", { class: "row" },
      el("div", { class: "row-words" },
        el("p", { class: "row-title" }, key.name),
        el("p", { class: "fine" }, el("code", null, `${key.prefix}…`), ` · made ${when(key.created_at)} · ${key.last_used_at ? `last used ${when(key.last_used_at)}` : "never used"}`)),
      el("div", { class: "row-actions" }, button(`Delete the key ${key.name}`, { class: "quiet icon-only", title: "Delete", on: { click: () => drop(key) } }, icon("trash"))));
  }

  async function drop(key) {
    if (!(await confirm(`Delete the key ${key.name}?`, "Programs that use it are refused from this moment on.", "Delete"))) return;
    try {
      await remove(`/api/users/me/api-keys/${key.id}`, { signal });
      keys.splice(keys.indexOf(key), 1);
      draw();
      toast("The key is deleted.");
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  const make = form([name], "Make a key", async (element) => {
    const made = await post("/api/users/me/api-keys", { name: name.input.value.trim() });
    keys.unshift(made.api_key);
    element.reset();
    draw();
    fill(shown, el("div", { class: "notice", role: "status" },
      el("p", null, el("strong", null, "Copy the key now: it is shown this once.")),
      el("p", { class: "key-line" }, el("code", null, made.key), CopyButton("Copy the key", () => made.key))));
  });
  return section("Keys for programs", "A program that sends a key acts in your name.", list, shown, make);
}
