// The list of keyboard shortcuts, opened with "?".
import { el } from "../dom.js";
import { styled } from "../styles.js";
import { openDialog } from "../parts/dialog.js";
import { PLACES } from "./places.js";

const COMMAND = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";

/** Opens the list. */
export async function help() {
  await styled("shell");
  const rows = [
    [[COMMAND, "K"], "Go anywhere, do anything"],
    [["/"], "To the search of this page, or to the question"],
    [[COMMAND, "Enter"], "Ask the question"],
    [[COMMAND, "Shift", "O"], "New question"],
    [["1", "5"], "The views of an answer"],
    [["j"], "The next turn, or line of a list"],
    [["k"], "The turn or line before"],
    [["e"], "Edit the question"],
    [["["], "The citation before"],
    [["]"], "The next citation"],
    ...PLACES.map(([key, , name]) => [["g", key], name]),
    [["?"], "This list"],
    [["Esc"], "Close what is open"],
  ];
  openDialog("Keyboard shortcuts", el("dl", { class: "shortcuts" }, rows.map(([keys, text]) =>
    el("div", null, el("dt", null, keys.map((key) => [el("kbd", null, key), " "])), el("dd", null, text)))), { kind: "narrow" });
}
