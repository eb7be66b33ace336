// Makes an element what its server wants it to be and leaves alone what the reader did to it: open tabs, hidden rows, drawings, focus.

const OURS = ["hidden", "open", "aria-selected", "tabindex", "aria-current", "data-none", "data-whole", "data-was"];
const DRAWN_HERE = ".plot, details.data .scroll";
const nameOf = node => node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.figure || (node.matches("tr") && node.dataset.trial) || "" : "";

const parsed = markup => {
  const template = document.createElement("template");
  template.innerHTML = markup;
  return template.content.firstElementChild;
};
const morph = (now, wanted) => {
  if (now.nodeType !== wanted.nodeType || now.nodeName !== wanted.nodeName || nameOf(now) !== nameOf(wanted)) return now.replaceWith(wanted);
  if (now.nodeType !== Node.ELEMENT_NODE) {
    if (now.nodeValue !== wanted.nodeValue) now.nodeValue = wanted.nodeValue;
    return undefined;
  }
  const drawing = now.matches(DRAWN_HERE), ours = name => OURS.includes(name) || (drawing && name === "class");
  for (const { name, value } of wanted.attributes) if (!ours(name) && now.getAttribute(name) !== value) now.setAttribute(name, value);
  for (const { name } of [...now.attributes]) if (!ours(name) && !wanted.hasAttribute(name)) now.removeAttribute(name);
  return drawing ? undefined : morphChildren(now, wanted);
};
const morphChildren = (now, wanted) => {
  const named = new Map([...now.children].filter(nameOf).map(child => [nameOf(child), child]));
  let place = now.firstChild;
  for (const child of [...wanted.childNodes]) {
    const known = named.get(nameOf(child));
    if (known && known !== place) now.insertBefore(known, place);
    if (known) {
      place = known.nextSibling;
      morph(known, child);
    } else if (place && !nameOf(place) && !nameOf(child)) {
      const next = place.nextSibling;
      morph(place, child);
      place = next;
    } else {
      now.insertBefore(child, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
};
