// Conferences and supervision (protocol 6.5-r to 6.5-ae, 6.6-ae to 6.6-ai), against a scripted gateway.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import {
  ANNA,
  BORIS,
  CLARA,
  DANIEL,
  FakeGateway,
  IDLE,
  IVAN,
  closePage,
  held,
  lineOf,
  openBrowser,
  openDesk,
} from "./fakegateway.mjs";
import { assertNothingMoves, assertReadable, shot } from "./look.mjs";

const ID = "d0000000-0000-4000-8000-00000000000c";
const CONFERENCE = lineOf("isconference", { conferenceid: ID }, { timertalklensec: 65 });
const competitor = (user, rest = {}) => ({ competitorid: `k${user.number}`, ...user, confstatestr: "", ...rest });
const TWO = [competitor(ANNA, { iscreator: true }), competitor(IVAN, { username: "Ivan Golubev" })];
const FOUR = [
  ...TWO,
  competitor(BORIS, { confstatestr: "Invited" }),
  competitor(CLARA, { confstatestr: "MisInviteBusy" }),
  competitor(DANIEL, { confstatestr: "Exited" }),
];

let browser, gateway, page;
before(async () => (browser = await openBrowser()));
after(() => browser?.close());
beforeEach(async () => {
  gateway = new FakeGateway();
  page = await openDesk(browser, gateway);
});
afterEach(() => closePage(page));

describe("a conference", () => {
  test("is built from the talk, and its events are asked for", async () => {
    gateway.step(lineOf("iscommutated", IVAN), "phoneevent_commstarted");
    gateway.on("buildconferencefromcommutation", () => (begin(TWO), {}));
    await press("Conference");
    assert.deepEqual(await gateway.request("confhandleevent"), {
      conferenceid: ID,
      eventtype: "competitors",
      handle: true,
    });
    assert.deepEqual(await names(), ["Anna Petrova (you)host", "Ivan Golubev"]);
    await page.locator("#call-kind", { hasText: "In a conference" }).waitFor();
    await page.getByRole("tab", { name: "Conference, 2 in it", selected: true }).waitFor();
  });

  test("shows who comes, who is called, who could not be reached, and who has left", async () => {
    begin(TWO);
    await page.locator(".competitor").nth(1).waitFor();
    gateway.say("confcompositionchanged", { eventinfo: { conferenceid: ID, competitorlist: FOUR } });
    await page.locator('.competitor[data-number="103"]', { hasText: "busy" }).waitFor();
    await page.locator('.competitor[data-number="102"]', { hasText: "is being called" }).waitFor();
    assert.equal(await page.locator('.competitor[data-number="104"]').count(), 0);
    gateway.say("confcompetitorstatechanged", {
      eventinfo: { conference: { id: ID }, competitor: competitor(BORIS, { confstatestr: "Talking" }) },
    });
    await page.locator('.competitor[data-number="102"][data-presence="in"]').waitFor();
    await shot(page, "conference");
    // One of another conference changes nothing.
    gateway.say("confcompositionchanged", { eventinfo: { conferenceid: "other", competitorlist: [] } });
    assert.equal((await names()).length, 4);
  });

  test("is joined by whom the number field and the list of colleagues invite", async () => {
    begin(TWO);
    await page.locator("#dial-title", { hasText: "Invite" }).waitFor();
    await page.locator("#dial-number").fill("8 800 555 35 35");
    await page.keyboard.press("Enter");
    assert.deepEqual(await gateway.request("invitetoconference"), {
      conferenceid: ID,
      competitors: [{ number: "88005553535" }],
    });
    await page.getByRole("tab", { name: "Colleagues" }).click();
    await page.getByRole("button", { name: "Invite Clara Weiss, 103" }).click();
    assert.deepEqual(await gateway.request("invitetoconference"), {
      conferenceid: ID,
      competitors: [{ userid: CLARA.userid }],
    });
  });

  test("loses whom its host takes out, and then the host", async () => {
    begin(TWO);
    await page.getByRole("button", { name: "Take Ivan Golubev out" }).click();
    const wish = await gateway.request("confdisconnectcompetitor");
    assert.deepEqual(wish, { conferenceid: ID, competitor: { competitorid: `k${IVAN.number}` } });
    await press("Leave");
    assert.deepEqual(await gateway.request("exitconference"), { conferenceid: ID });
    gateway.step(IDLE, "phoneevent_commstopped");
    assert.deepEqual(
      (await (await gateway.request("confhandleevent"), gateway.request("confhandleevent"))).handle,
      false,
    );
    await page.getByRole("tab", { name: "Colleagues", selected: true }).waitFor();
    assert.equal(await page.getByRole("tab", { name: "Conference" }).count(), 0);
  });

  test("takes in the held party, if the gateway says that it can", async () => {
    begin(TWO);
    gateway.step({ ...CONFERENCE, ...held(BORIS) }, "flashstatechanged");
    await press("Bring in");
    await gateway.request("connecttogathertoconference");
    await page.locator("#call-held-text", { hasText: "Boris Klimov is on hold" }).waitFor();
  });

  test("makes one of three out of the talk and the held party", async () => {
    gateway.step(lineOf("iscommutated", BORIS, held(IVAN)), "flashstatechanged");
    await press("All three");
    await gateway.request("buildconferencefromcommutation");
    await gateway.request("connecttogathertoconference");
  });

  test("is created from nothing with colleagues and numbers", async () => {
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("menuitem", { name: "New conference…" }).click();
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByText("Choose somebody, or enter a number.").waitFor();
    await page.getByLabel("Name", { exact: true }).fill("Release");
    await page.getByLabel("Boris Klimov · 102").check();
    await page.getByLabel("Clara Weiss · 103").check();
    await page.getByLabel("Other numbers").fill("8 800 555-35-35, 501");
    await shot(page, "conference-new");
    await page.getByRole("button", { name: "Start" }).click();
    const { conference, competitors } = await gateway.request("createnewconference");
    assert.equal(conference.name, "Release");
    assert.match(conference.id, /^[0-9a-f-]{36}$/);
    assert.deepEqual(competitors, [
      { userid: BORIS.userid },
      { userid: CLARA.userid },
      { number: "88005553535" },
      { number: "501" },
    ]);
    await page.locator("dialog").waitFor({ state: "detached" });
  });

  test("moves nothing while the own phone rings for it", async () => {
    await assertNothingMoves(page, async () => {
      gateway.step(lineOf("isringing", { conferenceid: ID }), ["phoneevent_ringstarted", { isconference: true }]);
      await page.locator('#call[data-kind="ring"]').waitFor();
    });
    await page.locator("#call-name", { hasText: "Conference" }).waitFor();
  });

  test("is followed again after the link was lost", async () => {
    begin(TWO);
    await gateway.request("confhandleevent");
    gateway.drop();
    assert.equal((await gateway.request("confhandleevent")).handle, true);
    await page.locator(".competitor").nth(1).waitFor();
  });

  test("does not take the panel from somebody who is writing", async () => {
    await page.getByRole("button", { name: "More with Clara Weiss" }).click();
    await page.getByRole("menuitem", { name: "Write a message" }).click();
    await page.keyboard.type("Just a");
    begin(TWO);
    await page.getByRole("tab", { name: "Conference, 2 in it" }).waitFor();
    await page.keyboard.type(" moment");
    assert.equal(await page.locator(".compose textarea").inputValue(), "Just a moment");
  });
});

describe("supervision", () => {
  const GHOSTS = [
    competitor(ANNA, { isghost: true }),
    competitor(BORIS, { isghost: true, isghostmajor: true }),
    competitor(IVAN, { username: "Ivan Golubev" }),
  ];

  test("is offered for whom the gateway allows it and who is in a call, and for nobody else", async () => {
    for (const [name, offered] of [
      ["Boris Klimov", 3],
      ["Clara Weiss", 0],
      ["Daniel Novak", 0],
    ]) {
      await page.getByRole("button", { name: `More with ${name}` }).click();
      const items = page.getByRole("menuitem").filter({ hasText: /Listen|Help|Join/ });
      assert.equal(await items.count(), offered, name);
      if (offered) await shot(page, "supervise-menu");
      await page.keyboard.press("Escape");
    }
  });

  test("goes from the own phone's ring into the chosen way, and from one way into another", async () => {
    await choose("Help");
    assert.deepEqual(await gateway.request("attachasghost"), { ghostedid: BORIS.userid });
    gateway.step(
      lineOf("isringing", { ...BORIS, direction: "acm_callback" }),
      ["phoneevent_acmcallstarted", { number: "102" }],
      "phoneevent_ringstarted",
    );
    await page.locator('#call[data-kind="backring"]').waitFor();
    begin(GHOSTS, { isghost: true });
    assert.deepEqual(await gateway.request("confsetghostmode"), { conferenceid: ID, ghostmode: "help" });
    await page.locator("#call-kind", { hasText: "Supervising" }).waitFor();
    await page.locator("#call-name", { hasText: "Boris Klimov" }).waitFor();
    await page.locator("#call-number", { hasText: "talks with Ivan Golubev" }).waitFor();
    await page.locator('[data-action=help][aria-pressed="true"]').waitFor();
    await assertReadable(page);
    await shot(page, "supervise");
    await press("Join");
    assert.deepEqual(await gateway.request("confsetghostmode"), { conferenceid: ID, ghostmode: "conference" });
    await page.getByText("Both hear you.").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.dataset.action), "conference");
    await press("Leave");
    await gateway.request("exitconference");
  });

  test("without the right is refused in words that help", async () => {
    gateway.on("attachasghost", () => ({ result: 0, error: 52710, errormsg: "no right" }));
    await choose("Listen");
    await page.getByText("You have no right to supervise this colleague. Your administrator can give it.").waitFor();
  });
});

function begin(competitors, rest = {}) {
  gateway.on("getconferenceinfo", () => ({
    conference: { id: ID, room: "700", name: "", isghost: false, ...rest },
    competitors,
  }));
  gateway.step(CONFERENCE, ["phoneevent_commstarted", { isconference: true, confid: ID }]);
}

async function choose(way) {
  await page.getByRole("button", { name: "More with Boris Klimov" }).click();
  await page.getByRole("menuitem", { name: way }).first().click();
}

function press(name) {
  return page.locator("#call").getByRole("button", { name, exact: true }).click();
}

async function names() {
  await page.locator(".competitor").nth(1).waitFor();
  return page.locator(".competitor .person-name").allTextContents();
}
