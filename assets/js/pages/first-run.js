// Shown after the first account is created: three setup steps and their state.
import { get } from "../api.js";
import { el, icon, link } from "../dom.js";
import { plural } from "../format.js";
import { user } from "../state.js";
import { styled } from "../styles.js";

export async function load(_params, signal) {
  const [index, models, documents, analyses] = await Promise.all([
    get("/", { signal }).catch(() => ({})), get("/api/available-models", { signal }),
    get("/api/documents", { query: { limit: 1 }, signal }), get("/api/analyses", { query: { limit: 1 }, signal }),
    styled("landing"),
  ]);
  return { open: index.registration === "open", models, documents: documents.documents, analyses: analyses.analyses ?? [] };
}

export function view({ open, models, documents, analyses }) {
  const isAdmin = user.get()?.role === "admin";
  const realModels = models.filter((model) => model.available && !model.mock);
  const name = user.get()?.name;
  return el("section", { class: "page welcome-page" },
    el("header", { class: "page-head" }, el("h1", null, name ? `Welcome, ${name}` : "Welcome"),
      el("p", { class: "lead" }, isAdmin ? "You are the administrator of this server. Get started in three steps:" : "Get started in three steps:")),
    el("ol", { class: "welcome-steps" },
      Step(realModels.length > 0, "Connect models", realModels.length > 0
        ? `${plural(realModels.length, "model")} ${realModels.length === 1 ? "is" : "are"} ready.`
        : "Only demo algorithms so far. Add a provider with its key, or start a model server on this machine: Ollama, llama.cpp, LM Studio, and vLLM are detected automatically.",
      link(isAdmin ? "/admin?add=provider" : "/settings?add=provider", "Add a provider", { class: "button secondary" }), link("/modelrunner", "View models", { class: "button quiet" })),
      Step(documents.length > 0, "Upload a document", documents.length > 0
        ? "Done. You can search its pages, and answers cite them."
        : "A contract, a report, or a paper. You can search its pages, and answers cite them.",
      link("/documents", "Upload", { class: "button secondary" })),
      Step(analyses.length > 0, "Ask a question", analyses.length > 0
        ? "Done. Your results are in the history."
        : "The demo algorithms are free and show how a panel works.",
      link("/", analyses.length > 0 ? "Ask another question" : "Ask your first question", { class: "button primary" }))),
    isAdmin && open && el("p", { class: "notice" }, "Anyone who can reach this server can create an account. To allow only people you invite, start it with ", el("code", null, "REGISTRATION=invite"), "."));
}

function Step(done, title, text, ...actions) {
  return el("li", { class: done ? "done" : "" },
    el("span", { class: "welcome-mark", "aria-hidden": "true" }, done && icon("check")),
    el("div", null, el("h2", null, title, done && el("span", { class: "visually-hidden" }, " (done)")), el("p", null, text), el("div", { class: "actions" }, actions)));
}
