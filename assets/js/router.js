// Shows the page for the current URL. Pages are loaded on demand; leaving a page aborts its signal, so that
// nothing it started outlives it.
import { signedInBefore, whoAmI } from "./api.js";
import { pathOf, within } from "./base.js";
import { announce, el, fill, link } from "./dom.js";
import { user } from "./state.js";
import { EmptyPage, Failure, Loading } from "./parts/states.js";
import { mark } from "./shell/places.js";

const analyze = () => import("./pages/analyze.js");
const thread = () => import("./pages/thread.js");

// Path, title, access, and module. A last segment that starts with a colon is a parameter. Access is "anyone",
// "user", or "demo"; the last admits visitors of the offline demo too, which the page itself checks.
const ROUTES = [
  ["/", "Quire", "anyone", () => (user.get() || signedInBefore() ? thread() : import("./pages/landing.js"))],
  ["/t/:id", "Thread", "user", thread],
  ["/projects/:id", "Project", "user", () => import("./pages/project.js")],
  ["/analyze", "Analyze", "anyone", analyze],
  ["/orchestrator", "Patterns and recipes", "anyone", () => import("./pages/orchestrator.js")],
  ["/modelrunner", "Models", "anyone", () => import("./pages/modelrunner.js")],
  ["/documents", "Documents", "demo", () => import("./pages/documents.js")],
  ["/history", "Search", "user", () => import("./pages/history.js")],
  ["/history/:id", "Analysis", "user", analyze],
  ["/experiments", "Experiments", "anyone", () => import("./pages/experiments.js")],
  ["/usage", "Usage", "user", () => import("./pages/usage.js")],
  ["/settings", "Settings", "user", () => import("./pages/settings.js")],
  ["/admin", "Administration", "user", () => import("./pages/admin.js")],
  ["/welcome", "Welcome", "user", () => import("./pages/first-run.js")],
  ["/manual", "Manual", "anyone", () => import("./pages/manual.js")],
  ["/manual/:topic", "Manual", "anyone", () => import("./pages/manual.js")],
  ["/login", "Sign in", "anyone", () => import("./pages/login.js")],
  ["/share/:token", "Shared analysis", "anyone", () => import("./pages/share.js")],
];

let pageController = new AbortController();
let currentAddress = "";

/** Handles links and the back button, and shows the first page. */
export function start() {
  // For proxies that strip it, the server also answers without the path of its public address. A browser that
  // bypassed the proxy is redirected below that path.
  if (pathOf() === null) return location.replace(within(location.pathname) + location.search + location.hash);
  document.addEventListener("click", handleLinkClick);
  window.addEventListener("popstate", () => show());
  return show();
}

/** Navigates to an in-app URL. Passed to pages as an argument, so that they never import this module. */
export function go(address, { replace = false } = {}) {
  if (replace) history.replaceState(null, "", within(address));
  else history.pushState(null, "", within(address));
  return show();
}

// Changes the URL without leaving the page, for state that a reload or a link should restore.
function replaceAddress(address) {
  history.replaceState(null, "", within(address));
  currentAddress = location.pathname + location.search;
  mark();
}

function handleLinkClick(event) {
  const anchor = event.target.closest?.("a[href]");
  if (!anchor || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || anchor.target || anchor.download) return;
  const address = new URL(anchor.href);
  if (address.origin !== location.origin || address.hash || !findRoute(pathOf(address))) return;
  event.preventDefault();
  go(pathOf(address) + address.search);
}

function findRoute(path) {
  if (path === null) return null;
  const clean = path.replace(/\/+$/, "") || "/";
  for (const [pattern, title, access, load] of ROUTES) {
    const [fixed, parameter] = pattern.split("/:");
    if (!parameter && pattern === clean) return { title, access, load, params: {} };
    if (parameter && clean.startsWith(`${fixed}/`)) {
      return { title, access, load, params: { [parameter]: decodeURIComponent(clean.slice(fixed.length + 1)) } };
    }
  }
  return null;
}

async function show() {
  pageController.abort();
  pageController = new AbortController();
  const { signal } = pageController;
  const main = document.getElementById("main");
  const route = findRoute(pathOf());
  if (!route) {
    document.documentElement.dataset.page = "";
    document.title = "Page not found · Quire";
    // Loads the user, so that the rail is shown.
    if (!user.get() && signedInBefore()) whoAmI(signal).catch(() => {});
    return fill(main, EmptyPage("Page not found", "The address may be mistyped or outdated.", link("/", "Go to start page", { class: "button primary" })));
  }
  const query = Object.fromEntries(new URLSearchParams(location.search));
  // A page that loads quickly shows no loading indicator.
  const loadingTimer = setTimeout(() => signal.aborted || fill(main, Loading("Loading")), 150);
  try {
    // Without an earlier sign-in, public pages skip this request: its 401 would be logged as an error.
    const userRequest = !user.get() && (route.access === "user" || signedInBefore()) ? whoAmI(signal) : null;
    // Data that does not depend on the user is loaded while the session is checked.
    const earlyData = userRequest && signedInBefore() ? loadEarly(route, { ...route.params, ...query }, signal) : null;
    earlyData?.catch(() => {});
    await userRequest;
    if (route.access === "user" && !user.get()) return askToSignIn();
    const page = await route.load();
    const data = (user.get() && (await earlyData)) || (await page.load({ ...route.params, ...query }, signal));
    clearTimeout(loadingTimer);
    if (signal.aborted) return;
    document.documentElement.dataset.page = page.kind ?? "";
    document.title = route.title === "Quire" ? "Quire: many models, one answer" : `${route.title} · Quire`;
    fill(main, page.view(data, { signal, go, note: replaceAddress }));
    focusPage(main, route.title);
  } catch (problem) {
    clearTimeout(loadingTimer);
    if (signal.aborted) return;
    if (problem.status === 401 && route.access !== "anyone") return askToSignIn();
    document.documentElement.dataset.page ??= "";
    fill(main, el("h1", { class: "visually-hidden" }, route.title), Failure(problem, () => show()));
  }
}

// Loads the page's data in advance if it does not depend on the user; otherwise returns null.
async function loadEarly(route, params, signal) {
  const page = await route.load();
  return page.early ? page.load(params, signal) : null;
}

function askToSignIn() {
  const next = pathOf() + location.search;
  return go(`/login?next=${encodeURIComponent(next)}`, { replace: true });
}

// Moves screen readers and the keyboard to the start of the new page, except on the first load, where the browser
// has already done so.
function focusPage(main, title) {
  mark();
  const here = location.pathname + location.search;
  if (currentAddress && currentAddress !== here) {
    main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
    announce(title);
  }
  // The focused element was removed when the page was redrawn.
  else if (currentAddress && document.activeElement === document.body) main.focus({ preventScroll: true });
  currentAddress = here;
}
