/**
 * The page's state: one object that every view reads.
 *
 * Owns: the state. Comes in: patches of it. Goes out: the new state, to those who watch one of the changed keys.
 * A value is replaced, never changed in place: that is how a change is seen.
 */

/**
 * @typedef {object} DeskState
 * @property {boolean} online the link is up
 * @property {object | null} me the answer of `getmyuserinfo`
 * @property {import("./phone.js").Phone | null} phone
 * @property {object | null} presence the state fields of protocol 6.3-f
 * @property {{id: number, name: string}[]} reasons for breaks
 * @property {Person[]} people colleagues and services, in the order in which they are shown
 * @property {ReadonlyMap<string, string>} photos links by user id
 * @property {ReadonlyMap<string, string>} numberStates by number: a name of a state
 * @property {object[]} queue parties that wait for this user, with `since`
 * @property {object[]} rules of redirection
 * @property {import("./conference.js").Conference | null} conference the one that the user is in
 * @property {boolean} reachingTalk the own phone is rung for a talk that this tab wants to supervise
 * @property {boolean} canJoinHeld the held party may be taken into the conference
 * @property {import("./chat.js").Thread[]} threads of messages, the newest first
 * @property {number} unread messages
 * @property {ReadonlySet<string>} unknownMethods what the gateway has said that it does not know
 */

/**
 * @typedef {object} Person
 * @property {string} name
 * @property {string} number
 * @property {string} userid empty for a service
 * @property {string} userlogin
 * @property {string} department
 * @property {boolean} supervised this user may listen to that one's talks
 * @property {string} service what kind of service it is; empty for a person
 */

/** @returns {DeskState} a page without a user */
export function emptyState() {
  return {
    online: false,
    me: null,
    phone: null,
    presence: null,
    reasons: [],
    people: [],
    photos: new Map(),
    numberStates: new Map(),
    queue: [],
    rules: [],
    conference: null,
    canJoinHeld: false,
    reachingTalk: false,
    threads: [],
    unread: 0,
    unknownMethods: new Set(),
  };
}

export class Store {
  #state;
  #watchers = new Set();

  /** @param {object} [state] */
  constructor(state = emptyState()) {
    this.#state = state;
  }

  /** @returns {DeskState} */
  get state() {
    return this.#state;
  }

  /**
   * Replaces some values. Watchers hear of it after all of them are in place.
   *
   * @param {Partial<DeskState>} patch
   */
  set(patch) {
    const changed = Object.keys(patch).filter((key) => !Object.is(this.#state[key], patch[key]));
    if (changed.length === 0) return;
    this.#state = { ...this.#state, ...patch };
    for (const { keys, handler } of [...this.#watchers]) {
      if (changed.some((key) => keys.has(key))) handler(this.#state);
    }
  }

  /**
   * @param {(keyof DeskState)[]} keys
   * @param {(state: DeskState) => void} handler called now, and after each change of one of the keys
   * @returns {() => void} ends it
   */
  watch(keys, handler) {
    const watcher = { keys: new Set(keys), handler };
    this.#watchers.add(watcher);
    handler(this.#state);
    return () => this.#watchers.delete(watcher);
  }
}

/** @returns {boolean} whether the gateway knows the methods, as far as it has been asked */
export function offers(state, ...methods) {
  return methods.every((method) => !state.unknownMethods.has(method));
}
