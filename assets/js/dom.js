// Creates DOM elements. Text is only ever inserted as text nodes, so there is no way to inject HTML.

import { within } from "./base.js";

const SVG = "http://www.w3.org/2000/svg";
let counter = 0;

/** Returns a unique ID for label and description references. */
export function uid(prefix) {
  counter += 1;
  return `${prefix}-${counter}`;
}

/**
 * An element. Props: `class`, `on` (listeners by name), `data` (dataset); every other name is a property if
 * the element has one, otherwise an attribute. Children: nodes, strings, arrays; null and false are
 * omitted.
 */
export function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "href" || name === "src") node.setAttribute(name, within(value));
    else if (name in node && !name.includes("-") && name !== "list" && name !== "form") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(node, child);
    else node.append(child);
  }
}

/** Replaces all children of `node`. If one of them had the focus, it moves to the enclosing landmark. */
export function fill(node, ...children) {
  const hadFocus = node.contains(document.activeElement) && document.activeElement !== node;
  node.replaceChildren();
  append(node, children);
  if (hadFocus) keepPlace(node);
  return node;
}

/** If the focused element was removed, moves the focus to the dialog, section, or page around `node`. */
export function keepPlace(node = null) {
  if (document.activeElement && document.activeElement !== document.body) return;
  const place = node?.closest("dialog, section, main") ?? document.getElementById("main");
  if (!place.hasAttribute("tabindex")) place.tabIndex = -1;
  place.focus({ preventScroll: true });
}

/** A button that always has an accessible name: `label`, which is also its text unless children are given. */
export function button(label, props, ...children) {
  return el("button", { type: "button", "aria-label": label, ...props }, children.length ? children : label);
}

/** An in-app link, which the router follows without a page load. */
export function link(href, text, props) {
  return el("a", { href, ...props }, text);
}

const ICONS = {
  check: "M5 12.5l4.5 4.5L19 7.5",
  cross: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  arrow: "M5 12h14M13 6l6 6-6 6",
  back: "M19 12H5M11 6l-6 6 6 6",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  download: "M12 4v12M7 11l5 5 5-5M4 16v4h16v-4",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  stop: "M7 7h10v10H7z",
  previous: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  zoom: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20M10.5 8v5M8 10.5h5",
  warning: "M12 4l9 16H3zM12 10v4M12 17v.5",
  all: "M5 7h14M5 12h14M5 17h14",
  diamond: "M12 3.5 20.5 12 12 20.5 3.5 12z",
  document: "M7 3h7l5 5v13H7zM14 3v5h5",
  down: "M7 10l5 5 5-5",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  flow: "M6 8.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM6 20.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM18 14.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM8.5 6h1.5a3 3 0 0 1 3 3 3 3 0 0 0 2.5 3M8.5 18h1.5a3 3 0 0 0 3-3 3 3 0 0 1 2.5-3",
  folder: "M3.5 6.5h6l2 2.5h9v10.5h-17z",
  gap: "M5 12h3M10.5 12h3M16 12h3",
  like: "M7 11v9H4v-9zM7 11l4-7.5c1.5 0 2.5 1 2.5 2.5l-.5 4h5.5l-1.5 8.5c-.2 1-1 1.5-2 1.5H7",
  dislike: "M17 13V4h3v9zM17 13l-4 7.5c-1.5 0-2.5-1-2.5-2.5l.5-4H5.5L7 5.5C7.2 4.5 8 4 9 4h8",
  mic: "M12 14a3 3 0 0 0 3-3V7a3 3 0 0 0-6 0v4a3 3 0 0 0 3 3ZM6 11a6 6 0 0 0 12 0M12 17v3.5",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  one: "M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Z",
  pen: "M5 19l1-4L16.5 4.5l3 3L9 18zM14.5 6.5l3 3",
  pin: "M9 4h6l-.5 6 3 3.5h-11l3-3.5zM12 13.5V20",
  plus: "M12 5v14M5 12h14",
  redo: "M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4",
  send: "M12 19V6M6 11.5 12 5.5l6 6",
  share: "M12 15V4M8 7.5 12 3.5l4 4M6 11H5v9h14v-9h-1",
  side: "M4 5h16v14H4zM9.5 5v14",
  sound: "M5 10v4h3l4 4V6l-4 4zM16 9.5a4 4 0 0 1 0 5M18.5 7a8 8 0 0 1 0 10",
  speech: "M4 5h16v11H10l-4 4v-4H4z",
};

/** A decorative line icon; the adjacent text carries the meaning. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Announces a message to screen readers through a polite live region. */
export function announce(text) {
  const live = document.getElementById("live");
  // Screen readers ignore a repeated message unless its text changes.
  live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}
