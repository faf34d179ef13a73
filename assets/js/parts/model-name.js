// Display names of models.

/** A model's display name, and whether it is a demo algorithm. */
export function nameOf(model, models) {
  const entry = models?.find((each) => each.id === model);
  // The badge already marks the model as a demo.
  return { name: (entry?.name ?? model).replace(/ \(demo\)$/, ""), demo: entry?.mock ?? model.startsWith("demo/") };
}
