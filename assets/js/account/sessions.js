// The user's sessions, with buttons to sign them out.
import { get, remove } from "../api.js";
import { button, el, fill } from "../dom.js";
import { sentence, when } from "../format.js";
import { toast } from "../parts/toast.js";
import { section } from "./parts.js";

const BROWSERS = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
const SYSTEMS = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]];

const INITIAL_COUNT = 5;

/** The sessions section. */
export function Sessions(sessions, signal) {
  const list = el("ul", { class: "rows" });
  const others = button("Sign out everywhere else", { class: "secondary", on: { click: () => endSession("/api/users/me/sessions", "You are signed out everywhere else.") } });
  const footer = el("div");
  let shown = INITIAL_COUNT;
  draw(sessions);

  function draw(all) {
    fill(list, all.slice(0, shown).map(row));
    others.hidden = all.length < 2;
    fill(footer, all.length > shown && button(`Show all ${all.length}`, { class: "quiet", on: { click: () => {
      shown = all.length;
      draw(all);
    } } }));
  }

  function row(session) {
    const name = deviceOf(session.client);
    return el("li", { class: "row" },
      el("div", { class: "row-words" },
        el("p", { class: "row-title", title: session.client }, name, session.current && el("span", { class: "fine" }, " this device")),
        el("p", { class: "fine" }, `signed in ${when(session.created_at)} · last used ${when(session.last_used_at)}`)),
      !session.current && el("div", { class: "row-actions" }, button(`Sign out ${name}`, { class: "secondary", on: { click: () => endSession(`/api/users/me/sessions/${session.id}`, `${name} is signed out.`) } }, "Sign out")));
  }

  async function endSession(path, message) {
    try {
      await remove(path, { signal });
      draw((await get("/api/users/me/sessions", { signal })).sessions);
      toast(message);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }
  return section("Sessions", "Where you are signed in. An unused session ends after seven days.", list, el("div", { class: "actions" }, others, footer));
}

// A familiar name for the client if it is recognized, otherwise its user agent.
function deviceOf(client) {
  const find = (table) => table.find(([marker]) => client.includes(marker))?.[1];
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)];
  return browser && system ? `${browser} on ${system}` : client.slice(0, 60) || "Unknown client";
}
