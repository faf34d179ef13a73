// Which addresses may be linked, and how a link shows its destination.
import { el } from "../dom.js";

const SCHEMES = ["http:", "https:", "mailto:"];

/** How this address may be linked: `here` (this site), `away` (the web or email), or `no`. */
export function placeOf(href) {
  let url;
  try {
    url = new URL(href, location.origin);
  } catch {
    return "no";
  }
  if (!SCHEMES.includes(url.protocol)) return "no";
  return url.origin === location.origin ? "here" : "away";
}

/** An empty link; null if this address may not be linked. */
export function anchor(href, title) {
  const scope = placeOf(href);
  if (scope === "no") return null;
  const link = el("a", { title: title || null });
  link.setAttribute("href", href);
  if (scope === "away") Object.assign(link, { target: "_blank", rel: "noopener noreferrer nofollow" });
  return link;
}

/** Shows where a link leads, unless its text already does or it is a local link. */
export function target(link, words) {
  const href = link.getAttribute("href");
  const withoutScheme = (text) => text.replace(/^(mailto:|https?:\/\/)/i, "");
  if (!link.target || [href, decoded(href)].some((text) => withoutScheme(text) === withoutScheme(words))) return null;
  return el("span", { class: "link-target" }, ` (${href})`);
}

function decoded(href) {
  try {
    return decodeURI(href);
  } catch {
    return href;
  }
}
