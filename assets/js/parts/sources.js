// The passages an answer rests on: the list, and one passage opened from a citation.
import { button, el } from "../dom.js";
import { excerpt } from "../format.js";
import { openDialog } from "./dialog.js";
import { toast } from "./toast.js";

/** A function that opens source `number` of this list. */
export function sourceOpener(sources) {
  return (number) => {
    const source = sources.find((each) => each.number === number);
    if (!source) return toast(`There is no source ${number}: the model made that number up.`, "failed");
    openDialog(`Source ${number}`, [
      el("p", { class: "source-place" }, place(source)),
      el("blockquote", { class: "source-text", dir: "auto" }, source.text),
    ], { kind: "sheet" });
  };
}

/** All sources, folded away until wanted; null when there are none. */
export function SourceList(sources) {
  if (sources.length === 0) return null;
  const open = sourceOpener(sources);
  return el("details", { class: "source-list" },
    el("summary", null, `Sources (${sources.length} passages from your documents)`),
    el("ol", null, sources.map((source) => el("li", { value: source.number },
      button(`Source ${source.number}: ${place(source)}`, { class: "link-button", on: { click: () => open(source.number) } }, place(source)),
      el("p", { class: "fine", dir: "auto" }, excerpt(source.text, 160))))));
}

function place(source) {
  return source.page > 1 ? `${source.document}, page ${source.page}` : source.document;
}
