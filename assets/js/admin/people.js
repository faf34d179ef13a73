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
import { openBudgetDialog } from "./budget.js";

const HEADS = ["Account", "Role", "State", "Last seen", ""];

/** The accounts section. */
export function People(initial, signal) {
  let people = initial.users;
  let cursor = initial.next_cursor;
  const rows = el("tbody");
  const below = el("div", { class: "rows-below" });
  draw();

  function draw() {
    fill(rows, people.map(Row));
    fill(below, cursor && button("Show more accounts", { class: "secondary", on: { click: loadMore } }));
  }

  async function loadMore() {
    const response = await get("/api/admin/users", { query: { limit: 200, cursor }, signal });
    people = [...people, ...response.users];
    cursor = response.next_cursor;
    draw();
  }

  async function runAndReload(work, label) {
    try {
      await work();
      const response = await get("/api/admin/users", { query: { limit: 200 }, signal });
      people = response.users;
      cursor = response.next_cursor;
      draw();
      toast(label);
    } catch (problem) {
      draw();
      toast(sentence(problem.message), "failed");
    }
  }

  function Row(account) {
    const path = `/api/admin/users/${account.id}`;
    const isSelf = account.id === user.get()?.id;
    const role = el("select", { "aria-label": `Role of ${account.email}`, disabled: isSelf, on: { change: () => runAndReload(() => put(path, { role: role.value }, { signal }), `${account.email} is ${role.value === "admin" ? "an administrator" : "a member"} now.`) } },
      [["user", "member"], ["admin", "administrator"]].map(([value, label]) => el("option", { value, selected: value === account.role }, label)));
    return el("tr", null,
      el("th", { scope: "row" }, account.email, el("span", { class: "fine person-name" }, [account.name, `since ${when(account.created_at)}`].filter(Boolean).join(" · "))),
      el("td", null, role),
      el("td", null, account.disabled ? "locked" : "active"),
      el("td", null, account.last_login_at ? when(account.last_login_at) : "never"),
      el("td", null, el("div", { class: "actions" },
        button(`Budget of ${account.email}`, { class: "quiet", on: { click: () => openBudgetDialog(account) } }, "Budget"),
        button(`More about ${account.email}`, { class: "quiet", on: { click: () => openAccountDialog(account, path, isSelf) } }, "More"))));
  }

  function openAccountDialog(account, path, isSelf) {
    const out = el("div", { class: "step-message", role: "status" });
    const closeAndRun = (work, label) => {
      out.closest("dialog").close("");
      return runAndReload(work, label);
    };
    const createResetLink = async () => {
      try {
        const response = await post(`${path}/reset-link`, {}, { signal });
        fill(out, LinkNotice("Send this link to the person. It sets a new password.", response));
      } catch (problem) {
        toast(sentence(problem.message), "failed");
      }
    };
    return openDialog(account.email, [
      el("div", { class: "actions" },
        button("Password reset link", { class: "secondary", on: { click: createResetLink } }),
        !isSelf && button(account.disabled ? "Unlock" : "Lock", { class: "secondary", on: { click: () => closeAndRun(() => put(path, { disabled: !account.disabled }, { signal }), account.disabled ? `${account.email} can sign in again.` : `${account.email} is locked: sessions and keys are refused.`) } }),
        !isSelf && button("Delete account", { class: "quiet", on: { click: () => deleteAccount(account, path, closeAndRun) } }, icon("trash"), "Delete account")),
      isSelf && el("p", { class: "fine" }, "This is your own account: another administrator can lock or delete it."),
      out,
    ]);
  }

  async function deleteAccount(account, path, closeAndRun) {
    const isConfirmed = await confirm(`Delete ${account.email}?`, "Its documents, analyses, keys, and sessions are deleted too. This cannot be undone.", "Delete");
    if (isConfirmed) await closeAndRun(() => remove(path, { signal }), `${account.email} deleted.`);
  }

  return [
    section("Accounts", `${plural(people.length, "account")}${cursor ? " and more" : ""} on this server.`,
      el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Accounts" },
        el("table", { class: "people-table" },
          el("thead", null, el("tr", null, HEADS.map((title) => (title ? el("th", { scope: "col" }, title) : el("td", { class: "head" }))))), rows)), below),
    NewAccount(runAndReload, signal), Invite(signal),
  ];
}

// Shows a link to hand over. The link is absolute if the server knows its public address; otherwise this page's
// origin is used.
function LinkNotice(words, response) {
  const address = response.url ?? `${location.origin}${within(response.path)}`;
  return el("div", { class: "notice" }, el("p", null, words),
    el("p", { class: "key-line" }, el("code", null, address), CopyButton("Copy the link", () => address)),
    el("p", { class: "fine" }, `Valid until ${when(response.expires_at)}, for one use.`));
}

function NewAccount(runAndReload, signal) {
  const email = Field("Email", { type: "email", required: true, maxLength: 254, autocomplete: "off" });
  const name = Field("Name", { maxLength: 100, autocomplete: "off" }, "Optional.");
  const role = Choice("Role", { value: "user" }, [["user", "member"], ["admin", "administrator"]]);
  const out = el("div", { class: "step-message", role: "status" });
  return section("New account", "Quire generates a password. Send it to the user, who can change it.",
    form([email, name, role], "Create account", async (element) => {
      const created = await post("/api/admin/users", { email: email.input.value.trim(), role: role.input.value, ...(name.input.value.trim() ? { name: name.input.value.trim() } : {}) });
      element.reset();
      fill(out, el("div", { class: "notice" }, el("p", null, el("strong", null, `Password of ${created.user.email}, shown only once:`)),
        el("p", { class: "key-line" }, el("code", null, created.password), CopyButton("Copy the password", () => created.password))));
      await runAndReload(() => null, `${created.user.email} has an account.`);
    }), out);
}

function Invite(signal) {
  const email = Field("For", { type: "email", maxLength: 254, autocomplete: "off", placeholder: "Anyone with the link" }, "With an address, only that address can register.");
  const out = el("div", { class: "step-message", role: "status" });
  return section("Invitation", "A link for creating an account, even if registration is closed.",
    form([email], "Create invitation", async (element) => {
      const response = await post("/api/admin/invites", email.input.value.trim() ? { email: email.input.value.trim() } : {}, { signal });
      element.reset();
      fill(out, LinkNotice("Send this link to the person.", response));
    }), out);
}

/** Users who have requested a password reset and are waiting for a link. */
export function PasswordResets({ password_resets: requests }, signal) {
  if (requests.length === 0) return null;
  return section("Forgotten passwords", "These users asked for a new password. This server sends no email; send each of them a link.",
    el("ul", { class: "rows" }, requests.map((request) => {
      const out = el("div");
      return el("li", { class: "row" }, el("div", { class: "row-words" },
        el("p", { class: "row-title" }, request.email),
        el("p", { class: "fine" }, [`requested ${when(request.requested_at)}`, request.link_expires_at && `link valid until ${when(request.link_expires_at)}`].filter(Boolean).join(" · ")), out),
      el("div", { class: "row-actions" }, button(`Create link for ${request.email}`, { class: "secondary", on: { click: async () => {
        try {
          fill(out, LinkNotice("Send this link to the person.", await post(`/api/admin/users/${request.user_id}/reset-link`, {}, { signal })));
        } catch (problem) {
          toast(sentence(problem.message), "failed");
        }
      } } }, "Create link")));
    })));
}
