/**
 * The call panel: ringing, dialling, talk, hold, and the quiet state between calls.
 *
 * Owns: the panel's elements and the timer. Comes in: the derived phone state. Goes out: the chosen action's name
 * (a key of `strings.call.actions`). The panel keeps its place and height in every state, and a ring never takes the focus.
 */

import { announce, byId, element, icon, isOff, setOff, setText } from "./dom.js";
import { duration, readableNumber } from "./phone.js";
import { strings } from "./strings.js";

export class CallPanel {
  #panel = byId("call");
  #timer = byId("call-timer");
  #actions = byId("call-actions");
  /** @type {import("./phone.js").Phone | null} */
  #phone = null;
  #shownActions = "";
  #talkBase = null;
  #act;
  #offline = false;

  /** @param {(action: string) => Promise<void>} act */
  constructor(act) {
    this.#act = act;
    setInterval(() => this.#tick(), 250);
  }

  /** @param {import("./phone.js").Phone} phone */
  show(phone) {
    const before = this.#phone;
    this.#phone = phone;
    this.#panel.dataset.kind = phone.kind;
    this.#panel.toggleAttribute("data-idle", IDLE.has(phone.kind));
    setText(byId("call-kind"), strings.call.kinds[phone.kind]);
    this.#showParty(phone);
    const heldBeside = phone.held && phone.kind !== "held";
    setText(byId("call-held"), heldBeside ? strings.call.withHeld(spoken(phone.held)) : "");
    this.#showActions(actionsOf(phone));
    this.#rebase(before, phone);
    this.#tick();
    this.#tell(before, phone);
  }

  /** While the link is lost no action can be carried out; the picture stays. */
  setOffline(offline) {
    this.#offline = offline;
    for (const button of this.#actions.children) setOff(button, offline);
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

  #showParty({ kind, party }) {
    const somebody = !IDLE.has(kind);
    const number = readableNumber(party.number);
    const known = party.name || (party.conference ? strings.call.conference : "");
    const idleText = kind === "disconnected" ? strings.call.disconnected : strings.call.idle;
    setText(byId("call-name"), somebody ? known || number || strings.call.unknown : idleText);
    setText(byId("call-number"), somebody && known ? number : "");
    this.#panel.dataset.number = somebody ? party.number : "";
    const avatar = byId("call-avatar");
    if (somebody && party.name) setText(avatar, initials(party.name));
    else avatar.replaceChildren(icon(somebody ? "person" : "phone"));
  }

  #showActions(actions) {
    const key = actions.join();
    if (key === this.#shownActions) return;
    this.#shownActions = key;
    const hadFocus = this.#actions.contains(document.activeElement);
    this.#actions.replaceChildren(...actions.map((action) => this.#button(action)));
    // The button that was pressed is gone: the focus stays in the panel, but on no button that a second press would trigger.
    if (hadFocus) this.#panel.focus({ preventScroll: true });
  }

  #button(action) {
    const { look, symbol, key } = ACTIONS[action];
    const press = async () => {
      if (isOff(button)) return;
      setOff(button, true);
      await this.#act(action);
      setOff(button, this.#offline);
    };
    const button = element(
      "button",
      {
        type: "button",
        class: `button button-${look}`,
        "data-action": action,
        "aria-disabled": String(this.#offline),
        "aria-keyshortcuts": key && `Alt+${key}`,
        click: press,
      },
      icon(symbol),
      element("span", {}, strings.call.actions[action]),
    );
    if (key) button.append(element("kbd", { "aria-hidden": "true" }, `Alt ${key}`));
    return button;
  }

  /** The timer runs from the gateway's count; small differences of two readings do not make it jump. */
  #rebase(before, phone) {
    if (!TIMED.has(phone.kind)) {
      this.#talkBase = null;
      return;
    }
    const base = performance.now() - phone.talkSeconds * 1000;
    const sameTalk = before?.chainid === phone.chainid && this.#talkBase !== null;
    if (!sameTalk || Math.abs(base - this.#talkBase) > TIMER_SLACK_MS) this.#talkBase = base;
  }

  #tick() {
    const text = this.#talkBase === null ? "" : duration((performance.now() - this.#talkBase) / 1000);
    setText(this.#timer, text);
  }

  /** Screen readers and the window's title hear of a change once. */
  #tell(before, phone) {
    const party = spoken(phone.party);
    const kind = strings.call.kinds[phone.kind];
    const changed = before?.kind !== phone.kind || spoken(before.party) !== party;
    document.title = phone.kind === "ring" ? strings.call.titleRing(party) : strings.product;
    if (!changed || (!before && IDLE.has(phone.kind))) return;
    if (phone.kind === "ring") announce(strings.call.announceRing(party), "assertive");
    else announce(strings.call.announce(kind, IDLE.has(phone.kind) ? "" : party));
    if (phone.kind !== "ring") announce("", "assertive");
  }
}

/** What can be done at this moment, the most likely first. */
function actionsOf({ kind, held }) {
  if (kind === "talk" && held) return ["swap", "connect"];
  return (
    {
      ring: ["answer", "decline"],
      backring: ["answer", "cancel"],
      backcall: ["cancel"],
      call: ["end"],
      talk: ["hold", "end"],
      held: ["takeBack", "end"],
      waiting: ["end"],
      menu: ["end"],
    }[kind] ?? []
  );
}

function spoken({ name, number, conference }) {
  return name || (conference ? strings.call.conference : "") || readableNumber(number) || strings.call.unknown;
}

/**
 * @param {string} name
 * @returns {string} up to two letters
 */
export function initials(name) {
  const words = name.split(/[\s.]+/).filter((word) => /^\p{L}/u.test(word));
  return (
    words
      .slice(0, 2)
      .map((word) => [...word][0].toUpperCase())
      .join("") || "#"
  );
}

const ACTIONS = {
  answer: { look: "answer", symbol: "phone", key: "A" },
  decline: { look: "drop", symbol: "phone-down", key: "X" },
  cancel: { look: "drop", symbol: "phone-down", key: "X" },
  end: { look: "drop", symbol: "phone-down", key: "X" },
  hold: { look: "quiet", symbol: "pause", key: "H" },
  takeBack: { look: "answer", symbol: "play", key: "H" },
  swap: { look: "quiet", symbol: "swap", key: "H" },
  connect: { look: "quiet", symbol: "join", key: "" },
};

const IDLE = new Set(["ready", "disconnected", "reserved"]);
const TIMED = new Set(["talk", "held", "waiting", "menu"]);
const TIMER_SLACK_MS = 1500;
