/**
 * The callers who wait for this user.
 *
 * Owns: the store's `queue`, its asking every five seconds (protocol 6.5-n) and its card. Comes in: the answers of
 * `getcurrentqueue`. Goes out: nothing; a waiting call comes by itself.
 */

import { LINE_EVENTS } from "./events.js";
import { byId, element, setText } from "./dom.js";
import { nameOf } from "./people.js";
import { duration, idOf, readableNumber } from "./phone.js";
import { offers } from "./store.js";
import { strings } from "./strings.js";

/** @returns {{key: string, name: string, number: string, line: string, since: number}[]} who was there before keeps the time of coming; `line`: the number of the group that is waited for */
export function queueOf(abonents, before, now) {
  const since = new Map(before.map((caller) => [caller.key, caller.since]));
  return (abonents ?? []).filter(Boolean).map((abonent) => {
    const number = String(abonent.number ?? abonent.callerid ?? "");
    const key = idOf(abonent.chainid) || number;
    const names = [abonent.username, abonent.name, abonent.simplename, abonent.caption].map((text) =>
      String(text ?? ""),
    );
    const name = names.find((text) => text && text !== number) ?? "";
    return { key, name, number, line: String(abonent.queue ?? ""), since: since.get(key) ?? now };
  });
}

export class Queue {
  #card = byId("queue");
  #list = byId("queue-list");
  #store;
  #commands;
  #asking = false;
  #soon = null;

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./commands.js").Commands} commands
   */
  constructor(store, commands) {
    this.#store = store;
    this.#commands = commands;
    setInterval(() => this.#ask(), ASK_EVERY_MS);
    setInterval(() => this.#tick(), 1000);
    document.addEventListener("visibilitychange", () => this.#ask());
    store.watch(["queue", "people", "unknownMethods"], (state) => this.#show(state));
  }

  /** @param {import("./okgate.js").OkgateClient} client */
  listen(client) {
    client.on("client.ready", () => this.#ask());
    for (const name of LINE_EVENTS) client.on(name, () => this.#askSoon());
  }

  /** Several events of one step ask once. */
  #askSoon() {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.#ask();
    }, SOON_MS);
  }

  async #ask() {
    const { state } = this.#store;
    if (this.#asking || document.hidden || !state.online || !offers(state, "getcurrentqueue")) return;
    this.#asking = true;
    try {
      const answer = await this.#commands.read((client) => client.queue());
      if (!answer) return;
      const queue = queueOf(answer.queue, this.#store.state.queue, Date.now());
      if (JSON.stringify(queue) !== JSON.stringify(this.#store.state.queue)) this.#store.set({ queue });
    } finally {
      this.#asking = false;
    }
  }

  #show(state) {
    this.#card.hidden = !offers(state, "getcurrentqueue");
    setText(byId("queue-count"), state.queue.length ? strings.queue.count(state.queue.length) : "");
    byId("queue-empty").hidden = state.queue.length > 0;
    this.#list.replaceChildren(
      ...state.queue.map(({ name, number, line, since }, index) =>
        element(
          "li",
          { class: "waiting", "data-number": number },
          element("span", { class: "waiting-place" }, String(index + 1)),
          element(
            "span",
            { class: "waiting-name", title: name || number },
            name || readableNumber(number) || strings.call.unknown,
          ),
          element(
            "span",
            { class: "waiting-line", title: readableNumber(number) },
            line ? nameOf(state.people, { number: line }) || line : name && readableNumber(number),
          ),
          element("time", { class: "waiting-time", "data-since": since }),
        ),
      ),
    );
    this.#tick();
  }

  #tick() {
    for (const time of this.#list.querySelectorAll("time")) {
      setText(time, duration((Date.now() - Number(time.dataset.since)) / 1000));
    }
  }
}

const ASK_EVERY_MS = 5000;
const SOON_MS = 300;
