// After the first account is made: three things to do, and which of them are done.
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
  const real = models.filter((one) => one.available && !one.mock);
  const name = user.get()?.name;
  return el("section", { class: "page welcome-page" },
    el("header", { class: "page-head" }, el("h1", null, name ? `Welcome, ${name}` : "Welcome"),
      el("p", { class: "lead" }, isAdmin ? "You are the administrator of this server. Three things, and it is of use:" : "Three things to begin with:")),
    el("ol", { class: "welcome-steps" },
      Step(real.length > 0, "Bring models", real.length > 0
        ? `${plural(real.length, "model")} can be asked.`
        : "So far there are only demo algorithms. Add a provider with its key, or begin a model server on this machine: Ollama, llama.cpp, LM Studio and vLLM are found by themselves.",
      link(isAdmin ? "/admin" : "/settings", "Add a provider", { class: "button secondary" }), link("/modelrunner", "See the models", { class: "button quiet" })),
      Step(documents.length > 0, "Upload a document", documents.length > 0
        ? "There is one already. Its pages can be searched and cited."
        : "A contract, a report, a paper: its pages are read here, searched, and cited in answers.",
      link("/documents", "To the documents", { class: "button secondary" })),
      Step(analyses.length > 0, "Ask a question", analyses.length > 0
        ? "You have asked already. What came of it is in your history."
        : "With the demo algorithms it works as well, at no cost: it shows how a panel goes about it.",
      link("/analyze", analyses.length > 0 ? "Ask another" : "Ask your first question", { class: "button primary" }))),
    isAdmin && open && el("p", { class: "notice" }, "Whoever reaches this server can make an account of their own. Where only people you invite shall, start it with ", el("code", null, "REGISTRATION=invite"), "."));
}

function Step(done, title, text, ...actions) {
  return el("li", { class: done ? "done" : "" },
    el("span", { class: "welcome-mark", "aria-hidden": "true" }, done && icon("check")),
    el("div", null, el("h2", null, title, done && el("span", { class: "visually-hidden" }, " (done)")), el("p", null, text), el("div", { class: "actions" }, actions)));
}
