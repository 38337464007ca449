// The client module against a gateway in memory.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";

import { splitMultipart } from "../../gateway/web/multipart.js";
import { OkgateClient, OkgateError } from "../../gateway/web/okgate.js";

globalThis.crypto ??= webcrypto; // Node 18

/**
 * A gateway in memory: `answers` maps a method to its answer's fields, or to a function of the request's fields;
 * `null` says nothing. `links` are the sockets in the order of their opening.
 */
function gatewayInMemory(answers = {}) {
  const gateway = { links: [], refuseLinks: false, answers: { ...OPENING, ...answers } };
  gateway.WebSocket = class {
    readyState = 0;
    received = [];

    constructor(url, protocol) {
      Object.assign(this, { url, protocol });
      gateway.links.push(this);
      queueMicrotask(() => {
        if (gateway.refuseLinks) return this.drop();
        this.readyState = 1;
        this.onopen?.();
      });
    }

    send(text) {
      const [name, fields] = JSON.parse(text);
      this.received.push([name, fields]);
      const answer = gateway.answers[name];
      const body = typeof answer === "function" ? answer(fields, this) : answer;
      if (body === null || body === undefined) return;
      this.say(ANSWER_NAMES[name] ?? `${name}result`, { qid: fields.qid, ...body });
    }

    say(name, fields) {
      this.sayText(JSON.stringify([name, fields]));
    }

    sayText(data) {
      queueMicrotask(() => this.onmessage?.({ data }));
    }

    close() {
      this.readyState = 3;
    }

    drop() {
      this.readyState = 3;
      this.onclose?.();
    }

    methods() {
      return this.received.map(([name]) => name);
    }
  };
  return gateway;
}

const OPENING = {
  ping: {},
  login: ({ userlogin }) => ({ result: 1, userlogin, userid: "u1", sessionid: "s1" }),
  subscribeevent: { result: 1 },
  logout: { result: 1 },
};
const ANSWER_NAMES = { ping: "pong" };
const ANNA = { userlogin: "anna", password: "Secret" };

function clientOf(gateway, options = {}) {
  return new OkgateClient({
    url: "ws://gateway.test:4066/",
    WebSocket: gateway.WebSocket,
    backoffMinMs: 2,
    backoffMaxMs: 4,
    ...options,
  });
}

/** The next event of this name that fits; fails after a deadline. */
function next(client, name, fits = () => true) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} within 5 s`)), 5000);
    const off = client.on(name, (fields) => {
      if (!fits(fields)) return;
      off();
      clearTimeout(timer);
      resolve(fields);
    });
  });
}

async function loggedIn(t, gateway, options) {
  const client = clientOf(gateway, options);
  t.after(() => client.close());
  await client.login(ANNA);
  return client;
}

test("it asks for JSON, pings, logs in with both hashes, and then subscribes", async (t) => {
  const gateway = gatewayInMemory();
  const client = clientOf(gateway);
  t.after(() => client.close());
  await client.subscribe("phoneevent", "userstatechanged");
  const session = await client.login(ANNA);

  const [link] = gateway.links;
  assert.deepEqual(session, { userlogin: "anna", userid: "u1", sessionid: "s1" });
  assert.equal(link.protocol, "json");
  assert.deepEqual(link.methods(), ["ping", "login", "subscribeevent"]);
  const { password, Password } = link.received[1][1];
  assert.equal(password, "5ebe2294ecd0e0f08eab7690d2a6ee69"); // of "secret"
  assert.notEqual(password, Password);
  assert.deepEqual(link.received[2][1].eventmethod, ["phoneevent", "userstatechanged"]);
  assert.equal(client.status.state, "online");
});

test("a missing result counts as success", async (t) => {
  const client = await loggedIn(t, gatewayInMemory({ getuserstate: { userstateid: 1 } }));
  assert.equal((await client.request("getuserstate")).userstateid, 1);
});

test("a refusal carries number, message and method", async (t) => {
  const client = await loggedIn(
    t,
    gatewayInMemory({ pbxanswercall: { result: 0, error: 409, errormsg: "nothing rings" } }),
  );
  await assert.rejects(client.request("pbxanswercall"), (error) => {
    assert.ok(error instanceof OkgateError);
    assert.deepEqual([error.number, error.message, error.method], [409, "nothing rings", "pbxanswercall"]);
    return true;
  });
});

test("an error with a known qid fails that request, one without is an event", async (t) => {
  const gateway = gatewayInMemory({
    getversion: ({ qid }, link) => link.say("error", { qid, result: 0, error: 413, errormsg: "too big" }),
  });
  const client = await loggedIn(t, gateway);
  await assert.rejects(client.request("getversion"), { number: 413 });
  const event = next(client, "client.error");
  gateway.links[0].say("error", { result: 0, error: 400, errormsg: "not an array" });
  assert.equal((await event).number, 400);
});

test("an answer that does not come in time fails the request, and coming late does no harm", async (t) => {
  const gateway = gatewayInMemory({ getuserstate: null, getversion: {} });
  const client = await loggedIn(t, gateway);
  await assert.rejects(client.request("getuserstate", {}, { timeoutMs: 5 }), { number: 504 });
  const [, { qid }] = gateway.links[0].received.at(-1);
  gateway.links[0].say("getuserstateresult", { qid, result: 1 });
  await client.request("getversion");
});

test("no more requests are under way than the limit says", async (t) => {
  const client = await loggedIn(t, gatewayInMemory({ getuserstate: null }), { pendingMax: 1 });
  const waiting = client.request("getuserstate");
  await assert.rejects(client.request("getuserstate"), { number: 429 });
  client.close();
  await assert.rejects(waiting, { number: 503 });
});

test("events reach their handlers until taken off; unknown ones and nonsense are ignored; a failing handler harms no other", async (t) => {
  const gateway = gatewayInMemory();
  const client = await loggedIn(t, gateway);
  t.mock.method(console, "error", () => {});
  const seen = [];
  client.on("phoneevent_ringstarted", () => {
    throw new Error("a handler's fault");
  });
  const off = client.on("phoneevent_ringstarted", ({ callerid }) => seen.push(callerid));
  const [link] = gateway.links;
  link.say("neverheardof", {});
  for (const nonsense of ["{", "[]", '["a"]', '["a",null]', "[1,{}]"]) link.sayText(nonsense);
  link.say("phoneevent_ringstarted", { callerid: "1" });
  await client.request("ping");
  off();
  link.say("phoneevent_ringstarted", { callerid: "2" });
  await client.request("ping");
  assert.deepEqual(seen, ["1"]);
});

test("the gateway's ping is answered with all its fields", async (t) => {
  const gateway = gatewayInMemory();
  const client = await loggedIn(t, gateway);
  gateway.links[0].say("ping", { qid: "from-gateway", extra: 1 });
  await client.request("ping");
  assert.deepEqual(gateway.links[0].received.find(([name]) => name === "pong")[1], { qid: "from-gateway", extra: 1 });
});

test("an answer in packets, the last first, is one answer", async (t) => {
  const gateway = gatewayInMemory({
    getpbxnumbers: ({ qid }, link) => {
      const text = JSON.stringify([
        "getpbxnumbersresult",
        { qid, result: 1, numbers: Array(300).fill({ caption: "Отдел" }) },
      ]);
      splitMultipart(text, "m1")
        .reverse()
        .forEach((packet) => link.sayText(packet));
    },
  });
  const client = await loggedIn(t, gateway);
  const { numbers } = await client.request("getpbxnumbers");
  assert.deepEqual([numbers.length, numbers[299].caption], [300, "Отдел"]);
});

test("a long request goes out in packets", async (t) => {
  const gateway = gatewayInMemory({ multipart: null });
  const client = await loggedIn(t, gateway, { multipartOver: 3000 });
  const request = client.request("sendusertextmessage", { text: "ж".repeat(5000) });
  const packets = gateway.links[0].received.filter(([name]) => name === "multipart").map(([, fields]) => fields);
  assert.ok(packets.length > 1);
  const [name, fields] = JSON.parse(packets.map(({ content }) => Buffer.from(content, "base64")).join(""));
  assert.deepEqual([name, fields.text.length], ["sendusertextmessage", 5000]);
  gateway.links[0].say("sendusertextmessageresult", { qid: fields.qid });
  await request;
});

test("a lost link comes back by its session, with its subscriptions", async (t) => {
  const gateway = gatewayInMemory({ getuserstate: null });
  const client = await loggedIn(t, gateway);
  await client.subscribe("phoneevent");
  const waiting = client.request("getuserstate");
  const states = [];
  client.on("client.status", ({ state }) => states.push(state));
  const ready = next(client, "client.ready");
  gateway.links[0].drop();
  await assert.rejects(waiting, { number: 503 });
  await ready;
  const [, second] = gateway.links;
  assert.deepEqual(second.methods(), ["ping", "login", "subscribeevent"]);
  const { qid, ...fields } = second.received[1][1];
  assert.deepEqual(fields, { userlogin: "anna", sessionid: "s1" });
  assert.deepEqual(states, ["waiting", "connecting", "online"]);
});

test("it keeps trying while the gateway is away, ever more slowly and within bounds", async (t) => {
  const gateway = gatewayInMemory();
  const client = await loggedIn(t, gateway, { backoffMinMs: 20, backoffMaxMs: 80, random: () => 1 });
  const delays = [];
  client.on("client.status", ({ state, retryAt }) => {
    if (state === "waiting") delays.push(Math.round(retryAt - Date.now()));
    if (delays.length === 5) gateway.refuseLinks = false;
  });
  gateway.refuseLinks = true;
  const ready = next(client, "client.ready");
  gateway.links[0].drop();
  await ready;
  for (const [index, expected] of [20, 40, 80, 80, 80].entries()) {
    assert.ok(Math.abs(delays[index] - expected) <= 10, `${delays}`);
  }
});

test("a session that the gateway no longer knows ends the trying", async (t) => {
  const gateway = gatewayInMemory();
  const client = await loggedIn(t, gateway);
  gateway.answers.login = { result: 0, error: 401, errormsg: "Bad request. Session does not exist" };
  const rejected = next(client, "client.rejected");
  gateway.links[0].drop();
  assert.equal((await rejected).message, "Bad request. Session does not exist");
  assert.deepEqual([client.status.state, client.session, gateway.links.length], ["closed", null, 2]);
});

test("a service that is away for a moment does not end the trying", async (t) => {
  const gateway = gatewayInMemory({ login: { result: 0, error: 503, errormsg: "Service not available" } });
  const client = clientOf(gateway);
  t.after(() => client.close());
  client.resume({ userlogin: "anna", sessionid: "s1" });
  await next(client, "client.status", ({ state }) => state === "waiting");
  gateway.answers.login = OPENING.login;
  assert.equal((await next(client, "client.ready")).userid, "u1");
});

test("a login that fails leaves nothing behind", async () => {
  const gateway = gatewayInMemory({ login: { result: 0, error: 401, errormsg: "Wrong login/pass combination" } });
  const client = clientOf(gateway);
  await assert.rejects(client.login(ANNA), { number: 401, message: "Wrong login/pass combination" });
  assert.equal(client.status.state, "closed");
  gateway.refuseLinks = true;
  await assert.rejects(client.login(ANNA), { number: 503 });
  assert.deepEqual([client.status.state, gateway.links.length], ["closed", 2]);
});

test("a gateway that stays silent after a ping counts as dead", async (t) => {
  const gateway = gatewayInMemory();
  const client = await loggedIn(t, gateway, { pingIntervalMs: 3, silenceMs: 3 });
  const ready = next(client, "client.ready");
  gateway.answers.ping = ({ qid }, link) => {
    if (link !== gateway.links[0]) link.say("pong", { qid });
  };
  await ready;
  assert.ok(gateway.links.length >= 2);
});

test("close during a try ends it for good", async () => {
  const gateway = gatewayInMemory({ login: null });
  const client = clientOf(gateway);
  const login = client.login(ANNA);
  client.close();
  await assert.rejects(login, { number: 503 });
  assert.equal(client.status.state, "closed");
});

test("a plain link that is redirected comes back over TLS and does not ping again", async (t) => {
  const gateway = gatewayInMemory({
    ping: ({ qid }, link) => link.say("websocketredirect", { qid }),
  });
  const client = clientOf(gateway);
  t.after(() => client.close());
  await client.login(ANNA);
  assert.equal(gateway.links[1].url, "wss://gateway.test/");
  assert.deepEqual(gateway.links[1].methods(), ["login"]);
});

test("logout ends the session on the gateway and the link here", async (t) => {
  const gateway = gatewayInMemory();
  const client = await loggedIn(t, gateway);
  await client.logout();
  assert.equal(gateway.links[0].methods().at(-1), "logout");
  assert.deepEqual([client.status.state, client.session], ["closed", null]);
  await assert.rejects(client.request("getuserstate"), { number: 503 });
});

// protocol 8-l to 8-n
test("onForm tells of forms that open and end until it is taken off, and values go out with the window", async (t) => {
  const gateway = gatewayInMemory({ methodresult: {}, closeform: {}, getuserstate: {} });
  const client = clientOf(gateway);
  t.after(() => client.close());
  const told = [];
  const off = client.onForm(
    (form) => told.push(form.formname),
    (windowid) => told.push(windowid),
  );
  await client.login(ANNA);
  const [link] = gateway.links;
  link.say("showuserform", { windowid: "w1", formname: "Card", inputparameters: {} });
  link.say("closeform", { windowid: "w1" });
  await client.formResult("w1", { comment: "x" });
  await client.closeForm("w1");
  off();
  link.say("showuserform", { windowid: "w2", formname: "Late" });
  await client.userState();
  assert.deepEqual(told, ["Card", "w1"]);
  const sent = link.received.filter(([name]) => ["subscribeevent", "methodresult", "closeform"].includes(name));
  assert.deepEqual(
    sent.map(([name, { qid, ...fields }]) => [name, fields]),
    [
      ["subscribeevent", { eventmethod: ["showuserform", "closeform"] }],
      ["methodresult", { windowid: "w1", outputparameters: { comment: "x" } }],
      ["closeform", { windowid: "w1" }],
    ],
  );
});
