// Stands in for entities: browsers know the named characters. markdown-it asks for one `&name;` at a time.
const known = new Map();

export function decodeHTMLStrict(text) {
  // A letter before it keeps white space, which a document would not begin with.
  if (!known.has(text)) known.set(text, new DOMParser().parseFromString(`<body>x${text}`, "text/html").body.textContent.slice(1));
  return known.get(text);
}
