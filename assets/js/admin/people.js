// Account administration: role, lock, budget, reset link, and deletion; creating accounts and invitations.
import { get, post, put, remove } from "../api.js";
import { within } from "../base.js";
import { button, el, fill, icon } from "../dom.js";
import { plural, sentence, when } from "../format.js";
import { user } from "../state.js";
import { form, section } from "../account/parts.js";
import { CopyButton } from "../parts/copy.js";
import { confirm, openDialog } from "../parts/dialog.js";
import { Choice, Field } from "../parts/field.js";
import { toast } from "../parts/toast.js";
import { budgetOf } from "./budget.js";

const HEADS = ["Account", "Role", "State", "Last seen", ""];

/** The accounts section. */
export function People(first, signal) {
  let people = first.users;
  let cursor = first.next_cursor;
  const rows = el("tbody");
  const below = el("div", { class: "rows-below" });
  draw();

  function draw() {
    fill(rows, people.map(Row));
    fill(below, cursor && button("Show more accounts", { class: "secondary", on: { click: more } }));
  }

  async function more() {
    const told = await get("/api/admin/users", { query: { limit: 200, cursor }, signal });
    people = [...people, ...told.users];
    cursor = told.next_cursor;
    draw();
  }

  async function act(work, words) {
    try {
      await work();
      const told = await get("/api/admin/users", { query: { limit: 200 }, signal });
      people = told.users;
      cursor = told.next_cursor;
      draw();
      toast(words);
    } catch (problem) {
      draw();
      toast(sentence(problem.message), "failed");
    }
  }

  function Row(each) {
    const path = `/api/admin/users/${each.id}`;
    const self = each.id === user.get()?.id;
    const role = el("select", { "aria-label": `Role of ${each.email}`, disabled: self, on: { change: () => act(() => put(path, { role: role.value }, { signal }), `${each.email} is ${role.value === "admin" ? "an administrator" : "a member"} now.`) } },
      [["user", "member"], ["admin", "administrator"]].map(([value, words]) => el("option", { value, selected: value === each.role }, words)));
    return el("tr", null,
      el("th", { scope: "row" }, each.email, el("span", { class: "fine person-name" }, [each.name, `since ${when(each.created_at)}`].filter(Boolean).join(" · "))),
      el("td", null, role),
      el("td", null, each.disabled ? "locked" : "active"),
      el("td", null, each.last_login_at ? when(each.last_login_at) : "never"),
      el("td", null, el("div", { class: "actions" },
        button(`Budget of ${each.email}`, { class: "quiet", on: { click: () => budgetOf(each) } }, "Budget"),
        button(`More about ${each.email}`, { class: "quiet", on: { click: () => More(each, path, self) } }, "More"))));
  }

  function More(each, path, self) {
    const out = el("div", { class: "step-message", role: "status" });
    const done = (work, words) => {
      out.closest("dialog").close("");
      return act(work, words);
    };
    const link = async () => {
      try {
        const told = await post(`${path}/reset-link`, {}, { signal });
        fill(out, Handed("Send this link to the person. It sets a new password.", told));
      } catch (problem) {
        toast(sentence(problem.message), "failed");
      }
    };
    return openDialog(each.email, [
      el("div", { class: "actions" },
        button("Password reset link", { class: "secondary", on: { click: link } }),
        !self && button(each.disabled ? "Unlock" : "Lock", { class: "secondary", on: { click: () => done(() => put(path, { disabled: !each.disabled }, { signal }), each.disabled ? `${each.email} may sign in again.` : `${each.email} is locked: sessions and keys are refused.`) } }),
        !self && button("Delete account", { class: "quiet", on: { click: () => drop(each, path, done) } }, icon("trash"), "Delete account")),
      self && el("p", { class: "fine" }, "This is your own account: another administrator can lock or delete it."),
      out,
    ]);
  }

  async function drop(each, path, done) {
    const sure = await confirm(`Delete ${each.email}?`, "Its documents, analyses, keys, and sessions are deleted too. This cannot be undone.", "Delete");
    if (sure) await done(() => remove(path, { signal }), `${each.email} deleted.`);
  }

  return [
    section("Accounts", `${plural(people.length, "account")}${cursor ? " and more" : ""} on this server.`,
      el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Accounts" },
        el("table", { class: "people-table" },
          el("thead", null, el("tr", null, HEADS.map((title) => (title ? el("th", { scope: "col" }, title) : el("td", { class: "head" }))))), rows)), below),
    NewAccount(act, signal), Invite(signal),
  ];
}

// Shows a link to hand over. The link is absolute if the server knows its public address; otherwise this page's
// origin is used.
function Handed(words, told) {
  const address = told.url ?? `${location.origin}${within(told.path)}`;
  return el("div", { class: "notice" }, el("p", null, words),
    el("p", { class: "key-line" }, el("code", null, address), CopyButton("Copy the link", () => address)),
    el("p", { class: "fine" }, `Valid until ${when(told.expires_at)}, for one use.`));
}

function NewAccount(act, signal) {
  const email = Field("Email", { type: "email", required: true, maxLength: 254, autocomplete: "off" });
  const name = Field("Name", { maxLength: 100, autocomplete: "off" }, "Optional.");
  const role = Choice("Role", { value: "user" }, [["user", "member"], ["admin", "administrator"]]);
  const out = el("div", { class: "step-message", role: "status" });
  return section("New account", "Quire generates a password for you to pass on. The user can change it.",
    form([email, name, role], "Create account", async (element) => {
      const made = await post("/api/admin/users", { email: email.input.value.trim(), role: role.input.value, ...(name.input.value.trim() ? { name: name.input.value.trim() } : {}) });
      element.reset();
      fill(out, el("div", { class: "notice" }, el("p", null, el("strong", null, `Password of ${made.user.email}, shown only once:`)),
        el("p", { class: "key-line" }, el("code", null, made.password), CopyButton("Copy the password", () => made.password))));
      await act(() => null, `${made.user.email} has an account.`);
    }), out);
}

function Invite(signal) {
  const email = Field("For", { type: "email", maxLength: 254, autocomplete: "off", placeholder: "Anyone with the link" }, "With an address, only that address can register.");
  const out = el("div", { class: "step-message", role: "status" });
  return section("Invitation", "A link for creating an account, even if registration is closed.",
    form([email], "Create invitation", async (element) => {
      const told = await post("/api/admin/invites", email.input.value.trim() ? { email: email.input.value.trim() } : {}, { signal });
      element.reset();
      fill(out, Handed("Send this link to the person.", told));
    }), out);
}

/** Users who have requested a password reset and are waiting for a link. */
export function Waiting({ password_resets: waiting }, signal) {
  if (waiting.length === 0) return null;
  return section("Forgotten passwords", "These users asked for a new password. This server sends no email; send each of them a link.",
    el("ul", { class: "rows" }, waiting.map((one) => {
      const out = el("div");
      return el("li", { class: "row" }, el("div", { class: "row-words" },
        el("p", { class: "row-title" }, one.email),
        el("p", { class: "fine" }, [`asked ${when(one.requested_at)}`, one.link_expires_at && `link valid until ${when(one.link_expires_at)}`].filter(Boolean).join(" · ")), out),
      el("div", { class: "row-actions" }, button(`Create link for ${one.email}`, { class: "secondary", on: { click: async () => {
        try {
          fill(out, Handed("Send this link to the person.", await post(`/api/admin/users/${one.user_id}/reset-link`, {}, { signal })));
        } catch (problem) {
          toast(sentence(problem.message), "failed");
        }
      } } }, "Create link")));
    })));
}
