// The operator page in a real browser against the real gateway with the simulated PBX and the simulated CRM.
// OKGATE_BIN and OKGATE_HARNESS_BIN: the built programs. OKGATE_SCREENSHOTS: where pictures go. OKGATE_CHROMIUM: another browser.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";

import { CALLERS, USERS, startGateway } from "./gateway.mjs";

const KNOWN = "89274513158";
const [ANNA, BORIS] = USERS;

let gateway;
let browser;
/** Two tabs of anna in browser contexts of their own, and one of boris. */
let annaOne, annaTwo, boris;
const pageErrors = [];

before(async () => {
  gateway = await startGateway();
  browser = await chromium.launch({
    executablePath: process.env.OKGATE_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
});

describe("an operator signs in", () => {
  test("a wrong password is refused in words", async () => {
    const page = await openPage();
    await signIn(page, ANNA.login, "wrong");
    await page.getByText("This login and password do not match.").waitFor();
    await shot(page, "sign-in-refused");
    await page.context().close();
  });

  test("two tabs of anna and one of boris are in, and see each other as colleagues", async () => {
    [annaOne, annaTwo, boris] = await Promise.all([openDesk(ANNA), openDesk(ANNA), openDesk(BORIS, DARK)]);
    await colleague(annaOne, BORIS, "ready");
    await colleague(boris, ANNA, "ready");
    assert.equal(await annaOne.locator("h3", { hasText: "Sales" }).count(), 1);
    await shot(annaOne, "desk");
  });

  test("a break is taken by keyboard alone, and seen by the other tab and by the colleague", async () => {
    await annaOne.locator("#state-button").focus();
    await annaOne.keyboard.press("Enter");
    await annaOne.getByRole("menuitemradio", { name: "Ready" }).waitFor();
    await annaOne.keyboard.press("ArrowDown");
    await annaOne.keyboard.press("ArrowDown");
    await shot(annaOne, "state-menu");
    await annaOne.keyboard.press("Enter");
    await Promise.all([annaOne, annaTwo].map((page) => page.locator("#state-text", { hasText: "Lunch" }).waitFor()));
    await colleague(boris, ANNA, "break");
    await annaTwo.locator("#state-button").click();
    await annaTwo.getByRole("menuitemradio", { name: "Ready" }).click();
    await annaOne.locator("#state-text", { hasText: "Ready" }).waitFor();
    await colleague(boris, ANNA, "ready");
  });
});

describe("an outside call to anna", () => {
  test("pops up in both of her tabs with the name from the CRM, and not in boris's", async () => {
    const places = await layout(annaOne);
    await outsideCall(KNOWN);
    await Promise.all([phoneShows(annaOne, "ring"), phoneShows(annaTwo, "ring")]);
    for (const page of [annaOne, annaTwo]) await assertParty(page, CALLERS[KNOWN], KNOWN);
    await colleague(boris, ANNA, "busy");
    assert.equal(await kindOf(boris), "ready");
    assert.deepEqual(await layout(annaOne), places, "nothing moves while it rings");
    assert.match(await annaOne.title(), new RegExp(CALLERS[KNOWN]));
    assert.match(await annaOne.locator("#announce-assertive").textContent(), new RegExp(CALLERS[KNOWN]));
    await shot(annaOne, "ring");
    await shot(boris, "ring-at-the-colleague");
  });

  test("answered in one tab, is a talk with a running timer in both", async () => {
    await annaOne.getByRole("button", { name: "Answer" }).click();
    await Promise.all([phoneShows(annaOne, "talk"), phoneShows(annaTwo, "talk")]);
    for (const page of [annaOne, annaTwo]) {
      await assertParty(page, CALLERS[KNOWN], KNOWN);
      await page.waitForFunction(() => /^0:0[1-9]$/.test(document.querySelector("#call-timer").textContent));
    }
    await shot(annaTwo, "talk");
  });

  test("is put on hold in the other tab and taken back in the first", async () => {
    await annaTwo.getByRole("button", { name: "Hold" }).click();
    await Promise.all([phoneShows(annaOne, "held"), phoneShows(annaTwo, "held")]);
    await assertParty(annaOne, CALLERS[KNOWN], KNOWN);
    await shot(annaOne, "held");
    await annaOne.getByRole("button", { name: "Take back" }).click();
    await Promise.all([phoneShows(annaOne, "talk"), phoneShows(annaTwo, "talk")]);
  });

  test("is shown again, its timer going on, by a tab that is reloaded in the middle of the talk", async () => {
    const before = await seconds(annaTwo);
    await annaTwo.reload();
    await phoneShows(annaTwo, "talk");
    await assertParty(annaTwo, CALLERS[KNOWN], KNOWN);
    assert.ok((await seconds(annaTwo)) >= before, "the timer starts from the gateway's count");
    await annaTwo.locator("#state-text", { hasText: "On a call" }).waitFor();
    await shot(annaTwo, "talk-after-reload");
  });

  test("ended in the reloaded tab, is over in both, and everybody is free again", async () => {
    await annaTwo.getByRole("button", { name: "End" }).click();
    await Promise.all([phoneShows(annaOne, "ready"), phoneShows(annaTwo, "ready")]);
    await colleague(boris, ANNA, "ready");
  });

  test("of a number that nobody knows shows the number alone, and is declined by keyboard", async () => {
    await outsideCall("88005553535");
    await phoneShows(annaOne, "ring");
    assert.equal(await annaOne.locator("#call-name").textContent(), "8 800 555-35-35");
    assert.equal(await annaOne.locator("#call-number").textContent(), "");
    await shot(annaOne, "ring-unknown");
    await annaOne.keyboard.press("Alt+KeyX");
    await Promise.all([phoneShows(annaOne, "ready"), phoneShows(annaTwo, "ready")]);
  });

  test("is taken, held and ended by keyboard alone", async () => {
    await outsideCall("89031112233");
    await phoneShows(annaOne, "ring");
    await assertParty(annaOne, CALLERS[89031112233], "89031112233");
    for (const [key, kind] of [
      ["Alt+KeyA", "talk"],
      ["Alt+KeyH", "held"],
      ["Alt+KeyH", "talk"],
      ["Alt+KeyX", "ready"],
    ]) {
      await annaOne.keyboard.press(key);
      await phoneShows(annaOne, kind);
    }
  });

  test("is over in the tabs when the caller hangs up", async () => {
    const { chainid } = await outsideCall(KNOWN);
    await phoneShows(annaTwo, "ring");
    await gateway.api("POST", `/api/v1/sim/calls/${chainid}/hangup`, {});
    await Promise.all([phoneShows(annaOne, "ready"), phoneShows(annaTwo, "ready")]);
  });
});

describe("anna calls boris", () => {
  test("her own phone rings first, then his with her name; he answers and ends", async () => {
    await annaOne.getByRole("button", { name: `Call ${BORIS.name}, ${BORIS.number}` }).click();
    await Promise.all([phoneShows(annaOne, "backring"), phoneShows(annaTwo, "backring")]);
    await assertParty(annaOne, BORIS.name, BORIS.number);
    await shot(annaOne, "own-phone-rings");
    await annaOne.getByRole("button", { name: "Answer" }).click();
    await Promise.all([phoneShows(annaOne, "backcall"), phoneShows(boris, "ring")]);
    await assertParty(boris, ANNA.name, ANNA.number);
    await shot(boris, "ring-dark");
    await boris.getByRole("button", { name: "Answer" }).click();
    await Promise.all([annaOne, annaTwo, boris].map((page) => phoneShows(page, "talk")));
    await shot(boris, "talk-dark");
    await boris.getByRole("button", { name: "End" }).click();
    await Promise.all([annaOne, annaTwo, boris].map((page) => phoneShows(page, "ready")));
  });

  test("a number is dialled by keyboard, and the dialling cancelled", async () => {
    await annaOne.keyboard.press("Alt+KeyN");
    await annaOne.keyboard.type("+7 (800) 555-35-35");
    await annaOne.keyboard.press("Enter");
    await phoneShows(annaOne, "backring");
    assert.equal(await annaOne.locator("#call").getAttribute("data-number"), "+78005553535");
    await annaOne.getByRole("button", { name: "Cancel" }).click();
    await phoneShows(annaOne, "ready");
  });
});

describe("the page itself", () => {
  test("fits a narrow screen while it rings", async () => {
    await annaTwo.setViewportSize({ width: 360, height: 740 });
    await outsideCall(KNOWN);
    await phoneShows(annaTwo, "ring");
    const width = await annaTwo.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(width, 360, "no sideways scrolling");
    await shot(annaTwo, "ring-narrow");
    await annaTwo.getByRole("button", { name: "Decline" }).click();
    await phoneShows(annaTwo, "ready");
  });

  test("signing out leads back to the sign-in, for a reload too", async () => {
    await boris.getByRole("button", { name: "Sign out" }).click();
    await boris.getByRole("heading", { name: "Sign in" }).waitFor();
    await boris.reload();
    await boris.getByRole("heading", { name: "Sign in" }).waitFor();
  });

  test("reported no error and broke no content policy", () => {
    assert.deepEqual(pageErrors, []);
  });
});

const DARK = "dark";

async function openPage(colorScheme = "light") {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  page.on("pageerror", (error) => pageErrors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && pageErrors.push(message.text()));
  await page.goto(gateway.pageUrl);
  return page;
}

async function openDesk({ login, password, name }, colorScheme) {
  const page = await openPage(colorScheme);
  await signIn(page, login, password);
  await page.locator("#me", { hasText: name }).waitFor();
  await phoneShows(page, "ready");
  return page;
}

async function signIn(page, login, password) {
  await page.getByLabel("Login").fill(login);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
}

function outsideCall(from) {
  return gateway.api("POST", "/api/v1/sim/calls", { from, to: ANNA.number });
}

function phoneShows(page, kind) {
  return page.locator(`#call[data-kind="${kind}"]`).waitFor();
}

function kindOf(page) {
  return page.locator("#call").getAttribute("data-kind");
}

function colleague(page, { number }, state) {
  return page.locator(`.person[data-number="${number}"][data-state="${state}"]`).waitFor();
}

/** The name may come a moment after the ring; it must come. */
async function assertParty(page, name, number) {
  await page.locator(`#call[data-number="${number}"] #call-name`, { hasText: name }).waitFor();
}

async function seconds(page) {
  const text = await page.locator("#call-timer").textContent();
  return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

function layout(page) {
  return page.evaluate(() =>
    ["#call", ".dial", ".colleagues"].map((selector) => {
      const { x, y, width, height } = document.querySelector(selector).getBoundingClientRect();
      return { selector, x, y, width, height };
    }),
  );
}

async function shot(page, name) {
  const directory = process.env.OKGATE_SCREENSHOTS;
  if (!directory) return;
  await mkdir(directory, { recursive: true });
  await page.screenshot({ path: join(directory, `${name}.png`) });
}

const DEADLINE_MS = 10_000;
