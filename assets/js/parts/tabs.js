// Tabs following the ARIA pattern: one tab stop, arrow keys move, and the panel follows.
import { button, el, fill, uid } from "../dom.js";

// Width in pixels of the part of the previous tab that stays visible.
const PREVIOUS_TAB_WIDTH = 48;

/**
 * Returns `{node, choose(index)}`. `views` are `[label, build, former, count]`, built each time they are shown;
 * scripts may find a tab by its former label. `onChoose(index)` is called when another view is shown. */
export function Tabs(label, panel, views, first = 0, { onChoose = null } = {}) {
  const name = uid("tabs");
  panel.id = `${name}-panel`;
  panel.tabIndex = 0;
  const tabs = views.map(([text, , former, count], index) => button(text, {
    class: "view-tab", role: "tab", id: `${name}-${index}`, "aria-controls": panel.id, "aria-label": former ? `${text} (${former})` : count ? `${text} ${count}` : text, on: { click: () => choose(index) },
  }, text, count ? el("span", { class: "tab-count" }, ` ${count}`) : null));
  const node = el("div", { class: "view-tabs", role: "tablist", "aria-label": label, on: { keydown: move } }, tabs);
  show(first);

  function choose(index) {
    show(index);
    onChoose?.(index);
  }

  function show(index) {
    tabs.forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === index));
      tab.tabIndex = place === index ? 0 : -1;
    });
    // On a phone, the row of tabs scrolls, so the selected tab must be brought into view.
    if (node.isConnected) tabs[index].scrollIntoView({ block: "nearest", inline: "nearest" });
    else if (index > 0) requestAnimationFrame(() => (node.scrollLeft = tabs[index].offsetLeft - node.offsetLeft - PREVIOUS_TAB_WIDTH));
    panel.setAttribute("aria-labelledby", tabs[index].id);
    fill(panel, views[index][1]());
  }

  function move(event) {
    const current = tabs.indexOf(event.target);
    const next = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (current < 0 || next === undefined) return;
    event.preventDefault();
    const index = (next + tabs.length) % tabs.length;
    choose(index);
    tabs[index].focus();
  }

  return { node, choose };
}
