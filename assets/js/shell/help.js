// The list of keyboard shortcuts, opened with "?".
import { el } from "../dom.js";
import { styled } from "../styles.js";
import { openDialog } from "../parts/dialog.js";
import { PLACES } from "./places.js";

const COMMAND = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";

/** Opens the list of shortcuts. */
export async function help() {
  await styled("shell");
  const rows = [
    [[COMMAND, "K"], "Search and commands"],
    [["/"], "Focus the search or the question"],
    [[COMMAND, "Enter"], "Send"],
    [[COMMAND, "Shift", "O"], "New question"],
    [["1", "5"], "Tabs of an answer"],
    [["j"], "Next turn or row"],
    [["k"], "Previous turn or row"],
    [["e"], "Edit the question"],
    [["["], "Previous citation"],
    [["]"], "Next citation"],
    ...PLACES.map(([key, , name]) => [["g", key], name]),
    [["?"], "Keyboard shortcuts"],
    [["Esc"], "Close, or stop a run"],
  ];
  openDialog("Keyboard shortcuts", el("dl", { class: "shortcuts" }, rows.map(([keys, text]) =>
    el("div", null, el("dt", null, keys.map((key) => [el("kbd", null, key), " "])), el("dd", null, text)))), { kind: "narrow" });
}
