/**
 * Colleagues by department, with live states, click-to-call and a menu of everything else that can be done with them.
 *
 * Owns: the list's elements, one row per person or service. Comes in: the store's people and numbers' states, the search
 * text. Goes out: the person who was chosen, and for what.
 */

import { canTransfer, targetAction } from "./callactions.js";
import { byId, element, icon, iconButton, isOff, setOff, setText } from "./dom.js";
import { PopupMenu } from "./menu.js";
import { fillAvatar } from "./photo.js";
import { strings } from "./strings.js";

export class Directory {
  #list = byId("colleagues");
  #empty = byId("colleagues-empty");
  #find = byId("colleagues-find");
  /** What a click does, as the first word of each row's button. */
  #word = byId("colleagues-use");
  #menu = new PopupMenu(byId("person-menu"));
  /** @type {Map<string, {node: HTMLElement, person: object, words: string, group: object}>} by number */
  #rows = new Map();
  #groups = [];
  #shape = "";
  #use = "";
  #states = new Map();
  #choose;
  #menuItems;

  /**
   * @param {import("./store.js").Store} store
   * @param {(person: import("./store.js").Person, use: "reach" | "transfer") => void} choose
   * @param {(menu: PopupMenu, person: import("./store.js").Person) => Node[]} menuItems
   */
  constructor(store, choose, menuItems) {
    this.#choose = choose;
    this.#menuItems = menuItems;
    this.#find.addEventListener("input", () => this.#filter());
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    store.watch(["people"], ({ people }) => this.#fill(people));
    store.watch(["photos", "people"], ({ photos }) => this.#showPhotos(photos));
    store.watch(["numberStates", "people"], ({ numberStates }) => this.#setStates(numberStates));
    store.watch(["online", "phone", "conference", "unknownMethods", "people"], (state) => this.#showUse(state));
  }

  #fill(people) {
    const shape = JSON.stringify(people);
    // The same people, as after a reconnection: the rows stay, and with them the focus.
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.#use = "";
    this.#states = new Map();
    this.#rows.clear();
    const departments = new Map();
    for (const person of people) {
      if (!departments.has(person.department)) departments.set(person.department, []);
      departments.get(person.department).push(person);
    }
    this.#groups = [...departments].map(([name, members]) => this.#section(name, members));
    this.#list.replaceChildren(...this.#groups.map(({ node }) => node));
    this.#filter();
  }

  #section(name, people) {
    const count = element("span", { class: "department-count" });
    const list = element("ul", { class: "people" });
    const title = element("h3", { class: "department-name" }, element("span", {}, name), count);
    const node = element("section", { class: "department", "aria-label": name }, title, list);
    const group = { node, count, rows: [] };
    for (const person of people) {
      const row = this.#row(person, group);
      group.rows.push(row);
      this.#rows.set(person.number, row);
      list.append(row.node);
    }
    return group;
  }

  #row(person, group) {
    const { name, number, service } = person;
    const stateText = element("span", { class: "person-state" }, service);
    const label = element("span", { id: `person-${number}`, hidden: true }, `${name}, ${number}`);
    const reach = element(
      "button",
      {
        type: "button",
        class: "button button-plain person-call",
        "aria-labelledby": `colleagues-use ${label.id}`,
        "aria-disabled": "true",
        pointerenter: () => (reach.title = `${this.#word.textContent} ${label.textContent}`),
        click: () => isOff(reach) || this.#choose(person, "reach"),
      },
      icon("phone"),
      icon("person-add"),
    );
    const transfer = iconButton("forward", `${strings.colleagues.uses.transfer} ${name}, ${number}`, {
      class: "person-transfer",
      click: () => this.#choose(person, "transfer"),
    });
    const avatar = element("span", { class: "avatar", "aria-hidden": "true" });
    const line = element("p", { class: "person-line" }, element("span", { class: "person-number" }, number), stateText);
    const words = element(
      "div",
      { class: "person-words" },
      element("p", { class: "person-name", title: name }, name),
      line,
    );
    const node = element("li", { class: "person", "data-number": number }, avatar, words, transfer, reach, label);
    if (!service) {
      avatar.append(element("span", { class: "dot" }));
      const more = iconButton("more", strings.colleagues.more(name), {
        class: "person-more",
        "aria-haspopup": "menu",
        "aria-expanded": "false",
      });
      this.#menu.attach(more, () => this.#menuItems(this.#menu, person));
      node.append(more);
    }
    fillAvatar(avatar, service ? { symbol: "people" } : { name });
    return { node, person, group, avatar, stateText, reach, words: `${name} ${number}`.toLowerCase() };
  }

  #showPhotos(photos) {
    for (const { avatar, person } of this.#rows.values()) {
      if (!person.service) fillAvatar(avatar, { name: person.name, photo: photos.get(person.userid) });
    }
  }

  /** Only what has changed is touched: a burst of states must not cost a thousand rows. */
  #setStates(states) {
    const touched = new Set();
    for (const [number, row] of this.#rows) {
      if (row.person.service) continue;
      const state = states.get(number) ?? "offline";
      if (this.#states.get(number) === state) continue;
      this.#states.set(number, state);
      row.node.dataset.state = state;
      setText(row.stateText, strings.states[state]);
      touched.add(row.group);
    }
    touched.forEach((group) => this.#count(group));
  }

  /**
   * What a click on a row does at this moment. It is said once, for all rows: with thousands of them a call must not
   * cost a new label and a new icon for each.
   */
  #showUse(state) {
    const action = targetAction(state) ?? "";
    const transfer = canTransfer(state);
    const use = `${action} ${transfer}`;
    if (use === this.#use) return;
    this.#use = use;
    this.#list.dataset.transfer = String(transfer);
    this.#list.dataset.use = action;
    setText(this.#word, strings.colleagues.uses[action || "call"]);
    for (const { reach } of this.#rows.values()) setOff(reach, !action);
  }

  #count(group) {
    const people = group.rows.filter(({ person }) => !person.service);
    const ready = people.filter(({ person }) => this.#states.get(person.number) === "ready").length;
    setText(group.count, people.length ? strings.colleagues.readyOf(ready, people.length) : "");
  }

  #filter() {
    const text = this.#find.value.trim().toLowerCase();
    let found = 0;
    for (const { node, rows } of this.#groups) {
      let shown = 0;
      for (const row of rows) {
        row.node.hidden = !row.words.includes(text);
        if (!row.node.hidden) shown += 1;
      }
      node.hidden = shown === 0;
      found += shown;
    }
    this.#empty.hidden = found > 0;
    setText(
      this.#empty,
      this.#rows.size ? strings.colleagues.nothingFound(this.#find.value.trim()) : strings.colleagues.empty,
    );
  }

  /** Arrow keys walk through the rows, so that Tab need not. */
  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const kind = [".person-call", ".person-transfer"].find((selector) => event.target.matches?.(selector));
    if (!step || !kind) return;
    const buttons = [...this.#list.querySelectorAll(`li:not([hidden]) ${kind}`)];
    const target = buttons[buttons.indexOf(event.target) + step];
    if (!target) return;
    event.preventDefault();
    target.focus();
  }
}
