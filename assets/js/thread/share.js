// Shares a thread, or one turn of it, through a revocable link. The server stores only a hash of the link.
import { post, remove } from "../api.js";
import { button, el, fill } from "../dom.js";
import { sentence } from "../format.js";
import { CopyButton } from "../parts/copy.js";
import { openDialog } from "../parts/dialog.js";
import { toast } from "../parts/toast.js";

/**
 * Opens the dialog for a thread and its last turn, the analysis `run`; `many` is true if the thread has other turns.
 * Keeps `shared` of both up to date.
 */
export function shareThread({ thread, run, many: hasOtherTurns }) {
  const links = [[thread, `/api/threads/${encodeURIComponent(thread.thread_id)}/share`], [run, `/api/analyses/${encodeURIComponent(run.id)}/share`]];
  const body = el("div", { class: "share-body" });
  openDialog("Share", body);
  const isShared = links.some(([shareable]) => shareable.shared);
  fill(body,
    el("p", null, "Anyone with the link can read the questions, the answers, and the quoted passages, without an account, until you stop sharing."),
    isShared && el("p", { class: "fine" }, "It is shared already. A new link replaces the old one."),
    el("div", { class: "actions" }, isShared && StopButton(),
      hasOtherTurns && button("Link to this turn", { class: "secondary", on: { click: () => createLink({ turn: run.id }, run) } }),
      button(hasOtherTurns ? "Link to the thread" : "Create link", { class: "primary", on: { click: () => createLink({}, thread) } })));

  function StopButton() {
    return button("Stop sharing", { class: "quiet", on: { click: stopSharing } });
  }

  async function createLink(request, shareable) {
    try {
      const { url } = await post(links[0][1], request);
      shareable.shared = true;
      const address = new URL(url, location.origin).href;
      const copy = CopyButton("Copy the link", () => address);
      fill(body,
        el("p", { class: "key-line" }, el("code", null, address), copy),
        el("p", { class: "fine" }, "Copy it now. It is not shown again."),
        el("div", { class: "actions" }, StopButton(), button("Done", { class: "primary", on: { click: close } })));
      copy.focus();
    } catch (problem) {
      fill(body, el("p", { class: "error-message" }, sentence(problem.message)));
    }
  }

  // Revokes both links, so that nothing remains public.
  async function stopSharing() {
    try {
      for (const [shareable, path] of links.filter(([each]) => each.shared)) {
        await remove(path);
        shareable.shared = false;
      }
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
