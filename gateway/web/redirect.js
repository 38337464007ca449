/**
 * The rules by which calls to this user go elsewhere.
 *
 * Owns: the store's `rules` and their panel. Comes in: the answers of `getredirectrules`. Goes out: `saveredirectrules`
 * and `deleteredirectrules` (protocol 6.3-d). Fields of a rule that the page does not show are kept as they came.
 */

import { byId, checkField, choiceField, element, field, iconButton, keepingFocus } from "./dom.js";
import { openDialog } from "./dialog.js";
import { md5Hex } from "./md5.js";
import { newGuid } from "./okgate.js";
import { dialledNumber, readableNumber, stateName, truth } from "./phone.js";
import { numberOf } from "./dial.js";
import { nameOf } from "./people.js";
import { offers } from "./store.js";
import { strings } from "./strings.js";

/** @returns {object} a new rule; its id has the form that libraries of the field give it */
export function newRule(userid) {
  const id = md5Hex(new TextEncoder().encode(newGuid()));
  return {
    id,
    caption: "",
    description: "",
    priority: 0,
    userid,
    isenabled: true,
    allowcascade: true,
    state: 0,
    destinationnumber: "",
    onlyforredirectstate: false,
    definesources: false,
  };
}

/** @returns {object[]} in the order in which they count */
export function sortedRules(rules) {
  return (rules ?? []).filter(Boolean).sort((a, b) => Number(a.priority ?? 0) - Number(b.priority ?? 0));
}

/** @returns {string[]} the callers for whom alone a rule is; a list, one text with commas, or false (protocol 6.3-r) */
export function sourcesOf({ definesources }) {
  const listed = [definesources].flat().filter((part) => typeof part === "string" || typeof part === "number");
  return listed.flatMap((part) => String(part).split(SEPARATOR)).filter(Boolean);
}

/** @returns {{sources?: string[] | false, wrong?: string}} false for everybody */
export function typedSources(text) {
  const parts = text.split(/[,;]/).map((part) => part.trim());
  const typed = parts.filter(Boolean);
  const wrong = typed.find((part) => !dialledNumber(part));
  if (wrong !== undefined) return { wrong: strings.conference.wrongNumber(wrong) };
  return { sources: typed.length > 0 && typed.map(dialledNumber) };
}

export class Redirects {
  #panel = byId("panel-redirects");
  #store;
  #commands;

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./commands.js").Commands} commands
   * @param {import("./tabs.js").Tabs} tabs
   */
  constructor(store, commands, tabs) {
    this.#store = store;
    this.#commands = commands;
    tabs.add("redirects", strings.redirects.title, this.#panel);
    store.watch(["rules", "people"], (state) => this.#show(state));
    store.watch(["unknownMethods"], (state) => {
      tabs.setHidden("redirects", !offers(state, "getredirectrules", "saveredirectrules"));
    });
  }

  /** The panel has come forward; another tab may have changed the rules. */
  shown() {
    this.read();
  }

  async read() {
    const answer = await this.#commands.read((client) => client.redirectRules());
    if (answer) this.#store.set({ rules: sortedRules(answer.redirectrules) });
  }

  #show({ rules, people }) {
    const add = element(
      "button",
      { type: "button", class: "button button-small", "data-key": "add", click: () => this.#edit(null) },
      strings.redirects.add,
    );
    const list = element("ul", { class: "rules" }, ...rules.map((rule) => this.#row(rule, people)));
    const empty = element("p", { class: "empty" }, strings.redirects.empty);
    const head = element("div", { class: "panel-head" }, element("h2", {}, strings.redirects.heading), add);
    keepingFocus(this.#panel, () => this.#panel.replaceChildren(head, rules.length ? list : empty));
  }

  #row(rule, people) {
    const to =
      nameOf(people, { number: rule.destinationnumber }) || readableNumber(String(rule.destinationnumber ?? ""));
    const caption = String(rule.caption || to);
    const { row, input } = checkField(caption, {
      id: `rule-${rule.id}`,
      checked: truth(rule.isenabled),
      change: () => this.#enable(rule, input.checked),
    });
    const sources = sourcesOf(rule);
    const conditions = [
      truth(rule.onlyforredirectstate) && strings.redirects.onlyThen,
      Number(rule.state) > 0 && strings.redirects.inState(stateWords(rule.state)),
      sources.length > 0 && strings.redirects.from(sources.map(readableNumber).join(", ")),
    ].filter(Boolean);
    const detail = [strings.redirects.to(to), ...(conditions.length ? conditions : [strings.redirects.always])];
    return element(
      "li",
      { class: "rule", "data-rule": rule.id },
      element("div", { class: "rule-words" }, row, element("p", { class: "quiet" }, detail.join(" · "))),
      iconButton("edit", strings.redirects.edit(caption), {
        "data-key": `edit ${rule.id}`,
        click: () => this.#edit(rule),
      }),
      iconButton("bin", strings.redirects.remove(caption), {
        "data-key": `remove ${rule.id}`,
        click: () => this.#remove(rule),
      }),
    );
  }

  #edit(known) {
    const rule = known ?? newRule(this.#store.state.me?.userid ?? "");
    const caption = field(strings.redirects.caption, {
      id: "rule-caption",
      value: rule.caption ?? "",
      maxlength: "80",
    });
    const to = field(strings.redirects.destination, {
      id: "rule-destination",
      value: rule.destinationnumber ?? "",
      list: "dial-people",
    });
    const priority = field(strings.redirects.priority, {
      id: "rule-priority",
      type: "number",
      min: "0",
      max: "999",
      value: rule.priority ?? 0,
    });
    const then = checkField(strings.redirects.onlyForState, {
      id: "rule-then",
      checked: truth(rule.onlyforredirectstate),
    });
    const offered = RULE_STATES.includes(Number(rule.state ?? 0)) ? RULE_STATES : [...RULE_STATES, Number(rule.state)];
    const states = offered.map((state) => [String(state), state ? stateWords(state) : strings.redirects.anyState]);
    const state = choiceField(strings.redirects.state, states, { id: "rule-state", value: String(rule.state ?? 0) });
    const sources = field(strings.redirects.sources, {
      id: "rule-sources",
      value: sourcesOf(rule).join(", "),
      placeholder: strings.redirects.everybody,
    });
    const cascade = checkField(strings.redirects.cascade, { id: "rule-cascade", checked: truth(rule.allowcascade) });
    const save = async () => {
      const { number, wrong } = numberOf(to.input.value.trim(), this.#store.state.people);
      if (!number) return wrong ?? strings.redirects.missing;
      const callers = typedSources(sources.input.value);
      if (callers.wrong) return callers.wrong;
      const changed = {
        ...rule,
        caption: caption.input.value.trim(),
        destinationnumber: number,
        priority: Number(priority.input.value) || 0,
        onlyforredirectstate: then.input.checked,
        allowcascade: cascade.input.checked,
        state: Number(state.input.value),
        definesources: callers.sources,
      };
      const { fault } = await this.#commands.try(strings.failed.rule, (client) => client.saveRedirectRule(changed));
      if (fault === null) await this.read();
      return fault;
    };
    openDialog({
      title: known ? strings.redirects.editTitle : strings.redirects.addTitle,
      content: [to.row, caption.row, state.row, sources.row, then.row, cascade.row, priority.row],
      submit: strings.save,
      save,
    });
  }

  async #enable(rule, isenabled) {
    const save = (client) => client.saveRedirectRule({ ...rule, isenabled });
    const answer = await this.#commands.attempt(strings.failed.rule, save);
    await this.read();
    if (!answer) this.#show(this.#store.state);
  }

  async #remove({ id }) {
    await this.#commands.attempt(strings.failed.rule, (client) => client.deleteRedirectRules([id]));
    await this.read();
  }
}

function stateWords(state) {
  return strings.redirects.states[state] ?? strings.states[stateName(state)];
}

/** The states that a rule may be for; 0 is any. */
const RULE_STATES = [0, 1, 2, 3, 5, 7];
const SEPARATOR = /[\s,;]+/;
