// The content of the rail: new question, search, pages, projects, threads by day, and the account menu.
import { get, post, signOut } from "../api.js";
import { button, el, fill, icon, uid } from "../dom.js";
import { capital, spentWords } from "../format.js";
import { openDialog } from "../parts/dialog.js";
import { Field } from "../parts/field.js";
import { Menu } from "../parts/menu.js";
import { toast } from "../parts/toast.js";
import { user } from "../state.js";
import { mark } from "./places.js";
import { byDay, recent, refresh, MAX_THREADS } from "./threads.js";

const COMMAND = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";

/** Returns the nodes of this user's rail. */
export function Rail(person, go) {
  const projects = el("div", { class: "rail-projects" });
  const threads = el("div", { class: "rail-threads" });
  const controller = new AbortController();
  user.watch((current) => current !== person && controller.abort(), controller.signal);
  recent.watch((lists) => {
    if (!lists) return;
    fill(projects, (person.role !== "guest" || lists.projects.length > 0) && el("h2", null, "Projects"), el("ul", null,
      lists.projects.map((each) => el("li", null, Row(`/projects/${encodeURIComponent(each.project_id ?? each.id)}`, "folder", each.name))),
      person.role !== "guest" && el("li", null, button("New project", { class: "rail-row", on: { click: () => newProject(go) } }, icon("plus"), el("span", null, "New project")))));
    fill(threads, Threads(lists.threads));
    mark();
  }, controller.signal);
  refresh();
  return [
    el("div", { class: "rail-drawer" }, el("strong", { class: "brand" }, document.querySelector(".brand-mark")?.cloneNode(true), "Quire"), button("Close menu", { class: "quiet icon-only rail-close" }, icon("cross"))),
    el("div", { class: "rail-scroll" },
      el("ul", { class: "nav-pages-list" },
        el("li", null, Row("/", "plus", "New question", "strong")),
        el("li", null, Row("/history", "search", "Search", "", el("kbd", null, `${COMMAND} K`))),
        el("li", null, Row("/documents", "document", "Documents")),
        el("li", null, Row("/modelrunner", "models", "Models")),
        el("li", null, Row("/orchestrator", "flow", "Patterns"))),
      projects, threads),
    el("div", { class: "nav-account", id: "account" }, Account(person, go)),
  ];
}

function Row(href, iconName, label, className = "", after = null) {
  return el("a", { href, class: className, title: label }, iconName && icon(iconName), el("span", null, label), after);
}

function Threads(threads) {
  if (threads.length === 0) return [el("h2", null, "Threads"), el("p", { class: "rail-empty" }, "No threads yet. Each question starts one.")];
  return byDay(threads.filter((each) => !each.archived)).map(([title, all]) => [el("h2", null, title), el("ul", null, all.map((each) =>
    el("li", null, el("a", { href: `/t/${encodeURIComponent(each.thread_id)}`, dir: "auto", title: each.title }, el("span", null, each.title)))))])
    .concat(threads.length >= MAX_THREADS ? [el("a", { href: "/history" }, el("span", null, "All threads"))] : []);
}

function Account(person, go) {
  if (person.role === "guest") return GuestMenu(go);
  const name = person.name || person.email;
  const id = uid("person");
  const spent = el("small", null, person.email === name ? "" : person.email);
  get("/api/usage").then((usage) => {
    if (usage.totals) spent.textContent = `${capital(spentWords(usage.totals))} this month`;
  }, () => {});
  return Menu(`Account menu for ${name}`, [
    { label: "Guided question", href: "/analyze" },
    { label: "Experiments", href: "/experiments" },
    { label: "Usage", href: "/usage" },
    person.role === "admin" && { label: "Administration", href: "/admin" },
    { label: "Settings", href: "/settings" },
    { label: "Manual", href: "/manual" },
    { label: "Sign out", act: () => leave(go) },
  ], { class: "rail-row rail-person", labelledby: id, content: [el("span", { class: "avatar mark", "aria-hidden": "true", data: { letter: initials(name) } }), el("span", { id }, name, spent)] });
}

function GuestMenu(go) {
  const id = uid("person");
  return Menu("Guest", [
    { label: "Create account", href: "/login?new" },
    { label: "Guided question", href: "/analyze" },
    { label: "Manual", href: "/manual" },
    { label: "Leave and delete all", act: () => leave(go, "/") },
  ], { class: "rail-row rail-person", labelledby: id, content: [el("span", { class: "avatar mark", "aria-hidden": "true", data: { letter: "G" } }), el("span", { id }, "Guest", el("small", null, "Deleted after a day"))] });
}

function initials(name) {
  const label = name.replace(/@.*/, "").split(/[\s._-]+/).filter(Boolean);
  return label.slice(0, 2).map((word) => word[0].toUpperCase()).join("") || "?";
}

async function newProject(go) {
  const name = Field("Name", { required: true, maxLength: 80, autocomplete: "off" });
  const form = el("form", { class: "save-recipe", on: { submit: async (event) => {
    event.preventDefault();
    try {
      const project = await post("/api/projects", { name: name.input.value.trim() });
      form.closest("dialog").close("made");
      refresh();
      go(`/projects/${encodeURIComponent(project.project_id ?? project.id)}`);
    } catch (problem) {
      toast(problem.message, "failed");
    }
  } } }, el("p", null, "A project holds threads, and documents and instructions for every question in it."), name.node,
  button("Create project", { type: "submit", class: "primary" }));
  await openDialog("New project", form);
}

async function leave(go, to = "/login") {
  try {
    await signOut();
    toast(to === "/" ? "Your documents and threads are deleted." : "You are signed out.");
  } catch (problem) {
    toast(problem.message, "failed");
  }
  go(to);
}
