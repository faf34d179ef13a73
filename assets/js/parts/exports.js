// Takes an analysis along as a file.
import { call } from "../api.js";
import { button, el, icon } from "../dom.js";
import { toast } from "./toast.js";

const FORMATS = [["json", "JSON", "json"], ["csv", "CSV", "csv"], ["markdown", "Markdown", "md"]];

/** The three export buttons of an analysis. */
export function ExportButtons(id) {
  return el("div", { class: "exports", role: "group", "aria-label": "Export" }, FORMATS.map(([format, name, ending]) =>
    button(`Export as ${name}`, { class: "export-button", on: { click: () => download(id, format, ending) } }, icon("download"), `Export as ${name}`)));
}

async function download(id, format, ending) {
  try {
    const response = await call("GET", `/api/analyses/${encodeURIComponent(id)}/export`, { query: { format }, raw: true, accept: "*/*" });
    const address = URL.createObjectURL(await response.blob());
    const anchor = el("a", { href: address, download: `${id}.${ending}`, target: "_self" });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    // The browser reads the blob after the click returns.
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
    toast(`Saved as ${id}.${ending}.`);
  } catch (problem) {
    toast(problem.message, "failed");
  }
}
