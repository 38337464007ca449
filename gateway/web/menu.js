/**
 * A menu that opens below a button, for the mouse and for the keyboard.
 *
 * Owns: one menu element, where it stands and where the focus goes. Comes in: the button, and a function that makes the
 * items. Goes out: nothing; an item does its own work.
 */

import { element, icon } from "./dom.js";

export class PopupMenu {
  #menu;
  /** @type {HTMLElement | null} the button below which it is open */
  #button = null;

  /** @param {HTMLElement} menu with `role="menu"` */
  constructor(menu) {
    this.#menu = menu;
    menu.addEventListener("keydown", (event) => this.#onKey(event));
    menu.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget !== this.#button && !menu.contains(relatedTarget)) this.close();
    });
    document.addEventListener("pointerdown", ({ target }) => {
      if (!menu.contains(target) && !this.#button?.contains(target)) this.close();
    });
    addEventListener("resize", () => this.close());
  }

  /**
   * Makes a button open this menu.
   *
   * @param {HTMLElement} button
   * @param {() => Node[]} fill makes the items, each time it opens
   */
  attach(button, fill) {
    button.addEventListener("click", () => (this.#button === button ? this.close() : this.open(button, fill)));
    button.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      this.open(button, fill);
    });
  }

  open(button, fill) {
    this.close();
    this.#button = button;
    this.#menu.replaceChildren(...fill());
    this.#menu.hidden = false;
    button.setAttribute("aria-expanded", "true");
    this.#place();
    (this.#menu.querySelector("[role=menuitemradio][aria-checked=true]") ?? this.#items()[0])?.focus();
  }

  close() {
    const button = this.#button;
    if (!button) return;
    const hadFocus = this.#menu.contains(document.activeElement);
    this.#button = null;
    this.#menu.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (hadFocus) button.focus();
  }

  #items() {
    return [...this.#menu.querySelectorAll(ITEMS)];
  }

  /** Below the button, or above it where there is no room; within the window. */
  #place() {
    const { top, bottom, right } = this.#button.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.#menu;
    const left = Math.max(8, Math.min(right, innerWidth - 8) - offsetWidth);
    const below = bottom + 6 + offsetHeight <= innerHeight - 8;
    this.#menu.style.left = `${left}px`;
    this.#menu.style.top = `${below ? bottom + 6 : Math.max(8, top - 6 - offsetHeight)}px`;
  }

  #onKey(event) {
    const items = this.#items();
    const at = items.indexOf(document.activeElement);
    const target = {
      ArrowDown: items[(at + 1) % items.length],
      ArrowUp: items[(at - 1 + items.length) % items.length],
      Home: items[0],
      End: items[items.length - 1],
    }[event.key];
    if (target) target.focus();
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /**
   * @param {object} item
   * @param {string} item.text
   * @param {() => void} item.choose
   * @param {boolean} [item.checked] makes it one of several, or with `toggle` a switch
   * @param {boolean} [item.toggle]
   * @param {string} [item.state] shows a state's dot
   * @param {string} [item.symbol] shows an icon instead
   * @returns {HTMLElement}
   */
  item({ text, choose, checked, toggle = false, state, symbol }) {
    const role = checked === undefined ? "menuitem" : toggle ? "menuitemcheckbox" : "menuitemradio";
    const click = () => {
      this.close();
      choose();
    };
    const properties = { type: "button", class: "menu-item", role, tabindex: "-1", "data-state": state, click };
    if (checked !== undefined) properties["aria-checked"] = String(checked);
    const mark = symbol ? icon(symbol) : element("span", { class: state ? "dot" : toggle ? "menu-gap" : "menu-edge" });
    return element("button", properties, mark, element("span", { class: "menu-text" }, text), icon("check"));
  }

  /**
   * @param {string} title
   * @param {Node[]} items
   * @returns {HTMLElement}
   */
  group(title, items) {
    const id = `menu-title-${(groups += 1)}`;
    const heading = element("p", { id, class: "menu-title" }, title);
    return element("div", { role: "group", class: "menu-group", "aria-labelledby": id }, heading, ...items);
  }
}

const ITEMS = "[role^=menuitem]";
let groups = 0;
