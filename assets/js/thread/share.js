// Shares a thread, or one turn of it, through a revocable link. The server stores only a hash of the link.
import { post, remove } from "../api.js";
import { button, el, fill } from "../dom.js";
import { sentence } from "../format.js";
import { CopyButton } from "../parts/copy.js";
import { openDialog } from "../parts/dialog.js";
import { toast } from "../parts/toast.js";

/** Opens the dialog. A POST to `path` creates the link and a DELETE revokes it; `turn` is the last turn. */
export function shareThread({ path, turn, many }) {
  const body = el("div", { class: "share-body" });
  openDialog("Share", body);
  fill(body,
    el("p", null, "Anyone with the link can read the questions, the answers, and the quoted passages, without an account, until you stop sharing."),
    el("div", { class: "actions" }, button("Stop sharing", { class: "quiet", on: { click: stop } }),
      many && button("Link to this turn", { class: "secondary", on: { click: () => make({ turn }) } }),
      button(many ? "Link to the thread" : "Create link", { class: "primary", on: { click: () => make({}) } })));

  async function make(what) {
    try {
      const { url } = await post(path, what);
      const address = new URL(url, location.origin).href;
      const copy = CopyButton("Copy the link", () => address);
      fill(body,
        el("p", { class: "key-line" }, el("code", null, address), copy),
        el("p", { class: "fine" }, "Copy it now. It is not shown again."),
        el("div", { class: "actions" }, button("Stop sharing", { class: "quiet", on: { click: stop } }), button("Done", { class: "primary", on: { click: close } })));
      copy.focus();
    } catch (problem) {
      fill(body, el("p", { class: "error-message" }, sentence(problem.message)));
    }
  }

  async function stop() {
    try {
      await remove(path);
      close();
      toast("The link no longer works.");
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  function close() {
    body.closest("dialog").close("");
  }
}
