// The landing page for visitors: a short description, an illustration, and links to sign in or try the demo.
import { get } from "../api.js";
import { button, el, icon, link } from "../dom.js";
import { styled } from "../styles.js";
import { PanelPicture } from "../account/panel.js";

export async function load(_params, signal) {
  const [index, models] = await Promise.all([
    get("/", { signal }).catch(() => ({})), get("/api/available-models", { signal }).catch(() => []), styled("landing"),
  ]);
  return { guests: index.guests === true, first: index.first_run === true && index.needs_setup_token !== true, needsToken: index.needs_setup_token === true, open: index.registration !== "closed" && index.registration !== "invite", demoOnly: models.every((model) => model.mock || !model.available) };
}

export function view({ guests, first, needsToken, open, demoOnly }, { go }) {
  const start = button("Start", { class: first ? "secondary large" : "primary large", on: { click: () => go("/analyze?begin") } }, "Start", icon("arrow"));
  return el("div", { class: "landing-page" },
    el("section", { class: "intro-step landing-hero", "aria-labelledby": "landing-title" },
      el("div", { class: "intro-words" },
        el("h1", { id: "landing-title", tabindex: "-1" }, "One question, several models, one answer you can check"),
        el("p", { class: "lead" }, "Quire sends your question and documents to a panel of language models. Each answers alone, and then they review each other. One of them writes the answer: where they agree, where they do not, and which passage supports each claim."),
        first && el("p", { class: "notice" }, "This server has no accounts yet. The first one becomes the administrator."),
        needsToken && el("p", { class: "notice" }, "This server has no administrator yet. Open the setup link that it printed when it started."),
        el("div", { class: "actions" },
          first && link("/login", "Create the first account", { class: "button primary large" }),
          start,
          guests && link("/documents", "Try a document", { class: "button secondary large" }),
          !first && link("/login", open ? "Sign in or create an account" : "Sign in", { class: "button secondary large" })),
        el("p", { class: "fine" }, guests
          ? "Without an account, you can try the built-in demo algorithms (not language models), even with your own documents. Everything is deleted after a day."
          : demoOnly ? "Without an account, you can try the built-in demo algorithms (not language models). Documents and history need an account."
          : "Without an account, you can try the demo algorithms. Documents, history, and real models require one.")),
      el("figure", { class: "landing-figure" }, PanelPicture())),
    el("ul", { class: "landing-facts" },
      fact("Checked citations", "Every quotation is checked against your document. Any that are not found are marked."),
      fact("Price before you ask", "Calls, tokens, and dollars are estimated for each member, and budgets are enforced."),
      fact("On your server", "Documents and results stay here. Only what a question needs goes to the models you choose. No tracking."),
      fact("A compatible API", "OpenAI and Anthropic clients can call a panel as if it were a model.")));
}

function fact(title, text) {
  return el("li", null, el("h2", null, title), el("p", null, text));
}
