// A pattern as conventionally formatted TOML, with long texts as multi-line strings. The server parses it.

const FIELDS = ["id", "name", "summary", "description", "category", "arrangement", "complexity", "panel", "use_cases", "limitations"];
const OF_STAGE = ["name", "who", "task", "help", "prompt"];

/** The TOML of a pattern's source. */
export function toToml(source) {
  const head = FIELDS.filter((name) => worth(source[name])).map((name) => `${name} = ${written(source[name])}`);
  const stages = source.stages.map((stage) =>
    ["[[stages]]", ...OF_STAGE.filter((name) => worth(stage[name])).map((name) => `${name} = ${written(stage[name])}`)].join("\n"));
  return `${[head.join("\n"), ...stages].join("\n\n")}\n`;
}

function worth(value) {
  return value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
}

function written(value) {
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) {
    if (value.every((each) => typeof each === "number")) return `[${value.join(", ")}]`;
    return `[\n${value.map((each) => `    ${JSON.stringify(each)},`).join("\n")}\n]`;
  }
  if (!value.includes("\n")) return JSON.stringify(value);
  // Escapes backslashes and triple quotes, which are special inside multi-line strings.
  const safe = value.replaceAll("\\", "\\\\").replaceAll('"""', '""\\"').replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `"""\n${safe.replace(/"$/, '\\"')}"""`;
}

/** The initial content of a new pattern: two stages that work unchanged. */
export const BEGINNING = {
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
      prompt: "{sources}\n\nQuestion: {question}\n\nAnswer in Markdown, at most 300 words. Begin with the answer, then give the reasons. Cite the passage that bears a claim as [n].\n",
    },
    {
      name: "ultra",
      help: "One model joins the answers and keeps their differences visible.",
      prompt: "{sources}\n\nQuestion: {question}\n\n{members} members answered. Their texts, under letters:\n{peers}\n\nWrite the one answer, with these headings:\n## Answer\n## Where the members agree\n## Contradictions\n## Points made by one only\n## Blind spots\nWrite \"None found.\" under a heading that has nothing.\n",
    },
  ],
};
