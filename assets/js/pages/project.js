// A project: its threads, the instructions and documents that apply to every question in it, and its members.
import { call, get } from "../api.js";
import { button, el, fill, icon, link } from "../dom.js";
import { date, exactly, plural, sentence, spentWords } from "../format.js";
import { Menu } from "../parts/menu.js";
import { EmptyPage } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { refresh } from "../shell/threads.js";
import { styled } from "../styles.js";
import { startThread } from "../thread/start.js";
import { Composer } from "../thread/composer.js";

const PAGE_SIZE = 50;
const STATUS = { queued: "Queued", running: "Running", failed: "Failed", cancelled: "Stopped" };

export const kind = "thread";

export async function load({ id }, signal) {
  const path = `/api/projects/${encodeURIComponent(id)}`;
  const [project, threads, models, patterns, documents] = await Promise.all([
    get(path, { signal }).catch((problem) => {
      if (problem.status !== 404) throw problem;
      return null;
    }),
    get("/api/threads", { query: { project: id, limit: PAGE_SIZE, answers: true }, signal }).catch(() => ({ threads: [] })),
    get("/api/available-models", { signal }), get("/api/orchestrator/patterns", { query: { brief: true }, signal }),
    get("/api/documents", { query: { limit: 200 }, signal }).then((response) => response.documents),
    styled("thread"),
  ]);
  return { path, project, spent: project?.spent_this_month ?? null, threads: threads.threads, models, patterns, documents };
}

export function view(data, context) {
  const { project } = data;
  if (!project) return EmptyPage("Project not found", "It was deleted or belongs to another account.", link("/", "New question", { class: "button primary" }));
  document.title = `${project.name} · Quire`;
  const bar = el("header", { class: "thread-bar" });
  const side = el("aside", { class: "project-side", "aria-label": "Project" });
  const composer = Composer({ data: { ...data, project: project.project_id, included: () => includedIn(data), placeholder: `Ask in ${project.name}` }, context, last: () => null, send: (body) => startThread(body, context) });
  const page = { data, context, draw, change };
  draw();
  return el("div", { class: "thread-page project-page" }, bar, el("div", { class: "thread-wide turn-cols" },
    el("div", { class: "turn-main" }, composer.node, el("h2", null, "Threads"), Threads(data.threads)), side));

  function draw() {
    const current = data.project;
    fill(bar, el("h1", { dir: "auto" }, current.name), el("span", { class: "grow" }), Shared(page), current.own && Menu("More", [
      { label: "Rename", icon: "pen", act: () => openEditor("rename", page) },
      { label: "Share with people", icon: "share", act: () => openEditor("share", page) },
      { label: "Delete project", icon: "trash", look: "danger", act: () => openEditor("deleteProject", page) },
    ], { class: "quiet icon-only bar-more", title: "More", content: icon("more") }));
    fill(side, Instructions(page), el("hr"), Documents(page), data.spent && [el("hr"), Spent(data.spent, current)],
      current.members?.length > 0 && [el("hr"), el("p", { class: "sheet-label" }, "Shared with"), el("ul", null, current.members.map((each) => el("li", null, each.email ?? each.name ?? String(each))))]);
  }

  async function change(body) {
    try {
      data.project = await call("PATCH", data.path, { body });
      composer.draw();
      draw();
      refresh();
      return true;
    } catch (problem) {
      toast(sentence(problem.message), "failed");
      return false;
    }
  }
}

// The documents that a question of this user in the project includes: only their own.
function includedIn({ project, documents }) {
  const ids = new Set(project.document_ids ?? []);
  return documents.map((each) => each.document_id ?? each.id).filter((id) => ids.has(id));
}

function Threads(threads) {
  if (threads.length === 0) return el("p", { class: "fine" }, "No threads yet. Questions here include the project's instructions and documents.");
  return el("ul", { class: "thread-list" }, threads.map((each) => el("li", null, el("a", { href: `/t/${encodeURIComponent(each.thread_id)}` }, icon("speech"),
    el("span", { class: "thread-words" }, el("strong", { dir: "auto" }, each.title), el("span", { class: "fine", dir: "auto" }, each.answer ?? STATUS[each.newest?.status] ?? "No answer")), el("time", { class: "fine", datetime: each.updated_at, title: exactly(each.updated_at) }, date(each.updated_at))))));
}

function Instructions(page) {
  const current = page.data.project;
  const edit = button("Edit", { class: "quiet", on: { click: () => openEditor("editInstructions", page) } }, icon("pen"), "Edit");
  return [el("h2", { class: "sheet-label" }, "Instructions"), el("p", { class: "project-instructions", dir: "auto" }, current.instructions || "None yet. For example: amounts in euros; quote clauses with their number."), current.own !== false && edit];
}

function Documents({ data, context, change }) {
  const ids = new Set(includedIn(data));
  const inProject = data.documents.filter((each) => ids.has(each.document_id ?? each.id));
  const add = button("Add documents", { class: "quiet", on: { click: async () => {
    const { open } = await import("../thread/project-sheet.js");
    open({ documents: data.documents, ids, signal: context.signal, save: (chosen) => change({ document_ids: chosen }) });
  } } }, icon("plus"), "Add documents");
  return [el("h2", { class: "sheet-label" }, "Documents in every question"),
    inProject.length > 0 ? el("ul", { class: "project-documents" }, inProject.map((each) => el("li", null, icon("document"), el("span", null, el("span", { class: "attachment-name" }, each.filename ?? each.name), el("span", { class: "fine" }, plural(each.pages ?? 1, "page")))))) : el("p", { class: "fine" }, "None yet."),
    data.project.own !== false && add];
}

function Shared(page) {
  const { own, members = [] } = page.data.project;
  if (!own) return el("span", { class: "fine" }, "Shared with you");
  return members.length > 0 && button(`Shared with ${plural(members.length, "person", "people")}`, { class: "quiet bar-wide", on: { click: () => openEditor("share", page) } },
    icon("share"), `Shared with ${plural(members.length, "person", "people")}`);
}

// Of a shared project, only the user's own questions are known here.
function Spent(spent, { members }) {
  return el("p", { class: "project-spent" }, el("span", null, members?.length > 0 ? "You spent this month" : "Spent this month"), el("b", null, spentWords(spent)));
}

// The dialogs are loaded when one is opened.
async function openEditor(name, page) {
  try {
    await (await import("../thread/project-dialogs.js"))[name](page);
  } catch (problem) {
    toast(sentence(problem.message), "failed");
  }
}
