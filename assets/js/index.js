// Starts the application: the header, the connection state, the first page.
import { signOut } from "./api.js";
import { button, el, fill, link } from "./dom.js";
import { go, start } from "./router.js";
import { online, user } from "./state.js";
import { toast } from "./parts/toast.js";
import { listen } from "./shell/keys.js";

const menu = document.querySelector(".mobile-menu");
const nav = document.getElementById("site-nav");

function openMenu(open) {
  menu.setAttribute("aria-expanded", String(open));
  nav.classList.toggle("open", open);
}

menu.addEventListener("click", () => openMenu(menu.getAttribute("aria-expanded") !== "true"));
nav.addEventListener("click", (event) => event.target.closest("a, button") && openMenu(false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && menu.getAttribute("aria-expanded") === "true") {
    openMenu(false);
    menu.focus();
  }
});

user.watch((person) => {
  const account = document.getElementById("account");
  if (!person) return fill(account, link("/login", "Sign in", { class: "nav-link" }));
  fill(
    account,
    person.role === "admin" && link("/admin", "Administration", { class: "nav-link" }),
    link("/settings", person.name || person.email, { class: "nav-link nav-person", "aria-label": `Settings of ${person.name || person.email}` }),
    button("Sign out", { class: "quiet", on: { click: leave } }),
  );
});

async function leave() {
  try {
    await signOut();
    toast("You are signed out.");
  } catch (problem) {
    toast(problem.message, "failed");
  }
  go("/login");
}

window.addEventListener("online", () => online.set(true));
window.addEventListener("offline", () => online.set(false));
online.watch((connected) => {
  let banner = document.querySelector(".offline-banner");
  if (connected) return banner?.remove();
  if (banner) return;
  banner = el("p", { class: "offline-banner", role: "status" },
    "The server cannot be reached just now. What you have typed stays here; a running analysis goes on without this page.");
  document.querySelector(".site-header").after(banner);
});

// Components by the names that scripts look for; the pages import them directly.
export const components = {
  PromptInput: () => import("./parts/prompt-input.js"),
  ModelSelector: () => import("./parts/model-selector.js"),
  AnalysisResults: () => import("./parts/results.js"),
  DocumentUpload: () => import("./parts/upload.js"),
};

listen(go);
await start();
// Nothing depends on these, so they load last.
import("./shell/offline.js").then(({ keepShell }) => keepShell());
import("./parts/owed.js").then(({ payAll }) => user.watch((person) => person && payAll()));
