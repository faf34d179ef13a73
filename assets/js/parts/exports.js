// Downloads an analysis as a file: the server's exports or, without an account, three formats generated in the
// browser.
import { call } from "../api.js";
import { button, el, icon } from "../dom.js";
import { sentence } from "../format.js";
import { panelStages, synthesis } from "./run-model.js";
import { saveAs } from "./save.js";
import { stageName } from "./stages.js";
import { toast } from "./toast.js";

const FORMATS = [["json", "JSON", "json"], ["csv", "CSV", "csv"], ["markdown", "Markdown", "md"]];
// A formatted page for reading and printing; available only for analyses.
const HTML_FORMAT = ["html", "HTML", "html"];
const WRITERS = { json: asJson, csv: asCsv, markdown: asMarkdown };

/** The export buttons of a stored analysis. */
export function AnalysisExports(id) {
  return Buttons([...FORMATS, HTML_FORMAT], downloadFrom(id, `/api/analyses/${encodeURIComponent(id)}/export`));
}

/** The export buttons of another resource with an export at `path`. */
export function ExportButtons(id, path) {
  return Buttons(FORMATS, downloadFrom(id, path));
}

function downloadFrom(id, path) {
  return async (format, extension) => {
    const response = await call("GET", path, { query: { format }, raw: true, accept: "*/*" });
    saveAs(await response.blob(), `${id}.${extension}`);
  };
}

/** The export buttons of an analysis that exists only on this page. */
export function LocalExportButtons(run) {
  return Buttons(FORMATS, async (format, extension) => saveAs(new Blob([WRITERS[format](run)]), `analysis.${extension}`));
}

function Buttons(formats, save) {
  return el("div", { class: "exports", role: "group", "aria-label": "Export" }, formats.map(([format, name, extension]) =>
    button(`Export as ${name}`, { class: "export-button", on: { click: async () => {
      try {
        await save(format, extension);
      } catch (problem) {
        toast(sentence(problem.message), "failed");
      }
    } } }, icon("download"), `Export as ${name}`)));
}

function allCalls(stages) {
  return stages.flatMap((stage) => stage.members.map((member) => ({ stage: stage.name, ...member })));
}

function asJson(run) {
  const stages = run.stages.map((stage) => ({
    name: stage.name,
    answers: stage.members.map(({ model, letter, text, problem, usage, cost, latency }) => ({
      model, letter, text, error: problem || null, usage, cost_usd: cost, latency_ms: latency,
    })),
  }));
  return JSON.stringify({
    status: run.status, prompt: run.prompt, pattern: run.pattern, models: run.models, ultra_model: run.ultra,
    results: { ultra_response: synthesis(run)?.text ?? "", stages },
  }, null, 2);
}

function asCsv(run) {
  // Keep spreadsheets from running a cell as a formula.
  const cell = (content) => `"${String(content ?? "").replace(/^([=+\-@\t\r])/, "'$1").replaceAll('"', '""')}"`;
  const rows = allCalls(run.stages).map((each) => [each.stage, each.model, each.letter, each.status, each.latency, each.text || each.problem]);
  return [["stage", "model", "letter", "status", "latency_ms", "text"], ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
}

function asMarkdown(run) {
  const parts = [`# ${run.prompt}`, `Pattern: ${run.pattern}`, "## Synthesis", synthesis(run)?.text || "None."];
  for (const each of allCalls(panelStages(run))) {
    parts.push(`## ${stageName(each.stage)}: ${each.model}`, each.text || `No answer: ${each.problem}`);
  }
  return `${parts.join("\n\n")}\n`;
}
