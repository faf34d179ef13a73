// Notifies the user when a long run has ended while they were elsewhere. Permission is requested only after a long
// run, through a button; there is no sound.
import { button } from "../dom.js";
import { excerpt } from "../format.js";
import { toast } from "../parts/toast.js";
import { recall, remember } from "../state.js";

// Minimum duration of a run, in milliseconds, for a notification.
const LONG_MS = 30_000;

/** Called when a run of this question has ended after `ms`; `done` is the outcome in a few words. */
export function ended(question, ms, done) {
  if (!("Notification" in globalThis) || ms < LONG_MS) return;
  if (Notification.permission === "granted") {
    if (!document.hidden) return;
    const note = new Notification(done, { body: excerpt(question, 120), tag: "quire-run", silent: true });
    note.onclick = () => {
      window.focus();
      note.close();
    };
  } else if (Notification.permission === "default" && !recall("notify-asked")) {
    remember("notify-asked", true);
    const ask = button("Notify me", { class: "toast-action", on: { click: () => Notification.requestPermission() } });
    toast("Long runs can notify you when they end.", "done", ask);
  }
}
