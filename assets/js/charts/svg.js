// Chart primitives: SVG elements, scales, round ticks, and truncated text. They know nothing about the data.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";
/** Average width of a character in the chart font, in pixels. */
const LETTER_WIDTH = 7.2;

/** Creates an SVG element. Null attributes are omitted. */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG_NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Returns a linear scale from values to pixels. An empty domain maps to the middle of the range. */
export function linear([from, to], [left, right]) {
  const span = to - from;
  return (value) => (span === 0 ? (left + right) / 2 : left + ((value - from) / span) * (right - left));
}

/** About `targetCount` round values from `from` to `to`. */
export function ticks(from, to, targetCount = 5) {
  const span = to - from;
  if (!(span > 0)) return [from];
  const roughStep = span / targetCount;
  const power = 10 ** Math.floor(Math.log10(roughStep));
  const step = [1, 2, 5, 10].map((unit) => unit * power).find((unit) => unit >= roughStep * 0.999);
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

/** Truncates the text to at most this many pixels. */
export function truncate(text, pixels) {
  const maxLength = Math.max(3, Math.floor(pixels / LETTER_WIDTH));
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1).trimEnd()}…`;
}

/** A marker with a distinct shape, so that no chart relies on color alone. */
export function mark(kind, x, y, size = 5) {
  const square = (half) => ({ x: x - half, y: y - half, width: half * 2, height: half * 2 });
  switch (kind) {
    case "leader": return svg("path", { class: "mark leader", d: `M${x} ${y - size * 1.5}l${size * 1.5} ${size * 1.5}l${-size * 1.5} ${size * 1.5}l${-size * 1.5} ${-size * 1.5}z` });
    case "current": return svg("rect", { class: "mark current", ...square(size) });
    case "beaten": return svg("path", { class: "mark beaten", d: `M${x - size} ${y - size}l${size * 2} ${size * 2}M${x + size} ${y - size}l${-size * 2} ${size * 2}` });
    case "aside": return svg("circle", { class: "mark aside", cx: x, cy: y, r: size });
    default: return svg("circle", { class: "mark", cx: x, cy: y, r: size });
  }
}
