// Notifies the user when a long run has ended while they were elsewhere. Permission is requested only after a long
// run, through a button; there is no sound.
import { button } from "../dom.js";
import { excerpt } from "../format.js";
import { toast } from "../parts/toast.js";
import { recall, remember } from "../state.js";

// Minimum duration of a run, in milliseconds, for a notification.
const MIN_DURATION_MS = 30_000;

/** Called when a run of this question has ended after `ms`; `outcome` describes its end in a few words. */
export function notifyEnd(question, ms, outcome) {
  if (!("Notification" in globalThis) || ms < MIN_DURATION_MS) return;
  if (Notification.permission === "granted") {
    if (document.hidden) show(outcome, { body: excerpt(question, 120), tag: "quire-run", silent: true });
  } else if (Notification.permission === "default" && !recall("notify-asked")) {
    remember("notify-asked", true);
    const permissionButton = button("Notify me", { class: "toast-action", on: { click: () => Notification.requestPermission() } });
    toast("Long runs can notify you when they end.", "done", permissionButton);
  }
}

function show(title, options) {
  try {
    const notification = new Notification(title, options);
    notification.onclick = () => {
      window.focus();
      notification.close();
    };
  } catch {
    // Browsers on phones show notifications only through the service worker.
    navigator.serviceWorker?.getRegistration().then((worker) => worker?.showNotification(title, options)).catch(() => {});
  }
}
