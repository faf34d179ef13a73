// API keys: created with an expiry and limits, shown once, with code snippets that use them.
import { post, remove } from "../api.js";
import { within } from "../base.js";
import { button, el, fill, icon } from "../dom.js";
import { money, plural, sentence, when } from "../format.js";
import { CopyButton } from "../parts/copy.js";
import { confirm } from "../parts/dialog.js";
import { Choice, Field } from "../parts/field.js";
import { Tabs } from "../parts/tabs.js";
import { toast } from "../parts/toast.js";
import { form, section } from "./parts.js";

const EXPIRY_OPTIONS = [["", "Never"], ["30", "In 30 days"], ["90", "In 90 days"], ["365", "In a year"]];
const SCOPES = [
  ["chat", "Chat", "the OpenAI and Anthropic APIs, and MCP tools"],
  ["analyze", "Analyses", "analyses, experiments, patterns, recipes"],
  ["documents", "Documents", "uploading, reading, searching, deleting"],
  ["admin", "Administration", "if you are an administrator"],
  ["keys", "API keys", "listing and deleting keys"],
  ["export", "Export", "exporting and importing all your data"],
];

/** The API keys section. Updates `keys` in place. */
export function Keys(keys, { isAdmin, signal }) {
  const list = el("ul", { class: "rows" });
  const newKey = el("div", { class: "new-key" });
  const name = Field("Key name", { required: true, maxLength: 80, autocomplete: "off" }, "For example, the program that uses it.");
  const expiry = Choice("Expires", { value: "90" }, EXPIRY_OPTIONS);
  const scopes = SCOPES.filter(([id]) => isAdmin || id !== "admin").map(([id, words, help]) => {
    const box = el("input", { type: "checkbox", "aria-label": `${words}: ${help}`, value: id });
    return { box, node: el("label", { class: "check" }, box, el("span", null, el("strong", null, words), el("span", { class: "fine" }, ` ${help}`))) };
  });
  const models = Field("Allowed models", { autocomplete: "off", placeholder: "all" }, "Separated by commas: openai/*, local/llama3.2");
  const dayBudget = Field("Daily budget, in dollars", { type: "number", min: 0, step: "any", placeholder: "no limit" });
  const totalBudget = Field("Total budget, in dollars", { type: "number", min: 0, step: "any", placeholder: "no limit" });
  draw();

  function draw() {
    fill(list, keys.length === 0 ? el("li", { class: "fine" }, "No keys yet.") : keys.map(row));
  }

  function row(key) {
    return el("li", { class: "row" },
      el("div", { class: "row-words" },
        el("p", { class: "row-title" }, key.name),
        el("p", { class: "fine" }, el("code", null, `${key.prefix}…`), ` · created ${when(key.created_at)} · ${key.last_used_at ? `last used ${when(key.last_used_at)}` : "never used"}`),
        el("p", { class: "fine" }, limitsOf(key).join(" · "))),
      el("div", { class: "row-actions" }, button(`Delete the key ${key.name}`, { class: "quiet icon-only", title: "Delete", on: { click: () => deleteKey(key) } }, icon("trash"))));
  }

  async function deleteKey(key) {
    if (!(await confirm(`Delete the key ${key.name}?`, "Programs that use it stop working immediately.", "Delete"))) return;
    try {
      await remove(`/api/users/me/api-keys/${key.id}`, { signal });
      keys.splice(keys.indexOf(key), 1);
      draw();
      toast("Key deleted.");
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  const createForm = form([
    name, expiry,
    el("details", { class: "more" }, el("summary", null, "Permissions and limits"),
      el("div", { class: "key-limits" },
        el("fieldset", { class: "radios" }, el("legend", null, "Scopes"), el("p", { class: "hint" }, "Default: Chat, Analyses, and Documents."), scopes.map((scope) => scope.node)),
        models.node, el("div", { class: "pair" }, dayBudget.node, totalBudget.node))),
  ], "Create key", async (element) => {
    const number = ({ input }, as) => (input.value === "" ? {} : { [as]: Number(input.value) });
    const allowedModels = models.input.value.split(",").map((each) => each.trim()).filter(Boolean);
    const chosenScopes = scopes.filter(({ box }) => box.checked).map(({ box }) => box.value);
    const created = await post("/api/users/me/api-keys", {
      name: name.input.value.trim(), ...number(expiry, "expires_in_days"), ...(chosenScopes.length > 0 ? { scopes: chosenScopes } : {}),
      ...(allowedModels.length > 0 ? { models: allowedModels } : {}), ...number(dayBudget, "day_budget_usd"), ...number(totalBudget, "budget_usd"),
    });
    keys.unshift(created.api_key);
    element.reset();
    expiry.input.value = "90";
    draw();
    fill(newKey, el("div", { class: "notice", role: "status" },
      el("p", null, el("strong", null, "Copy the key now. It is shown only once.")),
      el("p", { class: "key-line" }, el("code", null, created.key), CopyButton("Copy the key", () => created.key))), Snippets(created.key));
  });
  return section("API keys", "A program with a key acts as you. OpenAI and Anthropic clients work.", list, newKey, createForm);
}

function limitsOf(key) {
  return [
    key.expires_at ? (Date.parse(key.expires_at) < Date.now() ? "expired" : `expires ${when(key.expires_at)}`) : "never expires",
    key.scopes?.length > 0 && `scopes: ${key.scopes.join(", ")}`,
    key.models?.length > 0 && (key.models.length < 3 ? `models: ${key.models.join(", ")}` : plural(key.models.length, "model")),
    typeof key.day_budget_usd === "number" && `${money(key.day_budget_usd)} per day`,
    typeof key.budget_usd === "number" && `${money(key.budget_usd)} in total`,
  ].filter(Boolean);
}

// Snippets use this page's own origin, so they work from this browser's network.
function Snippets(key) {
  const base = `${location.origin}${within("/v1")}`;
  const panel = el("div", { class: "snippet-panel" });
  const texts = [
    ["Python", `from openai import OpenAI\n\nclient = OpenAI(base_url="${base}", api_key="${key}")\nanswer = client.chat.completions.create(\n    model="quire/critique",\n    messages=[{"role": "user", "content": "Which is the better offer, and why?"}],\n)\nprint(answer.choices[0].message.content)`],
    ["JavaScript", `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${base}", apiKey: "${key}" });\nconst answer = await client.chat.completions.create({\n  model: "quire/critique",\n  messages: [{ role: "user", content: "Which is the better offer, and why?" }],\n});\nconsole.log(answer.choices[0].message.content);`],
    ["curl", `curl ${base}/chat/completions \\\n  -H "Authorization: Bearer ${key}" \\\n  -H "Content-Type: application/json" \\\n  -d '{"model": "quire/critique", "messages": [{"role": "user", "content": "Which is the better offer, and why?"}]}'`],
  ];
  const tabs = Tabs("Code examples", panel, texts.map(([name, text]) => [name, () => [
    CopyButton(`Copy the ${name} example`, () => text), el("pre", { tabindex: "0", role: "group", "aria-label": `${name} example` }, el("code", null, text)),
  ]]));
  return el("div", { class: "snippets" }, tabs.node, panel);
}
