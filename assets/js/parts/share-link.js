// Shares a result through a revocable link that needs no account. The server stores only a hash of the link, so an
// existing link can be replaced but not shown again.
import { post, remove } from "../api.js";
import { button, el, fill } from "../dom.js";
import { sentence } from "../format.js";
import { CopyButton } from "./copy.js";
import { openDialog } from "./dialog.js";
import { toast } from "./toast.js";

/** A button that shares this analysis, or shows that it is shared; `shared` is whether a link already exists. */
export function ShareButton(id, shared = false) {
  const path = `/api/analyses/${encodeURIComponent(id)}/share`;
  const node = button("Share", { class: "secondary", on: { click: open } });
  draw(shared);
  return node;

  function draw(isShared) {
    shared = isShared;
    node.textContent = shared ? "Shared" : "Share";
    node.setAttribute("aria-label", shared ? "Shared by link; change" : "Share");
  }

  async function open() {
    const body = el("div", { class: "share-body" });
    const closed = openDialog("Share this result", body);
    if (shared) showExisting(body);
    else await createLink(body);
    await closed;
  }

  function showExisting(body) {
    fill(body,
      el("p", null, "This result already has a link, which is not shown again. A new link replaces it."),
      el("div", { class: "actions" }, StopButton(body), button("Create new link", { class: "primary", on: { click: () => createLink(body) } })));
  }

  async function createLink(body) {
    try {
      const { url } = await post(path);
      draw(true);
      const address = new URL(url, location.origin).href;
      const copy = CopyButton("Copy the link", () => address);
      fill(body,
        el("p", null, "Anyone with this link can read the question, the answers, and the quoted passages, without an account, until you stop sharing."),
        el("p", { class: "key-line" }, el("code", null, address), copy),
        el("p", { class: "fine" }, "Copy it now. It is not shown again."),
        el("div", { class: "actions" }, StopButton(body), button("Done", { class: "primary", on: { click: () => close(body) } })));
      copy.focus();
    } catch (problem) {
      fill(body, el("p", { class: "error-message" }, sentence(problem.message)));
    }
  }

  function StopButton(body) {
    return button("Stop sharing", { class: "secondary", on: { click: async () => {
      try {
        await remove(path);
        draw(false);
        close(body);
        toast("The link no longer works.");
      } catch (problem) {
        toast(sentence(problem.message), "failed");
      }
    } } });
  }
}

function close(body) {
  body.closest("dialog").close("");
}
