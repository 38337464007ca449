/**
 * The call panel: ringing, dialling, talk, hold, conference, supervision, and the quiet state between calls.
 *
 * Owns: the panel's elements and the timer. Comes in: the store's phone and conference. Goes out: the chosen action's
 * name (a key of `strings.call.actions`). The panel keeps its place and height in every state, and a ring never takes the focus.
 */

import { actionsOf } from "./callactions.js";
import { others } from "./conference.js";
import { announce, byId, element, icon, isOff, setOff, setText } from "./dom.js";
import { duration, readableNumber } from "./phone.js";
import { fillAvatar } from "./photo.js";
import { strings } from "./strings.js";

export class CallPanel {
  #panel = byId("call");
  #timer = byId("call-timer");
  #actions = byId("call-actions");
  #store;
  #act;
  #shownActions = "";
  #talkBase = null;
  #told = { kind: "", party: "", chainid: "" };

  /**
   * @param {import("./store.js").Store} store
   * @param {(action: string) => Promise<any>} act
   */
  constructor(store, act) {
    this.#store = store;
    this.#act = act;
    setInterval(() => this.#tick(), 250);
    store.watch(
      ["phone", "conference", "canJoinHeld", "reachingTalk", "photos", "unknownMethods"],
      (state) => state.phone && this.#show(state),
    );
    // While the link is lost no action can be carried out; the picture stays.
    store.watch(["online"], () => this.#showUsable());
  }

  /**
   * Does the first of these actions that the moment offers.
   *
   * @param {string[]} actions
   * @returns {boolean} whether there was one
   */
  press(actions) {
    const button = actions.map((action) => this.#actions.querySelector(`[data-action=${action}]`)).find(Boolean);
    if (!button || isOff(button)) return false;
    button.click();
    return true;
  }

  #show(state) {
    const { phone, conference } = state;
    const supervising = Boolean(conference?.ghost);
    this.#panel.dataset.kind = phone.kind;
    this.#panel.toggleAttribute("data-idle", IDLE.has(phone.kind));
    const kinds = strings.call.kinds;
    const inConference = phone.kind === "talk" && phone.conferenceid;
    const called = calledFor(state);
    const kind = supervising ? kinds.supervising : inConference ? kinds.conference : kinds[called || phone.kind];
    setText(byId("call-kind"), kind);
    const lines = this.#lines(state);
    this.#showParty(state, lines);
    this.#showHeld(phone);
    this.#showActions(actionsOf(state), conference?.mode);
    this.#rebase(phone);
    this.#tick();
    this.#tell(phone, kind, lines);
  }

  /** @returns {{name: string, below: string}} who is spoken with, and what stands below the name */
  #lines({ phone, conference, me }) {
    const { kind, party } = phone;
    if (IDLE.has(kind))
      return { name: kind === "disconnected" ? strings.call.disconnected : strings.call.idle, below: "" };
    if (conference && kind === "talk") {
      const present = others(conference, me?.userid).filter(({ presence }) => presence === "in");
      const names = present.map((competitor) => spoken(competitor));
      if (conference.ghost) {
        const major = present.find((competitor) => competitor.major);
        const rest = names.filter((name) => !major || name !== spoken(major));
        return { name: major ? spoken(major) : names.join(", "), below: strings.call.talksWith(rest.join(", ")) };
      }
      return { name: conference.name || strings.call.conference, below: names.join(", ") };
    }
    // A conference's number is its room, which nobody dials.
    const number = party.conference ? "" : readableNumber(party.number);
    const known = party.name || (party.conference || phone.conferenceid ? strings.call.conference : "");
    return { name: known || number || strings.call.unknown, below: known ? number : "" };
  }

  #showParty({ phone: { kind, party, conferenceid, userid, note }, photos }, { name, below }) {
    const somebody = !IDLE.has(kind);
    setText(byId("call-name"), name);
    byId("call-name").title = somebody ? name : "";
    setText(byId("call-number"), below);
    setText(byId("call-note"), somebody ? note : "");
    this.#panel.dataset.number = somebody ? party.number : "";
    const conference = conferenceid || party.conference;
    const symbol = conference ? "people" : somebody ? "person" : "phone";
    const person = somebody && !conference ? { name: party.name, photo: photos.get(userid) } : {};
    fillAvatar(byId("call-avatar"), { ...person, symbol });
  }

  /** Who is held beside the one who talks. */
  #showHeld({ kind, held }) {
    const beside = held && kind !== "held";
    byId("call-held").toggleAttribute("data-shown", Boolean(beside));
    setText(byId("call-held-text"), beside ? strings.call.withHeld(spoken(held)) : "");
  }

  #showActions(actions, mode) {
    const key = `${actions.join()} ${mode ?? ""}`;
    if (key === this.#shownActions) return;
    this.#shownActions = key;
    const focused = this.#actions.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    this.#actions.dataset.count = actions.length;
    this.#actions.replaceChildren(...actions.map((action) => this.#button(action, mode)));
    if (focused === null) return;
    // A button that is still there keeps the focus. If the pressed one is gone, the focus stays in the panel, but on no
    // button that a second press would trigger.
    const again = MODES.has(focused) && this.#actions.querySelector(`[data-action=${focused}]`);
    (again || this.#panel).focus({ preventScroll: true });
  }

  #button(action, mode) {
    const { look, symbol, key } = LOOKS[action];
    const label = strings.call.actions[action];
    const press = async () => {
      if (isOff(button)) return;
      setOff(button, true);
      await this.#act(action);
      setOff(button, !this.#store.state.online);
    };
    const button = element(
      "button",
      {
        type: "button",
        class: `button button-${look}`,
        "data-action": action,
        "aria-disabled": String(!this.#store.state.online),
        "aria-pressed": MODES.has(action) && String(action === mode),
        "aria-keyshortcuts": key ? `Alt+${key}` : null,
        title: key ? `${label} (Alt ${key})` : label,
        click: press,
      },
      icon(symbol),
      element("span", {}, label),
    );
    if (key) button.append(element("kbd", { "aria-hidden": "true" }, `Alt ${key}`));
    return button;
  }

  #showUsable() {
    for (const button of this.#actions.children) setOff(button, !this.#store.state.online);
  }

  /** The timer runs from the gateway's count; small differences of two readings do not make it jump. */
  #rebase(phone) {
    if (!TIMED.has(phone.kind)) {
      this.#talkBase = null;
      return;
    }
    const base = performance.now() - phone.talkSeconds * 1000;
    const sameTalk = this.#told.chainid === phone.chainid && this.#talkBase !== null;
    if (!sameTalk || Math.abs(base - this.#talkBase) > TIMER_SLACK_MS) this.#talkBase = base;
  }

  #tick() {
    const text = this.#talkBase === null ? "" : duration((performance.now() - this.#talkBase) / 1000);
    setText(this.#timer, text);
  }

  /** Screen readers and the window's title hear of a change once. */
  #tell({ kind, chainid, party: { number } }, words, { name }) {
    const party = IDLE.has(kind) ? "" : name;
    const before = this.#told;
    this.#told = { kind: words, party, chainid };
    document.title = kind === "ring" ? strings.call.titleRing(party) : strings.product;
    const changed = before.kind !== words || before.party !== party;
    if (!changed || (!before.kind && IDLE.has(kind))) return;
    if (kind === "ring") {
      const both = name === readableNumber(number) || !number ? party : `${party}, ${readableNumber(number)}`;
      announce(strings.call.announceRing(both), "assertive");
      return;
    }
    announce("", "assertive");
    announce(strings.call.announce(words, party));
  }
}

/** @returns {string} what it rings for, if not for a talk of two */
function calledFor({ phone, reachingTalk }) {
  if (phone.kind === "ring" && phone.conferenceid) return "invited";
  return phone.kind === "backring" && reachingTalk ? "reaching" : "";
}

/** @returns {string} how a party is called in a sentence */
export function spoken({ name, number, conference }) {
  return name || (conference ? strings.call.conference : "") || readableNumber(number) || strings.call.unknown;
}

const LOOKS = {
  answer: { look: "answer", symbol: "phone", key: "A" },
  decline: { look: "drop", symbol: "phone-down", key: "X" },
  cancel: { look: "drop", symbol: "phone-down", key: "X" },
  end: { look: "drop", symbol: "phone-down", key: "X" },
  leave: { look: "drop", symbol: "leave", key: "X" },
  back: { look: "drop", symbol: "back", key: "X" },
  hold: { look: "quiet", symbol: "pause", key: "H" },
  takeBack: { look: "answer", symbol: "play", key: "H" },
  swap: { look: "quiet", symbol: "swap", key: "H" },
  connect: { look: "answer", symbol: "join", key: "J" },
  transfer: { look: "quiet", symbol: "forward", key: "T" },
  build: { look: "quiet", symbol: "people", key: "" },
  together: { look: "quiet", symbol: "people", key: "" },
  joinHeld: { look: "answer", symbol: "join", key: "J" },
  people: { look: "quiet", symbol: "people", key: "" },
  monitor: { look: "quiet", symbol: "ear", key: "" },
  help: { look: "quiet", symbol: "whisper", key: "" },
  conference: { look: "quiet", symbol: "people", key: "" },
};

const MODES = new Set(["monitor", "help", "conference"]);
const IDLE = new Set(["ready", "disconnected", "reserved"]);
const TIMED = new Set(["talk", "held", "waiting", "menu"]);
const TIMER_SLACK_MS = 1500;
