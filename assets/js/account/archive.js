// Everything one owns as one file, to be kept or taken to another server, and such a file taken in.
import { post } from "../api.js";
import { el, fill, icon } from "../dom.js";
import { count, plural } from "../format.js";
import { Field } from "../parts/field.js";
import { Loading } from "../parts/states.js";
import { form, section } from "./parts.js";

/** The section. */
export function Archive() {
  const file = Field("Take in a file", { type: "file", required: true }, "An archive of Quire, or conversations exported elsewhere. What is there stays.");
  const out = el("div", { class: "step-message", role: "status" });
  return section("Your data", "Documents, analyses, patterns and recipes in one file.",
    el("p", null, el("a", { class: "button secondary", href: "/api/users/me/export", download: "quire-archive.tar.gz" }, icon("download"), "Take everything along")),
    form([file], "Take it in", async (element) => {
      fill(out, Loading("Taking it in"));
      try {
        const body = new FormData();
        body.append("file", file.input.files[0]);
        const { counts } = await post("/api/users/me/import", body);
        element.reset();
        const taken = Object.entries(counts).filter(([, { added }]) => added > 0).map(([name, { added }]) => `${count(added)} ${name.replaceAll("_", " ")}`);
        const refused = Object.values(counts).reduce((sum, one) => sum + (one.refused ?? 0), 0);
        fill(out, el("p", { class: "notice" }, taken.length > 0 ? `Taken in: ${taken.join(", ")}.` : "There was nothing new in it.",
          refused > 0 && ` ${plural(refused, "part")} could not be taken.`));
      } catch (problem) {
        fill(out);
        throw problem;
      }
    }), out);
}
