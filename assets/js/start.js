// Starts the application: the frame, the connection state, and the first page.
import { signedInBefore } from "./api.js";
import { el } from "./dom.js";
import { go, start } from "./router.js";
import { online, user } from "./state.js";
import { frame, signedIn, signedOut } from "./shell/frame.js";
import { listen } from "./shell/keys.js";
import { keepShell, keepThreadsOf } from "./shell/offline.js";

frame();
user.watch((person) => {
  if (person || !signedInBefore()) keepThreadsOf(person);
  if (person) return void signedIn(person, go);
  // Sign-in state not known yet: keep the frame of the last visit, so that nothing shifts.
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
    "The server cannot be reached. What you have typed stays here; a running analysis continues without this page.");
  document.getElementById("main").before(banner);
});

listen(go);
start().then(() => {
  // Nothing on the page depends on these.
  keepShell();
  import("./parts/owed.js").then(({ resendDeletions }) => user.watch((person) => person && resendDeletions()));
});
