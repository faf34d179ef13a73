// A pattern as conventionally formatted TOML, with long texts as multi-line strings. The server parses it.

const FIELDS = ["id", "name", "summary", "description", "category", "arrangement", "complexity", "panel", "use_cases", "limitations"];
const STAGE_FIELDS = ["name", "who", "task", "help", "prompt"];

/** The TOML of a pattern's source. */
export function toToml(source) {
  const header = FIELDS.filter((name) => isSet(source[name])).map((name) => `${name} = ${formatValue(source[name])}`);
  const stages = source.stages.map((stage) =>
    ["[[stages]]", ...STAGE_FIELDS.filter((name) => isSet(stage[name])).map((name) => `${name} = ${formatValue(stage[name])}`)].join("\n"));
  return `${[header.join("\n"), ...stages].join("\n\n")}\n`;
}

function isSet(value) {
  return value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
}

function formatValue(value) {
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) {
    if (value.every((each) => typeof each === "number")) return `[${value.join(", ")}]`;
    return `[\n${value.map((each) => `    ${JSON.stringify(each)},`).join("\n")}\n]`;
  }
  if (!value.includes("\n")) return JSON.stringify(value);
  // Escapes backslashes and triple quotes, which are special inside multi-line strings.
  const safe = value.replaceAll("\\", "\\\\").replaceAll('"""', '""\\"').replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `"""\n${safe.replace(/"$/, '\\"')}"""`;
}

/** The initial content of a new pattern: two stages that work unchanged. */
export const NEW_PATTERN = {
  id: "my_pattern",
  name: "My pattern",
  summary: "What it does, in one line.",
  description: "What it is good for, in a sentence.",
  complexity: "low",
  panel: [2, 4],
  stages: [
    {
      name: "initial",
      help: "Every model answers independently.",
      prompt: "{sources}\n\nQuestion: {question}\n\nAnswer in Markdown, at most 300 words. Begin with the answer, then give the reasons. Cite the passage that supports a claim as [n].\n",
    },
    {
      name: "ultra",
      help: "One model combines the answers and keeps their differences visible.",
      prompt: "{sources}\n\nQuestion: {question}\n\n{members} members answered. Their texts, labeled with letters:\n{peers}\n\nWrite the one answer, with these headings:\n## Answer\n## Where the members agree\n## Contradictions\n## Points made by one only\n## Blind spots\nWrite \"None found.\" under a heading that has nothing.\n",
    },
  ],
};
