/**
 * One link to the gateway, for browsers and for Node: what `okgate.js` builds on.
 *
 * Owns: the WebSocket, its session, its subscriptions and the requests under way. Comes in: requests and subscriptions
 * of the page, messages of the gateway. Goes out: answers as promises, events by name.
 * Never interprets calls or states, never stores anything: keeping a session over a reload is the page's choice.
 *
 * Events bear the protocol's names (section 7). Names with a dot are the client's own:
 * `client.status` ({@link LinkStatus}), `client.ready` ({@link Session}, after each login and re-login),
 * `client.rejected` ({@link OkgateError}: the gateway no longer knows the session), `client.error` ({@link OkgateError}:
 * a message that nobody waits for was refused or could not be read).
 */

import { passwordHashes } from "./md5.js";
import { MultipartError, MultipartReader, splitMultipart } from "./multipart.js";

/**
 * @typedef {object} Session
 * @property {string} userlogin
 * @property {string} userid
 * @property {string} sessionid lets another page, or this one after a reload, log in without the password
 */

/**
 * By password, by a session that was kept, or by a token that the CRM handed to the page.
 *
 * @typedef {object} Credentials
 * @property {string} [userlogin]
 * @property {string} [password]
 * @property {string} [sessionid]
 * @property {string} [token]
 */

/**
 * @typedef {object} LinkStatus
 * @property {"closed" | "connecting" | "online" | "waiting"} state `waiting`: lost, the next try comes at `retryAt`
 * @property {number} [retryAt] epoch milliseconds
 */

/**
 * @typedef {object} ClientOptions
 * @property {string} url `ws://` or `wss://` address of the gateway
 * @property {number} [requestTimeoutMs] an answer must come within this (10 s)
 * @property {number} [connectTimeoutMs] the link must be up within this (10 s)
 * @property {number} [pingIntervalMs] how often a `ping` goes out (15 s)
 * @property {number} [silenceMs] how long it may be silent after a `ping` before the link counts as dead (10 s)
 * @property {number} [backoffMinMs] bound of the first waiting time (500 ms); it doubles with each failure
 * @property {number} [backoffMaxMs] bound of the waiting time (30 s)
 * @property {number} [multipartOver] requests longer than this go out in packets (64 KiB)
 * @property {number} [pendingMax] how many requests may be under way (256)
 * @property {typeof WebSocket} [WebSocket] for environments without a global one
 * @property {() => number} [random] 0 up to 1, for the jitter
 */

/** Error numbers that pages care about; the last three the client gives, too. All are in section 3.4 of the protocol. */
export const ErrorNumber = Object.freeze({ NOT_FOUND: 404, TOO_MANY: 429, NOT_AVAILABLE: 503, TIMED_OUT: 504 });

/** A request was refused, or could not be made. */
export class OkgateError extends Error {
  name = "OkgateError";

  /**
   * @param {number} number section 3.4 of the protocol
   * @param {string} message the gateway's words
   * @param {string} [method] the method that failed
   */
  constructor(number, message, method = "") {
    super(message);
    this.number = number;
    this.method = method;
  }
}

/** One user's link to the gateway. */
export class OkgateLink {
  #options;
  #url;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Session | null} */
  #session = null;
  /** @type {LinkStatus} */
  #status = { state: "closed" };
  /** @type {Map<string, {method: string, resolve: Function, reject: Function, timer: any}>} */
  #pending = new Map();
  /** @type {Map<string, Set<Function>>} */
  #handlers = new Map();
  /** @type {Set<string>} */
  #subscriptions = new Set();
  #multipart = new MultipartReader();
  #failures = 0;
  #lastSoundAt = 0;
  /** @type {(() => void) | null} fails the opening under way; no effect on one that is done */
  #giveUpOpening = null;
  #openTimer = null;
  #retryTimer = null;
  #pingTimer = null;
  #silenceTimer = null;

  /** @param {ClientOptions} options */
  constructor(options) {
    this.#options = { ...DEFAULTS, WebSocket: globalThis.WebSocket, ...options };
    this.#url = options.url;
  }

  /** @returns {LinkStatus} */
  get status() {
    return this.#status;
  }

  /** @returns {Session | null} */
  get session() {
    return this.#session;
  }

  /**
   * Opens the link and logs in; one try. Afterwards the link is kept: it is restored whenever it is lost.
   *
   * @param {Credentials} credentials
   * @returns {Promise<Session>}
   * @throws {OkgateError} 503 when there is no gateway to be reached, else the gateway's refusal
   */
  async login(credentials) {
    this.close();
    try {
      return await this.#establish(loginFields(credentials));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Takes up a session that was kept, and keeps trying while the gateway cannot be reached. The outcome
   * is `client.ready` or `client.rejected`.
   *
   * @param {{userlogin: string, sessionid: string, userid?: string}} session
   */
  resume({ userlogin, sessionid, userid = "" }) {
    this.close();
    this.#session = { userlogin, sessionid, userid };
    this.#restore();
  }

  /** Ends the session on the gateway, in all tabs that share it, and closes the link. */
  async logout() {
    try {
      if (this.#socket) await this.request("logout");
    } catch {
      // The link is closed either way, and the session ends by itself.
    } finally {
      this.close();
    }
  }

  /** Closes the link without ending the session. Requests under way fail. */
  close() {
    this.#session = null;
    this.#failures = 0;
    clearTimeout(this.#retryTimer);
    this.#detach();
    this.#setStatus({ state: "closed" });
  }

  /** Look after the link now: call it when the page is shown again or the network is back. */
  wake() {
    if (this.#status.state === "waiting") {
      clearTimeout(this.#retryTimer);
      this.#restore();
    } else if (this.#status.state === "online") {
      this.#ping();
    }
  }

  /**
   * Sends a request and waits for its answer.
   *
   * @param {string} method e.g. `getuserstate`
   * @param {object} [fields]
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<any>} the answer's fields
   * @throws {OkgateError}
   */
  request(method, fields = {}, { timeoutMs = this.#options.requestTimeoutMs } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== OPEN) {
        reject(new OkgateError(ErrorNumber.NOT_AVAILABLE, "There is no link to the gateway", method));
        return;
      }
      if (this.#pending.size >= this.#options.pendingMax) {
        reject(new OkgateError(ErrorNumber.TOO_MANY, "Too many requests under way", method));
        return;
      }
      const qid = newGuid();
      const timer = setTimeout(() => {
        this.#pending.delete(qid);
        reject(new OkgateError(ErrorNumber.TIMED_OUT, "The gateway did not answer in time", method));
      }, timeoutMs);
      this.#pending.set(qid, { method, resolve, reject, timer });
      this.#send(method, { ...fields, qid });
    });
  }

  /**
   * Asks for events, now and after each reconnection. Group names of section 7 (`phoneevent` …) are fine.
   *
   * @param {...string} names
   * @returns {Promise<void>} settled once the gateway has agreed; at once while there is no link
   */
  async subscribe(...names) {
    for (const name of names) this.#subscriptions.add(name);
    if (this.#status.state === "online") await this.request("subscribeevent", { eventmethod: names });
  }

  /**
   * @param {...string} names
   * @returns {Promise<void>}
   */
  async unsubscribe(...names) {
    for (const name of names) this.#subscriptions.delete(name);
    if (this.#status.state === "online") await this.request("unsubscribeevent", { eventmethod: names });
  }

  /**
   * Calls `handler` for each event of this name. Events that nobody handles are ignored.
   *
   * @param {string} name
   * @param {(fields: any) => void} handler
   * @returns {() => void} takes the handler off again
   */
  on(name, handler) {
    if (!this.#handlers.has(name)) this.#handlers.set(name, new Set());
    this.#handlers.get(name).add(handler);
    return () => this.off(name, handler);
  }

  /**
   * @param {string} name
   * @param {(fields: any) => void} handler
   */
  off(name, handler) {
    this.#handlers.get(name)?.delete(handler);
  }

  /** Link, first `ping`, login, subscriptions: the order of section 6.1. */
  async #establish(fields) {
    this.#setStatus({ state: "connecting" });
    await this.#openAndPing();
    const answer = await this.request("login", fields);
    const { userlogin, userid, sessionid } = answer;
    this.#session = { userlogin, userid, sessionid };
    for (let agreed = 0; agreed < this.#subscriptions.size;) {
      const names = [...this.#subscriptions];
      await this.request("subscribeevent", { eventmethod: names });
      agreed = names.length;
    }
    this.#failures = 0;
    this.#pingTimer = setInterval(() => this.#ping(), this.#options.pingIntervalMs);
    this.#setStatus({ state: "online" });
    this.emit("client.ready", this.#session);
    return this.#session;
  }

  /** The answer to the `ping` may be a redirection to TLS; then there is one more link, and no `ping` on it. */
  async #openAndPing() {
    const url = this.#url;
    try {
      await this.#open();
      await this.request("ping");
    } catch (error) {
      if (this.#url === url) throw error;
      await this.#open();
    }
  }

  /** Opens a socket and resolves when it is usable. */
  #open() {
    this.#detach();
    return new Promise((resolve, reject) => {
      const failed = () => reject(new OkgateError(ErrorNumber.NOT_AVAILABLE, "The gateway cannot be reached", "login"));
      this.#giveUpOpening = failed;
      let socket;
      try {
        socket = new this.#options.WebSocket(this.#url, "json");
      } catch {
        failed();
        return;
      }
      this.#openTimer = setTimeout(() => this.#lost(), this.#options.connectTimeoutMs);
      this.#socket = socket;
      socket.onopen = () => {
        clearTimeout(this.#openTimer);
        resolve();
      };
      socket.onmessage = ({ data }) => this.#receive(data);
      socket.onclose = () => this.#lost();
    });
  }

  /** One try to get the session back; on failure the next one is set. */
  async #restore() {
    const { userlogin, sessionid } = this.#session;
    try {
      await this.#establish({ userlogin, sessionid });
    } catch (error) {
      if (this.#session?.sessionid !== sessionid) return; // Closed, or logged in anew meanwhile.
      if (error.method === "login" && !PASSING_ERRORS.has(error.number)) {
        this.close();
        this.emit("client.rejected", error);
        return;
      }
      this.#detach();
      this.#wait();
    }
  }

  /** The socket has gone by itself. */
  #lost() {
    const wasOnline = this.#status.state === "online";
    this.#detach();
    if (wasOnline) this.#wait(); // Otherwise the try under way fails and says what follows.
  }

  /** Sets the next try: exponential back-off with jitter, so that a thousand tabs do not come back at once. */
  #wait() {
    const { backoffMinMs, backoffMaxMs, random } = this.#options;
    const bound = Math.min(backoffMaxMs, backoffMinMs * 2 ** this.#failures);
    const delay = backoffMinMs / 2 + random() * (bound - backoffMinMs / 2);
    this.#failures = Math.min(this.#failures + 1, 16);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#restore(), delay);
    this.#setStatus({ state: "waiting", retryAt: Date.now() + delay });
  }

  /** Lets the socket go and fails everything that waits for it. */
  #detach() {
    clearTimeout(this.#openTimer);
    clearInterval(this.#pingTimer);
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = null;
    this.#multipart.clear();
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.#giveUpOpening?.();
    this.#giveUpOpening = null;
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { method, reject, timer } of waiting) {
      clearTimeout(timer);
      reject(new OkgateError(ErrorNumber.NOT_AVAILABLE, "The link to the gateway was lost", method));
    }
  }

  /** Asks for a sign of life; any message within `silenceMs` is one. */
  #ping() {
    if (this.#silenceTimer !== null) return;
    const askedAt = performance.now();
    this.#send("ping", { qid: newGuid() });
    this.#silenceTimer = setTimeout(() => {
      this.#silenceTimer = null;
      if (this.#lastSoundAt < askedAt) this.#lost();
    }, this.#options.silenceMs);
  }

  #send(name, fields) {
    const text = JSON.stringify([name, fields]);
    if (text.length <= this.#options.multipartOver) {
      this.#socket.send(text);
      return;
    }
    for (const packet of splitMultipart(text, newGuid())) this.#socket.send(packet);
  }

  #receive(text) {
    this.#lastSoundAt = performance.now();
    const message = parseMessage(text);
    if (!message) return;
    const [name, fields] = message;
    if (name === "multipart") this.#receivePacket(fields);
    else if (name === "websocketredirect") this.#redirect();
    else if (this.#pending.has(fields.qid)) this.#settle(fields);
    else if (name === "ping") this.#send("pong", fields);
    else if (name === "error") this.emit("client.error", errorOf(fields, fields.method));
    else this.emit(name, fields);
  }

  #receivePacket(fields) {
    try {
      const text = this.#multipart.accept(fields, performance.now());
      if (text !== null) this.#receive(text);
    } catch (error) {
      if (!(error instanceof MultipartError)) throw error;
      this.emit("client.error", new OkgateError(400, error.message, "multipart"));
    }
  }

  /** Answers are matched by `qid` alone; a missing `result` means 1 (protocol 3.1). */
  #settle(fields) {
    const { method, resolve, reject, timer } = this.#pending.get(fields.qid);
    clearTimeout(timer);
    this.#pending.delete(fields.qid);
    if (Number(fields.result ?? 1) === 1) resolve(fields);
    else reject(errorOf(fields, method));
  }

  /** The gateway takes tabs over TLS only (protocol 6.1): come back with wss on port 443. */
  #redirect() {
    const url = new URL(this.#url);
    if (url.protocol === "wss:") return;
    url.protocol = "wss:";
    url.port = "443";
    this.#url = url.href;
    this.#lost();
  }

  #setStatus(status) {
    if (status.state === "closed" && this.#status.state === "closed") return;
    this.#status = status;
    this.emit("client.status", status);
  }

  /**
   * Calls the handlers of an event. For what is derived from the gateway's events; a handler that throws must not
   * keep the others from the event.
   *
   * @param {string} name
   * @param {any} payload
   */
  emit(name, payload) {
    for (const handler of [...(this.#handlers.get(name) ?? [])]) {
      try {
        handler(payload);
      } catch (error) {
        console.error(`okgate: a handler of ${name} failed`, error);
      }
    }
  }
}

/** @param {Credentials} credentials */
function loginFields({ userlogin, password = "", sessionid, token }) {
  if (token !== undefined) return { ...(userlogin && { userlogin }), token };
  if (sessionid !== undefined) return { userlogin, sessionid };
  return { userlogin, ...passwordHashes(password) };
}

/** @returns {[string, object] | null} null for anything but a two-element message */
function parseMessage(text) {
  try {
    const message = JSON.parse(text);
    const [name, fields] = Array.isArray(message) ? message : [];
    return typeof name === "string" && typeof fields === "object" && fields ? [name, fields] : null;
  } catch {
    return null;
  }
}

function errorOf(fields, method) {
  return new OkgateError(Number(fields.error ?? 0), String(fields.errormsg ?? ""), method);
}

/** @returns {string} a random GUID; `crypto.randomUUID` is missing on pages served over plain HTTP. */
export function newGuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

const OPEN = 1;

/** Refusals of a login by session that say nothing about the session: trying again is right. */
const PASSING_ERRORS = new Set([ErrorNumber.TOO_MANY, ErrorNumber.NOT_AVAILABLE, ErrorNumber.TIMED_OUT, 50025, 50093]);

const DEFAULTS = {
  requestTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  pingIntervalMs: 15_000,
  silenceMs: 10_000,
  backoffMinMs: 500,
  backoffMaxMs: 30_000,
  multipartOver: 64 * 1024,
  pendingMax: 256,
  random: Math.random,
};
