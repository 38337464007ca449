/**
 * Colleagues by department, with live states and click-to-call.
 *
 * Owns: the list's elements, one row per person or service. Comes in: the answers of `getallusernumbers` and
 * `getpbxnumbers`, changes of numbers' states, the search text. Goes out: the number to call.
 */

import { byId, element, icon, isOff, setOff, setText } from "./dom.js";
import { initials } from "./callpanel.js";
import { stateName } from "./phone.js";
import { strings } from "./strings.js";

export class Directory {
  #list = byId("colleagues");
  #empty = byId("colleagues-empty");
  #find = byId("colleagues-find");
  /** @type {Map<string, {node: HTMLElement, state: string, words: string, group: object}>} by number */
  #rows = new Map();
  #groups = [];
  #shape = "";
  #call;
  #callable = false;

  /** @param {(number: string) => void} call */
  constructor(call) {
    this.#call = call;
    this.#find.addEventListener("input", () => this.#filter());
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /**
   * @param {object[]} users of `getallusernumbers`
   * @param {object[]} numbers of `getpbxnumbers`
   * @param {string} myUserId I am not my own colleague
   */
  fill(users, numbers, myUserId) {
    const groups = groupsOf(users, numbers, myUserId);
    const shape = JSON.stringify(groups, (key, value) => (key === "state" ? undefined : value));
    if (shape === this.#shape) {
      // The same people, as after a reconnection: the rows stay, and with them the focus.
      this.setStates(numbers.map(({ number, state }) => ({ num: number, numstateid: state })));
      return;
    }
    this.#shape = shape;
    this.#rows.clear();
    this.#groups = groups.map((group) => this.#section(group));
    this.#list.replaceChildren(...this.#groups.map(({ node }) => node));
    this.#groups.forEach((group) => this.#count(group));
    this.#filter();
  }

  /** @param {{num: string, numstateid: number}[]} numbers of `pbxnumberstatechanged` */
  setStates(numbers) {
    const touched = new Set();
    for (const { num, numstateid } of numbers) {
      const row = this.#rows.get(String(num));
      if (!row || row.service) continue;
      this.#setState(row, stateName(numstateid));
      touched.add(row.group);
    }
    touched.forEach((group) => this.#count(group));
  }

  /** Calls can be started only while the own phone is free. */
  setCallable(callable) {
    this.#callable = callable;
    for (const button of this.#list.querySelectorAll(".person-call")) setOff(button, !callable);
  }

  #section({ name, entries }) {
    const count = element("span", { class: "department-count" });
    const people = element("ul", { class: "people" });
    const node = element(
      "section",
      { class: "department" },
      element("h3", { class: "department-name" }, element("span", {}, name), count),
      people,
    );
    const group = { node, count, rows: [] };
    for (const entry of entries) {
      const row = this.#row(entry, group);
      group.rows.push(row);
      this.#rows.set(entry.number, row);
      people.append(row.node);
    }
    return group;
  }

  #row({ name, number, state, service }, group) {
    const stateText = element("span", { class: "person-state" }, service ?? "");
    const label = strings.colleagues.call(name, number);
    const call = () => isOff(button) || this.#call(number);
    const button = element(
      "button",
      {
        type: "button",
        class: "button button-plain person-call",
        "aria-label": label,
        title: label,
        "aria-disabled": String(!this.#callable),
        click: call,
      },
      icon("phone"),
    );
    const avatar = element(
      "span",
      { class: "avatar", "aria-hidden": "true" },
      service ? icon("people") : initials(name),
    );
    const node = element(
      "li",
      { class: "person", "data-number": number },
      avatar,
      element(
        "div",
        { class: "person-words" },
        element("p", { class: "person-name", title: name }, name),
        element("p", { class: "person-line" }, element("span", { class: "person-number" }, number), stateText),
      ),
      button,
    );
    const row = { node, stateText, group, service, state: "", words: `${name} ${number}`.toLowerCase() };
    if (!service) {
      avatar.append(element("span", { class: "dot" }));
      this.#setState(row, state);
    }
    return row;
  }

  #setState(row, state) {
    if (row.state === state) return;
    row.state = state;
    row.node.dataset.state = state;
    setText(row.stateText, strings.states[state]);
  }

  #count(group) {
    const people = group.rows.filter(({ service }) => !service);
    const ready = people.filter(({ state }) => state === "ready").length;
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

  /** Arrow keys walk through the call buttons, so that Tab need not. */
  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const buttons = [...this.#list.querySelectorAll("li:not([hidden]) .person-call")];
    const target = buttons[buttons.indexOf(document.activeElement) + step];
    if (!target) return;
    event.preventDefault();
    target.focus();
  }
}

/** Departments in the order of their names; people without one, and services, come last. */
function groupsOf(users, numbers, myUserId) {
  const byNumber = new Map(numbers.map((row) => [String(row.number), row]));
  const departments = new Map();
  const owned = new Set();
  for (const user of users) {
    for (const number of [user.main, ...(user.nums ?? [])]) owned.add(String(number));
    const number = String(user.main ?? user.nums?.[0] ?? "");
    if (!number || sameId(user.id, myUserId)) continue;
    const row = byNumber.get(number);
    const department = String(row?.department ?? "");
    if (!departments.has(department)) departments.set(department, []);
    departments.get(department).push({ name: String(user.name ?? "") || number, number, state: stateName(row?.state) });
  }
  const compare = new Intl.Collator().compare;
  const groups = [...departments].map(([name, entries]) => ({ name, entries }));
  groups.sort((a, b) => Number(!a.name) - Number(!b.name) || compare(a.name, b.name));
  for (const group of groups) {
    group.name ||= strings.colleagues.noDepartment;
    group.entries.sort((a, b) => compare(a.name, b.name));
  }
  const services = numbers
    .filter(({ type, number }) => strings.colleagues.types[type] && !owned.has(String(number)))
    .map(({ type, number, caption }) => ({
      name: caption || String(number),
      number: String(number),
      service: strings.colleagues.types[type],
    }));
  return services.length ? [...groups, { name: strings.colleagues.services, entries: services }] : groups;
}

function sameId(a, b) {
  return String(a ?? "").toLowerCase() === String(b ?? "").toLowerCase();
}
