/**
 * What can be done with a call at this moment, and how it is asked for.
 *
 * Owns: the table of the actions. Comes in: the store's state, a chosen action, a number. Goes out: requests.
 * Views show what this module offers and hand back the name of what was chosen.
 */

import { idOf } from "./phone.js";
import { offers } from "./store.js";
import { strings } from "./strings.js";

/**
 * The actions on the call as it is, in the order in which they are shown.
 *
 * @param {import("./store.js").DeskState} state
 * @returns {string[]} keys of `strings.call.actions`
 */
export function actionsOf(state) {
  if (!state.phone) return [];
  const actions = candidates(state).filter((action) => offers(state, ...ACTIONS[action].methods));
  // Nobody may be kept in a conference: hanging up leaves it, too.
  const stuck = state.phone.conferenceid && state.phone.kind === "talk" && !actions.includes("leave");
  return stuck ? [...actions, "end"] : actions;
}

function candidates({ phone, conference, canJoinHeld }) {
  const { kind, held } = phone;
  if (kind === "talk" && phone.conferenceid) {
    if (conference?.ghost) return ["monitor", "help", "conference", "leave"];
    if (held) return [...(canJoinHeld ? ["joinHeld"] : []), "swap", "people", "leave"];
    return ["hold", "people", "leave"];
  }
  if (held && kind === "talk") {
    // Beside a held conference, connecting takes this one into it without the user, bringing in with the user.
    const all = held.conference ? canJoinHeld && "joinHeld" : "together";
    return ["swap", "connect", ...(all ? [all] : []), "back"];
  }
  if (held && (kind === "backcall" || kind === "call")) return ["connect", "back"];
  return BY_KIND[kind] ?? [];
}

/**
 * What choosing a colleague, or a number that was typed, does first.
 *
 * @param {import("./store.js").DeskState} state
 * @returns {"call" | "consult" | "invite" | null} null: nothing, now
 */
export function targetAction(state) {
  const { online, phone } = state;
  if (!online || !phone) return null;
  if (phone.kind === "ready" || phone.kind === "held") return "call";
  if (phone.kind !== "talk") return null;
  if (phone.conferenceid) return !state.conference?.ghost && offers(state, "invitetoconference") ? "invite" : null;
  return phone.held ? null : "consult";
}

/** @returns {boolean} whether the party that is talked to can be passed on */
export function canTransfer(state) {
  const { online, phone } = state;
  return online && phone?.kind === "talk" && !phone.conferenceid && offers(state, "pbxmaketransfer");
}

/** @returns {boolean} whether this person's talk can be listened to now */
export function canSupervise(state, person) {
  const busy = state.numberStates.get(person.number) === "busy";
  return state.online && person.supervised && busy && state.phone?.kind === "ready" && offers(state, "attachasghost");
}

export class CallActions {
  #store;
  #commands;
  #keeper;
  /** The way of supervising that was chosen before the talk was reached. */
  #wantedMode = "";
  #reaching = false;

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./commands.js").Commands} commands
   * @param {import("./conference.js").ConferenceKeeper} keeper
   */
  constructor(store, commands, keeper) {
    this.#store = store;
    this.#commands = commands;
    this.#keeper = keeper;
    store.watch(["conference", "phone"], (state) => this.#enterWantedMode(state));
  }

  /** @param {string} action one of {@link actionsOf} */
  async run(action) {
    if (SUPERVISION.has(action)) return this.#setMode(action);
    const id = this.#store.state.phone?.conferenceid;
    return this.#commands.attempt(strings.failed[action], (client) => ACTIONS[action].ask(client, id));
  }

  call(number, { intercom = false } = {}) {
    return this.#commands.attempt(strings.failed.dial, (client) => client.call(number, { intercom }));
  }

  transfer(number) {
    return this.#commands.attempt(strings.failed.transfer, (client) => client.transfer(number));
  }

  /** @param {{userid?: string, number: string}} target */
  invite(target) {
    const id = this.#store.state.phone.conferenceid;
    return this.#commands.attempt(strings.failed.invite, (client) => client.invite(id, [competitorFields(target)]));
  }

  remove(competitorid) {
    const id = this.#store.state.phone.conferenceid;
    return this.#commands.attempt(strings.failed.remove, (client) => client.removeCompetitor(id, competitorid));
  }

  /**
   * @param {string} name
   * @param {{userid?: string, number: string}[]} targets
   * @returns {Promise<string | null>} what went wrong, in words
   */
  async createConference(name, targets) {
    const conference = { room: "", name, description: "", isselector: false, record: false };
    Object.assign(conference, { everyonecaninvite: true, canvieweachother: true });
    const competitors = targets.map(competitorFields);
    const create = (client) => client.createConference(conference, competitors);
    return (await this.#commands.try(strings.failed.create, create)).fault;
  }

  /**
   * Does with a target what {@link targetAction} says.
   *
   * @param {{userid?: string, number: string}} target
   * @returns {Promise<any>} null when it failed
   */
  async reach(target) {
    const action = targetAction(this.#store.state);
    if (action === null) return null;
    return action === "invite" ? this.invite(target) : this.call(target.number);
  }

  /** @param {string} userid @param {"monitor" | "help" | "conference"} mode */
  async supervise(userid, mode) {
    this.#wantedMode = mode;
    this.#store.set({ reachingTalk: true });
    const answer = await this.#commands.attempt(strings.failed.supervise, (client) => client.supervise(userid));
    if (!answer) this.#forgetWantedMode();
  }

  #forgetWantedMode() {
    this.#wantedMode = "";
    this.#store.set({ reachingTalk: false });
  }

  #enterWantedMode({ conference, phone }) {
    if (phone?.kind === "ready" && !conference) {
      // Back to idle before the talk was reached; right after the request the phone still shows ready.
      const isOver = this.#reaching;
      this.#reaching = false;
      if (isOver) this.#forgetWantedMode();
      return;
    }
    this.#reaching = this.#wantedMode !== "";
    if (!conference?.ghost || !this.#wantedMode) return;
    const mode = this.#wantedMode;
    this.#reaching = false;
    this.#forgetWantedMode();
    if (mode !== conference.mode) this.#setMode(mode);
  }

  async #setMode(mode) {
    const { id } = this.#store.state.conference;
    const answer = await this.#commands.attempt(strings.failed.mode, (client) => client.setSuperviseMode(id, mode));
    if (answer) this.#keeper.setMode(mode);
    return answer;
  }
}

function competitorFields({ userid, number }) {
  return idOf(userid) ? { userid } : { number };
}

/** Which methods an action needs, and how it is asked for. `transfer` and `people` only lead to another part of the page. */
const ACTIONS = {
  answer: { methods: ["pbxanswercall"], ask: (client) => client.answer() },
  decline: { methods: ["pbxdeclinecall"], ask: (client) => client.decline() },
  cancel: { methods: ["pbxautocallabort"], ask: (client) => client.abortDialling() },
  end: { methods: [], ask: (client) => client.hangUp() },
  hold: { methods: ["pbxmakeflash"], ask: (client) => client.flash("switch") },
  takeBack: { methods: ["pbxmakeflash"], ask: (client) => client.flash("switch") },
  swap: { methods: ["pbxmakeflash"], ask: (client) => client.flash("switch") },
  back: { methods: ["pbxmakeflash"], ask: (client) => client.flash("abort") },
  connect: { methods: [], ask: (client) => client.hangUp() },
  transfer: { methods: ["pbxmaketransfer"] },
  build: { methods: ["buildconferencefromcommutation"], ask: (client) => client.conferenceFromTalk() },
  together: {
    methods: ["buildconferencefromcommutation", "connecttogathertoconference"],
    ask: async (client) => {
      await client.conferenceFromTalk();
      return client.joinHeldParty();
    },
  },
  joinHeld: { methods: ["connecttogathertoconference"], ask: (client) => client.joinHeldParty() },
  people: { methods: [] },
  leave: { methods: ["exitconference"], ask: (client, id) => client.leaveConference(id) },
  monitor: { methods: ["confsetghostmode"] },
  help: { methods: ["confsetghostmode"] },
  conference: { methods: ["confsetghostmode"] },
};

const BY_KIND = {
  ring: ["answer", "decline"],
  backring: ["answer", "cancel"],
  backcall: ["cancel"],
  call: ["end"],
  talk: ["hold", "transfer", "build", "end"],
  held: ["takeBack", "end"],
  waiting: ["end"],
  menu: ["end"],
};

const SUPERVISION = new Set(["monitor", "help", "conference"]);
