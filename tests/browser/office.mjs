// An office for the browser tests: the real gateway, four users, six tabs. Boris's second tab is narrow, Russian and dark.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import { openBrowser } from "./fakegateway.mjs";
import { CALLERS, USERS, startGateway } from "./gateway.mjs";

const [anna, boris] = USERS;
export const ANNA = anna;
export const BORIS = { ...boris, password: "Boris-secret" };
export const CLARA = {
  id: "11111111-1111-4111-8111-111111111103",
  login: "clara",
  name: "Clara Weiss",
  number: "103",
  password: "Clara-secret",
};
/** May listen to anna and boris, not to clara. */
export const DANIEL = {
  id: "11111111-1111-4111-8111-111111111104",
  login: "daniel",
  name: "Daniel Novak",
  number: "104",
  password: "Daniel-secret",
  supervises: ["anna", "boris"],
};
/** Somebody outside whom the CRM knows, one whom nobody knows, one who never picks up, and one who is busy. */
export const IVAN = { name: CALLERS[89274513158], number: "89274513158" };
export const STRANGER = { name: "8 800 555-35-35", number: "88005553535" };
export const SILENT = { name: "8 800 100-00-01", number: "88001000001" };
export const BUSY = { name: "8 800 100-00-02", number: "88001000002" };
/** Rings clara and daniel, whoever is free. */
export const HOTLINE = { name: "Hotline", number: "500" };
/** A voice menu that passes its callers on to the hotline, and one that keeps them. */
export const WELCOME = { name: "Welcome", number: "700" };
export const WEATHER = { name: "Weather", number: "701" };

const SETTINGS = `
[[groups]]
number = "${HOTLINE.number}"
name = "${HOTLINE.name}"
kind = "queue"
users = ["clara", "daniel"]
[[voice_menus]]
number = "${WELCOME.number}"
name = "${WELCOME.name}"
then = "${HOTLINE.number}"
then_after_ms = 500
[[voice_menus]]
number = "${WEATHER.number}"
name = "${WEATHER.name}"
`;
const SIM = `
answer_after_ms = 400
busy_numbers = ["${BUSY.number}"]
no_answer_numbers = ["${SILENT.number}"]
`;
/** Who has which tabs. */
const TABS = [
  [ANNA, {}],
  [ANNA, { colorScheme: "dark", viewport: { width: 1440, height: 900 } }],
  [BORIS, {}],
  [BORIS, { colorScheme: "dark", viewport: { width: 360, height: 740 }, locale: "ru-RU" }],
  [CLARA, {}],
  [DANIEL, { viewport: { width: 1440, height: 900 } }],
];

export class Office {
  #browser;
  #gateway;
  #tabs = new Map();
  #errors = [];

  async open() {
    const users = [ANNA, BORIS, CLARA, DANIEL];
    this.#gateway = await startGateway({ users, sim: SIM, more: SETTINGS });
    this.#browser = await openBrowser();
    const opened = await Promise.all(TABS.map(([user, options]) => this.#openTab(user, options)));
    TABS.forEach(([user], index) => this.#tabs.set(user, [...this.tabs(user), opened[index]]));
    await Promise.all(users.map((user) => this.shows(user, { kind: "ready" })));
  }

  async close() {
    await this.#browser?.close();
    await this.#gateway?.stop();
  }

  /** No page has reported an error or broken the content policy. */
  assertNoErrors() {
    assert.deepEqual(this.#errors, []);
  }

  /** @returns {import("playwright-core").Page[]} */
  tabs(user) {
    return this.#tabs.get(user) ?? [];
  }

  /** @returns {import("playwright-core").Page} */
  tab(user, index = 0) {
    return this.#tabs.get(user)[index];
  }

  api(method, path, body) {
    return this.#gateway.api(method, path, body);
  }

  /** Somebody from outside calls; the answer names the call. */
  outsideCall({ number: from }, { number: to }) {
    return this.api("POST", "/api/v1/sim/calls", { from, to });
  }

  /** The outside party of a call hangs up. */
  outsideHangsUp({ chainid }) {
    return this.api("POST", `/api/v1/sim/calls/${chainid}/hangup`, {});
  }

  /** No call is known to the gateway any more. */
  async noCallIsLeft() {
    await eventually(async () => assert.deepEqual(await this.api("GET", "/api/v1/sim/calls"), []));
  }

  /** Presses one of the buttons in the call panel. */
  async press(user, action, index = 0) {
    await this.tab(user, index).locator(`#call-actions [data-action=${action}][aria-disabled=false]`).click();
  }

  /** Presses the phone in a colleague's row: a call, a consultation or an invitation, as the moment has it. */
  async reach(user, { number }, index = 0) {
    const page = await this.colleagues(user, index);
    await page.locator(`.person[data-number="${number}"] .person-call[aria-disabled=false]`).click();
  }

  /** Chooses from the menu in a colleague's row. */
  async choose(user, { number }, item, index = 0) {
    const page = await this.colleagues(user, index);
    await page.locator(`#colleagues .person[data-number="${number}"] .person-more`).click();
    await page.getByRole("menuitem", { name: item }).click();
  }

  /** Types into the number field and presses one of its buttons. */
  async dial(user, text, use, index = 0) {
    const page = this.tab(user, index);
    await page.locator("#dial-number").fill(text);
    await page.locator(`#dial-buttons [data-use=${use}][aria-disabled=false]`).click();
  }

  /** Brings the colleagues forward. */
  async colleagues(user, index = 0) {
    return this.show(user, "colleagues", index);
  }

  async show(user, panel, index = 0) {
    const page = this.tab(user, index);
    await page.locator(`#tab-${panel}`).click();
    return page;
  }

  /** Anna talks with boris: she calls him, each picks up. */
  async talk(caller, callee) {
    await this.reach(caller, callee);
    await this.shows(caller, { kind: "backring", party: callee });
    await this.press(caller, "answer");
    await this.shows(callee, { kind: "ring", party: caller });
    await this.press(callee, "answer");
    await this.shows(caller, { kind: "talk", party: callee });
    await this.shows(callee, { kind: "talk", party: caller });
  }

  /** Somebody from outside calls a user, who picks up. */
  async talkWithOutside(user, outside) {
    const call = await this.outsideCall(outside, user);
    await this.shows(user, { kind: "ring", party: outside });
    await this.press(user, "answer");
    await this.shows(user, { kind: "talk", party: outside });
    return call;
  }

  /**
   * All tabs of a user show this.
   *
   * @param {object} expected
   * @param {string} expected.kind the phone's state
   * @param {{name: string, number: string}} [expected.party]
   * @param {string} [expected.name] what the panel calls the call; the party's name if there is one
   * @param {string} [expected.below] is part of what stands below the name
   * @param {{name: string}} [expected.held] who is on hold; nobody without it
   * @param {string[]} [expected.actions]
   * @param {Record<string, string>} [expected.people] of the conference: what each number's bearer does there
   */
  async shows(user, expected) {
    await Promise.all(this.tabs(user).map((page, index) => this.#shows(user, page, index, expected)));
  }

  async #shows(user, page, index, { kind, party, name = party?.name, below, held, actions, people }) {
    const wrong = (seen) => {
      if (seen.kind !== kind) return "kind";
      if (party && seen.number !== party.number) return "number";
      if (name !== undefined && seen.name !== name) return "name";
      if (below !== undefined && !seen.below.includes(below)) return "below";
      if (held ? !seen.held.includes(held.name) : seen.held) return "held";
      if (actions && String(seen.actions) !== String(actions)) return "actions";
      if (people && canonical(seen.people) !== canonical(people)) return "people";
      return "";
    };
    await eventually(async () => {
      const seen = await page.evaluate(look);
      const fault = wrong(seen);
      if (fault) assert.fail(`tab ${index + 1} of ${user.login} shows another ${fault}: ${JSON.stringify(seen)}`);
    });
  }

  /** What the others see of a user in their list. */
  async colleagueShows(seer, { number }, state) {
    const row = `#colleagues .person[data-number="${number}"][data-state="${state}"]`;
    await Promise.all(this.tabs(seer).map((page) => page.locator(row).waitFor({ state: "attached" })));
  }

  async failureSays(user, text, index = 0) {
    const page = this.tab(user, index);
    await page.locator("#failure-notice", { hasText: text }).waitFor();
    await page.locator("#failure-notice button").click();
  }

  /** Everybody is idle again, and the gateway has no call. */
  async isQuiet() {
    await Promise.all([...this.#tabs.keys()].map((user) => this.shows(user, { kind: "ready", people: {} })));
    await this.noCallIsLeft();
  }

  async #openTab({ login, password, name }, options) {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.setDefaultTimeout(DEADLINE_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => this.#errors.push(String(error)));
    page.on("console", (message) => message.type() === "error" && this.#errors.push(message.text()));
    await page.goto(this.#gateway.pageUrl, { timeout: OPENING_DEADLINE_MS });
    await page.locator("#signin-login").fill(login);
    await page.locator("#signin-password").fill(password);
    await page.keyboard.press("Enter");
    await page.locator("#me", { hasText: name }).waitFor({ state: "attached" });
    return page;
  }
}

/** Tries until it no longer throws; after the deadline what it threw last is thrown. */
export async function eventually(attempt) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await pause(POLL_MS);
  }
}

/** What a page shows of the phone; runs in the page. */
function look() {
  const text = (id) => document.getElementById(id).textContent;
  const { kind, number = "" } = document.getElementById("call").dataset;
  const buttons = [...document.querySelectorAll("#call-actions button")];
  const competitors = [...document.querySelectorAll(".competitor")];
  return {
    kind,
    number,
    name: text("call-name"),
    below: text("call-number"),
    held: text("call-held-text"),
    actions: buttons.map(({ dataset }) => dataset.action),
    people: Object.fromEntries(competitors.map(({ dataset }) => [dataset.number, dataset.presence])),
  };
}

function canonical(people) {
  return JSON.stringify(Object.entries(people).sort());
}

const DEADLINE_MS = 5_000;
/** Six pages are opened at once, on a machine that may have other work. */
const OPENING_DEADLINE_MS = 30_000;
const POLL_MS = 25;
