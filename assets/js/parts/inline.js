// Markdown inside a line: emphasis, code, links, formulas, citations (text/writer.js).
export { inline } from "../text/writer.js";
