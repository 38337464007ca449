/**
 * My own state: the button that shows it and the menu that changes it.
 *
 * Owns: the state menu. Comes in: the state fields of section 6.3, the break reasons.
 * Goes out: the wished state as fields for `setuserstate`. Never talks to the gateway itself.
 */

import { announce, byId, element, icon, setText } from "./dom.js";
import { stateName, truth } from "./phone.js";
import { strings } from "./strings.js";

export class Presence {
  #button = byId("state-button");
  #menu = byId("state-menu");
  #text = byId("state-text");
  #reasons = [];
  #state = null;
  #choose;

  /** @param {(fields: object) => void} choose */
  constructor(choose) {
    this.#choose = choose;
    this.#button.addEventListener("click", () => this.#toggle(this.#menu.hidden));
    this.#button.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      this.#toggle(true);
    });
    this.#menu.addEventListener("keydown", (event) => this.#onKey(event));
    this.#menu.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget !== this.#button && !this.#menu.contains(relatedTarget)) this.#toggle(false);
    });
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.#menu.contains(target) && !this.#button.contains(target)) this.#toggle(false);
    });
  }

  /** @param {{id: number, name: string}[]} reasons from `cc_getlunchtypes` */
  setReasons(reasons) {
    this.#reasons = reasons.filter(Boolean);
    if (this.#state) this.show(this.#state);
  }

  /** @param {object} state the state fields */
  show(state) {
    const before = this.#text.textContent;
    this.#state = state;
    const text = this.#words(state);
    this.#button.dataset.state = stateName(state.userstateid);
    this.#button.setAttribute("aria-label", strings.myStateIs(text));
    setText(this.#text, text);
    this.#button.disabled = false;
    if (before && before !== text) announce(strings.stateNow(text));
  }

  /** Nothing is known at this moment: the link is lost. */
  setOffline(offline) {
    this.#button.disabled = offline;
    if (offline) this.#toggle(false);
  }

  #words(state) {
    const name = stateName(state.userstateid);
    const reason = this.#reasons.find(({ id }) => Number(id) === Number(state.lunchreasonid))?.name;
    if (name === "break") return reason ?? strings.states.break;
    if (name === "busy" && truth(state.onlunch)) return strings.afterCall(reason ?? strings.states.break);
    return strings.states[name];
  }

  #toggle(open) {
    if (open === !this.#menu.hidden) return;
    const hadFocus = this.#menu.contains(document.activeElement);
    if (open) this.#fill();
    this.#menu.hidden = !open;
    this.#button.setAttribute("aria-expanded", String(open));
    if (open) {
      this.#place();
      (this.#menu.querySelector("[aria-checked=true]") ?? this.#menu.querySelector("[role=menuitemradio]")).focus();
    } else if (hadFocus) {
      this.#button.focus();
    }
  }

  #fill() {
    const chosen = stateName(this.#state?.userstateid);
    const onBreak = chosen === "break" || truth(this.#state?.onlunch);
    const reasonItems = this.#reasons.map(({ id, name }) =>
      this.#item("break", name, onBreak && Number(id) === Number(this.#state?.lunchreasonid), {
        userstateid: 2,
        lunchreasonid: Number(id),
      }),
    );
    if (reasonItems.length === 0)
      reasonItems.push(this.#item("break", strings.states.break, onBreak, { userstateid: 2 }));
    this.#menu.replaceChildren(
      this.#item("ready", strings.states.ready, chosen === "ready", { userstateid: 1 }),
      this.#item("dnd", strings.states.dnd, chosen === "dnd", { userstateid: 3 }),
      element(
        "div",
        { role: "group", "aria-labelledby": "state-menu-breaks" },
        element("p", { id: "state-menu-breaks", class: "menu-title" }, strings.breakReasons),
        ...reasonItems,
      ),
    );
  }

  #item(state, text, checked, fields) {
    const choose = () => {
      this.#toggle(false);
      this.#choose(fields);
    };
    return element(
      "button",
      {
        type: "button",
        class: "menu-item",
        role: "menuitemradio",
        tabindex: "-1",
        "aria-checked": String(checked),
        "data-state": state,
        click: choose,
      },
      element("span", { class: "dot" }),
      element("span", { class: "menu-text" }, text),
      icon("check"),
    );
  }

  /** Below the button, within the window. */
  #place() {
    const { bottom, right } = this.#button.getBoundingClientRect();
    const left = Math.max(8, Math.min(right, innerWidth - 8) - this.#menu.offsetWidth);
    this.#menu.style.left = `${left}px`;
    this.#menu.style.top = `${bottom + 6}px`;
  }

  #onKey(event) {
    const items = [...this.#menu.querySelectorAll("[role=menuitemradio]")];
    const at = items.indexOf(document.activeElement);
    const target = {
      ArrowDown: items[(at + 1) % items.length],
      ArrowUp: items[(at - 1 + items.length) % items.length],
      Home: items[0],
      End: items[items.length - 1],
    }[event.key];
    if (target) target.focus();
    else if (event.key === "Escape") this.#toggle(false);
    else return;
    event.preventDefault();
  }
}
