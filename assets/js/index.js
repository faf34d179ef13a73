// Starts the application: the frame, the connection state, the first page.
import { signedInBefore } from "./api.js";
import { el } from "./dom.js";
import { go, start } from "./router.js";
import { online, user } from "./state.js";
import { frame, signedIn, signedOut } from "./shell/frame.js";
import { listen } from "./shell/keys.js";

frame();
user.watch((person) => {
  if (person) return void signedIn(person, go);
  // Not known yet: the frame of the last visit stays, so that nothing moves.
  if (signedInBefore()) return;
  delete document.documentElement.dataset.rail;
  signedOut();
});

window.addEventListener("online", () => online.set(true));
window.addEventListener("offline", () => online.set(false));
online.watch((connected) => {
  let banner = document.querySelector(".offline-banner");
  if (connected) return banner?.remove();
  if (banner) return;
  banner = el("p", { class: "offline-banner", role: "status" },
    "The server cannot be reached just now. What you have typed stays here; a running analysis goes on without this page.");
  document.getElementById("main").before(banner);
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
