/**
 * The tabs beside the phone: one panel at a time, each with a count of what is new in it.
 *
 * Owns: which panel is shown. Comes in: choices by hand and by code, hidden panels. Goes out: the chosen panel's id.
 * On a wide screen the first panel, the colleagues, has a place of its own, and its tab is not needed.
 */

import { element, setText } from "./dom.js";

export class Tabs {
  #list;
  /** @type {Map<string, {tab: HTMLElement, panel: HTMLElement, count: HTMLElement, hidden: boolean}>} */
  #entries = new Map();
  #first = "";
  #chosen = "";
  #onChoose = () => {};
  #wide = matchMedia("(min-width: 100rem)");

  /** @param {HTMLElement} list with `role="tablist"` */
  constructor(list) {
    this.#list = list;
    list.addEventListener("keydown", (event) => this.#onKey(event));
    this.#wide.addEventListener("change", () => this.#show());
  }

  /** @returns {string} the id of the panel that the tabs show */
  get chosen() {
    return this.#chosen;
  }

  /** @param {(id: string) => void} handler called when another panel is shown */
  onChoose(handler) {
    this.#onChoose = handler;
  }

  /**
   * @param {string} id
   * @param {string} label
   * @param {HTMLElement} panel
   * @param {boolean} [hidden]
   */
  add(id, label, panel, hidden = false) {
    const count = element("span", { class: "tab-count" });
    const tab = element(
      "button",
      {
        type: "button",
        class: "tab",
        role: "tab",
        id: `tab-${id}`,
        "aria-controls": panel.id,
        click: () => this.choose(id),
      },
      element("span", {}, label),
      count,
    );
    panel.setAttribute("aria-labelledby", tab.id);
    this.#list.append(tab);
    this.#entries.set(id, { tab, panel, count, hidden });
    this.#first ||= id;
    this.#chosen ||= id;
    this.#show();
  }

  choose(id) {
    const entry = this.#entries.get(id);
    if (!entry || entry.hidden) return;
    this.#chosen = id;
    this.#show();
    // Only the row of tabs moves, never the page: the choice may be the page's own.
    const { offsetLeft, offsetWidth } = entry.tab;
    const left = offsetLeft - this.#list.offsetLeft;
    const { scrollLeft, clientWidth } = this.#list;
    if (left < scrollLeft || left + offsetWidth > scrollLeft + clientWidth) this.#list.scrollLeft = left;
    this.#onChoose(this.#chosen);
  }

  setHidden(id, hidden) {
    const entry = this.#entries.get(id);
    if (entry.hidden === hidden) return;
    entry.hidden = hidden;
    this.#show();
  }

  /** @param {string} id @param {number} count @param {string} spoken */
  setCount(id, count, spoken) {
    const { count: node, tab } = this.#entries.get(id);
    setText(node, count ? String(count) : "");
    if (count) tab.setAttribute("aria-label", `${tab.firstChild.textContent}, ${spoken}`);
    else tab.removeAttribute("aria-label");
  }

  #show() {
    const wide = this.#wide.matches;
    const usable = [...this.#entries].filter(([id, { hidden }]) => !hidden && !(wide && id === this.#first));
    if (!usable.some(([id]) => id === this.#chosen)) this.#chosen = usable[0]?.[0] ?? this.#first;
    for (const [id, { tab, panel, hidden }] of this.#entries) {
      const own = wide && id === this.#first;
      const chosen = id === this.#chosen;
      tab.hidden = hidden || own;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      panel.hidden = !(own || chosen);
      panel.setAttribute("role", own ? "region" : "tabpanel");
    }
  }

  #onKey(event) {
    const ids = [...this.#entries].filter(([, { tab }]) => !tab.hidden).map(([id]) => id);
    const at = ids.indexOf(this.#chosen);
    const target = {
      ArrowRight: ids[(at + 1) % ids.length],
      ArrowLeft: ids[(at - 1 + ids.length) % ids.length],
      Home: ids[0],
      End: ids[ids.length - 1],
    }[event.key];
    if (!target) return;
    event.preventDefault();
    this.choose(target);
    this.#entries.get(target).tab.focus();
  }
}
