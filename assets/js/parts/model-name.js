// What a model is called on the pages.

/** A model's name for people, and whether it is a demo algorithm. */
export function nameOf(model, models) {
  const known = models?.find((each) => each.id === model);
  // The badge says already that it is one.
  return { name: (known?.name ?? model).replace(/ \(demo\)$/, ""), demo: known?.mock ?? model.startsWith("demo/") };
}
