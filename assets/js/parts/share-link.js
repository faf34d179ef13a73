// Shows a result to people without an account, by a link that can be taken back.
import { post, remove } from "../api.js";
import { button, el } from "../dom.js";
import { sentence } from "../format.js";
import { CopyButton } from "./copy.js";
import { openDialog } from "./dialog.js";
import { toast } from "./toast.js";

/** A button that makes the link of this analysis. */
export function ShareButton(id) {
  return button("Share", { class: "secondary", on: { click: () => share(id) } });
}

async function share(id) {
  const path = `/api/analyses/${encodeURIComponent(id)}/share`;
  try {
    const { url } = await post(path);
    const address = new URL(url, location.origin).href;
    const answer = await openDialog("Share this result", [
      el("p", null, "Whoever has this link can read the question, the answers and the quoted passages, without an account, until you stop sharing. A link made earlier no longer works."),
      el("p", { class: "key-line" }, el("code", null, address), CopyButton("Copy the link", () => address)),
    ], { actions: [["stop", "Stop sharing", "secondary"], ["", "Done", "primary"]] });
    if (answer !== "stop") return;
    await remove(path);
    toast("Nobody can read it by link any more.");
  } catch (problem) {
    toast(sentence(problem.message), "failed");
  }
}
