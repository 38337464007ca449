/**
 * The few helpers that all views share. Owns nothing.
 */

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties] `class`, `data-*`, `aria-*`, `role` … become attributes, functions become handlers
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/**
 * @param {string} name of a symbol in the document's icon sheet
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Writes a text only when it differs: screen readers and selections stay undisturbed. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Switches a button off without taking the focus from it: someone at the keyboard stays where they are.
 * Its handler asks {@link isOff}.
 *
 * @param {HTMLElement} button
 * @param {boolean} off
 */
export function setOff(button, off) {
  button.setAttribute("aria-disabled", String(off));
}

/** @returns {boolean} */
export function isOff(button) {
  return button.getAttribute("aria-disabled") === "true";
}

/**
 * Writes a part of the page anew without taking the focus from it: it goes to the element of the same id or `data-key`,
 * or where that is gone, to the part itself.
 *
 * @param {HTMLElement} part
 * @param {() => void} write
 */
export function keepingFocus(part, write) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  write();
  if (!focused || part.contains(focused)) return;
  const same = ({ id, dataset }) =>
    focused.id ? id === focused.id : focused.dataset.key && dataset.key === focused.dataset.key;
  const again = [...part.querySelectorAll("[id], [data-key]")].find(same);
  if (!again) part.tabIndex = -1;
  (again ?? part).focus({ preventScroll: true });
}

/** @returns {HTMLElement} */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Says something to screen readers alone.
 *
 * @param {string} text
 * @param {"polite" | "assertive"} [urgency] assertive interrupts: for a ring only
 */
export function announce(text, urgency = "polite") {
  setText(byId(`announce-${urgency}`), text);
}

/**
 * @param {string} name
 * @returns {string} up to two letters
 */
export function initials(name) {
  const words = name.split(/[\s.]+/).filter((word) => /^\p{L}/u.test(word));
  return (
    words
      .slice(0, 2)
      .map((word) => [...word][0].toUpperCase())
      .join("") || "#"
  );
}

/**
 * A field with its label above it.
 *
 * @param {string} label
 * @param {Record<string, any>} properties of the input; `id` is needed
 * @returns {{row: HTMLElement, input: HTMLInputElement}}
 */
export function field(label, properties) {
  const input = element("input", { autocomplete: "off", ...properties });
  const row = element("div", { class: "field" }, element("label", { for: properties.id }, label), input);
  return { row, input };
}

/**
 * A choice of one with its label above it.
 *
 * @param {string} label
 * @param {[string, string][]} options values and words
 * @param {Record<string, any> & {value: string}} properties of the select; `id` is needed
 * @returns {{row: HTMLElement, input: HTMLSelectElement}}
 */
export function choiceField(label, options, { value, ...properties }) {
  const input = element("select", properties);
  input.append(...options.map(([key, words]) => element("option", { value: key, selected: key === value }, words)));
  const row = element("div", { class: "field" }, element("label", { for: properties.id }, label), input);
  return { row, input };
}

/**
 * A switch with its label beside it.
 *
 * @param {string} label
 * @param {Record<string, any>} properties of the check box; `id` is needed
 * @returns {{row: HTMLElement, input: HTMLInputElement}}
 */
export function checkField(label, properties) {
  const input = element("input", { type: "checkbox", class: "check", ...properties });
  const row = element("label", { class: "check-field", for: properties.id }, input, element("span", {}, label));
  return { row, input };
}

/**
 * A button that bears an icon alone; its name is for screen readers and for the mouse that rests on it.
 *
 * @param {string} symbol
 * @param {string} label
 * @param {Record<string, any>} [properties]
 * @returns {HTMLElement}
 */
export function iconButton(symbol, label, properties = {}) {
  const { class: more = "", ...rest } = properties;
  const classes = `button button-plain ${more}`.trim();
  return element(
    "button",
    { type: "button", class: classes, "aria-label": label, title: label, ...rest },
    icon(symbol),
  );
}

const SVG = "http://www.w3.org/2000/svg";
