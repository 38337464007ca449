// What the page derives from the protocol's fields, without a browser.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";

import { actionsOf, canSupervise, canTransfer, targetAction } from "../../gateway/web/callactions.js";
import { saidAt, withMessage } from "../../gateway/web/chat.js";
import { isUnknownMethod } from "../../gateway/web/commands.js";
import { competitorOf, conferenceOf, mayLead, others, withCompetitor } from "../../gateway/web/conference.js";
import { numberOf } from "../../gateway/web/dial.js";
import { Events } from "../../gateway/web/events.js";
import { merged, pastCallOf } from "../../gateway/web/history.js";
import { OkgateClient, OkgateError } from "../../gateway/web/okgate.js";
import { nameOf, peopleOf, withStates } from "../../gateway/web/people.js";
import { idOf, phoneOf } from "../../gateway/web/phone.js";
import { presenceWords } from "../../gateway/web/presence.js";
import { queueOf } from "../../gateway/web/queue.js";
import { newRule, sortedRules } from "../../gateway/web/redirect.js";
import { passwordFault } from "../../gateway/web/settings.js";
import { Store, emptyState } from "../../gateway/web/store.js";
import { english } from "../../gateway/web/strings-en.js";
import { russian } from "../../gateway/web/strings-ru.js";
import { languageOf } from "../../gateway/web/strings.js";

globalThis.crypto ??= webcrypto; // Node 18

const party = { name: "Ivan", number: "7", conference: false };
const state = (phone, rest = {}) => ({
  ...emptyState(),
  online: true,
  phone: phone && { held: null, conferenceid: "", party, ...phone },
  ...rest,
});
const held = party;

test("each moment has its actions", () => {
  const rows = [
    [state(null), []],
    [state({ kind: "ready" }), []],
    [state({ kind: "ring" }), ["answer", "decline"]],
    [state({ kind: "backring" }), ["answer", "cancel"]],
    [state({ kind: "backcall" }), ["cancel"]],
    [state({ kind: "backcall", held }), ["connect", "back"]],
    [state({ kind: "call", held }), ["connect", "back"]],
    [state({ kind: "talk" }), ["hold", "transfer", "build", "end"]],
    [state({ kind: "talk", held }), ["swap", "connect", "together", "back"]],
    [state({ kind: "held", held }), ["takeBack", "end"]],
    [state({ kind: "waiting" }), ["end"]],
    [state({ kind: "menu" }), ["end"]],
    [state({ kind: "talk", conferenceid: "c" }), ["hold", "people", "leave"]],
    [state({ kind: "talk", conferenceid: "c", held }), ["swap", "people", "leave"]],
    [
      state({ kind: "talk", conferenceid: "c" }, { unknownMethods: new Set(["exitconference"]) }),
      ["hold", "people", "end"],
    ],
    [state({ kind: "talk", conferenceid: "c", held }, { canJoinHeld: true }), ["joinHeld", "swap", "people", "leave"]],
    [
      state({ kind: "talk", conferenceid: "c" }, { conference: { ghost: true } }),
      ["monitor", "help", "conference", "leave"],
    ],
    [
      state({ kind: "talk" }, { unknownMethods: new Set(["pbxmaketransfer", "buildconferencefromcommutation"]) }),
      ["hold", "end"],
    ],
  ];
  for (const [moment, actions] of rows) assert.deepEqual(actionsOf(moment), actions, JSON.stringify(moment.phone));
});

test("a chosen number is called, consulted, invited or nothing at all", () => {
  const rows = [
    [state({ kind: "ready" }), "call", false],
    [state({ kind: "held", held }), "call", false],
    [state({ kind: "talk" }), "consult", true],
    [state({ kind: "talk", held }), null, true],
    [state({ kind: "talk", conferenceid: "c" }), "invite", false],
    [state({ kind: "talk", conferenceid: "c" }, { conference: { ghost: true } }), null, false],
    [state({ kind: "ring" }), null, false],
    [state({ kind: "ready" }, { online: false }), null, false],
  ];
  for (const [moment, target, transfer] of rows) {
    assert.equal(targetAction(moment), target);
    assert.equal(canTransfer(moment), transfer);
  }
});

test("only a busy colleague whom the gateway names may be supervised, by somebody who is free", () => {
  const person = { number: "102", supervised: true };
  const busy = { numberStates: new Map([["102", "busy"]]) };
  assert.ok(canSupervise(state({ kind: "ready" }, busy), person));
  assert.ok(!canSupervise(state({ kind: "talk" }, busy), person));
  assert.ok(!canSupervise(state({ kind: "ready" }), person));
  assert.ok(!canSupervise(state({ kind: "ready" }, busy), { ...person, supervised: false }));
});

test("competitors are in it, called, failed or gone", () => {
  const presences = ["", "Talking", "Invited", "MisInviteBusy", "MisInviteRefuse", "Exited"].map(
    (confstatestr) => competitorOf({ confstatestr }).presence,
  );
  assert.deepEqual(presences, ["in", "in", "calling", "failed", "failed", "out"]);
});

test("a conference is read with its flags in every form, and a changed competitor takes its place", () => {
  const conference = conferenceOf("c", {
    conference: { name: "Release", isghost: "0" },
    competitors: [
      { competitorid: "1", userid: "ME", iscreator: 1 },
      null,
      { competitorid: "2", number: 7 },
      { competitorid: "3", confstatestr: "Exited" },
    ],
  });
  assert.deepEqual(
    others(conference, "me").map(({ id }) => id),
    ["2"],
  );
  assert.ok(mayLead(conference, "me"));
  assert.ok(!mayLead(conference, "other"));
  const changed = withCompetitor(
    conference.competitors,
    competitorOf({ competitorid: "2", number: "7", confstatestr: "MisInviteTimeout" }),
  );
  assert.deepEqual(
    changed.map(({ presence }) => presence),
    ["in", "failed", "out"],
  );
  assert.equal(withCompetitor(changed, competitorOf({ competitorid: "4" })).length, 4);
});

test("people stand by department and name, services last, and I am not among them", () => {
  const words = { noDepartment: "none", services: "services", types: { 2: "Queue" } };
  const users = [
    { id: "A", name: "Zoe", main: "1", sub: "1" },
    { id: "b", name: "Adam", main: "2", nums: ["2", "22"] },
    { id: "c", name: "", nums: ["3"] },
    { id: "me", name: "Me", main: "9" },
  ];
  const numbers = [
    { number: "1", department: "Sales" },
    { number: "2", department: "Sales" },
    { number: "22", type: 2 },
    { number: "50", type: 2, caption: "Support" },
  ];
  const people = peopleOf(users, numbers, "ME", words);
  assert.deepEqual(
    people.map(({ name, department }) => [name, department]),
    [
      ["Adam", "Sales"],
      ["Zoe", "Sales"],
      ["3", "none"],
      ["Support", "services"],
    ],
  );
  assert.deepEqual(
    people.map(({ supervised }) => supervised),
    [false, true, false, false],
  );
  assert.equal(nameOf(people, { userid: "a" }), "Zoe");
  assert.equal(nameOf(people, { number: "50" }), "Support");
  assert.equal(nameOf(people, { number: "" }), "");
});

test("states that are known already are no change", () => {
  const states = new Map([["1", "ready"]]);
  assert.equal(withStates(states, [{ num: 1, numstateid: "1" }]), states);
  assert.deepEqual(
    [
      ...withStates(states, [
        { num: "1", numstateid: 5 },
        { num: "2", numstateid: 3 },
      ]),
    ],
    [
      ["1", "busy"],
      ["2", "dnd"],
    ],
  );
});

test("who waits keeps the moment of coming, and comes without one in nulls and doubles", () => {
  const first = queueOf([{ chainid: "c1", number: "7", name: "7" }, null], [], 100);
  assert.deepEqual(first, [{ key: "c1", name: "", number: "7", line: "", since: 100 }]);
  const second = queueOf(
    [
      { chainid: "C1", number: "7", caption: "Ivan" },
      { chainid: "0000-0000", number: "8" },
    ],
    first,
    200,
  );
  assert.deepEqual(
    second.map(({ key, since }) => [key, since]),
    [
      ["c1", 100],
      ["8", 200],
    ],
  );
});

test("a past call is seen from this user's side", () => {
  const call = (fields) =>
    pastCallOf({ timestart: "2026-01-01T10:00:00Z", callerid: "7", calledid: "101", ...fields }, ["101"]);
  const rows = [
    [
      { direction: "in", result: "answered", timeanswer: "2026-01-01T10:00:05Z", timestop: "2026-01-01T10:01:05Z" },
      ["in", "7", 60, false],
    ],
    [{ direction: "in", result: "abandoned", timestop: "2026-01-01T10:00:20Z" }, ["in", "7", 0, true]],
    [{ direction: "in", result: "refused" }, ["in", "7", 0, false]],
    [{ direction: "out", callerid: "101", calledid: "8800", result: "busy" }, ["out", "8800", 0, false]],
    [{ direction: "internal", callerid: "101", calledid: "102", result: "noanswer" }, ["out", "102", 0, false]],
    [{ direction: "internal", callerid: "102", result: "noanswer" }, ["in", "102", 0, true]],
  ];
  for (const [fields, [way, number, talkSeconds, missed]] of rows) {
    const past = call(fields);
    assert.deepEqual([past.way, past.number, past.talkSeconds, past.missed], [way, number, talkSeconds, missed]);
  }
  const [a, b] = [
    { key: "a", at: 1 },
    { key: "b", at: 2 },
  ];
  assert.deepEqual(
    merged([a], [b, { ...a }]).map(({ key }) => key),
    ["b", "a"],
  );
});

test("messages gather in threads, the latest first, and are bounded", () => {
  const message = { text: "x", at: 0, mine: false, from: "" };
  let threads = withMessage([], { key: "a", name: "Anna" }, message, true);
  threads = withMessage(threads, { key: "b", name: "Boris" }, message, false);
  threads = withMessage(threads, { key: "a" }, message, true);
  assert.deepEqual(
    threads.map(({ key, name, unread }) => [key, name, unread]),
    [
      ["a", "Anna", 2],
      ["b", "Boris", 0],
    ],
  );
  for (let count = 0; count < 300; count += 1) threads = withMessage(threads, { key: "a" }, message, false);
  assert.equal(threads[0].messages.length, 200);
  for (let count = 0; count < 150; count += 1) threads = withMessage(threads, { key: `k${count}` }, message, false);
  assert.equal(threads.length, 100);
  const said = new Date(2012, 9, 9, 9, 42, 33).getTime();
  assert.equal(saidAt("09.10.2012 09:42:33", said + 90_000_000), said);
  assert.equal(saidAt("09.10.2012 09:42:33", said + 10_000_000), said + 10_000_000, "the zone is not known");
  assert.equal(saidAt("yesterday", 7), 7);
});

test("rules count in their order; a new one has an id of 32 hex digits", () => {
  assert.deepEqual(
    sortedRules([{ id: 1, priority: 2 }, null, { id: 2 }]).map(({ id }) => id),
    [2, 1],
  );
  assert.match(newRule("u").id, /^[0-9a-f]{32}$/);
  assert.notEqual(newRule("u").id, newRule("u").id);
});

test("a name stands for a number when one colleague has it", () => {
  const people = [
    { name: "Anna Petrova", number: "1" },
    { name: "Anna Weiss", number: "2" },
  ];
  assert.deepEqual(numberOf("weiss", people), { number: "2" });
  assert.deepEqual(numberOf("+7 (800) 555", people), { number: "+7800555" });
  assert.ok(numberOf("anna", people).wrong && numberOf("zoe", people).wrong && numberOf("1;2", people).wrong);
  assert.deepEqual(numberOf("", people), {});
});

test("a state is put into words with its reason, and busy by choice is not a call", () => {
  const reasons = [{ id: 2, name: "Lunch" }];
  const words = (presence, kind = "ready") => presenceWords(presence, reasons, { kind });
  assert.equal(words({ userstateid: 2, lunchreasonid: "2" }), "Lunch");
  assert.equal(words({ userstateid: 5, onlunch: 1, lunchreasonid: 2 }, "talk"), "Lunch after this call");
  assert.equal(words({ userstateid: 5 }, "talk"), english.states.busy);
  assert.equal(words({ userstateid: 5 }), english.presence.busy);
});

test("only an unknown method hides what needs it, not an unknown object", () => {
  const unknown = (method, text) => isUnknownMethod(new OkgateError(404, text, method));
  assert.ok(unknown("pbxmaketransfer", "unknown method `pbxmaketransfer`"));
  assert.ok(!unknown("pbxmaketransfer", "there is no number 999"));
  assert.ok(unknown("changepassword", "whatever"));
  assert.ok(!isUnknownMethod(new OkgateError(409, "unknown method", "x")));
});

test("passwords that the protocol would mangle are refused", () => {
  assert.equal(passwordFault("a", "Пароль Ё-1", "Пароль Ё-1"), "");
  for (const [known, fresh, again] of [
    ["", "b", "b"],
    ["a", "", ""],
    ["a", "b", "c"],
    ["a", "ö", "ö"],
    ["a", "і", "і"],
  ])
    assert.ok(passwordFault(known, fresh, again));
});

test("ids compare without case, and GUID zero is none", () => {
  assert.deepEqual([idOf("AB-1"), idOf("00000000-0000-0000-0000-000000000000"), idOf(null)], ["ab-1", "", ""]);
});

test("what a ring said belongs to its caller alone, also in a consultation of the same chain", () => {
  const callers = new Map([["c", { number: "7", name: "Ivan", note: "Order" }]]);
  const consulted = {
    chainid: "c",
    isflashing: 1,
    flashed: { number: "7" },
    abonent: { number: "8", iscommutated: true },
  };
  const phone = phoneOf(consulted, null, callers);
  assert.deepEqual([phone.party.name, phone.held.name, phone.note], ["", "Ivan", ""]);
  assert.equal(phoneOf({ chainid: "c", abonent: { number: "7", isringing: true } }, null, callers).note, "Order");
});

test("the store tells only those who watch what changed, and all of it at once", () => {
  const store = new Store();
  const seen = [];
  const off = store.watch(["me", "phone"], ({ me, phone }) => seen.push([me, phone]));
  store.set({ me: 1, phone: 2 });
  store.set({ me: 1 });
  store.set({ queue: [] });
  off();
  store.set({ me: 3 });
  assert.deepEqual(seen, [
    [null, null],
    [1, 2],
  ]);
});

test("both languages have the same texts, of the same kinds", () => {
  const shape = (texts) =>
    Object.fromEntries(
      Object.entries(texts).map(([key, value]) => [
        key,
        typeof value === "object"
          ? shape(value)
          : `${typeof value} ${value.length > 0 && typeof value === "function" ? value.length : ""}`,
      ]),
    );
  assert.deepEqual(shape(russian), shape(english));
  assert.equal(russian.conference.count(2), "2 участника");
  assert.equal(languageOf("ru", ["de-DE", "en"]), "ru");
  assert.equal(languageOf(null, ["de-DE", "ru-RU"]), "ru");
  assert.equal(languageOf("xx", []), "en");
});

test("every method of the library asks what the protocol names", async () => {
  const client = new OkgateClient({ url: "ws://gateway.test/" });
  const asked = [];
  client.request = async (method, fields = {}) => void asked.push([method, fields]);
  await client.call("102", { intercom: true });
  await client.flash();
  await client.transfer("103");
  await client.invite("c", [{ number: "1" }]);
  await client.removeCompetitor("c", "k");
  await client.followConference("c");
  await client.supervise("u");
  await client.setSuperviseMode("c", "help");
  await client.setVoice("c", "k", true);
  await client.sendText("hi", ["u"]);
  await client.triggerCustomEvent("e", 1);
  await client.journal({ page: 0 });
  assert.deepEqual(asked, [
    ["pbxautocallstart", { number: "102", sequence: "user", intercom: true }],
    ["pbxmakeflash", { mode: "switch" }],
    ["pbxmaketransfer", { transferto: "103" }],
    ["invitetoconference", { conferenceid: "c", competitors: [{ number: "1" }] }],
    ["confdisconnectcompetitor", { conferenceid: "c", competitor: { competitorid: "k" } }],
    ["confhandleevent", { conferenceid: "c", eventtype: "competitors", handle: true }],
    ["attachasghost", { ghostedid: "u" }],
    ["confsetghostmode", { conferenceid: "c", ghostmode: "help" }],
    ["confsetvoiceparams", { conferenceid: "c", competitor: { competitorid: "k", ghosthelp: true } }],
    ["sendusertextmessage", { text: "hi", recipients: ["u"] }],
    ["triggercustomevent", { eventname: "e", eventparam: 1, recipients: [], sendback: "0" }],
    ["getpbxcalljournal", { filter: { page: 0 } }],
  ]);
});

test("every event has a name of its own", () => {
  const names = Object.values(Events);
  assert.equal(new Set(names).size, names.length);
});
