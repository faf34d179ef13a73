// The documents: a list to upload, search, and delete in, and beside it the one whose `id` is in the URL. Visitors of
// the offline demo can try it: they become guests with their first file.
import { ApiProblem, get } from "../api.js";
import { el, icon } from "../dom.js";
import { DocumentList } from "../documents/list.js";
import { load as loadDocument, Viewer } from "../documents/viewer.js";
import { acceptsGuests } from "../parts/guest.js";
import { idOf } from "../parts/reading.js";
import { Empty } from "../parts/states.js";
import { knownProjects } from "../shell/threads.js";
import { user } from "../state.js";
import { styled } from "../styles.js";

/** Selects the page layout: panes from edge to edge, and no footer. */
export const kind = "documents";

export async function load(params, signal) {
  if (!user.get()) return loadForVisitor(signal);
  const [{ documents }, projects, open] = await Promise.all([
    get("/api/documents", { query: { limit: 200 }, signal }),
    knownProjects(signal),
    params.id ? loadDocument(params, signal) : null,
    styled("documents"),
  ]);
  return { words: params.q ?? "", documents, projects, open };
}

// Documents have an owner, so visitors have none. Only the offline demo allows visitors here.
async function loadForVisitor(signal) {
  if (!(await acceptsGuests(signal))) throw new ApiProblem(401, null);
  await styled("documents");
  return { words: "", documents: [], projects: [], open: null };
}

export function view({ words, documents, projects, open }, { signal, note }) {
  let current = open ? idOf(open.stored) : "";
  const empty = Empty("No documents yet", "The panel can read what you upload here. Its answers then link to the passages they cite.");
  const node = el("section", { class: "page documents-page" });
  const placeholder = el("div", { class: "document-none" }, icon("document"), el("p", null, "Choose a document to read it as the models do."));
  const list = DocumentList({
    documents, projects, words, current, signal, onGone,
    onEmpty: (isEmpty) => {
      empty.hidden = !isEmpty;
      node.classList.toggle("none", isEmpty && !current);
    },
    onSearch: (q) => !current && note(q ? `/documents?q=${encodeURIComponent(q)}` : "/documents"),
  });
  const viewer = open && Viewer(open, { signal, note, drop: list.drop });
  list.node.append(empty);
  node.classList.toggle("open", Boolean(open));
  node.append(list.node, viewer ?? placeholder);
  requestAnimationFrame(list.reveal);
  return node;

  function onGone() {
    const [previous, { search }] = [current, new URL(location.href)];
    current = "";
    node.classList.remove("open");
    viewer.replaceWith(placeholder);
    note("/documents");
    return () => {
      current = previous;
      node.classList.add("open");
      placeholder.replaceWith(viewer);
      note(`/documents${search}`);
    };
  }
}
