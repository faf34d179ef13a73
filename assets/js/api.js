// The API client: sends and receives JSON, turns the API's error body into an ApiProblem, and renews an expired
// session once. It never sees a token: cookies carry them.
import { within } from "./base.js";
import { online, recall, remember, user } from "./state.js";

/** An API error, worded for the user (`message`, `resolution`) and for code (`status`, `code`). */
export class ApiProblem extends Error {
  constructor(status, body) {
    super(messageOf(status, body));
    this.name = "ApiProblem";
    this.status = status;
    this.code = body?.error_code ?? "";
    this.resolution = body?.resolution ?? "";
    this.requestId = body?.request_id ?? "";
  }
}

function messageOf(status, body) {
  if (status === 0) return "Quire cannot be reached. Check that the server is running and that you are connected";
  if (Array.isArray(body?.detail)) {
    return body.detail.map((part) => [fieldOf(part.loc), part.msg].filter(Boolean).join(": ")).join("; ");
  }
  return body?.message || body?.detail || `the server answered with status ${status}`;
}

function fieldOf(loc) {
  return (loc ?? []).filter((part) => part !== "body").join(".").replaceAll("_", " ");
}

/** Sends a request. Options: `body` (sent as JSON, or unchanged if it is a form or a file), `query`, `signal`, `raw`
 * (returns the Response), `keepalive` (continues when the page is left). */
export async function call(method, path, options = {}) {
  let response = await send(method, path, options);
  if (response.status === 401 && signedInBefore() && !path.startsWith("/api/auth/")) {
    if (await renew()) response = await send(method, path, options);
  }
  if (!response.ok) throw await problemOf(response);
  return options.raw ? response : response.json();
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body = {}, options) => call("POST", path, { ...options, body });
export const put = (path, body, options) => call("PUT", path, { ...options, body });
export const remove = (path, options) => call("DELETE", path, options);

async function send(method, path, { body, query, signal, keepalive, accept = "application/json" }) {
  const address = new URL(within(path), location.origin);
  for (const [name, content] of Object.entries(query ?? {})) {
    if (content !== "" && content !== null && content !== undefined) address.searchParams.set(name, content);
  }
  const headers = { accept };
  // The browser sets the content type of a form, including the boundary; a file already has its type.
  const isPrepared = body instanceof FormData || body instanceof Blob;
  if (body !== undefined && !isPrepared) headers["content-type"] = "application/json";
  try {
    const response = await fetch(address, {
      method,
      headers,
      signal,
      keepalive,
      credentials: "same-origin",
      body: body === undefined || isPrepared ? body : JSON.stringify(body),
    });
    // When the server is unreachable, the service worker responds from its cache.
    online.set(!response.headers.has("x-quire-kept"));
    return response;
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    online.set(false);
    throw new ApiProblem(0, null);
  }
}

async function problemOf(response) {
  const body = await response.json().catch(() => null);
  if (response.status === 401) forget();
  return new ApiProblem(response.status, body);
}

let renewal = null;

/** Renews the session with the refresh cookie; concurrent callers share one attempt. */
export function renew() {
  renewal ??= send("POST", "/api/auth/refresh", { body: {} })
    .then((response) => response.ok)
    .catch(() => false)
    .finally(() => {
      renewal = null;
    });
  return renewal;
}

/** Whether this browser signed in and has not signed out since, according to local storage. */
export function signedInBefore() {
  return recall("signed-in") === true;
}

function forget() {
  remember("signed-in", null);
  if (user.get()) user.set(null);
}

/** Fetches the signed-in user; null if nobody is signed in. */
export async function whoAmI(signal) {
  try {
    const me = await get("/api/users/me", { signal });
    remember("signed-in", true);
    user.set(me);
    return me;
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    return null;
  }
}

export async function signIn(email, password) {
  await post("/api/auth/login", { email, password });
  remember("signed-in", true);
  return whoAmI();
}

export async function signOut() {
  try {
    await post("/api/auth/logout");
  } finally {
    forget();
  }
}

/** Uploads one file and reports progress from 0 to 1. Uses XMLHttpRequest because fetch cannot report upload progress. */
export async function upload(file, { onProgress, signal }) {
  try {
    return await uploadOnce(file, onProgress, signal);
  } catch (problem) {
    if (problem.status !== 401 || !signedInBefore() || !(await renew())) throw problem;
    return uploadOnce(file, onProgress, signal);
  }
}

function uploadOnce(file, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("file", file, file.name);
    request.open("POST", within("/api/upload-document"));
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response);
      else reject(new ApiProblem(request.status, request.response));
    };
    request.onerror = () => reject(new ApiProblem(0, null));
    request.onabort = () => reject(new DOMException("upload cancelled", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}
