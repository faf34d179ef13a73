// Saves generated or downloaded content as a file.
import { el } from "../dom.js";
import { toast } from "./toast.js";

/** Saves a blob under this file name. */
export function saveAs(blob, name) {
  const address = URL.createObjectURL(blob);
  const anchor = el("a", { href: address, download: name, target: "_self" });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  // The browser reads the blob only after the click handler has returned.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  toast(`Saved as ${name}.`);
}
