// A gateway that answers from scripts, for what a test wants to see of the page: it speaks the protocol over the page's own
// WebSocket, which the browser hands to the test, and serves the page's files under the content policy of the real one.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { chromium } from "playwright-core";

const WEB = new URL("../../gateway/web/", import.meta.url).pathname;
const POLICY =
  "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
export const ADDRESS = "http://okgate.test/";

export const ANNA = {
  userid: "11111111-1111-4111-8111-111111111101",
  userlogin: "anna",
  username: "Anna Petrova",
  number: "101",
};
export const BORIS = {
  userid: "11111111-1111-4111-8111-111111111102",
  userlogin: "boris",
  username: "Boris Klimov",
  number: "102",
};
export const CLARA = {
  userid: "11111111-1111-4111-8111-111111111103",
  userlogin: "clara",
  username: "Clara Weiss",
  number: "103",
};
export const DANIEL = {
  userid: "11111111-1111-4111-8111-111111111104",
  userlogin: "daniel",
  username: "Daniel Novak",
  number: "104",
};
export const IVAN = {
  number: "89274513158",
  callerid: "89274513158",
  name: "Ivan Golubev",
  isextline: true,
  extline: "89274513158",
};
const CHAIN = "c0000000-0000-4000-8000-000000000001";

const FLAGS = [
  "isautocall",
  "isringing",
  "iswaitingforanswer",
  "iscommutated",
  "iswaitinginflash",
  "isivr",
  "isconference",
];

/** The line's picture with one flag of the other party's set. */
export function lineOf(flag, party = {}, rest = {}) {
  const flags = Object.fromEntries(FLAGS.map((name) => [name, name === flag]));
  const linestatestr = flag === "isringing" ? "lsReserved" : flag === "isautocall" ? "lsHookUp" : "lsCommutated";
  return {
    linestatestr,
    chainid: CHAIN,
    timertalklensec: 0,
    isflashing: false,
    abonent: { ...party, ...flags },
    ...rest,
  };
}

export const IDLE = { ...lineOf(""), linestatestr: "lsHookDown", chainid: "00000000-0000-0000-0000-000000000000" };

export const held = (flashed) => ({ isflashing: true, flashed });

export class FakeGateway {
  line = IDLE;
  received = [];
  presence = {
    userstateid: 1,
    userstate: 1,
    oncallcenter: true,
    onccmanual: false,
    onlunch: false,
    onredirect: false,
    lunchreasonid: null,
  };
  unknown = new Set();
  /** What the web address has beside the page, by path: a function of the request. */
  files = new Map();
  #socket = null;
  #waiting = [];
  #answers = {
    ping: () => ({}),
    login: ({ userlogin }) => ({ userlogin, userid: ANNA.userid, sessionid: "s1" }),
    getmyuserinfo: () => ({ ...ANNA, mainpbxnumber: ANNA.number, hasline: true, isoperator: true }),
    getuserstate: () => this.presence,
    setuserstate: (wish) => this.#setState(wish),
    cc_getlunchtypes: () => ({
      items: [
        { id: 1, name: "Lunch" },
        { id: 2, name: "Training" },
      ],
    }),
    getextendedlineinfo: () => this.line,
    getcurrentqueue: () => ({ queue: [] }),
    getredirectrules: () => ({ redirectrules: [] }),
    getpbxnumbers: () => ({
      numbers: PEOPLE.map(([user, department, state]) => numberOf(user, department, state)).concat(SERVICE),
    }),
    getallusernumbers: () => ({
      users: PEOPLE.map(([user]) => ({
        id: user.userid,
        name: user.username,
        main: user.number,
        nums: [user.number],
        sub: user !== DANIEL && user !== ANNA,
      })),
    }),
    getpbxcalljournal: () => ({ calls: [] }),
    checkcanconnecttogathertoconference: () => ({ canconnecttogather: this.line.isflashing }),
  };

  /**
   * Scripts the answers of a method: a function of the request's fields, which may also change the line and say events.
   * `{ result: 0, error, errormsg }` refuses. A method without a script is agreed to.
   */
  on(method, answer) {
    this.#answers[method] = answer;
    return this;
  }

  /** One step of a ladder (protocol 6.6): the line is the new one before the events go out. */
  step(line, ...events) {
    this.line = line;
    for (const event of events) this.say(...(Array.isArray(event) ? event : [event]));
    this.say("linestatechanged", { linestatestr: line.linestatestr });
  }

  say(name, fields = {}) {
    const body = name.startsWith("phoneevent_") ? { chainid: this.line.chainid, ...fields } : fields;
    this.#socket.send(JSON.stringify([name, { qid: randomUUID(), userid: ANNA.userid, userlogin: "anna", ...body }]));
  }

  /** The fields of the requests of this method so far, without their qid. */
  requests(method) {
    return this.received.filter(([name]) => name === method).map(([, { qid, ...fields }]) => fields);
  }

  /** Resolves with the fields of the next request of this method that nobody has waited for yet. */
  async request(method) {
    const at = this.received.findIndex((entry) => entry[0] === method && !entry.seen);
    if (at >= 0) {
      this.received[at].seen = true;
      const { qid, ...fields } = this.received[at][1];
      return fields;
    }
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${method} came`)), 10_000);
      this.#waiting.push({ method, resolve: () => (clearTimeout(timer), resolve()) });
    });
    return this.request(method);
  }

  /** Drops the link; the page comes back by itself. */
  drop() {
    this.#socket.close({ code: 1001 });
  }

  connect(socket) {
    this.#socket = socket;
    socket.onMessage((text) => this.#receive(socket, JSON.parse(text)));
  }

  #receive(socket, entry) {
    const [name, fields] = entry;
    this.received.push(entry);
    const answered = this.unknown.has(name)
      ? { result: 0, error: 404, errormsg: `unknown method \`${name}\`` }
      : (this.#answers[name]?.(fields) ?? {});
    const answer = name === "ping" ? "pong" : `${name}result`;
    socket.send(JSON.stringify([answer, { qid: fields.qid, ...(name !== "ping" && { result: 1 }), ...answered }]));
    for (const waiting of this.#waiting.filter(({ method }) => method === name)) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.resolve();
    }
  }

  #setState({ qid, ...wish }) {
    this.presence = { ...this.presence, ...wish, userstate: wish.userstateid ?? this.presence.userstateid };
    this.say("userstatechanged", this.presence);
    return this.presence;
  }
}

/** A browser for the tests of one file. */
export async function openBrowser() {
  return chromium.launch({
    executablePath: process.env.OKGATE_CHROMIUM || "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * A page of a gateway. Its errors fail the test that closes it with {@link closePage}.
 *
 * @returns {Promise<import("playwright-core").Page>}
 */
export async function openPage(browser, gateway, { path = "", ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    colorScheme: "light",
    locale: "en-US",
    ...options,
  });
  context.setDefaultTimeout(10_000);
  await context.route(`${ADDRESS}**`, (route) => serve(route, gateway));
  await context.routeWebSocket(/^ws:/, (socket) => gateway.connect(socket));
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  await page.goto(ADDRESS + path);
  return page;
}

/** Signs anna in and waits until her page is filled. */
export async function openDesk(browser, gateway, options) {
  const page = await openPage(browser, gateway, options);
  await page.locator("#signin-login").fill("anna");
  await page.locator("#signin-password").fill("secret");
  await page.keyboard.press("Enter");
  await page.locator(`.person[data-number="${BORIS.number}"]`).first().waitFor({ state: "attached" });
  await page.locator("#call-kind:not(:empty)").waitFor();
  return page;
}

export async function closePage(page) {
  assert.deepEqual(page.faults, [], "the page reported no error and broke no content policy");
  await page.context().close();
}

async function serve(route, gateway) {
  const name = new URL(route.request().url()).pathname.slice(1) || "index.html";
  const file = gateway.files.get(`/${name}`);
  if (file) return route.fulfill(file(route.request()));
  if (name === "config.json") return route.fulfill({ json: { websocket_port: 4066, websocket_tls_port: null } });
  try {
    const body = await readFile(join(WEB, name));
    const headers = { "content-type": `${TYPES[extname(name)]}; charset=utf-8`, "content-security-policy": POLICY };
    return await route.fulfill({ body, headers });
  } catch {
    return route.fulfill({ status: 404, body: "There is nothing here.\n" });
  }
}

function numberOf({ number, username }, department, state) {
  return { id: `n${number}`, number, caption: username, type: 0, typestr: "intRule", state, department };
}

const PEOPLE = [
  [ANNA, "Sales", 1],
  [BORIS, "Sales", 5],
  [CLARA, "Sales", 1],
  [DANIEL, "Support", 5],
];
const SERVICE = {
  id: "n500",
  number: "500",
  caption: "Support queue",
  type: 2,
  typestr: "intQueue",
  state: 1,
  department: "",
};
