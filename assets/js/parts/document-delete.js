// Deletes a document, after asking.
import { remove } from "../api.js";
import { sentence } from "../format.js";
import { confirm } from "./dialog.js";
import { idOf, nameOf } from "./reading.js";
import { toast } from "./toast.js";

/** `hide()` takes the document out of sight. */
export async function deleteDocument(stored, { signal, hide }) {
  const name = nameOf(stored);
  if (!(await confirm(`Delete ${name}?`, "The file, its text and its place in the search are deleted for good. Analyses that used it keep the passages they quoted.", "Delete"))) return;
  try {
    await remove(`/api/documents/${idOf(stored)}`, { signal });
    hide();
    toast(`${name} is deleted.`);
  } catch (problem) {
    if (!signal.aborted) toast(sentence(problem.message), "failed");
  }
}
