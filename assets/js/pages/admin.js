// For administrators: who has an account here.
import { get } from "../api.js";
import { el } from "../dom.js";
import { plural, when } from "../format.js";
import { user } from "../state.js";
import { EmptyPage } from "../parts/states.js";

export async function load(_params, signal) {
  if (user.get()?.role !== "admin") return { refused: true };
  return get("/api/admin/users", { query: { limit: 200 }, signal });
}

export function view(data) {
  if (data.refused) return EmptyPage("For administrators", "Your account may not see this page. An administrator of this server can.");
  const users = data.users ?? [];
  return el("section", { class: "page" },
    el("header", { class: "page-head" }, el("h1", null, "Administration"),
      el("p", { class: "lead" }, `${plural(users.length, "account")} on this server. Roles, locks and password links are changed on the command line: `, el("code", null, "quire user --help"), ".")),
    el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Accounts" },
      el("table", null,
        el("thead", null, el("tr", null, ["E-mail", "Name", "Role", "State", "Made", "Last seen"].map((title) => el("th", { scope: "col" }, title)))),
        el("tbody", null, users.map((each) => el("tr", null,
          el("td", null, each.email), el("td", null, each.name ?? ""), el("td", null, each.role),
          el("td", null, each.disabled ? "locked" : "active"), el("td", null, when(each.created_at)),
          el("td", null, each.last_login_at ? when(each.last_login_at) : "never")))))));
}
