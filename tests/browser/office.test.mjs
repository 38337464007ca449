// Four users in six tabs against the real gateway: consultation, transfers, conferences, supervision.
// Everybody's tabs are looked at after each step. OKGATE_SCREENSHOTS: where pictures go.
import { after, before, describe, test } from "node:test";

import { shot } from "./look.mjs";
import { ANNA, BORIS, BUSY, CLARA, DANIEL, IVAN, Office, SILENT, STRANGER } from "./office.mjs";

const office = new Office();
before(() => office.open());
after(() => office.close());

describe("a consultation", () => {
  test("holds the first party, and swaps the two as often as one likes", async () => {
    await office.talk(ANNA, BORIS);
    await office.reach(ANNA, CLARA);
    await office.shows(ANNA, { kind: "backcall", party: CLARA, held: BORIS, actions: ["connect", "back"] });
    await office.shows(BORIS, { kind: "waiting", party: ANNA });
    await office.shows(CLARA, { kind: "ring", party: ANNA });
    await shots("consult-rings", ANNA, BORIS);
    await office.press(CLARA, "answer");
    await office.shows(ANNA, { kind: "talk", party: CLARA, held: BORIS, actions: ["swap", "connect", "together", "back"] });
    await office.shows(CLARA, { kind: "talk", party: ANNA });
    await shots("consult", ANNA, BORIS, CLARA);
    await office.press(ANNA, "swap", 1);
    await office.shows(ANNA, { kind: "talk", party: BORIS, held: CLARA });
    await office.shows(BORIS, { kind: "talk", party: ANNA });
    await office.shows(CLARA, { kind: "waiting", party: ANNA });
    await office.press(ANNA, "swap");
    await office.shows(ANNA, { kind: "talk", party: CLARA, held: BORIS });
  });

  test("ends by connecting the two, and the one in the middle is free", async () => {
    await office.press(ANNA, "connect");
    await office.shows(ANNA, { kind: "ready" });
    await office.shows(BORIS, { kind: "talk", party: CLARA });
    await office.shows(CLARA, { kind: "talk", party: BORIS });
    await office.colleagueShows(DANIEL, ANNA, "ready");
    await office.colleagueShows(DANIEL, BORIS, "busy");
    await office.press(BORIS, "end", 1);
    await office.isQuiet();
  });

  test("may be connected while the new one still rings: the held one then waits for it", async () => {
    await office.talk(ANNA, BORIS);
    await office.reach(ANNA, CLARA, 1);
    await office.shows(CLARA, { kind: "ring", party: ANNA });
    await office.press(ANNA, "connect");
    await office.shows(ANNA, { kind: "ready" });
    await office.shows(BORIS, { kind: "call", party: CLARA, actions: ["end"] });
    await office.shows(CLARA, { kind: "ring", party: BORIS });
    await shots("connected-while-it-rings", BORIS, CLARA);
    await office.press(CLARA, "answer");
    await office.shows(BORIS, { kind: "talk", party: CLARA });
    await office.shows(CLARA, { kind: "talk", party: BORIS });
    await office.press(CLARA, "end");
    await office.isQuiet();
  });

  test("is dropped, while it rings and after it was answered, and the first party is back", async () => {
    const call = await office.talkWithOutside(BORIS, IVAN);
    await office.reach(BORIS, ANNA, 1);
    await office.shows(ANNA, { kind: "ring", party: BORIS });
    await office.press(BORIS, "back");
    await office.shows(ANNA, { kind: "ready" });
    await office.shows(BORIS, { kind: "talk", party: IVAN });
    await office.reach(BORIS, ANNA);
    await office.press(ANNA, "answer", 1);
    await office.shows(BORIS, { kind: "talk", party: ANNA, held: IVAN });
    await office.press(BORIS, "back", 1);
    await office.shows(ANNA, { kind: "ready" });
    await office.shows(BORIS, { kind: "talk", party: IVAN });
    await office.outsideHangsUp(call);
    await office.isQuiet();
  });

  test("of somebody who is busy fails, and the first party stays on hold until it is taken back", async () => {
    await office.talkWithOutside(ANNA, IVAN);
    await office.dial(ANNA, BUSY.number, "consult");
    await office.shows(ANNA, { kind: "held", party: IVAN, actions: ["takeBack", "end"] });
    await office.press(ANNA, "takeBack", 1);
    await office.shows(ANNA, { kind: "talk", party: IVAN });
    await office.press(ANNA, "end");
    await office.isQuiet();
  });

  test("is refused in words when the colleague is on another call, and the talk goes on", async () => {
    await office.talkWithOutside(CLARA, STRANGER);
    await office.talkWithOutside(ANNA, IVAN);
    await office.reach(ANNA, CLARA);
    await office.failureSays(ANNA, "The call could not be started. That is not possible at this moment.");
    await office.shows(ANNA, { kind: "talk", party: IVAN });
    await office.press(ANNA, "end");
    await office.press(CLARA, "end");
    await office.isQuiet();
  });
});

describe("hold", () => {
  test("puts a colleague on hold in all tabs of both, and takes back", async () => {
    await office.talk(BORIS, ANNA);
    await office.press(BORIS, "hold", 1);
    await office.shows(BORIS, { kind: "held", party: ANNA });
    await office.shows(ANNA, { kind: "waiting", party: BORIS });
    await shots("hold", BORIS, ANNA);
    await office.press(BORIS, "takeBack");
    await office.shows(BORIS, { kind: "talk", party: ANNA });
    await office.shows(ANNA, { kind: "talk", party: BORIS });
    await office.press(ANNA, "end", 1);
    await office.isQuiet();
  });
});

describe("a transfer", () => {
  test("without asking: the colleague rings, with the caller's name, and the operator is free at once", async () => {
    const call = await office.talkWithOutside(ANNA, IVAN);
    await office.choose(ANNA, BORIS, "Transfer the call");
    await office.shows(ANNA, { kind: "ready" });
    await office.shows(BORIS, { kind: "ring", party: IVAN });
    await shots("transferred", BORIS);
    await office.press(BORIS, "answer", 1);
    await office.shows(BORIS, { kind: "talk", party: IVAN });
    await office.outsideHangsUp(call);
    await office.isQuiet();
  });

  test("after asking: the operator talks with the colleague first, then connects", async () => {
    await office.talkWithOutside(ANNA, IVAN);
    await office.dial(ANNA, "Clara", "consult", 1);
    await office.press(CLARA, "answer");
    await office.shows(ANNA, { kind: "talk", party: CLARA, held: IVAN });
    await office.press(ANNA, "connect", 1);
    await office.shows(ANNA, { kind: "ready" });
    await office.shows(CLARA, { kind: "talk", party: IVAN });
    await office.press(CLARA, "end");
    await office.isQuiet();
  });

  test("with somebody on hold passes on the one who is talked to, and takes the other back", async () => {
    await office.talkWithOutside(ANNA, IVAN);
    await office.reach(ANNA, BORIS);
    await office.press(BORIS, "answer");
    await office.shows(ANNA, { kind: "talk", party: BORIS, held: IVAN });
    await office.dial(ANNA, CLARA.number, "transfer");
    await office.shows(ANNA, { kind: "talk", party: IVAN });
    await office.shows(BORIS, { kind: "call", party: CLARA, actions: ["end"] });
    await office.shows(CLARA, { kind: "ring", party: BORIS });
    await office.press(CLARA, "answer");
    await office.shows(BORIS, { kind: "talk", party: CLARA });
    await office.shows(CLARA, { kind: "talk", party: BORIS });
    await office.press(CLARA, "end");
    await office.press(ANNA, "end");
    await office.isQuiet();
  });

  test("to somebody who is on another call is refused in words, and the talk goes on", async () => {
    await office.talkWithOutside(BORIS, STRANGER);
    await office.talkWithOutside(ANNA, IVAN);
    await office.choose(ANNA, BORIS, "Transfer the call");
    await office.failureSays(ANNA, "The call could not be transferred. That is not possible at this moment.");
    await office.shows(ANNA, { kind: "talk", party: IVAN });
    await office.press(ANNA, "end");
    await office.press(BORIS, "end");
    await office.isQuiet();
  });
});

describe("a conference", () => {
  const HOST = ["hold", "people", "leave"];

  test("is made of the talk, and grows to four", async () => {
    await office.talk(ANNA, BORIS);
    await office.press(ANNA, "build");
    await inConference({ [ANNA.number]: "in", [BORIS.number]: "in" }, ANNA, BORIS);
    await office.shows(ANNA, { kind: "talk", below: BORIS.name, actions: HOST });
    await office.reach(ANNA, CLARA);
    await office.shows(CLARA, { kind: "ring" });
    await inConference({ 101: "in", 102: "in", 103: "calling" }, ANNA, BORIS);
    await office.dial(ANNA, IVAN.number, "invite", 1);
    await shots("conference-invites", ANNA, BORIS, CLARA);
    await office.press(CLARA, "answer");
    const four = { 101: "in", 102: "in", 103: "in", [IVAN.number]: "in" };
    await inConference(four, ANNA, BORIS, CLARA);
    await shots("conference-of-four", ANNA, BORIS, CLARA);
  });

  test("shows who could not be reached", async () => {
    await office.dial(ANNA, BUSY.number, "invite");
    await inConference({ 101: "in", 102: "in", 103: "in", [IVAN.number]: "in", [BUSY.number]: "failed" }, ANNA, CLARA);
    await shots("conference-failed", ANNA, BORIS);
  });

  test("lets its creator alone invite and take others out", async () => {
    await show("conference", ANNA, BORIS, CLARA);
    const remove = (page) => page.locator(".competitor button").count();
    for (const page of [office.tab(BORIS), office.tab(BORIS, 1), office.tab(CLARA)]) {
      if (await remove(page)) throw new Error("somebody who did not make the conference may take others out");
    }
    await office.reach(BORIS, DANIEL);
    await office.failureSays(BORIS, "The invitation failed. You are not allowed to do that.");
    await office.shows(DANIEL, { kind: "ready" });
    await show("conference", ANNA);
    await office.tab(ANNA).getByRole("button", { name: `Take ${CLARA.name} out` }).click();
    await office.shows(CLARA, { kind: "ready" });
    await inConference({ 101: "in", 102: "in", [IVAN.number]: "in", [BUSY.number]: "failed" }, ANNA, BORIS);
  });

  test("goes on when somebody leaves, and after its creator too, until one is left", async () => {
    await office.press(ANNA, "leave", 1);
    await office.shows(ANNA, { kind: "ready", people: {} });
    await inConference({ 102: "in", [IVAN.number]: "in", [BUSY.number]: "failed" }, BORIS);
    await office.press(BORIS, "leave", 1);
    await office.isQuiet();
  });

  test("takes the held party in with one press", async () => {
    await office.talkWithOutside(ANNA, IVAN);
    await office.reach(ANNA, CLARA);
    await office.press(CLARA, "answer");
    await office.shows(ANNA, { kind: "talk", party: CLARA, held: IVAN });
    await office.press(ANNA, "together");
    await inConference({ 101: "in", 103: "in", [IVAN.number]: "in" }, ANNA, CLARA);
    await office.press(CLARA, "leave");
    await office.press(ANNA, "leave");
    await office.isQuiet();
  });

  test("is held beside a talk, and then takes that one in", async () => {
    await office.talkWithOutside(ANNA, IVAN);
    await office.press(ANNA, "build");
    await inConference({ 101: "in", [IVAN.number]: "in" }, ANNA);
    await office.press(ANNA, "hold", 1);
    await office.shows(ANNA, { kind: "held", actions: ["takeBack", "end"] });
    await shots("conference-held", ANNA);
    await office.reach(ANNA, CLARA);
    await office.press(CLARA, "answer");
    await office.shows(ANNA, { kind: "talk", party: CLARA, held: { name: "Conference" }, actions: ["swap", "connect", "joinHeld", "back"] });
    await shots("conference-beside-a-talk", ANNA);
    await office.press(ANNA, "swap");
    await office.shows(ANNA, { kind: "talk", held: CLARA, actions: ["joinHeld", "swap", "people", "leave"] });
    await shots("conference-and-held", ANNA);
    await office.press(ANNA, "joinHeld", 1);
    await inConference({ 101: "in", 103: "in", [IVAN.number]: "in" }, ANNA, CLARA);
    await office.press(ANNA, "leave");
    await office.press(CLARA, "leave");
    await office.isQuiet();
  });

  test("is called together from the settings' menu", async () => {
    const page = office.tab(ANNA);
    await page.locator("#settings-button").click();
    await page.getByRole("menuitem", { name: "New conference…" }).click();
    await page.getByLabel("Name", { exact: true }).fill("Monday");
    await page.getByLabel(`${BORIS.name} · ${BORIS.number}`).check();
    await page.getByLabel("Other numbers").fill(SILENT.number);
    await shot(page, "conference-dialog");
    await page.getByRole("button", { name: "Start" }).click();
    await office.shows(ANNA, { kind: "ring" });
    await office.shows(BORIS, { kind: "ring" });
    await shots("conference-rings", ANNA, BORIS);
    await office.press(ANNA, "answer");
    await office.press(BORIS, "answer", 1);
    await inConference({ 101: "in", 102: "in", [SILENT.number]: "calling" }, ANNA, BORIS);
    await office.shows(ANNA, { kind: "talk", name: "Monday" });
    await office.press(ANNA, "leave");
    await office.press(BORIS, "leave");
    await office.isQuiet();
  });
});

describe("supervision", () => {
  test("listens, helps and joins; those who talk see nothing of it", async () => {
    await office.talkWithOutside(ANNA, IVAN);
    await office.colleagueShows(DANIEL, ANNA, "busy");
    await office.choose(DANIEL, ANNA, "Listen");
    await office.tab(DANIEL).locator("#call-kind", { hasText: "Answer your phone to supervise" }).waitFor();
    await shots("supervision-rings", DANIEL);
    await office.press(DANIEL, "answer");
    await office.shows(DANIEL, { kind: "talk", name: ANNA.name, actions: ["monitor", "help", "conference", "leave"] });
    await mode("monitor", "You listen. Nobody hears you.");
    await shots("supervision", DANIEL, ANNA);
    for (const [way, words] of [
      ["help", "Only your colleague hears you."],
      ["conference", "Both hear you."],
    ]) {
      await office.press(DANIEL, way);
      await mode(way, words);
    }
    await office.shows(ANNA, { kind: "talk", party: IVAN, people: {} });
    await office.press(DANIEL, "leave");
    await office.shows(DANIEL, { kind: "ready" });
    await office.shows(ANNA, { kind: "talk", party: IVAN });
  });

  test("begins in the way that was chosen, and ends with the talk", async () => {
    await office.choose(DANIEL, ANNA, "Help: only your colleague hears you");
    await office.press(DANIEL, "answer");
    await mode("help", "Only your colleague hears you.");
    await office.press(ANNA, "end", 1);
    await office.isQuiet();
  });

  test("is not offered to those who have no right to it", async () => {
    await office.talkWithOutside(CLARA, IVAN);
    for (const seer of [DANIEL, ANNA]) {
      await office.colleagueShows(seer, CLARA, "busy");
      const page = await office.colleagues(seer);
      await page.locator(`.person[data-number="${CLARA.number}"] .person-more`).click();
      await page.getByRole("menuitem").first().waitFor();
      if (await page.getByRole("menuitem", { name: "Listen" }).count()) throw new Error(`offered to ${seer.login}`);
      await page.keyboard.press("Escape");
    }
    await office.press(CLARA, "end");
    await office.isQuiet();
  });
});

test("no page has reported an error", () => office.assertNoErrors());

async function inConference(people, ...users) {
  await Promise.all(users.map((user) => office.shows(user, { kind: "talk", people })));
}

async function mode(way, words) {
  const page = office.tab(DANIEL);
  await page.locator(`#call-actions [data-action=${way}][aria-pressed=true]`).waitFor();
  await page.locator("#panel-conference", { hasText: words }).waitFor();
}

async function show(panel, ...users) {
  for (const user of users) {
    for (const index of office.tabs(user).keys()) await office.show(user, panel, index);
  }
}

async function shots(name, ...users) {
  for (const user of users) {
    for (const [index, page] of office.tabs(user).entries()) await shot(page, `${name}-${user.login}-${index + 1}`);
  }
}
