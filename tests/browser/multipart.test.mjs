// Long messages in packets: protocol 3.3.
import assert from "node:assert/strict";
import { test } from "node:test";

import { MultipartError, MultipartReader, splitMultipart } from "../../gateway/web/multipart.js";

const packetsOf = (text, length) => splitMultipart(text, "message-1", length).map((packet) => JSON.parse(packet)[1]);
const longText = JSON.stringify([
  "availablemethods",
  { qid: "1", methods: Array(200).fill({ name: "Карточка клиента 😀" }) },
]);

test("a split message comes back whole, every character intact", () => {
  const reader = new MultipartReader();
  const results = packetsOf(longText, 2048).map((packet) => reader.accept(packet, 0));
  assert.ok(results.length > 3);
  assert.deepEqual(
    results.slice(0, -1),
    results.slice(0, -1).map(() => null),
  );
  assert.deepEqual(JSON.parse(results.at(-1)), JSON.parse(longText));
});

test("packets carry pure ASCII, their number and their length", () => {
  for (const [number, packet] of packetsOf(longText, 2048).entries()) {
    assert.equal(packet.packetnumber, number);
    assert.equal(packet["content-length"], packet.content.length);
    assert.match(atob(packet.content), /^[\x20-\x7e]*$/);
  }
});

test("order and repetition of packets do not matter", () => {
  const reader = new MultipartReader();
  const packets = packetsOf(longText, 1024).reverse();
  assert.equal(reader.accept(packets[0], 0), null);
  const results = packets.map((packet) => reader.accept(packet, 0));
  assert.deepEqual(JSON.parse(results.at(-1)), JSON.parse(longText));
});

test("packets of odd sizes, each encoded for itself and cutting a character in two, are joined", () => {
  const bytes = Buffer.from('["a",{"name":"Ёлка"}]');
  const cuts = [0, 14, 15, bytes.length];
  const reader = new MultipartReader();
  const results = [0, 1, 2].map((number) =>
    reader.accept(
      {
        "message-id": "m",
        packetcount: 3,
        packetnumber: number,
        content: bytes.subarray(cuts[number], cuts[number + 1]).toString("base64"),
      },
      0,
    ),
  );
  assert.equal(results[2], bytes.toString());
});

test("two messages in pieces at the same time are kept apart", () => {
  const reader = new MultipartReader();
  const [first, second] = ["first".repeat(10), "second".repeat(10)].map((text, index) =>
    splitMultipart(JSON.stringify([text, {}]), `message-${index}`, 32).map((packet) => JSON.parse(packet)[1]),
  );
  first.slice(0, -1).forEach((packet) => reader.accept(packet, 0));
  const secondResult = second.map((packet) => reader.accept(packet, 0)).at(-1);
  assert.equal(JSON.parse(secondResult)[0], "second".repeat(10));
  assert.equal(JSON.parse(reader.accept(first.at(-1), 0))[0], "first".repeat(10));
});

test("each bound of an unfinished message is held, and the message dropped", () => {
  const packet = { "message-id": "m", packetcount: 2, packetnumber: 0, content: btoa("0123456789") };
  assert.throws(() => new MultipartReader({ packets: 1 }).accept(packet, 0), MultipartError);
  assert.throws(() => new MultipartReader({ bytes: 9 }).accept(packet, 0), MultipartError);
  assert.throws(() => new MultipartReader().accept({ ...packet, packetnumber: 2 }, 0), MultipartError);
  assert.throws(() => new MultipartReader().accept({ ...packet, packetcount: "x" }, 0), MultipartError);
  assert.throws(() => new MultipartReader().accept({ ...packet, content: "%" }, 0), MultipartError);
  const full = new MultipartReader({ messages: 1 });
  full.accept(packet, 0);
  assert.throws(() => full.accept({ ...packet, "message-id": "other" }, 0), MultipartError);
});

test("an unfinished message that is too old makes room", () => {
  const reader = new MultipartReader({ messages: 1, ageMs: 1000 });
  const packet = { "message-id": "old", packetcount: 2, packetnumber: 0, content: btoa("[") };
  reader.accept(packet, 0);
  assert.equal(reader.accept({ ...packet, "message-id": "new" }, 1001), null);
  assert.equal(reader.accept({ ...packet, packetnumber: 1, "message-id": "new", content: btoa("]") }, 1002), "[]");
});
