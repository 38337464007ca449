// The page as a whole: languages, dark and light, window sizes, screen readers and the keyboard, losses of the link, and the example.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import {
  ADDRESS,
  BORIS,
  CLARA,
  DANIEL,
  FakeGateway,
  IVAN,
  closePage,
  held,
  lineOf,
  openBrowser,
  openDesk,
  openPage,
} from "./fakegateway.mjs";
import { assertFits, assertNamed, assertNothingMoves, assertReadable, shot } from "./look.mjs";

const ID = "d0000000-0000-4000-8000-00000000000c";
const RING = [
  lineOf("isringing", IVAN),
  ["phoneevent_ringstarted", { callerid: IVAN.number, callername: "Ivan Golubev", callerdescription: "Order 4711" }],
];
const CONSULTED = [lineOf("iscommutated", BORIS, held(IVAN)), "phoneevent_ringstopped", "phoneevent_commstarted"];
const CONFERENCE = [
  lineOf("isconference", { conferenceid: ID }),
  ["phoneevent_commstarted", { isconference: true, confid: ID }],
];

let browser, gateway, page;
before(async () => (browser = await openBrowser()));
after(() => browser?.close());
beforeEach(() => {
  gateway = new FakeGateway();
  gateway.on("getconferenceinfo", () => ({
    conference: { id: ID, isghost: false },
    competitors: [BORIS, CLARA, DANIEL].map((user) => ({ competitorid: user.userid, ...user })),
  }));
});
afterEach(() => closePage(page));

const STATES = { ring: RING, talk: CONSULTED, conference: CONFERENCE };

for (const colorScheme of ["light", "dark"]) {
  test(`every text is readable and everything has a name, ${colorScheme}, in every panel`, async () => {
    page = await openDesk(browser, gateway, { colorScheme });
    gateway.say("usertextmessagereceived", { text: "Are you free?", sender: "Boris", senderuserid: BORIS.userid });
    for (const tab of ["Messages", "History", "Redirects", "Colleagues"]) {
      await page.getByRole("tab", { name: tab }).click();
      await assertReadable(page);
      await assertNamed(page);
    }
    for (const [kind, step] of Object.entries(STATES)) {
      gateway.step(...step);
      await page.locator(`#call[data-kind="${kind === "ring" ? "ring" : "talk"}"]`).waitFor();
      if (kind === "conference") await page.locator(".competitor").nth(2).waitFor();
      await page.evaluate(() =>
        Promise.all(
          document
            .getAnimations()
            .map(
              (animation) =>
                animation.finish?.call && animation.effect.getTiming().iterations !== Infinity && animation.finish(),
            ),
        ),
      );
      await assertReadable(page);
      await assertNamed(page);
      await shot(page, `${colorScheme}-${kind}`);
    }
  });
}

for (const [width, height] of [
  [360, 740],
  [768, 1024],
  [1280, 800],
  [1920, 1080],
]) {
  test(`fits ${width} by ${height} pixels, in every state, and moves nothing while it rings`, async () => {
    page = await openDesk(browser, gateway, { viewport: { width, height } });
    await assertNothingMoves(page, async () => {
      gateway.step(...RING);
      await page.locator('#call[data-kind="ring"]').waitFor();
    });
    await assertFits(page);
    await shot(page, `${width}-ring`);
    for (const step of [CONSULTED, CONFERENCE]) {
      gateway.step(...step);
      await page.locator('#call[data-kind="talk"]').waitFor();
      await assertFits(page);
    }
    await page.locator(".competitor").nth(2).waitFor();
    for (const tab of ["Messages", "History", "Redirects", "Conference"]) {
      await page.getByRole("tab", { name: tab }).click();
      await assertFits(page);
      await shot(page, `${width}-${tab.toLowerCase()}`);
    }
    const colleagues = await page.locator("#panel-colleagues").isVisible();
    assert.equal(colleagues, width >= 1600, "a wide window shows the colleagues beside the other panels");
  });
}

describe("for the keyboard and screen readers", () => {
  test("there are landmarks, and the order of the focus is the order of reading", async () => {
    page = await openDesk(browser, gateway);
    for (const role of ["banner", "main"]) assert.equal(await page.getByRole(role).count(), 1, role);
    for (const name of ["Call", "Dial", "Waiting for you"])
      assert.equal(await page.getByRole("region", { name, exact: true }).count(), 1, name);
    gateway.step(...RING);
    await page.locator('#call[data-kind="ring"]').waitFor();
    await page.locator("#state-button").focus();
    const reached = [];
    for (let step = 0; step < 10; step += 1) {
      if (step > 0) await page.keyboard.press("Tab");
      reached.push(
        await page.evaluate(
          () =>
            document.activeElement.id || document.activeElement.dataset.action || document.activeElement.dataset.use,
        ),
      );
    }
    assert.deepEqual(reached, [
      "state-button",
      "settings-button",
      "sign-out",
      "answer",
      "decline",
      "dial-number",
      "call",
      "intercom",
      "tab-colleagues",
      "colleagues-find",
    ]);
  });

  test("the focus can be seen wherever it is", async () => {
    page = await openDesk(browser, gateway);
    for (let step = 0; step < 14; step += 1) {
      await page.keyboard.press("Tab");
      const outline = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return document.activeElement === document.body || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2);
      });
      assert.ok(outline, `step ${step}`);
    }
  });

  test("arrows walk through tabs, rows and menus, and Escape leads back", async () => {
    page = await openDesk(browser, gateway);
    const focused = () =>
      page.evaluate(
        () =>
          document.activeElement.id ||
          document.activeElement.getAttribute("aria-label") ||
          document.activeElement.textContent ||
          document.activeElement.closest("[data-number]")?.dataset.number,
      );
    await page.getByRole("tab", { name: "Colleagues" }).focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await focused(), "tab-messages");
    await page.keyboard.press("ArrowLeft");
    await page.getByRole("button", { name: "Call Boris Klimov, 102" }).focus();
    await page.keyboard.press("ArrowDown");
    assert.equal(await focused(), CLARA.number);
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown");
    assert.equal(await focused(), "Call");
    await page.keyboard.press("End");
    assert.equal(await focused(), "Conference…");
    await page.keyboard.press("Escape");
    assert.equal(await focused(), "More with Clara Weiss");
  });

  test("with less motion asked for, nothing is animated", async () => {
    page = await openDesk(browser, gateway, { reducedMotion: "reduce" });
    gateway.step(...RING);
    await page.locator('#call[data-kind="ring"]').waitFor();
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  });
});

describe("languages and looks", () => {
  test("a Russian browser gets Russian, and the choice of another language is kept", async () => {
    page = await openDesk(browser, gateway, { locale: "ru-RU" });
    await page.getByRole("tab", { name: "Коллеги", selected: true }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), "ru");
    gateway.step(...CONSULTED);
    await page.locator("#call-held-text", { hasText: "Ivan Golubev на удержании" }).waitFor();
    await shot(page, "russian");
    await page.getByRole("button", { name: "Настройки" }).click();
    await page.getByRole("menuitemradio", { name: "English" }).click();
    await page.getByRole("tab", { name: "Colleagues", selected: true }).waitFor();
    await page.locator("#call-held-text", { hasText: "Ivan Golubev is on hold" }).waitFor();
  });

  test("dark can be chosen against the system, and holds over a reload", async () => {
    page = await openDesk(browser, gateway);
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.getByRole("button", { name: "Settings" }).click();
    await shot(page, "settings");
    await page.getByRole("menuitemradio", { name: "Dark" }).click();
    const dark = await ground();
    assert.notEqual(dark, light);
    await page.reload();
    assert.equal(await ground(), dark);
  });
});

describe("the link", () => {
  test("is lost in a talk: the picture stays, actions wait, and everything is read anew", async () => {
    page = await openDesk(browser, gateway);
    gateway.step(...CONSULTED);
    await page.locator('#call[data-kind="talk"]').waitFor();
    await page.clock.install();
    gateway.drop();
    await page.getByText("The link to the gateway is lost.").waitFor();
    assert.equal(await page.locator("[data-action=swap]").getAttribute("aria-disabled"), "true");
    assert.ok(await page.locator("#state-button").isDisabled());
    gateway.line = lineOf("iscommutated", BORIS);
    await page.clock.runFor(2000);
    await page.getByText("The link to the gateway is lost.").waitFor({ state: "hidden" });
    await page.locator("[data-action=hold]").waitFor();
  });

  test("with an older gateway the page keeps to what that one knows", async () => {
    const known = new Set([
      "ping",
      "login",
      "subscribeevent",
      "getmyuserinfo",
      "getuserstate",
      "cc_getlunchtypes",
      "getextendedlineinfo",
      "getredirectrules",
      "getpbxnumbers",
      "getallusernumbers",
    ]);
    gateway.unknown = { has: (method) => !known.has(method) };
    page = await openDesk(browser, gateway);
    await page.locator("#queue").waitFor({ state: "hidden" });
    gateway.step(...CONFERENCE);
    await page.locator('#call[data-kind="talk"]').waitFor();
    await page.locator("#call-name", { hasText: "Conference" }).waitFor();
  });
});

test("the example page pops a card on a call", async () => {
  page = await openPage(browser, gateway, { path: "example.html" });
  await page.getByLabel("Login").fill("anna");
  await page.getByLabel("Password").fill("secret");
  await page.getByRole("button", { name: "Sign in" }).click();
  await gateway.request("getextendedlineinfo");
  gateway.step(...RING);
  await page.getByRole("heading", { name: "Ivan Golubev" }).waitFor();
  gateway.step(...CONSULTED);
  await page.getByRole("heading", { name: "Ivan Golubev" }).waitFor({ state: "hidden" });
  assert.ok(page.url().startsWith(ADDRESS));
});
