// Inline Markdown: emphasis, code, links, formulas, and citations (text/writer.js).
export { inline } from "../text/writer.js";
