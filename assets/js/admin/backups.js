// Database backups: download one, list those in the server's folder, and take a snapshot for the replica.
import { get, post } from "../api.js";
import { button, el, fill } from "../dom.js";
import { bytes, count, plural, sentence, when } from "../format.js";
import { section } from "../account/parts.js";
import { toast } from "../parts/toast.js";

const POLL_MS = 1_000;
const MAX_POLLS = 120;

export function Backups(initial, signal) {
  const body = el("div", { class: "backups" });
  const backupButton = (label, target) => button(label, { class: "secondary", on: { click: ({ currentTarget }) => createBackup(currentTarget, target) } });
  draw(initial);

  function draw(status) {
    const { folder, replica } = status;
    fill(body,
      folder && Folder(folder),
      replica && el("p", null, replica.copied_at ? `Latest snapshot in the replica: ${when(replica.copied_at)}.` : "No snapshot since the server started. Earlier ones are still in the replica."),
      !folder && !replica && el("p", { class: "fine" }, "To make backups automatically, set QUIRE_BACKUP_DIR to a folder."),
      el("div", { class: "actions" },
        folder && backupButton("Back up now", "folder"),
        replica && backupButton(folder ? "Back up to the replica" : "Back up now", "replica"),
        el("a", { href: "/api/admin/backup", class: "button secondary", download: "" }, "Download a backup")));
  }

  async function createBackup(clicked, target) {
    clicked.disabled = true;
    clicked.setAttribute("aria-busy", "true");
    clicked.textContent = "Copying and checking";
    try {
      let status = await post("/api/admin/backup", { to: target }, { signal });
      if (target === "replica") status = await waitForSnapshot(status);
      draw(status);
      const rows = Object.values(status.folder?.last?.rows ?? {}).reduce((sum, rowCount) => sum + rowCount, 0);
      toast(target === "folder" ? `Backed up: ${plural(rows, "row")}, ${bytes(status.folder.copies[0].bytes)}, checked` : "The snapshot is in the replica");
    } catch (problem) {
      if (signal.aborted) return;
      toast(sentence(problem.message), "failed");
      draw(await get("/api/admin/backups", { signal }).catch(() => initial));
    }
    body.querySelector("button")?.focus();
  }

  // Waits until the snapshot, which is taken in the background, is in the replica.
  async function waitForSnapshot(status) {
    const before = status.replica.copied_at;
    for (let poll = 0; poll < MAX_POLLS; poll += 1) {
      await new Promise((done) => setTimeout(done, POLL_MS));
      const latest = await get("/api/admin/backups", { signal });
      if (latest.replica.copied_at !== before) return latest;
    }
    throw new Error("the snapshot is not in the replica yet. The State section above shows why");
  }

  return section("Backup", "A verified copy of the database: accounts, analyses, and the text of documents. Uploaded files are not included; they are in the data folder, under documents. Restore it with quire restore.", body);
}

function Folder({ path, every_hours, keep, copies, last, error }) {
  return [
    el("p", null, "Every ", every_hours === 24 ? "day" : plural(every_hours, "hour"), " into ", el("code", null, path), `; the newest ${count(keep)} are kept.`),
    error && el("p", { class: "notice suspicious", role: "alert" }, `The folder cannot be read: ${sentence(error)}`),
    last?.error && el("p", { class: "notice suspicious", role: "alert" }, `The last attempt (${when(last.at)}) failed: ${sentence(last.error)}`),
    copies.length > 0 ? el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Backups in the folder" }, el("table", { class: "backup-list" },
      el("thead", null, el("tr", null, el("th", { scope: "col" }, "Created"), el("th", { scope: "col" }, "File"), el("th", { scope: "col" }, "Size"))),
      el("tbody", null, copies.map((copy) => el("tr", null, el("td", null, when(copy.at)), el("td", null, el("code", null, copy.name)), el("td", null, bytes(copy.bytes)))))))
      : el("p", { class: "fine" }, "No backups yet."),
  ];
}
