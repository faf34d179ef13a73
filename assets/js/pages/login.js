// Sign-in, registration (including the first account), and password reset.
import { get, post, signIn } from "../api.js";
import { button, el, fill, link } from "../dom.js";
import { sentence } from "../format.js";
import { user } from "../state.js";
import { Field } from "../parts/field.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";

export async function load(params, signal) {
  // The API index reports whether any account exists. An older server omits that; then both options are offered
  // equally.
  const index = await get("/", { signal }).catch(() => ({}));
  return { setup: setupToken(params), needsToken: index.needs_setup_token === true, next: safePath(params.next), forgot: "forgotten" in params, create: "new" in params, token: params.token ?? "", invite: params.invite ?? "", first: index.first_run === true, registration: index.registration ?? "open" };
}

// The setup link carries its token after a `#`, so that no server or proxy logs it; it is removed from the address
// bar at once.
function setupToken(params) {
  const token = params.setup ?? new URLSearchParams(location.hash.slice(1)).get("setup") ?? "";
  if (token) history.replaceState(history.state, "", location.pathname);
  return token;
}

// Only in-app URLs are accepted: a link must not redirect users to another site after sign-in.
function safePath(next) {
  return typeof next === "string" && /^\/(?![/\\])/.test(next) ? next : "/";
}

export function view(data, context) {
  const page = el("div", { class: "login-page" });
  const show = (mode) => {
    const form = FORMS[mode](data, context, show);
    fill(page, form);
    form.querySelector("input")?.focus();
  };
  fill(page, data.token ? resetForm(data, context, show) : data.first || data.invite || data.setup || (data.create && data.registration === "open") ? registerForm(data, context, show) : data.forgot ? forgottenForm(data, context, show) : signInForm(data, context, show));
  return page;
}

const FORMS = { enter: signInForm, register: registerForm, forgotten: forgottenForm };

function Card(title, lead, fields, label, submit, ...below) {
  const message = el("div", { class: "step-message" });
  const send = button(label, { type: "submit", class: "primary" });
  return el("form", {
    class: "card login-card", "aria-label": title,
    on: { submit: async (event) => {
      event.preventDefault();
      fill(message);
      send.disabled = true;
      try {
        await submit(message);
      } catch (problem) {
        fill(message, Alert(problem));
      } finally {
        send.disabled = false;
      }
    } },
  },
  el("h1", null, title), lead && el("p", null, lead), fields.map((field) => field.node), message, send,
  el("div", { class: "login-below" }, below));
}

const email = () => Field("Email", { type: "email", autocomplete: "username", required: true, maxLength: 254, name: "email" });

const RULES = "At least 8 characters. A few unrelated words are easy to remember.";

function signInForm(data, { go }, show) {
  const address = email();
  const password = Field("Password", { type: "password", autocomplete: "current-password", required: true, name: "password" });
  return Card("Sign in", null, [address, password], "Sign in", async () => {
    await signIn(address.input.value.trim(), password.input.value);
    await go(data.next, { replace: true });
  },
  data.registration !== "open" && el("p", { class: "fine" }, "Ask the administrator for an account."),
  (data.registration === "open" || data.needsToken) && button("Create an account", { class: "link-button", on: { click: () => show("register") } }),
  button("Forgot your password?", { class: "link-button", on: { click: () => show("forgotten") } }));
}

function registerForm(data, { go }, show) {
  const name = Field("Name", { autocomplete: "name", maxLength: 100, name: "name" }, "How Quire addresses you. Optional.");
  const address = email();
  const password = Field("Password", { type: "password", autocomplete: "new-password", required: true, minLength: 8, name: "password" }, RULES);
  const token = data.needsToken && !data.setup && Field("Setup token", { autocomplete: "off", maxLength: 200, name: "setup_token" }, "Makes this account the administrator. It is in the server's output, or set as QUIRE_SETUP_TOKEN. Leave empty for an ordinary account.");
  const isFirst = data.first && !data.needsToken;
  const lead = isFirst
    ? "Welcome. This server has no accounts yet. The first one becomes the administrator."
    : data.setup ? "This account becomes the administrator of this server."
      : "Only you can open your documents and results.";
  const title = data.setup ? "Create administrator account" : isFirst ? "Create the first account" : "Create an account";
  return Card(title, lead, [name, address, password, token].filter(Boolean), "Create account", async () => {
    const setup = data.setup || (token ? token.input.value.trim() : "");
    const userName = name.input.value.trim();
    await post("/api/auth/register", { email: address.input.value.trim(), password: password.input.value, ...(userName ? { name: userName } : {}), ...(data.invite ? { invite: data.invite } : {}), ...(setup ? { setup_token: setup } : {}) });
    await signIn(address.input.value.trim(), password.input.value);
    toast(`Welcome${userName ? `, ${userName}` : ""}.${user.get()?.role === "admin" ? " You are the administrator of this server." : ""}`);
    await go(data.next, { replace: true });
  },
  !isFirst && button("I already have an account", { class: "link-button", on: { click: () => show("enter") } }));
}

function forgottenForm(data, _context, show) {
  const address = email();
  return Card("Forgot your password", "This server sends no email. Enter your account's address; the administrator sees the request and sends you a link to set a new password.", [address], "Request a link", async (message) => {
    const response = await post("/api/auth/request-password-reset", { email: address.input.value.trim() });
    fill(message, el("p", { class: "notice", role: "status" }, sentence(response.message)));
  },
  el("p", { class: "fine" }, "Are you the administrator? Create the link on the server itself: ", el("code", null, "quire user reset-link EMAIL")),
  button("Back to sign in", { class: "link-button", on: { click: () => show("enter") } }));
}

function resetForm(data, { go }) {
  const password = Field("New password", { type: "password", autocomplete: "new-password", required: true, minLength: 8 }, RULES);
  const keepKeys = el("input", { type: "checkbox" });
  const keys = { node: el("label", { class: "check" }, keepKeys, el("span", null, el("strong", null, "Keep API keys"), el("span", { class: "fine" }, " Only if no one else knew the password: whoever knows it can create keys."))) };
  return Card("Choose a new password", "This signs you out everywhere and deletes your API keys. Sign in again with the new password.", [password, keys], "Set password", async () => {
    const response = await post("/api/auth/reset-password", { token: data.token, new_password: password.input.value, keep_api_keys: keepKeys.checked });
    toast(response.api_keys_deleted > 0 ? `Password set; ${response.api_keys_deleted} API ${response.api_keys_deleted === 1 ? "key" : "keys"} deleted. Sign in.` : "Password set. Sign in.");
    await go("/login");
  }, link("/login", "Back to sign in"));
}
