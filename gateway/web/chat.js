/**
 * Messages: what colleagues write to each other, and what the gateway notifies this user of.
 *
 * Owns: the store's `threads` and `unread`, and the messages' panel. Comes in: `usertextmessagereceived`,
 * `shownotifymessage`. Goes out: `sendusertextmessage`. The browser tab keeps the last messages over a reload, and forgets
 * them with the sign-out.
 */

import { Events } from "./events.js";
import { announce, byId, element, icon, iconButton, initials, keepingFocus } from "./dom.js";
import { clearNotes, showNote } from "./notices.js";
import { idOf, truth } from "./phone.js";
import { nameOf } from "./people.js";
import { offers } from "./store.js";
import { strings } from "./strings.js";

/**
 * @typedef {object} Thread
 * @property {string} key the other user's id; `notifications` for the gateway's
 * @property {string} name
 * @property {Message[]} messages
 * @property {number} unread
 */

/** @typedef {{id: string, text: string, at: number, mine: boolean, from: string}} Message `id`: empty for none; `from`: only of notifications */

export const NOTIFICATIONS = "notifications";

/**
 * @param {Thread[]} threads
 * @param {{key: string, name?: string}} thread to which the message belongs; it comes to the front
 * @param {Message} message
 * @param {boolean} unread
 * @returns {Thread[]} the same if the message is there already
 */
export function withMessage(threads, { key, name = "" }, message, unread) {
  const known = threads.find((thread) => thread.key === key) ?? { key, name, messages: [], unread: 0 };
  if (message.id && known.messages.some(({ id }) => id === message.id)) return threads;
  const thread = {
    ...known,
    name: name || known.name,
    messages: [...known.messages, message].slice(-MESSAGES_MAX),
    unread: known.unread + Number(unread),
  };
  return [thread, ...threads.filter((other) => other.key !== key)].slice(0, THREADS_MAX);
}

/**
 * When it was said. `dt` is written as `dd.MM.yyyy HH:mm:ss` (protocol 7-p) and names no time zone, so what is younger than a
 * day counts from its coming.
 *
 * @returns {number} epoch milliseconds
 */
export function saidAt(dt, now) {
  const parts = /^(\d{2})\.(\d{2})\.(\d{4}) (\d{2}):(\d{2}):(\d{2})$/.exec(String(dt ?? ""));
  if (!parts) return now;
  const [, day, month, year, ...time] = parts.map(Number);
  const at = new Date(year, month - 1, day, ...time).getTime();
  return Math.abs(now - at) < DAY_MS ? now : at;
}

export class Chat {
  #panel = byId("panel-messages");
  #list = element("ul", { class: "threads", "aria-label": strings.chat.threads });
  #messages = element("ol", { class: "messages", role: "log", tabindex: "0", "aria-label": strings.chat.messages });
  #title = element("h2", { class: "thread-title" });
  #input = element("textarea", {
    rows: "2",
    maxlength: "2000",
    "aria-label": strings.chat.write,
    placeholder: strings.chat.write,
  });
  #form;
  #store;
  #commands;
  #tabs;
  #open = "";
  #userid = "";
  /** The message that is being written, by thread. */
  #drafts = new Map();
  /** What the thread shows: messages are added to it, so that screen readers hear only what is new. */
  #shown = { key: "", last: null };

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./commands.js").Commands} commands
   * @param {import("./tabs.js").Tabs} tabs
   */
  constructor(store, commands, tabs) {
    this.#store = store;
    this.#commands = commands;
    this.#tabs = tabs;
    this.#form = element(
      "form",
      { class: "compose", submit: (event) => this.#send(event) },
      this.#input,
      element("button", { class: "button button-primary", "aria-label": strings.chat.send }, icon("send")),
    );
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#send(event);
    });
    const back = iconButton("back", strings.chat.back, { class: "thread-back", click: () => this.openThread("") });
    const thread = element(
      "div",
      { class: "thread" },
      element("div", { class: "thread-head" }, back, this.#title),
      this.#messages,
      this.#form,
    );
    this.#panel.append(this.#list, thread);
    tabs.add("messages", strings.chat.title, this.#panel);
    store.watch(["threads", "people", "unknownMethods"], () => this.#show());
    store.watch(["unread"], ({ unread }) => tabs.setCount("messages", unread, strings.chat.unread(unread)));
  }

  /** @param {import("./okgate.js").OkgateClient} client */
  listen(client) {
    client.on("client.ready", ({ userid }) => this.#restore(userid));
    const handle = (name, handler) =>
      client.on(name, (event) => {
        this.#restore(client.session.userid);
        handler(event);
      });
    handle(Events.TEXT_MESSAGE, (event) => this.#received(event));
    handle(Events.NOTIFICATION, (event) => this.#notified(event));
    client.subscribe(Events.TEXT_MESSAGE, Events.NOTIFICATION).catch(() => {});
  }

  /** Shows the thread with this person, and leads there. */
  write({ userid, name }) {
    this.#tabs.choose("messages");
    this.openThread(userid, name);
    this.#input.focus();
  }

  /** Takes the unread ones of the open thread as read: the panel has come forward. */
  shown() {
    this.openThread(this.#open);
  }

  openThread(key, name = "") {
    if (key !== this.#open) {
      this.#drafts.set(this.#open, this.#input.value);
      this.#input.value = this.#drafts.get(key) ?? "";
      this.#open = key;
    }
    if (key) clearNotes(key);
    const { threads } = this.#store.state;
    const known = threads.find((thread) => thread.key === key);
    const read = threads.map((thread) => (thread.key === key && thread.unread ? { ...thread, unread: 0 } : thread));
    const next = key && !known ? [{ key, name, messages: [], unread: 0 }, ...read] : read;
    this.#put(next);
    this.#show();
  }

  #received({ id = "", text, sender, senderuserid, senderuserlogin, dt }) {
    const key = idOf(senderuserid) || String(senderuserlogin ?? sender ?? "");
    const name = nameOf(this.#store.state.people, { userid: senderuserid }) || String(sender || senderuserlogin || "");
    const message = { id, text: String(text ?? ""), at: saidAt(dt, Date.now()), mine: false, from: "" };
    if (!this.#add({ key, name }, message) || this.#isRead(key)) return;
    showNote(name, String(text ?? ""), { open: () => this.write({ userid: key, name }), about: key });
    announce(strings.chat.from(name, String(text ?? "")));
  }

  #notified({ id = "", text, sender, dt, autohide }) {
    const message = {
      id,
      text: String(text ?? ""),
      at: saidAt(dt, Date.now()),
      mine: false,
      from: String(sender ?? ""),
    };
    if (!this.#add({ key: NOTIFICATIONS, name: strings.chat.notifications }, message)) return;
    const stays = autohide !== undefined && !truth(autohide);
    showNote(message.from || strings.chat.notifications, message.text, { stays, about: NOTIFICATIONS });
    announce(strings.chat.from(message.from || strings.chat.notifications, message.text));
  }

  #isRead(key) {
    return key === this.#open && this.#tabs.chosen === "messages" && !document.hidden;
  }

  /** @returns {boolean} false if it was there already */
  #add(thread, message) {
    const { threads } = this.#store.state;
    const more = withMessage(threads, thread, message, !message.mine && !this.#isRead(thread.key));
    if (more !== threads) this.#put(more);
    return more !== threads;
  }

  #put(threads) {
    this.#store.set({ threads, unread: threads.reduce((sum, { unread }) => sum + unread, 0) });
    const few = threads
      .slice(0, KEPT_THREADS)
      .map((thread) => ({ ...thread, messages: thread.messages.slice(-KEPT_MESSAGES) }));
    sessionStorage.setItem(KEY, JSON.stringify({ userid: this.#userid, threads: few }));
  }

  async #send(event) {
    event.preventDefault();
    const text = this.#input.value.trim();
    const key = this.#open;
    if (!text || !key) return;
    const answer = await this.#commands.attempt(strings.failed.message, (client) => client.sendText(text, [key]));
    if (!answer) return;
    if (this.#input.value.trim() === text) this.#input.value = "";
    this.#add({ key }, { id: "", text, at: Date.now(), mine: true, from: "" });
  }

  #show() {
    const { threads } = this.#store.state;
    const open = threads.find(({ key }) => key === this.#open);
    this.#panel.dataset.open = String(Boolean(open));
    this.#panel.dataset.empty = String(threads.length === 0);
    const items = threads.map((thread) => this.#item(thread));
    const none = element("li", { class: "empty" }, strings.chat.empty);
    keepingFocus(this.#list, () => this.#list.replaceChildren(...(items.length ? items : [none])));
    this.#title.textContent = open?.name ?? "";
    this.#form.hidden = !open || open.key === NOTIFICATIONS || !offers(this.#store.state, "sendusertextmessage");
    this.#showMessages(open);
  }

  #showMessages({ key = "", messages = [] } = {}) {
    const { scrollTop, scrollHeight, clientHeight } = this.#messages;
    const another = key !== this.#shown.key;
    const atEnd = another || scrollTop + clientHeight >= scrollHeight - 8 || messages.at(-1)?.mine;
    const known = another ? -1 : messages.indexOf(this.#shown.last);
    if (known < 0) this.#messages.replaceChildren();
    this.#messages.append(...messages.slice(known + 1).map(messageNode));
    while (this.#messages.children.length > messages.length) this.#messages.firstChild.remove();
    this.#shown = { key, last: messages.at(-1) ?? null };
    if (atEnd) this.#messages.scrollTop = this.#messages.scrollHeight;
  }

  /** Once a user, before the first message: the gateway may have kept some for the login. */
  #restore(userid) {
    if (this.#userid === userid) return;
    this.#userid = userid;
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (kept?.userid === userid) this.#put(kept.threads);
  }

  /** Nothing of the last user stays. */
  clear() {
    sessionStorage.removeItem(KEY);
    this.#userid = "";
    this.#open = "";
    this.#input.value = "";
    this.#drafts.clear();
  }

  #item({ key, name, messages, unread }) {
    const last = messages[messages.length - 1]?.text ?? "";
    const count = element("span", { class: "tab-count" }, unread ? String(unread) : "");
    const mark = element(
      "span",
      { class: "avatar", "aria-hidden": "true" },
      key === NOTIFICATIONS ? icon("bell") : initials(name),
    );
    const words = element(
      "span",
      { class: "person-words" },
      element("span", { class: "person-name" }, name),
      element("span", { class: "thread-last" }, last),
    );
    const properties = {
      type: "button",
      class: "thread-item",
      "data-key": key,
      "aria-current": String(key === this.#open),
      click: () => this.openThread(key),
    };
    return element("li", {}, element("button", properties, mark, words, count));
  }
}

function messageNode({ text, at, mine, from }) {
  const time = new Intl.DateTimeFormat(strings.language, {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).format(at);
  const meta = [from, mine ? strings.chat.me : "", time].filter(Boolean).join(" · ");
  return element(
    "li",
    { class: mine ? "message message-mine" : "message" },
    element("p", { class: "message-text" }, text),
    element("p", { class: "message-meta" }, meta),
  );
}

const MESSAGES_MAX = 200;
const THREADS_MAX = 100;
const KEPT_THREADS = 20;
const KEPT_MESSAGES = 50;
const KEY = "okgate.threads";
const DAY_MS = 24 * 3600 * 1000;
