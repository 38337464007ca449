// The phone's state from the line's picture: the rows of protocol 6.6, the order of 6.5.
import assert from "node:assert/strict";
import { test } from "node:test";

import { dialledNumber, duration, phoneOf, readableNumber } from "../../gateway/web/phone.js";

const IDLE = { isautocall: false, isringing: false, iscommutated: false, iswaitinginflash: false, isconference: false };
const party = { number: "89274513158", name: "Ivan Golubev" };
const info = (linestatestr, abonent, rest = {}) => ({
  linestatestr,
  chainid: "c1",
  isflashing: false,
  abonent: { ...IDLE, ...abonent },
  ...rest,
});

test("each row of the ladders gives its state", () => {
  const rows = [
    ["ready", info("lsHookDown", {})],
    ["disconnected", info("lsDisconnected", {})],
    ["ring", info("lsReserved", { ...party, isringing: true })],
    ["talk", info("lsCommutated", { ...party, iscommutated: true })],
    ["backring", info("lsReserved", { ...party, isringing: true, direction: "acm_callback" })],
    ["backcall", info("lsHookUp", { ...party, isautocall: true })],
    ["call", info("lsHookUp", { number: "102", iswaitingforanswer: true })],
    ["held", info("lsHookUp", {}, { isflashing: true, flashed: party })],
    ["waiting", info("lsCommutated", { ...party, iswaitinginflash: true })],
    ["menu", info("lsCommutated", { isivr: true, ivrname: "Main menu" })],
    ["talk", info("lsCommutated", { isconference: true, conferenceid: "x" })],
  ];
  for (const [kind, line] of rows) assert.equal(phoneOf(line).kind, kind);
});

test("dialling comes before ringing, as libraries of the field have it", () => {
  assert.equal(phoneOf(info("lsHookUp", { ...party, isautocall: true, isringing: true })).kind, "backcall");
});

test("a reserved line with nobody on it changes nothing", () => {
  const talk = phoneOf(info("lsCommutated", { ...party, iscommutated: true }));
  assert.equal(phoneOf(info("lsReserved", {}), talk), talk);
});

test("flags and seconds may come as text", () => {
  const phone = phoneOf(
    info("lsCommutated", { ...party, iscommutated: "1", isringing: "0" }, { timertalklensec: "42" }),
  );
  assert.deepEqual([phone.kind, phone.talkSeconds], ["talk", 42]);
});

test("a colleague's name wins over the event's, the event's over the line's", () => {
  const names = new Map([["c1", { number: party.number, name: "From the CRM", note: "" }]]);
  const ring = (abonent) => phoneOf(info("lsReserved", { ...abonent, isringing: true }), null, names).party.name;
  assert.equal(ring({ number: "102", username: "Boris Klimov", name: "x" }), "Boris Klimov");
  assert.equal(ring(party), "From the CRM");
  assert.equal(phoneOf(info("lsReserved", { number: "1", caption: "Desk", isringing: true })).party.name, "Desk");
});

test("a caller who is put on hold keeps the name that came with the ring", () => {
  const line = info("lsHookUp", {}, { isflashing: true, flashed: { number: "89274513158" } });
  assert.equal(
    phoneOf(line, null, new Map([["c1", { number: party.number, name: "From the CRM", note: "" }]])).party.name,
    "From the CRM",
  );
});

test("an unknown caller is a number without a name", () => {
  const { party: caller } = phoneOf(info("lsReserved", { number: "555", name: "555", caption: " ", isringing: true }));
  assert.deepEqual(caller, { name: "", number: "555", conference: false });
});

test("a held party beside a talk is kept apart from it", () => {
  const phone = phoneOf(
    info(
      "lsCommutated",
      { number: "102", username: "Boris", iscommutated: true },
      { isflashing: true, flashed: party },
    ),
  );
  assert.deepEqual([phone.kind, phone.party.name, phone.held.name], ["talk", "Boris", "Ivan Golubev"]);
});

test("numbers are read from what people type, and written for people to read", () => {
  assert.equal(dialledNumber(" +7 (927) 451-31-58 "), "+79274513158");
  assert.equal(dialledNumber("*21#"), "*21#");
  for (const wrong of ["", "anna", "12;34", "++1"]) assert.equal(dialledNumber(wrong), null);
  assert.equal(readableNumber("89274513158"), "8 927 451-31-58");
  assert.equal(readableNumber("101"), "101");
});

test("durations grow from minutes to hours", () => {
  assert.deepEqual([0, 7, 754, 3723].map(duration), ["0:00", "0:07", "12:34", "1:02:03"]);
});
