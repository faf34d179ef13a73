// A plain word about what is not in this version.
import { link } from "../dom.js";
import { EmptyPage } from "../parts/states.js";

export async function load() {
  return null;
}

export function view() {
  return EmptyPage("Experiments come in a later version",
    "They will try parameters and panels against cases of yours and measure which answers best. This version runs single analyses.",
    link("/analyze", "Ask a question", { class: "button primary" }));
}
