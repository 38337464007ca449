/**
 * Keeps the state of the user's phone up to date: reads the line after each event that changes it.
 *
 * Owns: the last phone state, and the names that came with rings. Comes in: the link's events, the answers of
 * `getextendedlineinfo`. Goes out: `client.phone` with a {@link import("./phone.js").Phone}, once per reading.
 * The picture is always read from the gateway, never guessed.
 */

import { EventGroups, Events, LINE_EVENTS } from "./events.js";
import { OkgateError } from "./link.js";
import { phoneOf } from "./phone.js";

export class PhoneFollower {
  #link;
  #phone = null;
  #callers = new Map();
  #running = null;
  #again = false;

  /** @param {import("./link.js").OkgateLink} link */
  constructor(link) {
    this.#link = link;
    link.on("client.ready", () => this.read());
    link.on(Events.RING_STARTED, (event) => this.#remember(event));
    for (const name of LINE_EVENTS) link.on(name, () => this.read());
    link.subscribe(Events.USER_STATE, Events.LINE_STATE, Events.FLASH_STATE, EventGroups.PHONE).catch(() => {});
  }

  /** @returns {import("./phone.js").Phone | null} null until the line was read for the first time */
  get phone() {
    return this.#phone;
  }

  /** Forgets everything: another user comes. */
  reset() {
    this.#phone = null;
    this.#callers.clear();
  }

  /**
   * Reads the line now. One reading at a time: a call during one makes it read once more, so that the last picture
   * is never stale.
   *
   * @returns {Promise<void>} settled when the picture is fresh, or the link is gone
   */
  read() {
    this.#again = this.#running !== null;
    this.#running ??= this.#readAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #readAll() {
    do {
      this.#again = false;
      try {
        const info = await this.#link.request("getextendedlineinfo");
        this.#phone = phoneOf(info, this.#phone, this.#callers);
        this.#link.emit("client.phone", this.#phone);
      } catch (error) {
        if (!(error instanceof OkgateError)) throw error;
        // The link is gone or the line unknown: the next event or login reads anew.
      }
    } while (this.#again);
  }

  /** The ring's event says more about the caller than the line does. */
  #remember({ chainid, callerid, callername, callerdescription, callercomment }) {
    const [name, ...notes] = [callername, callerdescription, callercomment].map((text) => String(text ?? "").trim());
    const note = notes.find(Boolean) ?? "";
    if (!name && !note) return;
    if (this.#callers.size >= CALLERS_MAX) this.#callers.delete(this.#callers.keys().next().value);
    this.#callers.set(String(chainid), { number: String(callerid ?? ""), name, note });
  }
}

const CALLERS_MAX = 50;
