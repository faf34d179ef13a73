// Runs a question again with one change; the dialog's code is loaded on demand.
import { button } from "../dom.js";
import { sentence } from "../format.js";
import { toast } from "./toast.js";

/** A button that opens the dialog; `onStarted(id)` is called when the new analysis has started. */
export function RunAgainButton(run, context) {
  return button("Run again", { class: "secondary", title: "Runs again with one change and reuses the answers that it does not affect", on: { click: async () => {
    try {
      const { runAgain } = await import("../results/rerun.js");
      await runAgain(run, context);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  } } });
}
