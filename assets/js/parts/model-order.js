// The display order of models, and the default panel.

/** Available models first and recently failed ones after the others; language models before demo algorithms. */
export function sortModels(models) {
  const rank = (model) => (model.available ? 0 : 4) + (model.failed_lately ? 2 : 0) + (model.mock ? 1 : 0);
  return [...models].sort((a, b) => rank(a) - rank(b));
}

/** The default panel. */
export function defaultPanel(models) {
  return sortModels(models).filter((model) => model.available).slice(0, 3).map((model) => model.id);
}
