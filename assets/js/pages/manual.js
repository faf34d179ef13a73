// The manual: a list of topics, single topics, and a search over all of them, which loads the other topics. The text is
// the same as that of `quire help`.
import { pathOf, within } from "../base.js";
import { el, fill, link } from "../dom.js";
import { markdown } from "../parts/markdown.js";
import { EmptyPage, Failure } from "../parts/states.js";
import { styled } from "../styles.js";

const MAX_RESULTS = 30;
// Number of characters shown around a match.
const CONTEXT_LENGTH = 80;

let topics = null;

export async function load({ topic, q }, signal) {
  const [list] = await Promise.all([topics ?? fetchFile("manual.json", signal).then((response) => response.json()), styled("manual")]);
  topics = list;
  const needed = q ? list : list.filter((entry) => entry.id === topic);
  await Promise.all(needed.map((entry) => withText(entry, signal)));
  return { list, topic, words: q ?? "" };
}

async function fetchFile(name, signal) {
  const response = await fetch(new URL(`../../${name}`, import.meta.url), { signal });
  if (!response.ok) throw new Error("The manual could not be loaded. Reload the page.");
  return response;
}

// Each text is fetched once.
async function withText(entry, signal) {
  entry.text ??= await (await fetchFile(`manual/${entry.id}.md`, signal)).text();
}

export function view({ list, topic, words }, { note, signal }) {
  const current = list.find((entry) => entry.id === topic);
  if (topic && !current) {
    return EmptyPage("No such topic", "The manual has no topic with this name.", link("/manual", "All topics", { class: "button primary" }));
  }
  const body = el("div", { class: "manual-body" });
  const draw = async (text) => {
    const terms = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
    if (terms.length === 0) return fill(body, current ? Topic(current) : Topics(list));
    try {
      if (list.some((entry) => entry.text === undefined)) await Promise.all(list.map((entry) => withText(entry, signal)));
      // The field may have changed meanwhile.
      if (text === field.value) fill(body, Results(search(list, terms)));
    } catch (problem) {
      if (!signal.aborted) fill(body, Failure(problem, () => draw(field.value)));
    }
  };
  const field = el("input", {
    type: "search", value: words, placeholder: "Search the manual", "aria-label": "Search the manual",
    on: { input: () => {
      draw(field.value);
      note(pathOf() + (field.value.trim() ? `?q=${encodeURIComponent(field.value.trim())}` : ""));
    } },
  });
  draw(words);
  if (current) document.title = `${current.title} · Quire manual`;
  return el("div", { class: "manual-page" },
    el("h1", null, current ? link("/manual", "Manual") : "Manual"),
    field,
    el("div", { class: "manual-columns" }, current && Contents(list, current), body));
}

function Contents(list, current) {
  return el("nav", { class: "manual-topics", "aria-label": "Topics" }, el("ul", null, list.map((entry) =>
    el("li", null, link(`/manual/${entry.id}`, entry.title, entry === current ? { "aria-current": "page" } : {})))));
}

function Topics(list) {
  return el("ul", { class: "manual-list" }, list.map((entry) =>
    el("li", null, el("h2", null, link(`/manual/${entry.id}`, entry.title)), markdown(withTopicLinks(entry.summary)))));
}

function Topic(entry) {
  const article = el("article", { class: "prose" }, el("h2", null, entry.title), markdown(withTopicLinks(plainCode(entry.text))));
  // Markdown links open outside the application; links to other topics do not.
  for (const anchor of article.querySelectorAll("a[target]")) {
    if (anchor.origin !== location.origin) continue;
    anchor.removeAttribute("target");
    anchor.removeAttribute("rel");
    if (anchor.nextElementSibling?.matches(".link-target")) anchor.nextElementSibling.remove();
  }
  for (const heading of article.querySelectorAll("h3, h4")) heading.id = slug(heading.textContent);
  // The browser resolved the fragment before its target was on the page.
  if (location.hash) setTimeout(() => document.getElementById(location.hash.slice(1))?.scrollIntoView(), 0);
  return article;
}

// Links to other topics also work if the pages are under a path.
function withTopicLinks(text) {
  return text.replaceAll("](/manual/", `](${location.origin}${within("/manual/")}`);
}

// Removes the languages from code blocks, because loading the highlighter would cost more than the rest of the page.
function plainCode(text) {
  return text.replace(/^```\w+$/gm, "```");
}

function slug(text) {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

// Sections that contain every word; matches in headings come first.
function search(list, words) {
  const sections = list.flatMap(sectionsOf).map((section) => ({ ...section, low: `${section.topic.title} ${section.heading} ${section.text}`.toLowerCase() }));
  const matches = sections.filter((section) => words.every((word) => section.low.includes(word)));
  const inHeading = (section) => words.some((word) => `${section.topic.title} ${section.heading}`.toLowerCase().includes(word));
  matches.sort((entry, other) => Number(inHeading(other)) - Number(inHeading(entry)));
  return matches.slice(0, MAX_RESULTS).map((section) => ({ ...section, excerpt: excerpt(section.text, words[0]) }));
}

function sectionsOf(topic) {
  const sections = [{ topic, heading: "", text: "" }];
  for (const line of topic.text.split("\n")) {
    const heading = /^##+ (.*)$/.exec(line);
    if (heading) sections.push({ topic, heading: heading[1].replaceAll("`", ""), text: "" });
    else if (!line.startsWith("```")) sections.at(-1).text += `${line} `;
  }
  return sections;
}

function excerpt(text, word) {
  const plain = text.replace(/[`*]|\]\([^)]*\)|\[/g, "").trim();
  const at = Math.max(0, plain.toLowerCase().indexOf(word));
  const from = Math.max(0, at - CONTEXT_LENGTH);
  const cut = plain.slice(from, at + 2 * CONTEXT_LENGTH);
  return `${from > 0 ? "…" : ""}${cut}${from + cut.length < plain.length ? "…" : ""}`;
}

function Results(sections) {
  if (sections.length === 0) return el("p", { role: "status" }, "No matches. Try fewer or other words.");
  const address = ({ topic, heading }) => `/manual/${topic.id}${heading ? `#${slug(heading)}` : ""}`;
  return el("ul", { class: "manual-list" }, sections.map((section) => el("li", null,
    el("h2", null, link(address(section), section.heading ? `${section.topic.title}: ${section.heading}` : section.topic.title)),
    el("p", null, section.excerpt))));
}
