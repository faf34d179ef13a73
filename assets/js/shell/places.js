// The pages that have a keyboard shortcut.

/** Letter after "g", address, and name of each page. */
export const PLACES = [
  ["a", "/analyze", "New question"],
  ["d", "/documents", "Documents"],
  ["h", "/history", "History"],
  ["p", "/orchestrator", "Patterns and recipes"],
  ["m", "/modelrunner", "Models"],
  ["e", "/experiments", "Experiments"],
  ["u", "/usage", "Usage"],
  ["s", "/settings", "Settings"],
];
