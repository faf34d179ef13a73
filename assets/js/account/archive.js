// Exports all of a user's data as one file, and imports such a file.
import { post } from "../api.js";
import { el, fill, icon } from "../dom.js";
import { count, plural } from "../format.js";
import { Field } from "../parts/field.js";
import { Loading } from "../parts/states.js";
import { form, section } from "./parts.js";

/** The data export and import section. */
export function Archive() {
  const file = Field("Import a file", { type: "file", required: true }, "An archive from Quire, or conversations exported elsewhere. Existing data is kept.");
  const out = el("div", { class: "step-message", role: "status" });
  return section("Your data", "Documents, analyses, patterns, and recipes in one file.",
    el("p", null, el("a", { class: "button secondary", href: "/api/users/me/export", download: "quire-archive.tar.gz" }, icon("download"), "Export all data")),
    form([file], "Import", async (element) => {
      fill(out, Loading("Importing"));
      try {
        const body = new FormData();
        body.append("file", file.input.files[0]);
        const { counts } = await post("/api/users/me/import", body);
        element.reset();
        const imported = Object.entries(counts).filter(([, { added }]) => added > 0).map(([name, { added }]) => `${count(added)} ${name.replaceAll("_", " ")}`);
        const refused = Object.values(counts).reduce((sum, result) => sum + (result.refused ?? 0), 0);
        fill(out, el("p", { class: "notice" }, imported.length > 0 ? `Imported: ${imported.join(", ")}.` : "The file contains nothing new.",
          refused > 0 && ` ${plural(refused, "part")} could not be imported.`));
      } catch (problem) {
        fill(out);
        throw problem;
      }
    }), out);
}
