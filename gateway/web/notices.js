/**
 * Messages over the page: the state of the link, and failures.
 *
 * Owns: the two notices at the foot of the page, which lie over it so that nothing below moves.
 * Comes in: link states, failures in words. Goes out: the wish to try again now.
 */

import { announce, byId, element, iconButton } from "./dom.js";
import { strings } from "./strings.js";

/** The calm banner about a lost link. */
export class LinkNotice {
  #node = byId("link-notice");
  #text = element("span", { class: "notice-text" });
  #count = element("span", { class: "notice-count", "aria-hidden": "true" });
  #timer = null;
  #wasLost = false;

  /** @param {() => void} retry */
  constructor(retry) {
    const button = element(
      "button",
      { type: "button", class: "button button-small", click: retry },
      strings.link.retryNow,
    );
    this.#node.append(element("span", { class: "notice-dot", "aria-hidden": "true" }), this.#text, this.#count, button);
  }

  /** @param {import("./okgate.js").LinkStatus} status */
  show({ state, retryAt }) {
    clearInterval(this.#timer);
    if (state === "online" || state === "closed") {
      this.#node.hidden = true;
      if (state === "online" && this.#wasLost) announce(strings.link.restored);
      this.#wasLost = false;
      return;
    }
    if (state === "connecting") {
      this.#count.textContent = strings.link.retrying;
      return;
    }
    this.#wasLost = true;
    this.#text.textContent = strings.link.lost;
    this.#node.hidden = false;
    this.#countDown(retryAt);
    this.#timer = setInterval(() => this.#countDown(retryAt), 1000);
  }

  #countDown(retryAt) {
    this.#count.textContent = strings.link.retryIn(Math.max(1, Math.ceil((retryAt - Date.now()) / 1000)));
  }
}

/**
 * Shows what failed until it is dismissed or read.
 *
 * @param {string} text
 */
export function showFailure(text) {
  const notice = element("div", { class: "notice notice-failure" }, element("span", { class: "notice-text" }, text));
  const close = () => notice.remove();
  notice.append(iconButton("close", strings.dismiss, { click: close }));
  byId("failure-notice").replaceChildren(notice);
  setTimeout(close, FAILURE_SHOWN_MS);
}

/** Takes the shown failure away: what it spoke of has been overtaken. */
export function clearFailure() {
  byId("failure-notice").replaceChildren();
}

/**
 * Shows a message from somebody, at the page's foot: it moves nothing and takes no focus.
 *
 * @param {string} title
 * @param {string} text
 * @param {{open?: () => void, stays?: boolean, about?: string}} [options] `open`: what a click on it does; `stays`: until it is dismissed;
 *   `about`: by which {@link clearNotes} finds it
 */
export function showNote(title, text, { open, stays = false, about = "" } = {}) {
  const words = element("span", { class: "notice-text" }, element("strong", {}, title), title ? ` ${text}` : text);
  const note = element("div", { class: "notice notice-note", "data-about": about }, words);
  const close = () => note.remove();
  if (open) {
    const show = () => {
      close();
      open();
    };
    note.append(element("button", { type: "button", class: "button button-small", click: show }, strings.show));
  }
  note.append(iconButton("close", strings.dismiss, { click: close }));
  const place = byId("notes");
  place.append(note);
  while (place.children.length > NOTES_MAX) place.firstChild.remove();
  if (!stays) setTimeout(close, FAILURE_SHOWN_MS);
}

/** Takes the messages about something away: it has been read. */
export function clearNotes(about) {
  for (const note of byId("notes").querySelectorAll(`[data-about="${CSS.escape(about)}"]`)) note.remove();
}

const NOTES_MAX = 3;
const FAILURE_SHOWN_MS = 10_000;
