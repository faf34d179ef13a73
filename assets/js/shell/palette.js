// The command palette: one field that finds pages, threads, and commands. A combobox with a listbox following
// WAI-ARIA: the focus stays in the field, and arrow keys move the selection.
import { get, signOut } from "../api.js";
import { announce, el, fill, uid } from "../dom.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { openDialog } from "../parts/dialog.js";
import { PLACES } from "./places.js";
import { help } from "./help.js";

const MAX_SHOWN = 12;
const TYPING_PAUSE_MS = 200;

/** Opens the palette. `go` is the router's. */
export async function palette(go) {
  await styled("shell");
  if (document.querySelector("dialog.palette")) return;
  const list = el("ul", { id: uid("commands"), role: "listbox", class: "palette-list", "aria-label": "Commands" });
  const field = el("input", {
    type: "text", role: "combobox", class: "palette-field", placeholder: "Search pages and commands", autocomplete: "off",
    "aria-label": "Search pages and commands", "aria-expanded": "true", "aria-controls": list.id, "aria-autocomplete": "list",
    spellcheck: false,
  });
  const state = { shown: [], at: 0, found: [], timer: 0 };
  const closed = openDialog("Go to", el("div", null, field, list), { kind: "palette" });
  const dialog = field.closest("dialog");
  const runCommand = (command) => {
    dialog.close("");
    command?.act();
  };
  const draw = () => {
    const words = field.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (command) => words.every((word) => command.name.toLowerCase().includes(word));
    state.shown = [...commands(go).filter(matches), ...state.found].slice(0, MAX_SHOWN);
    state.at = Math.min(state.at, Math.max(state.shown.length - 1, 0));
    fill(list, state.shown.length === 0 && el("li", { role: "option", "aria-disabled": "true", class: "palette-none" }, "No matches"),
      state.shown.map((command, at) => el("li", {
        id: `${list.id}-${at}`, role: "option", "aria-selected": String(at === state.at),
        on: { click: () => runCommand(command), mousemove: () => choose(at) },
      }, el("span", null, command.name), el("span", { class: "palette-kind" }, command.kind))));
    updateSelection();
  };
  const choose = (at) => {
    if (at === state.at || !state.shown[at]) return;
    state.at = at;
    updateSelection();
  };
  const updateSelection = () => {
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === state.at && state.shown.length > 0)));
    if (state.shown.length) field.setAttribute("aria-activedescendant", `${list.id}-${state.at}`);
    else field.removeAttribute("aria-activedescendant");
    list.children[state.at]?.scrollIntoView({ block: "nearest" });
  };
  field.addEventListener("input", () => {
    state.at = 0;
    draw();
    clearTimeout(state.timer);
    state.timer = setTimeout(() => searchThreads(field.value.trim(), go).then((found) => {
      if (!dialog.open) return;
      state.found = found;
      draw();
    }), TYPING_PAUSE_MS);
  });
  field.addEventListener("keydown", (event) => {
    const last = state.shown.length - 1;
    const moves = { ArrowDown: state.at >= last ? 0 : state.at + 1, ArrowUp: state.at <= 0 ? last : state.at - 1, Home: 0, End: last };
    if (event.key === "Enter") {
      event.preventDefault();
      runCommand(state.shown[state.at]);
    } else if (event.key in moves && !(field.value && (event.key === "Home" || event.key === "End"))) {
      event.preventDefault();
      choose(moves[event.key]);
    }
  });
  closed.then(() => clearTimeout(state.timer));
  draw();
  field.focus();
  searchThreads("", go).then((found) => {
    state.found = found;
    if (dialog.open) draw();
  });
}

function commands(go) {
  const person = user.get();
  const pages = PLACES.map(([, address, name]) => ({ name, kind: "Page", act: () => go(address) }));
  const actions = [
    person?.role === "admin" && { name: "Administration", kind: "Page", act: () => go("/admin") },
    { name: "Light theme", kind: "Theme", act: () => setTheme("light") },
    { name: "Dark theme", kind: "Theme", act: () => setTheme("dark") },
    { name: "System theme", kind: "Theme", act: () => setTheme("") },
    { name: "Manual", kind: "Help", act: () => go("/manual") },
    { name: "Keyboard shortcuts", kind: "Help", act: help },
    person && { name: "Sign out", kind: "Account", act: () => signOut().finally(() => go("/login")) },
    !person && { name: "Sign in", kind: "Account", act: () => go("/login") },
  ];
  return [...pages, ...actions.filter(Boolean)];
}

// Threads with these words in a question or an answer; empty without a signed-in user or a connection.
async function searchThreads(words, go) {
  if (!user.get()) return [];
  try {
    const query = new URLSearchParams({ limit: "6", ...(words && { q: words }) });
    const { threads = [] } = await get(`/api/threads?${query}`);
    return threads.map((thread) => ({ name: thread.title, kind: "Thread", act: () => go(`/t/${encodeURIComponent(thread.thread_id)}`) }));
  } catch {
    return [];
  }
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  try {
    if (theme) localStorage.setItem("quire.theme", theme);
    else localStorage.removeItem("quire.theme");
  } catch {
    // Without storage, the choice lasts until the page is closed.
  }
  announce(`${theme || "system"} theme`);
}
