/**
 * Calls of the past, and calling back from there.
 *
 * Owns: the history's panel and what was read for it. Comes in: the answers of `getpbxcalljournal` (protocol 6.5-p), read when
 * the panel is shown and after a call. Goes out: the number to call back.
 */

import { targetAction } from "./callactions.js";
import { byId, element, icon, iconButton, isOff, setOff } from "./dom.js";
import { duration, idOf, readableNumber } from "./phone.js";
import { nameOf } from "./people.js";
import { offers } from "./store.js";
import { strings } from "./strings.js";
import { keep, readKept } from "./theme.js";

/**
 * @typedef {object} PastCall
 * @property {string} key
 * @property {"in" | "out"} way as seen by this user; a call between colleagues is one or the other
 * @property {string} number of the other one
 * @property {number} at epoch milliseconds; 0 if unknown
 * @property {number} talkSeconds
 * @property {string} result the protocol's word
 * @property {boolean} missed
 */

/**
 * @param {object} call one of `calls`
 * @param {string[]} mine my own numbers
 * @returns {PastCall}
 */
export function pastCallOf(call, mine) {
  const [callerid, calledid] = [String(call.callerid ?? ""), String(call.calledid ?? "")];
  const outgoing = call.direction === "out" || (call.direction === "internal" && mine.includes(callerid));
  const [answered, stopped] = [Date.parse(call.timeanswer), Date.parse(call.timestop)];
  const result = String(call.result ?? "");
  return {
    key: idOf(call.commutationid) || `${call.chainid} ${call.timestart}`,
    way: outgoing ? "out" : "in",
    number: outgoing ? calledid : callerid,
    at: Date.parse(call.timestart) || 0,
    talkSeconds: answered && stopped ? Math.max(0, Math.round((stopped - answered) / 1000)) : 0,
    result,
    missed: !outgoing && result !== "answered" && result !== "refused",
  };
}

/** @returns {PastCall[]} without doubles, the newest first */
export function merged(known, more) {
  const byKey = new Map([...known, ...more].map((call) => [call.key, call]));
  return [...byKey.values()].sort((a, b) => b.at - a.at);
}

export class History {
  #panel = byId("panel-history");
  #list = element("ul", { class: "calls" });
  #empty = element("p", { class: "empty" });
  #more = element("button", {
    type: "button",
    class: "button button-wide",
    hidden: true,
    click: () => this.#read(this.#page + 1),
  });
  #store;
  #commands;
  #tabs;
  #callBack;
  #calls = [];
  #page = 0;
  #days = 1;
  #which = "all";
  #wasBusy = false;
  #rang = false;

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./commands.js").Commands} commands
   * @param {import("./tabs.js").Tabs} tabs
   * @param {(number: string) => void} callBack
   */
  constructor(store, commands, tabs, callBack) {
    this.#store = store;
    this.#commands = commands;
    this.#tabs = tabs;
    this.#callBack = callBack;
    this.#more.textContent = strings.history.more;
    const period = this.#select(strings.history.period, strings.history.periods, (value) => {
      this.#days = Number(value);
      this.#read(0);
    });
    const which = this.#select(strings.history.which, strings.history.kinds, (value) => {
      this.#which = value;
      this.#show();
    });
    const filters = element("div", { class: "panel-filters" }, period, which);
    this.#panel.append(
      element("div", { class: "panel-head" }, element("h2", {}, strings.history.title), filters),
      this.#list,
      this.#empty,
      this.#more,
    );
    tabs.add("history", strings.history.title, this.#panel);
    store.watch(["unknownMethods"], (state) => tabs.setHidden("history", !offers(state, "getpbxcalljournal")));
    store.watch(["me"], () => this.#countMissed());
    store.watch(["online", "phone", "people"], (state) => this.#follow(state));
  }

  /** The panel has come forward. */
  shown() {
    this.#setSeen();
    this.#read(0);
  }

  /** Nothing of the last user stays. */
  clear() {
    this.#calls = [];
    this.#tabs.setCount("history", 0, "");
    this.#show();
  }

  /** From now on only what comes later is news; all tabs of this browser know it. */
  #setSeen() {
    const { me } = this.#store.state;
    if (me) keep(`${SEEN_KEY}.${idOf(me.userid)}`, String(Date.now()));
    this.#tabs.setCount("history", 0, "");
  }

  /** The calls that were missed since the history was last looked at. */
  async #countMissed() {
    const { me } = this.#store.state;
    if (!me) return;
    const seen = Number(readKept(`${SEEN_KEY}.${idOf(me.userid)}`));
    if (!seen) {
      this.#setSeen();
      return;
    }
    const filter = { datestart: new Date(seen).toISOString(), page: 0 };
    const answer = await this.#commands.read((client) => client.journal(filter));
    if (!answer || this.#isRead()) return;
    const calls = this.#past(answer);
    const count = calls.filter(({ missed, at }) => missed && at > seen).length;
    this.#tabs.setCount("history", count, strings.history.missedCount(count));
  }

  #isRead() {
    return this.#tabs.chosen === "history" && !document.hidden;
  }

  #past({ calls }) {
    const { me } = this.#store.state;
    const mine = [me?.mainpbxnumber, me?.linenumber].filter(Boolean).map(String);
    return (calls ?? []).filter(Boolean).map((call) => pastCallOf(call, mine));
  }

  #follow(state) {
    const busy = Boolean(state.phone) && state.phone.kind !== "ready";
    if (this.#wasBusy && !busy && this.#isRead()) this.shown();
    else if (this.#rang && !busy) this.#countMissed();
    this.#wasBusy = busy;
    this.#rang = state.phone?.kind === "ring";
    const callable = targetAction(state) !== null;
    for (const button of this.#list.querySelectorAll(".person-call")) setOff(button, !callable);
  }

  #select(label, options, change) {
    const select = element("select", { "aria-label": label, change: () => change(select.value) });
    select.append(...Object.entries(options).map(([value, text]) => element("option", { value }, text)));
    return select;
  }

  async #read(page) {
    const start = new Date();
    start.setHours(0, 0, 0, 0);
    start.setDate(start.getDate() - (this.#days - 1));
    const filter = { datestart: start.toISOString(), page };
    const answer = await this.#commands.read((client) => client.journal(filter));
    if (!answer) return;
    const more = this.#past(answer);
    const known = page === 0 ? [] : this.#calls;
    this.#calls = merged(known, more);
    this.#page = page;
    this.#more.hidden = more.length < FULL_PAGE || this.#calls.length === known.length;
    this.#show();
  }

  #show() {
    const { state } = this.#store;
    const calls = this.#calls.filter(
      ({ way, missed }) => ({ all: true, missed, in: way === "in", out: way === "out" })[this.#which],
    );
    this.#list.replaceChildren(...calls.map((call) => this.#row(call, state)));
    this.#empty.textContent = strings.history.empty;
    this.#empty.hidden = calls.length > 0;
  }

  #row(call, state) {
    const { way, number, at, talkSeconds, result, missed } = call;
    const name = nameOf(state.people, { number });
    const who = name || readableNumber(number) || strings.call.unknown;
    const words = talkSeconds ? duration(talkSeconds) : (strings.history.results[result] ?? result);
    const kind = missed ? strings.history.missed : strings.history.ways[way];
    // That it was missed says more than how.
    const line = [missed ? kind : words, name ? number : missed ? "" : kind].filter(Boolean);
    const back = iconButton("phone", strings.history.callBack(who), {
      class: "person-call",
      "aria-disabled": String(targetAction(state) === null),
      click: () => isOff(back) || this.#callBack(number),
    });
    return element(
      "li",
      { class: "person past-call", "data-missed": String(missed), "data-number": number },
      element(
        "span",
        { class: "avatar", title: kind },
        icon(way === "out" ? "out" : "in"),
        element("span", { class: "unseen" }, kind),
      ),
      element(
        "div",
        { class: "person-words" },
        element("p", { class: "person-name", title: who }, who),
        element("p", { class: "person-line", title: words }, ...line.map((text) => element("span", {}, text))),
      ),
      element("time", { class: "past-time", datetime: at ? new Date(at).toISOString() : "" }, at ? moment(at) : ""),
      ...(number ? [back] : []),
    );
  }
}

/** The hour alone of today's calls, the day too of older ones. */
function moment(at) {
  const today = new Date().toDateString() === new Date(at).toDateString();
  const day = today ? {} : { day: "2-digit", month: "2-digit" };
  return new Intl.DateTimeFormat(strings.language, {
    ...day,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).format(at);
}

/** Rows of a page (protocol 6.5-ah). */
const FULL_PAGE = 50;
const SEEN_KEY = "okgate.history-seen";
