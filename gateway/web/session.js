/**
 * Signing in and out, and which of the page's views is shown.
 *
 * Owns: the client, the kept session and the sign-in form. Comes in: the person's login, the client's fate.
 * Goes out: a client that is online, or the sign-in view. The session lives as long as the browser tab, over reloads.
 */

import { byId, setText } from "./dom.js";
import { clearFailure } from "./notices.js";
import { ErrorNumber, OkgateClient } from "./okgate.js";
import { inWords, strings } from "./strings.js";

export class SessionKeeper {
  /** @type {OkgateClient | null} */
  #client = null;
  #prepare;
  #clear;

  /**
   * @param {(client: OkgateClient) => void} prepare is given each new client before it logs in
   * @param {() => void} clear takes everything of the last user off the page
   */
  constructor(prepare, clear) {
    this.#prepare = prepare;
    this.#clear = clear;
    byId("signin").addEventListener("submit", (event) => this.#signIn(event));
    byId("sign-out").addEventListener("click", () => this.#signOut());
    addEventListener("online", () => this.#client?.wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#client?.wake());
  }

  /** @returns {OkgateClient | null} */
  get client() {
    return this.#client;
  }

  /** Takes up the session that was kept, or asks who is there. */
  async start() {
    const session = keptSession();
    if (!session) {
      showView("signin");
      return;
    }
    try {
      (await this.#ensureClient()).resume(session);
    } catch (error) {
      showView("signin");
      setText(byId("signin-error"), error.message);
    }
  }

  async #ensureClient() {
    if (this.#client) return this.#client;
    const client = new OkgateClient({ url: await gatewayUrl() });
    client.on("client.ready", (session) => this.#onReady(session));
    client.on("client.rejected", () => {
      this.#leave();
      setText(byId("signin-error"), strings.signIn.sessionOver);
    });
    this.#prepare(client);
    this.#client = client;
    return client;
  }

  async #signIn(event) {
    event.preventDefault();
    const form = event.target;
    const [userlogin, password] = [form.login.value.trim(), form.password.value];
    const button = form.querySelector("button");
    const failed = (text) => setText(byId("signin-error"), text);
    failed("");
    if (!userlogin || !password) {
      failed(strings.signIn.missing);
      (userlogin ? form.password : form.login).focus();
      return;
    }
    button.disabled = true;
    setText(button, strings.signIn.working);
    try {
      await (await this.#ensureClient()).login({ userlogin, password });
      form.reset();
    } catch (error) {
      const unreachable = error.number === ErrorNumber.NOT_AVAILABLE && !strings.refusals[error.message];
      failed(unreachable ? strings.signInUnreachable : inWords(error));
      form.password.select();
    } finally {
      button.disabled = false;
      setText(button, strings.signIn.submit);
    }
  }

  #onReady(session) {
    sessionStorage.setItem(SESSION_KEY, JSON.stringify(session));
    const signedIn = document.body.dataset.view === "signin";
    if (document.body.dataset.view !== "desk") showView("desk");
    if (signedIn) byId("desk").focus({ preventScroll: true });
  }

  async #signOut() {
    this.#leave();
    await this.#client.logout();
  }

  #leave() {
    sessionStorage.removeItem(SESSION_KEY);
    clearFailure();
    this.#client.forgetPhone();
    this.#clear();
    showView("signin");
  }
}

/** Where tabs connect to; throws an error in words. */
async function gatewayUrl() {
  const config = await fetch("config.json", { cache: "no-store" })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject()))
    .catch(() => {
      throw new Error(strings.failed.config);
    });
  const secure = location.protocol === "https:";
  const port = secure ? config.websocket_tls_port : config.websocket_port;
  if (!port) throw new Error(secure ? strings.failed.noTls : strings.failed.config);
  return `${secure ? "wss" : "ws"}://${location.hostname}:${port}/`;
}

function showView(view) {
  document.body.dataset.view = view;
  document.title = strings.product;
  if (view === "signin") byId("signin-login").focus();
}

function keptSession() {
  try {
    return JSON.parse(sessionStorage.getItem(SESSION_KEY));
  } catch {
    return null;
  }
}

const SESSION_KEY = "okgate.session";
