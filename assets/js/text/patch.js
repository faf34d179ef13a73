// Updates a node's children to match new ones and keeps equal ones, so that selection, focus, and scroll position
// survive streaming.

/** Makes the children of `node` equal to those of `fresh`; may move nodes out of `fresh`. */
export function patch(node, fresh) {
  let old = node.firstChild;
  for (let next = fresh.firstChild; next; next = fresh.firstChild) {
    if (!old) {
      node.append(...fresh.childNodes);
      return;
    }
    const here = old;
    old = old.nextSibling;
    if (here.isEqualNode(next)) next.remove();
    else if (isText(here) && isText(next)) grow(here, next);
    else if (isAlike(here, next)) {
      patch(here, next);
      next.remove();
    } else here.replaceWith(next);
  }
  while (old) {
    const here = old;
    old = old.nextSibling;
    here.remove();
  }
}

function grow(here, next) {
  if (next.data.startsWith(here.data)) here.appendData(next.data.slice(here.length));
  else here.data = next.data;
  next.remove();
}

function isText(node) {
  return node.nodeType === Node.TEXT_NODE;
}

// Same element, different content. A button's listener belongs to its content, so buttons are always replaced.
function isAlike(here, next) {
  return here.nodeType === Node.ELEMENT_NODE && here.nodeName === next.nodeName && here.nodeName !== "BUTTON" && here.cloneNode().isEqualNode(next.cloneNode());
}
