/**
 * My own state: the button that shows it and the menu that changes it, breaks and the call centre included.
 *
 * Owns: the state menu. Comes in: the state fields of protocol 6.3, the break reasons. Goes out: `setuserstate`.
 */

import { openDialog } from "./dialog.js";
import { announce, byId, field, setText } from "./dom.js";
import { PopupMenu } from "./menu.js";
import { stateName, truth } from "./phone.js";
import { strings } from "./strings.js";

export class Presence {
  #button = byId("state-button");
  #text = byId("state-text");
  #menu = new PopupMenu(byId("state-menu"));
  #store;
  #commands;

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./commands.js").Commands} commands
   */
  constructor(store, commands) {
    this.#store = store;
    this.#commands = commands;
    this.#menu.attach(this.#button, () => this.#items());
    store.watch(["presence", "reasons", "online", "phone"], (state) => this.#show(state));
  }

  #show({ presence, reasons, online, phone }) {
    this.#button.disabled = !online || !presence;
    if (!online) this.#menu.close();
    if (!presence) return;
    const before = this.#text.textContent;
    const text = presenceWords(presence, reasons, phone);
    this.#button.dataset.state = stateName(presence.userstateid);
    this.#button.setAttribute("aria-label", strings.presence.current(text));
    setText(this.#text, text);
    if (before && before !== text) announce(strings.presence.changed(text));
  }

  #items() {
    const { presence, reasons, phone } = this.#store.state;
    const state = stateName(presence.userstateid);
    const onBreak = state === "break" || truth(presence.onlunch);
    const radio = (name, fields, text, checked) =>
      this.#menu.item({ text, checked, state: name, choose: () => this.#change(fields) });
    const toggle = (name) =>
      this.#menu.item({
        text: strings.presence[name],
        checked: truth(presence[name]),
        toggle: true,
        choose: () => this.#change({ [name]: !truth(presence[name]) }),
      });
    const breaks = reasons.length > 0 ? reasons : [{ id: 0, name: strings.states.break }];
    const reasonItems = breaks.map(({ id, name }) => {
      const checked = onBreak && (id === 0 || Number(id) === Number(presence.lunchreasonid));
      return radio("break", { userstateid: 2, ...(id !== 0 && { lunchreasonid: Number(id) }) }, name, checked);
    });
    reasonItems.push(this.#menu.item({ text: strings.presence.ownReason, symbol: "edit", choose: () => this.#ask() }));
    const busyByChoice = state === "busy" && !onBreak && phone?.kind === "ready";
    return [
      radio("ready", { userstateid: 1 }, strings.states.ready, state === "ready"),
      radio("dnd", { userstateid: 3 }, strings.states.dnd, state === "dnd"),
      this.#menu.group(strings.presence.breaks, reasonItems),
      this.#menu.group(strings.presence.further, [
        radio("busy", { userstateid: 5 }, strings.presence.busy, busyByChoice),
        ...SWITCHES.filter((name) => presence[name] !== undefined && presence[name] !== null).map(toggle),
      ]),
    ];
  }

  /** A break with words of one's own. */
  #ask() {
    const { row, input } = field(strings.presence.ownReasonLabel, { id: "break-reason", maxlength: "200" });
    const save = async () => {
      const lunchreasonmsg = input.value.trim();
      if (!lunchreasonmsg) return strings.presence.ownReasonMissing;
      const ask = (client) => client.setUserState({ userstateid: 2, lunchreasonmsg });
      const { answer, fault } = await this.#commands.try(strings.failed.state, ask);
      if (answer) this.#store.set({ presence: answer });
      return fault;
    };
    openDialog({ title: strings.presence.ownReasonTitle, content: [row], submit: strings.presence.startBreak, save });
  }

  async #change(fields) {
    const answer = await this.#commands.attempt(strings.failed.state, (client) => client.setUserState(fields));
    if (answer) this.#store.set({ presence: answer });
  }
}

/**
 * @param {object} presence the state fields
 * @param {{id: number, name: string}[]} reasons
 * @param {import("./phone.js").Phone | null} phone tells a call from being busy by choice
 * @returns {string}
 */
export function presenceWords(presence, reasons, phone) {
  const name = stateName(presence.userstateid);
  const named = reasons.find(({ id }) => Number(id) === Number(presence.lunchreasonid))?.name;
  const reason = String(presence.lunchreasonmsg ?? "").trim() || named;
  if (name === "break") return reason ?? strings.states.break;
  if (name !== "busy") return strings.states[name];
  if (truth(presence.onlunch)) return strings.presence.afterCall(reason ?? strings.states.break);
  return phone?.kind === "ready" ? strings.presence.busy : strings.states.busy;
}

const SWITCHES = ["oncallcenter", "onccmanual", "onredirect"];
