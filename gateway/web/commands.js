/**
 * How the views speak with the gateway: with failures told in words, and unknown methods remembered.
 *
 * Owns: nothing but the way. Comes in: functions of the client to call. Goes out: answers, failure notices, and in the
 * store the methods that this gateway does not know: what needs them disappears from the page.
 */

import { clearFailure, showFailure } from "./notices.js";
import { ErrorNumber, OkgateError } from "./okgate.js";
import { inWords, strings } from "./strings.js";

export class Commands {
  #store;
  #client;

  /**
   * @param {import("./store.js").Store} store
   * @param {() => import("./okgate.js").OkgateClient} client
   */
  constructor(store, client) {
    this.#store = store;
    this.#client = client;
  }

  /**
   * Something that the person asked for: told in words when it fails.
   *
   * @param {string} wanted one of `strings.failed`
   * @param {(client: import("./okgate.js").OkgateClient) => Promise<any>} ask
   * @returns {Promise<any>} the answer, or null
   */
  async attempt(wanted, ask) {
    const { answer, fault } = await this.try(wanted, ask);
    if (answer) {
      clearFailure();
      return answer;
    }
    showFailure(fault);
    this.#client().readPhone();
    return null;
  }

  /**
   * The same for a dialog, which tells the failure itself.
   *
   * @param {string} wanted one of `strings.failed`
   * @param {(client: import("./okgate.js").OkgateClient) => Promise<any>} ask
   * @returns {Promise<{answer: any, fault: null} | {answer: null, fault: string}>}
   */
  async try(wanted, ask) {
    try {
      return { answer: await ask(this.#client()), fault: null };
    } catch (error) {
      if (!(error instanceof OkgateError)) throw error;
      return { answer: null, fault: this.#note(error) ? strings.failed.notOffered : inWords(error, wanted) };
    }
  }

  /**
   * Something that the page reads by itself: null when it cannot be had, without a word.
   *
   * @param {(client: import("./okgate.js").OkgateClient) => Promise<any>} ask
   * @returns {Promise<any>}
   */
  async read(ask) {
    try {
      return await ask(this.#client());
    } catch (error) {
      if (!(error instanceof OkgateError)) throw error;
      this.#note(error);
      return null;
    }
  }

  /** @returns {boolean} whether the failure was that the gateway does not know the method */
  #note(error) {
    const { unknownMethods } = this.#store.state;
    if (!isUnknownMethod(error)) return false;
    this.#store.set({ unknownMethods: new Set([...unknownMethods, error.method]) });
    return true;
  }
}

/** 404 is also said of objects; of a method without one it can only mean the method. */
export function isUnknownMethod({ number, message, method }) {
  return number === ErrorNumber.NOT_FOUND && (/^unknown method/i.test(message) || WITHOUT_OBJECT.has(method));
}

const WITHOUT_OBJECT = new Set([
  "getcurrentqueue",
  "getredirectrules",
  "getpbxcalljournal",
  "cc_getlunchtypes",
  "checkcanconnecttogathertoconference",
  "buildconferencefromcommutation",
  "changepassword",
]);
