// The password hashes of protocol 6.1, against node's own MD5 and known bytes.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { md5Hex, passwordBytes, passwordHashes } from "../../gateway/web/md5.js";

const nodeMd5 = (bytes) => createHash("md5").update(Uint8Array.from(bytes)).digest("hex");

test("the vectors of RFC 1321 come out", () => {
  const vectors = {
    "": "d41d8cd98f00b204e9800998ecf8427e",
    a: "0cc175b9c0f1b6a831c399e269772661",
    abc: "900150983cd24fb0d6963f7d28e17f72",
    "message digest": "f96b697d7cb7938d525a2f31aaf161d0",
    abcdefghijklmnopqrstuvwxyz: "c3fcd3d76192e4007dfb496cca67e13b",
    ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789: "d174ab98d277d9f5a5611c2c9f419d9f",
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890":
      "57edf4a22be3c955ac49da2e2107b67a",
  };
  for (const [text, hash] of Object.entries(vectors)) assert.equal(md5Hex(passwordBytes(text)), hash, text);
});

test("every length around the block borders agrees with another implementation", () => {
  for (let length = 0; length <= 260; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 151 + length) & 0xff);
    assert.equal(md5Hex(bytes), nodeMd5(bytes), `length ${length}`);
  }
});

test("Russian letters are hashed as Windows-1251", () => {
  assert.deepEqual([...passwordBytes("АЯая")], [0xc0, 0xdf, 0xe0, 0xff]);
  assert.deepEqual([...passwordBytes("Ёё")], [0xa8, 0xb8]);
});

test("code units from U+0080 to U+0400 are dropped, later ones lose 848", () => {
  assert.deepEqual([...passwordBytes("a\u007f\u0080é\u03ff\u0400z")], [0x61, 0x7f, 0x7a]);
  assert.deepEqual(
    [...passwordBytes("\u0402\u0491")],
    [0x402 - 848, 0x491 - 848].map((value) => value & 0xff),
  );
});

test("login carries the lower-cased and the as-typed hash", () => {
  assert.deepEqual(passwordHashes("ПарольЁ7"), {
    password: nodeMd5([0xef, 0xe0, 0xf0, 0xee, 0xeb, 0xfc, 0xb8, 0x37]),
    Password: nodeMd5([0xcf, 0xe0, 0xf0, 0xee, 0xeb, 0xfc, 0xa8, 0x37]),
  });
});
