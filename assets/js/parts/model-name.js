// Display names of models.

/** A model's display name, and whether it is a demo algorithm. */
export function nameOf(model, models) {
  const known = models?.find((each) => each.id === model);
  // The badge already marks the model as a demo.
  return { name: (known?.name ?? model).replace(/ \(demo\)$/, ""), demo: known?.mock ?? model.startsWith("demo/") };
}
