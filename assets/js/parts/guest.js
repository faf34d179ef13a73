// Visitors of the offline demo become guests with their first document: without an account, and with everything
// deleted after a day.
import { get, post, whoAmI } from "../api.js";
import { remember, user } from "../state.js";

/** The limits for a guest's uploads, as shown to the user; the server enforces them. */
export const GUEST_LIMITS = "Without an account: up to 3 files of 4 MB, deleted after a day.";
const MAX_FILE_SIZE = 4 * 1024 * 1024;

let signingIn = null;

/** Whether this server accepts guests; only an offline demo does. */
export async function acceptsGuests(signal) {
  const index = await get("/", { signal });
  return index.guests === true;
}

/** Signs a visitor in as a guest; does nothing for signed-in users. Concurrent uploads share one guest. */
export async function becomeGuest() {
  if (user.get()) return;
  signingIn ??= signInAsGuest().finally(() => (signingIn = null));
  await signingIn;
}

async function signInAsGuest() {
  await post("/api/auth/guest");
  remember("signed-in", true);
  await whoAmI();
}

/** Rejects a file that is too large for a guest before it is sent. */
export function checkSize(file) {
  if (user.get()?.role === "guest" && file.size > MAX_FILE_SIZE) throw new Error("is larger than 4 MB. Create an account for larger files.");
}
