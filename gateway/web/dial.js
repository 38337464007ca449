/**
 * The card in which a number is typed: to call it, to consult it, to transfer to it, to invite it.
 *
 * Owns: the card's form. Comes in: what a target can be used for at this moment. Goes out: the number, through the call actions.
 * A name is fine too, when exactly one colleague has it.
 */

import { canTransfer, targetAction } from "./callactions.js";
import { byId, element, icon, isOff, setOff, setText } from "./dom.js";
import { dialledNumber } from "./phone.js";
import { strings } from "./strings.js";

export class Dial {
  #form = byId("dial");
  #input = byId("dial-number");
  #buttons = byId("dial-buttons");
  #store;
  #actions;
  #shown = "";

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./callactions.js").CallActions} actions
   */
  constructor(store, actions) {
    this.#store = store;
    this.#actions = actions;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(this.#buttons.querySelector("button"));
    });
    store.watch(["online", "phone", "conference", "unknownMethods"], (state) => this.#show(state));
    store.watch(["people"], ({ people }) => this.#suggest(people));
  }

  /** Nothing of the last user stays. */
  clear() {
    this.#input.value = "";
    setText(byId("dial-error"), "");
  }

  /** Leads the person to the number. */
  focus() {
    this.#input.focus();
    this.#input.select();
  }

  #show(state) {
    const uses = usesOf(state);
    const usable = targetAction(state) !== null || canTransfer(state);
    if (this.#shown !== uses.join()) {
      this.#shown = uses.join();
      const focused = this.#buttons.contains(document.activeElement);
      this.#buttons.replaceChildren(...uses.map((use, index) => this.#button(use, index === 0)));
      if (focused) this.#input.focus();
      setText(byId("dial-title"), strings.dial.titles[uses[0]]);
    }
    for (const button of this.#buttons.children) setOff(button, !usable);
  }

  #button(use, primary) {
    return element(
      "button",
      {
        type: primary ? "submit" : "button",
        class: `button ${primary ? "button-primary" : "button-quiet"}`,
        "data-use": use,
        click: primary ? null : ({ currentTarget }) => this.#submit(currentTarget),
      },
      icon(SYMBOLS[use]),
      element("span", {}, strings.dial.uses[use]),
    );
  }

  async #submit(button) {
    const text = this.#input.value.trim();
    const { number, wrong } = numberOf(text, this.#store.state.people);
    const notNow = number && isOff(button);
    this.#input.setAttribute("aria-invalid", String(Boolean(wrong)));
    setText(byId("dial-error"), wrong || (notNow && strings.dial.notNow) || "");
    if (!number) this.#input.focus();
    else if (!notNow && (await this.#use(button.dataset.use, number))) this.#input.value = "";
  }

  #use(use, number) {
    if (use === "transfer") return this.#actions.transfer(number);
    if (use === "intercom") return this.#actions.call(number, { intercom: true });
    return this.#actions.reach({ number });
  }

  #suggest(people) {
    byId("dial-people").replaceChildren(
      ...people.map(({ name, number }) => element("option", { value: number, label: `${name} · ${number}` })),
    );
  }
}

/** What the buttons do, the likeliest first. */
function usesOf(state) {
  const action = targetAction(state);
  const uses = action === null || action === "call" ? [] : [action];
  if (canTransfer(state)) uses.push("transfer");
  return uses.length > 0 ? uses : ["call", "intercom"];
}

/** @returns {{number?: string, wrong?: string}} neither for an empty text */
export function numberOf(text, people) {
  if (!text) return {};
  const number = dialledNumber(text);
  if (number) return { number };
  if (!/\p{L}/u.test(text)) return { wrong: strings.dial.invalid };
  const found = people.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase()));
  if (found.length === 1) return { number: found[0].number };
  return { wrong: found.length ? strings.dial.several(found.length) : strings.dial.nobody };
}

const SYMBOLS = { call: "phone", intercom: "speaker", consult: "phone", transfer: "forward", invite: "person-add" };
