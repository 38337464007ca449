// Four users in six tabs against the real gateway: breaks, redirects, the queue, menus, messages and the history.
// Everybody's tabs are looked at after each step. OKGATE_SCREENSHOTS: where pictures go.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { assertFits, shot } from "./look.mjs";
import { ANNA, BORIS, CLARA, DANIEL, HOTLINE, IVAN, Office, STRANGER, WEATHER, WELCOME } from "./office.mjs";

const office = new Office();
before(() => office.open());
after(() => office.close());

describe("a break", () => {
  test("taken during a call begins after it, with its reason, and is seen by everybody", async () => {
    await office.talkWithOutside(ANNA, IVAN);
    await chooseState(ANNA, "Lunch");
    await stateIs(ANNA, "Lunch after this call");
    await office.colleagueShows(BORIS, ANNA, "busy");
    await shot(office.tab(ANNA), "break-during-a-call");
    await office.press(ANNA, "end", 1);
    await office.isQuiet();
    await stateIs(ANNA, "Lunch");
    await office.colleagueShows(BORIS, ANNA, "break");
  });

  test("has the operator's own words, where they chose some", async () => {
    await chooseState(ANNA, "In my own words…", "menuitem");
    await office.tab(ANNA).getByLabel("Reason").fill("Dentist until two");
    await shot(office.tab(ANNA), "own-reason");
    await office.tab(ANNA).getByRole("button", { name: "Start the break" }).click();
    await stateIs(ANNA, "Dentist until two");
    await chooseState(ANNA, "Ready", "menuitemradio", 1);
    await stateIs(ANNA, "Ready");
    await office.colleagueShows(CLARA, ANNA, "ready");
  });
});

describe("a redirect rule", () => {
  test("sends a call elsewhere, and shows in all tabs", async () => {
    await addRule(async (page) => {
      await page.getByLabel("Calls go to").fill("Boris");
      await page.getByLabel("Caption").fill("My deputy");
    });
    await rulesAre(`to ${BORIS.name} · always`);
    const call = await office.outsideCall(IVAN, ANNA);
    await office.shows(BORIS, { kind: "ring", party: IVAN });
    await office.shows(ANNA, { kind: "ready" });
    await office.press(BORIS, "answer", 1);
    await office.shows(BORIS, { kind: "talk", party: IVAN });
    await office.outsideHangsUp(call);
    await office.isQuiet();
    await removeRule("My deputy");
  });

  test("is for some callers and for one state alone, where it says so", async () => {
    await addRule(async (page) => {
      await page.getByLabel("Calls go to").fill(CLARA.number);
      await page.locator("#rule-state").selectOption("Do not disturb");
      await page.getByLabel("Only for these callers").fill("8 927 451-31-58, nobody");
      await shot(page, "rule-dialog");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("“nobody” is no number.").waitFor();
      await page.getByLabel("Only for these callers").fill("8 927 451-31-58");
    });
    await rulesAre(`to ${CLARA.name} · state: Do not disturb · only for 8 927 451-31-58`);
    await shot(office.tab(ANNA), "rules");
    const direct = await office.outsideCall(IVAN, ANNA);
    await office.shows(ANNA, { kind: "ring", party: IVAN });
    await office.outsideHangsUp(direct);
    await office.isQuiet();
    await chooseState(ANNA, "Do not disturb");
    await stateIs(ANNA, "Do not disturb");
    const redirected = await office.outsideCall(IVAN, ANNA);
    await office.shows(CLARA, { kind: "ring", party: IVAN });
    await office.shows(ANNA, { kind: "ready" });
    await office.outsideHangsUp(redirected);
    await office.isQuiet();
    await chooseState(ANNA, "Ready");
    await stateIs(ANNA, "Ready");
    await removeRule(CLARA.name);
  });
});

describe("the hotline", () => {
  test("rings all of its free members; who picks up first has the caller", async () => {
    const call = await office.outsideCall(IVAN, HOTLINE);
    await Promise.all([CLARA, DANIEL].map((user) => office.shows(user, { kind: "ring", party: IVAN })));
    await office.press(DANIEL, "answer");
    await office.shows(DANIEL, { kind: "talk", party: IVAN });
    await office.shows(CLARA, { kind: "ready" });
    await office.outsideHangsUp(call);
    await office.isQuiet();
  });

  test("lets callers wait in order while its members talk, and serves the first in line", async () => {
    await office.talk(CLARA, DANIEL);
    const first = await office.outsideCall(IVAN, HOTLINE);
    await queueIs([IVAN]);
    const second = await office.outsideCall(STRANGER, HOTLINE);
    await queueIs([IVAN, STRANGER]);
    await office.tab(CLARA).locator("#queue-count", { hasText: "2 waiting" }).waitFor();
    await shot(office.tab(DANIEL), "queue");
    await office.press(CLARA, "end");
    await office.shows(CLARA, { kind: "ring", party: IVAN });
    await office.press(CLARA, "answer");
    await office.shows(CLARA, { kind: "talk", party: IVAN });
    await office.shows(DANIEL, { kind: "ring", party: STRANGER });
    await office.outsideHangsUp(second);
    await office.outsideHangsUp(first);
    await queueIs([]);
    await office.isQuiet();
  });
});

describe("a voice menu", () => {
  test("answers the operator who calls it", async () => {
    await office.reach(ANNA, WEATHER);
    await office.press(ANNA, "answer");
    await office.shows(ANNA, { kind: "menu", name: WEATHER.name });
    await shot(office.tab(ANNA), "voice-menu");
    await office.press(ANNA, "end", 1);
    await office.isQuiet();
  });

  test("passes its callers on to the hotline", async () => {
    const call = await office.outsideCall(IVAN, WELCOME);
    await Promise.all([CLARA, DANIEL].map((user) => office.shows(user, { kind: "ring", party: IVAN })));
    await office.press(CLARA, "answer");
    await office.shows(CLARA, { kind: "talk", party: IVAN });
    await office.outsideHangsUp(call);
    await office.isQuiet();
  });
});

describe("messages", () => {
  test("reach all tabs of the other one, who answers", async () => {
    await office.choose(ANNA, BORIS, "Write a message");
    await office.tab(ANNA).keyboard.type("Lunch at one?");
    await office.tab(ANNA).keyboard.press("Enter");
    await office.tab(ANNA).locator(".message-mine", { hasText: "Lunch at one?" }).waitFor();
    await Promise.all(
      office.tabs(BORIS).map(async (page) => {
        await page.locator(".notice-note", { hasText: "Lunch at one?" }).waitFor();
        await page.locator("#tab-messages .tab-count", { hasText: "1" }).waitFor();
        await assertFits(page);
      }),
    );
    await shot(office.tab(BORIS, 1), "message-narrow");
    await office.tab(BORIS, 1).locator(".notice-note .button-small").click();
    await office.tab(BORIS, 1).keyboard.type("Да!");
    await office.tab(BORIS, 1).keyboard.press("Enter");
    await Promise.all(
      office.tabs(ANNA).map(async (page, index) => {
        await office.show(ANNA, "messages", index);
        await page.locator(".thread-item", { hasText: BORIS.name }).click();
        await page.locator(".message", { hasText: "Да!" }).waitFor();
      }),
    );
    await shot(office.tab(ANNA, 1), "messages-dark");
  });

  test("of the gateway come as notifications, to that user alone", async () => {
    const notification = { userlogin: CLARA.login, text: "The line to Moscow is down", sender: "Monitoring" };
    const { kept } = await office.api("POST", "/api/v1/notify", notification);
    assert.equal(kept, false);
    await office.tab(CLARA).locator(".notice-note", { hasText: "Monitoring The line to Moscow is down" }).waitFor();
    await shot(office.tab(CLARA), "notification");
    assert.equal(await office.tab(ANNA).getByText("Moscow").count(), 0);
  });
});

describe("the history", () => {
  test("counts what was missed until it is looked at", async () => {
    for (const caller of [IVAN, STRANGER]) {
      const call = await office.outsideCall(caller, BORIS);
      await office.shows(BORIS, { kind: "ring", party: caller });
      await office.outsideHangsUp(call);
      await office.isQuiet();
    }
    await Promise.all(
      office.tabs(BORIS).map((page) => page.locator("#tab-history .tab-count", { hasText: "2" }).waitFor()),
    );
    await shot(office.tab(BORIS), "missed-badge");
    const page = await office.show(BORIS, "history");
    await page.locator('#tab-history .tab-count:empty').waitFor({ state: "attached" });
    await page.locator(".past-call[data-missed=true]").first().waitFor();
    assert.deepEqual(await page.locator(".past-call[data-missed=true]").evaluateAll(numbers), [STRANGER.number, IVAN.number]);
  });

  test("calls back with one press", async () => {
    const page = office.tab(BORIS);
    await shot(page, "history");
    await page.locator(`.past-call[data-number="${IVAN.number}"] .person-call`).first().click();
    // The CRM names callers alone.
    const called = { ...IVAN, name: "8 927 451-31-58" };
    await office.shows(BORIS, { kind: "backring", party: called });
    await office.press(BORIS, "answer");
    await office.shows(BORIS, { kind: "talk", party: called });
    await office.press(BORIS, "end", 1);
    await office.isQuiet();
    await page.locator(`.past-call[data-missed=false][data-number="${IVAN.number}"]`).first().waitFor();
  });

  test("has the same calls in the narrow tab", async () => {
    const [wide, narrow] = office.tabs(BORIS);
    await office.show(BORIS, "history", 1);
    await narrow.locator(".past-call").first().waitFor();
    assert.deepEqual(
      await narrow.locator(".past-call").evaluateAll(numbers),
      await wide.locator(".past-call").evaluateAll(numbers),
    );
    await assertFits(narrow);
    await shot(narrow, "history-narrow");
  });
});

test("no page has reported an error", () => office.assertNoErrors());

async function chooseState(user, name, role = "menuitemradio", index = 0) {
  const page = office.tab(user, index);
  await page.locator("#state-button").click();
  await page.locator("#state-menu").getByRole(role, { name }).click();
}

async function stateIs(user, text) {
  await Promise.all(office.tabs(user).map((page) => page.locator("#state-text", { hasText: text }).waitFor()));
}

async function addRule(fill) {
  const page = await office.show(ANNA, "redirects");
  await page.getByRole("button", { name: "Add a rule" }).click();
  await fill(page);
  await page.getByRole("button", { name: "Save" }).click();
}

async function rulesAre(words) {
  for (const index of office.tabs(ANNA).keys()) {
    const page = await office.show(ANNA, "redirects", index);
    await page.locator(".rule", { hasText: words }).waitFor();
  }
}

async function removeRule(name) {
  await office.tab(ANNA).getByRole("button", { name: `Delete ${name}` }).click();
  await office.tab(ANNA).locator(".rule").waitFor({ state: "detached" });
}

/** Both members of the hotline see who waits, in this order. */
async function queueIs(callers) {
  const wanted = callers.map(({ number }) => number).join();
  await Promise.all(
    [CLARA, DANIEL].map((user) =>
      office.tab(user).waitForFunction(
        (expected) => {
          const rows = [...document.querySelectorAll("#queue-list .waiting")];
          return rows.map(({ dataset }) => dataset.number).join() === expected;
        },
        wanted,
        { timeout: QUEUE_DEADLINE_MS },
      ),
    ),
  );
}

function numbers(rows) {
  return rows.map(({ dataset }) => dataset.number);
}

/** Pages ask for the queue every five seconds. */
const QUEUE_DEADLINE_MS = 10_000;
