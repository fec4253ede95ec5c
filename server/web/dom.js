// Elements without markup: all text becomes text nodes, so nothing that a device says can run.

const SVG = "http://www.w3.org/2000/svg";

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

function build(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "width%") element.style.width = `${value}%`;
    else if (name === "value" && "value" in element) element.value = value;
    else if (name === "checked" || name === "disabled" || name === "required" || name === "open") element[name] = Boolean(value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function split(args) {
  const [first, ...rest] = args;
  const isProps = first !== null && typeof first === "object" && !(first instanceof Node) && !Array.isArray(first);
  return isProps ? [first, rest] : [{}, args];
}

// h("a.button.main", {href: "#/x"}, "Text", child, ...)
export function h(spec, ...args) {
  const [tag, ...classes] = spec.split(".");
  const [props, children] = split(args);
  const element = document.createElement(tag);
  if (classes.length > 0) element.className = classes.join(" ");
  return build(element, props, children);
}

export function s(spec, ...args) {
  const [tag, ...classes] = spec.split(".");
  const [props, children] = split(args);
  const element = document.createElementNS(SVG, tag);
  if (classes.length > 0) element.setAttribute("class", classes.join(" "));
  return build(element, props, children);
}

// Put `children` into `element` in place of what is there; what had the focus keeps it by its data-key.
export function fill(element, ...children) {
  const key = element.contains(document.activeElement) ? document.activeElement.dataset?.key : undefined;
  element.replaceChildren();
  append(element, children);
  if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  return element;
}

// A part of a page that is drawn again only when what it shows has changed.
export function part(spec, draw) {
  const element = h(spec);
  let shown;
  return {
    element,
    show(...values) {
      const text = JSON.stringify(values);
      if (text === shown) return;
      shown = text;
      fill(element, draw(...values));
    },
  };
}
