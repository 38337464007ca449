/**
 * The conference that the user is in: who is in it, and in which way.
 *
 * Owns: the store's `conference` and `canJoinHeld`. Comes in: the phone's state, the conference events of protocol 7-l
 * and 7-m, the answers of `getconferenceinfo`. Goes out: the wish for these events (`confhandleevent`), while it lasts.
 */

import { Events } from "./events.js";
import { conferenceName, idOf, truth } from "./phone.js";

/**
 * @typedef {object} Conference
 * @property {string} id
 * @property {string} name
 * @property {string} room
 * @property {boolean} ghost the user supervises a talk; nobody else sees this conference
 * @property {"monitor" | "help" | "conference"} mode of supervision
 * @property {Competitor[]} competitors everyone in it, the user included
 */

/**
 * @typedef {object} Competitor
 * @property {string} id
 * @property {string} userid empty for somebody from outside
 * @property {string} name
 * @property {string} number
 * @property {"in" | "calling" | "failed" | "out"} presence
 * @property {string} reason the protocol's word for a failure
 * @property {boolean} creator
 * @property {boolean} director
 * @property {boolean} ghost
 * @property {boolean} major the supervised one
 */

/** @returns {Competitor} */
export function competitorOf(fields) {
  const word = String(fields.confstatestr ?? "");
  return {
    id: String(fields.competitorid ?? ""),
    userid: idOf(fields.userid),
    name: String(fields.username || fields.name || ""),
    number: String(fields.number ?? fields.intnumber ?? ""),
    presence: presenceOf(word),
    reason: word,
    creator: truth(fields.iscreator),
    director: truth(fields.isdirector),
    ghost: truth(fields.isghost),
    major: truth(fields.isghostmajor),
  };
}

/** @returns {Conference} from the answer of `getconferenceinfo` */
export function conferenceOf(id, { conference = {}, competitors = [] }) {
  return {
    id,
    name: conferenceName(conference.name),
    room: String(conference.room ?? ""),
    ghost: truth(conference.isghost),
    mode: MODES.includes(conference.ghostmode) ? conference.ghostmode : "monitor",
    competitors: competitorsOf(competitors),
  };
}

/** @returns {Competitor[]} lists may hold a stray null */
export function competitorsOf(list) {
  return (list ?? []).filter(Boolean).map(competitorOf);
}

/** @returns {Competitor[]} with this one replaced, or added at the end */
export function withCompetitor(competitors, changed) {
  const known = competitors.some(({ id }) => id === changed.id);
  return known ? competitors.map((one) => (one.id === changed.id ? changed : one)) : [...competitors, changed];
}

/** @returns {Competitor[]} those who are there or may yet come, the user left out */
export function others(conference, myUserid) {
  return conference.competitors.filter(({ presence, userid }) => presence !== "out" && userid !== idOf(myUserid));
}

/** @returns {boolean} whether the user may take others out: who made it or leads it */
export function mayLead(conference, myUserid) {
  const mine = conference.competitors.find(({ userid }) => userid === idOf(myUserid));
  return !conference.ghost && Boolean(mine && (mine.creator || mine.director));
}

function presenceOf(word) {
  if (word === "Exited") return "out";
  if (/^MisInvite/.test(word)) return "failed";
  return /invit|ring|call|wait/i.test(word) ? "calling" : "in";
}

export class ConferenceKeeper {
  #store;
  #commands;
  #id = "";

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./commands.js").Commands} commands
   */
  constructor(store, commands) {
    this.#store = store;
    this.#commands = commands;
    store.watch(["phone"], ({ phone }) => this.#follow(phone));
  }

  /** @param {import("./okgate.js").OkgateClient} client */
  listen(client) {
    client.on(Events.CONFERENCE_CHANGED, ({ eventinfo = {} }) => {
      if (idOf(eventinfo.conferenceid) !== this.#id) return;
      this.#change({ competitors: competitorsOf(eventinfo.competitorlist) });
    });
    client.on(Events.COMPETITOR_CHANGED, ({ eventinfo = {} }) => {
      if (!eventinfo.competitor || idOf(eventinfo.conference?.id) !== this.#id) return;
      const { competitors } = this.#store.state.conference ?? { competitors: [] };
      this.#change({ competitors: withCompetitor(competitors, competitorOf(eventinfo.competitor)) });
    });
    client.on("client.ready", () => this.#id && this.#read(this.#id));
    client.subscribe(Events.CONFERENCE_CHANGED, Events.COMPETITOR_CHANGED).catch(() => {});
  }

  /** @param {"monitor" | "help" | "conference"} mode that the gateway has agreed to */
  setMode(mode) {
    this.#change({ mode });
  }

  #change(patch) {
    const { conference } = this.#store.state;
    if (conference) this.#store.set({ conference: { ...conference, ...patch } });
  }

  #follow(phone) {
    const id = phone?.kind === "talk" ? phone.conferenceid : "";
    if (id !== this.#id) {
      const left = this.#id;
      this.#id = id;
      this.#store.set({ conference: null, canJoinHeld: false });
      if (left && this.#store.state.online) this.#commands.read((client) => client.followConference(left, false));
      if (id) this.#read(id);
    }
    if ((id && phone.held) || phone?.held?.conference) this.#askWhetherHeldMayJoin();
    else this.#store.set({ canJoinHeld: false });
  }

  /** The events first, so that nothing is missed between them and the answer. */
  async #read(id) {
    const [, info] = await Promise.all([
      this.#commands.read((client) => client.followConference(id)),
      this.#commands.read((client) => client.conferenceInfo(id)),
    ]);
    if (id !== this.#id) return;
    const { mode } = this.#store.state.conference ?? {};
    this.#store.set({ conference: { ...conferenceOf(id, info ?? {}), ...(mode && { mode }) } });
  }

  async #askWhetherHeldMayJoin() {
    const id = this.#id;
    const answer = await this.#commands.read((client) => client.canJoinHeldParty());
    if (id === this.#id) this.#store.set({ canJoinHeld: truth(answer?.canconnecttogather) });
  }
}

const MODES = ["monitor", "help", "conference"];
