// Updates a node's children to match new ones and keeps equal ones, so that selection, focus, and scroll position
// survive streaming.

/** Makes the children of `node` equal to those of `fresh`; may move nodes out of `fresh`. */
export function patch(node, fresh) {
  let existing = node.firstChild;
  for (let next = fresh.firstChild; next; next = fresh.firstChild) {
    if (!existing) {
      node.append(...fresh.childNodes);
      return;
    }
    const current = existing;
    existing = existing.nextSibling;
    if (current.isEqualNode(next)) next.remove();
    else if (isText(current) && isText(next)) extendText(current, next);
    else if (isAlike(current, next)) {
      patch(current, next);
      next.remove();
    } else current.replaceWith(next);
  }
  while (existing) {
    const current = existing;
    existing = existing.nextSibling;
    current.remove();
  }
}

function extendText(current, next) {
  if (next.data.startsWith(current.data)) current.appendData(next.data.slice(current.length));
  else current.data = next.data;
  next.remove();
}

function isText(node) {
  return node.nodeType === Node.TEXT_NODE;
}

// Same element, different content. A button's listener belongs to its content, so buttons are always replaced.
function isAlike(current, next) {
  return current.nodeType === Node.ELEMENT_NODE && current.nodeName === next.nodeName && current.nodeName !== "BUTTON" && current.cloneNode().isEqualNode(next.cloneNode());
}
