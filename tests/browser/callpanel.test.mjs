// The call panel, the dial card and the list of colleagues through every ladder of protocol 6.6, against a scripted gateway.
// OKGATE_SCREENSHOTS: where pictures go.
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, describe, test } from "node:test";

import {
  BORIS,
  CLARA,
  FakeGateway,
  IDLE,
  IVAN,
  closePage,
  held,
  lineOf,
  openBrowser,
  openDesk,
} from "./fakegateway.mjs";
import { assertNothingMoves, shot } from "./look.mjs";

const RING = [
  lineOf("isringing", IVAN),
  ["phoneevent_ringstarted", { callerid: IVAN.number, callername: "Ivan Golubev, Northwind" }],
];
const TALK = [
  lineOf("iscommutated", IVAN, { timertalklensec: 42 }),
  "phoneevent_ringstopped",
  "phoneevent_commstarted",
];
const CONSULTING = lineOf("isautocall", BORIS, held(IVAN));
const CONSULTED = lineOf("iscommutated", BORIS, held(IVAN));

let browser, gateway, page;
before(async () => (browser = await openBrowser()));
after(() => browser?.close());
beforeEach(async () => {
  gateway = new FakeGateway();
  page = await openDesk(browser, gateway);
});
afterEach(() => closePage(page));

describe("a ring", () => {
  test("moves nothing, takes no focus, and is spoken at once", async () => {
    await page.locator("#colleagues-find").focus();
    await assertNothingMoves(page, async () => {
      gateway.step(...RING);
      await shows("ring");
      gateway.step(IDLE, "phoneevent_ringstopped");
      await shows("ready");
      gateway.step(...RING);
      await shows("ring");
    });
    assert.equal(await page.evaluate(() => document.activeElement.id), "colleagues-find");
    assert.match(await page.locator("#announce-assertive").textContent(), /Ivan Golubev, Northwind/);
    assert.match(await page.title(), /Ivan Golubev, Northwind/);
    await shot(page, "panel-ring");
  });

  test("can be answered and declined, by mouse and by key", async () => {
    gateway.step(...RING);
    await press("Answer");
    await gateway.request("pbxanswercall");
    await page.keyboard.press("Alt+KeyX");
    await gateway.request("pbxdeclinecall");
  });
});

describe("in a talk", () => {
  beforeEach(async () => {
    gateway.step(...RING);
    gateway.step(...TALK);
    await shows("talk");
  });

  test("the name that came with the ring stays, and the timer runs from the gateway's count", async () => {
    await page.locator("#call-name", { hasText: "Ivan Golubev, Northwind" }).waitFor();
    await page.waitForFunction(() => /^0:4[2-9]$/.test(document.querySelector("#call-timer").textContent));
    await shot(page, "panel-talk");
  });

  test("a number that is typed is transferred to, blind", async () => {
    await page.keyboard.press("Alt+KeyT");
    await page.keyboard.type("102");
    await page.locator("#dial-buttons [data-use=transfer]").click();
    assert.deepEqual(await gateway.request("pbxmaketransfer"), { transferto: "102" });
    gateway.step(IDLE, "phoneevent_commstopped");
    await shows("ready");
    await page.locator("#dial-title", { hasText: "Dial" }).waitFor();
  });

  test("a colleague's row offers both, to consult and to transfer", async () => {
    await page.getByRole("button", { name: "Transfer to Clara Weiss, 103" }).click();
    assert.deepEqual(await gateway.request("pbxmaketransfer"), { transferto: CLARA.number });
    await page.getByRole("button", { name: "Consult Clara Weiss, 103" }).click();
    assert.deepEqual(await gateway.request("pbxautocallstart"), { number: "103", sequence: "user" });
  });

  test("a colleague is consulted by name, swapped with the caller, dropped again", async () => {
    await page.locator("#dial-number").fill("boris");
    await page.keyboard.press("Enter");
    assert.deepEqual(await gateway.request("pbxautocallstart"), { number: BORIS.number, sequence: "user" });
    gateway.step(CONSULTING, "flashstatechanged", "phoneevent_commstopped", [
      "phoneevent_acmcallstarted",
      { number: "102" },
    ]);
    await shows("backcall");
    await holds("Ivan Golubev, Northwind is on hold");
    await shot(page, "panel-consulting");

    gateway.step(CONSULTED, "phoneevent_acmcallstopped", "phoneevent_commstarted");
    await shows("talk");
    await page.locator("#call-name", { hasText: "Boris Klimov" }).waitFor();
    await shot(page, "panel-consulted");
    await press("Swap");
    assert.deepEqual(await gateway.request("pbxmakeflash"), { mode: "switch" });
    gateway.step(
      lineOf("iscommutated", IVAN, held(BORIS)),
      "flashstatechanged",
      "phoneevent_commstopped",
      "phoneevent_commstarted",
    );
    await holds("Boris Klimov is on hold");
    await press("Drop this one");
    assert.deepEqual(await gateway.request("pbxmakeflash"), { mode: "abort" });
    gateway.step(
      lineOf("iscommutated", BORIS),
      "phoneevent_commstopped",
      "flashstatechanged",
      "phoneevent_commstarted",
    );
    await holds("");
  });

  test("the two are connected, after the consultation and while it still rings", async () => {
    for (const line of [CONSULTED, CONSULTING]) {
      gateway.step(line, "flashstatechanged");
      await press("Connect both");
      assert.deepEqual(await gateway.request("pbxabortcall"), {});
    }
  });

  test("with somebody on hold the one who talks is transferred, and nobody else can be consulted", async () => {
    gateway.step(CONSULTED, "flashstatechanged");
    await page.locator("#dial-title", { hasText: "Transfer" }).waitFor();
    await page.locator("#dial-number").fill("103");
    await page.keyboard.press("Enter");
    assert.deepEqual(await gateway.request("pbxmaketransfer"), { transferto: "103" });
    assert.equal(await page.locator('.person[data-number="103"] .person-call').getAttribute("aria-disabled"), "true");
  });

  test("hold and taking back are one key", async () => {
    await page.keyboard.press("Alt+KeyH");
    assert.deepEqual(await gateway.request("pbxmakeflash"), { mode: "switch" });
    gateway.step(
      { ...lineOf("", {}, held(IVAN)), linestatestr: "lsHookUp" },
      "flashstatechanged",
      "phoneevent_commstopped",
    );
    await shows("held");
    await press("Take back");
    assert.deepEqual(await gateway.request("pbxmakeflash"), { mode: "switch" });
  });

  test("being held by the other side is said, and leaves only the end", async () => {
    gateway.step(lineOf("iswaitinginflash", IVAN));
    await shows("waiting");
    await page.locator("#call-kind", { hasText: "You are on hold" }).waitFor();
    assert.deepEqual(await actions(), ["end"]);
  });

  test("a refusal is told in words, and the line is read again", async () => {
    gateway.on("pbxmaketransfer", () => ({ result: 0, error: 409, errormsg: "not in a talk" }));
    await page.getByRole("button", { name: "Transfer to Clara Weiss, 103" }).click();
    await page.getByText("The call could not be transferred. That is not possible at this moment.").waitFor();
  });

  test("what the gateway does not know disappears", async () => {
    for (const method of ["pbxmaketransfer", "buildconferencefromcommutation"]) gateway.unknown.add(method);
    await page.getByRole("button", { name: "Transfer to Clara Weiss, 103" }).click();
    await page.getByText("This gateway does not offer that yet.").waitFor();
    await press("Conference");
    await page.waitForFunction(() => document.querySelectorAll("#call-actions button").length === 2);
    assert.deepEqual(await actions(), ["hold", "end"]);
    await page.getByRole("button", { name: "Transfer to Clara Weiss, 103" }).waitFor({ state: "hidden" });
  });
});

describe("other ways of being on the phone", () => {
  test("dialled by hand on the phone", async () => {
    gateway.step({ ...lineOf("iswaitingforanswer", BORIS), linestatestr: "lsHookUp" });
    await shows("call");
    assert.deepEqual(await actions(), ["end"]);
  });

  test("by intercom, from the card and from a row's menu", async () => {
    await page.locator("#dial-number").fill("103");
    await page.locator("#dial-buttons [data-use=intercom]").click();
    assert.deepEqual(await gateway.request("pbxautocallstart"), { number: "103", sequence: "user", intercom: true });
    await page.getByRole("button", { name: "More with Boris Klimov" }).click();
    await page.getByRole("menuitem", { name: "Call by intercom" }).click();
    assert.deepEqual(await gateway.request("pbxautocallstart"), { number: "102", sequence: "user", intercom: true });
  });

  test("in a voice menu", async () => {
    gateway.step(lineOf("isivr", { ivrname: "Main menu" }), ["phoneevent_ivrstarted", { isroutingivr: false }]);
    await shows("menu");
    await page.locator("#call-name", { hasText: "Main menu" }).waitFor();
  });

  test("without a phone", async () => {
    gateway.step({ ...IDLE, linestatestr: "lsDisconnected" });
    await shows("disconnected");
    assert.equal(await page.locator("#dial-buttons button").first().getAttribute("aria-disabled"), "true");
  });

  test("a name that nobody or more than one has is not dialled", async () => {
    for (const [text, words] of [
      ["Zoe", "No colleague has that name."],
      ["a", "colleagues have that in their name."],
      ["12;3", "A number has digits"],
    ]) {
      await page.locator("#dial-number").fill(text);
      await page.keyboard.press("Enter");
      await page.locator("#dial-error", { hasText: words }).waitFor();
    }
    assert.deepEqual(gateway.requests("pbxautocallstart"), []);
  });
});

function shows(kind) {
  return page.locator(`#call[data-kind="${kind}"]`).waitFor();
}

function holds(words) {
  return page.waitForFunction((text) => document.querySelector("#call-held-text").textContent === text, words);
}

function press(name) {
  return page.locator("#call").getByRole("button", { name, exact: true }).click();
}

function actions() {
  return page.locator("#call-actions button").evaluateAll((buttons) => buttons.map(({ dataset }) => dataset.action));
}
