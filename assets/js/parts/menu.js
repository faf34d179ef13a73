// A menu button following the ARIA pattern: opens on click or an arrow key, is navigated with arrows, and closes
// on Escape, a choice, or a click elsewhere.
import { button, el, fill, icon, uid } from "../dom.js";

// Minimum distance between a menu and the window's edge, in pixels.
const EDGE = 8;

/**
 * A button with a menu. `items` are `{label, act | href, icon, look}` (false entries are omitted), or a function that
 * returns them when the menu opens. `content` replaces the label as the button's content; `labelledby` is the ID of the
 * part of it that names the button.
 */
export function Menu(label, items, { class: className = "", content = null, title = "", labelledby = null } = {}) {
  const id = uid("menu");
  const list = el("div", { class: "menu", role: "menu", id, "aria-label": label, hidden: true, on: { keydown: move } });
  const opener = button(label, {
    class: className, title, ...(labelledby ? { "aria-label": null, "aria-labelledby": labelledby } : {}), "aria-haspopup": "menu", "aria-expanded": "false", "aria-controls": id,
    on: { click: () => (list.hidden ? open() : close()), keydown: (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      event.preventDefault();
      open();
    } },
  }, content ?? label);
  const container = el("div", { class: "menu-place" }, opener, list);
  let listeners = null;
  return container;

  function open() {
    const menuItems = (typeof items === "function" ? items() : items).filter(Boolean);
    fill(list, menuItems.map(Item));
    list.hidden = false;
    keepInWindow();
    opener.setAttribute("aria-expanded", "true");
    listeners = new AbortController();
    document.addEventListener("pointerdown", (event) => container.contains(event.target) || close(false), { signal: listeners.signal });
    entries()[0]?.focus({ preventScroll: true });
  }

  // Moves a menu that would cross the window's edge into the window, and opens it upward if there is no room
  // below.
  function keepInWindow() {
    list.style.translate = "";
    list.classList.remove("up");
    const { left, right, bottom, height } = list.getBoundingClientRect();
    list.classList.toggle("up", bottom > innerHeight && opener.getBoundingClientRect().top > height + EDGE);
    const overflow = Math.max(0, right - (document.documentElement.clientWidth - EDGE)) || Math.min(0, left - EDGE);
    if (overflow !== 0) list.style.translate = `${-overflow}px`;
  }

  function close(restoreFocus = true) {
    listeners?.abort();
    list.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    if (restoreFocus) opener.focus({ preventScroll: true });
  }

  function entries() {
    return [...list.querySelectorAll("[role=menuitem]")];
  }

  function Item(item) {
    const props = { class: `menu-item ${item.look ?? ""}`, role: "menuitem", tabindex: "-1" };
    if (item.href) return el("a", { href: item.href, ...props, on: { click: () => close(false) } }, item.icon && icon(item.icon), el("span", null, item.label));
    return button(item.label, { ...props, on: { click: () => {
      close();
      item.act();
    } } }, item.icon && icon(item.icon), el("span", null, item.label));
  }

  function move(event) {
    const menuEntries = entries();
    const current = menuEntries.indexOf(document.activeElement);
    const next = { ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: menuEntries.length - 1 }[event.key];
    if (event.key === "Escape") {
      event.preventDefault();
      return close();
    }
    if (event.key === "Tab") return close(false);
    if (next === undefined) return;
    event.preventDefault();
    menuEntries[(next + menuEntries.length) % menuEntries.length].focus();
  }
}
