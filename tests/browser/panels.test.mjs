// The queue, breaks, redirects, messages, history and the password, against a scripted gateway.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { BORIS, CLARA, FakeGateway, IDLE, IVAN, closePage, lineOf, openBrowser, openDesk } from "./fakegateway.mjs";
import { assertNothingMoves, shot } from "./look.mjs";
import { passwordHashes } from "../../gateway/web/md5.js";

let browser, gateway, page;
before(async () => (browser = await openBrowser()));
after(() => browser?.close());
beforeEach(() => {
  gateway = new FakeGateway();
});
afterEach(() => closePage(page));

describe("the queue", () => {
  const CALLER = { chainid: "e0000000-0000-4000-8000-000000000001", ...IVAN };

  test("shows who waits, asks again by itself and after events, and moves nothing", async () => {
    page = await openDesk(browser, gateway);
    await page.getByText("Nobody is waiting.").waitFor();
    gateway.on("getcurrentqueue", () => ({ queue: [CALLER, { number: "84951112233" }, null] }));
    await assertNothingMoves(page, async () => {
      await page.locator(".waiting", { hasText: "Ivan Golubev" }).waitFor();
    });
    await page.locator("#queue-count", { hasText: "2 waiting" }).waitFor();
    await page.waitForFunction(() => document.querySelector(".waiting time").textContent !== "0:00");
    gateway.on("getcurrentqueue", () => ({ queue: [] }));
    gateway.step(lineOf("isringing", IVAN), "phoneevent_ringstarted");
    await page.locator(".waiting").first().waitFor({ state: "detached" });
  });

  test("is not there where the gateway does not know it", async () => {
    gateway.unknown.add("getcurrentqueue");
    page = await openDesk(browser, gateway);
    await page.locator("#queue").waitFor({ state: "hidden" });
  });
});

describe("my state", () => {
  test("a break during a call is taken with its reason, and said to begin after it", async () => {
    page = await openDesk(browser, gateway);
    gateway.presence = { ...gateway.presence, userstateid: 5 };
    gateway.step(lineOf("iscommutated", IVAN), ["userstatechanged", gateway.presence]);
    await page.locator("#state-text", { hasText: "On a call" }).waitFor();
    gateway.on("setuserstate", ({ lunchreasonid }) => ({ ...gateway.presence, onlunch: true, lunchreasonid }));
    await page.locator("#state-button").click();
    await page.getByRole("menuitemradio", { name: "Training" }).click();
    assert.deepEqual(await gateway.request("setuserstate"), { userstateid: 2, lunchreasonid: 2 });
    await page.locator("#state-text", { hasText: "Training after this call" }).waitFor();
    await shot(page, "break-in-a-call");
  });

  test("the call centre, its manual mode and redirection are switches", async () => {
    page = await openDesk(browser, gateway);
    for (const [name, field, value] of [
      ["In the call centre", "oncallcenter", false],
      ["Manual mode of the call centre", "onccmanual", true],
      ["Redirect my calls", "onredirect", true],
    ]) {
      await page.locator("#state-button").click();
      await page.getByRole("menuitemcheckbox", { name }).click();
      assert.deepEqual(await gateway.request("setuserstate"), { [field]: value });
    }
    await page.locator("#state-button").click();
    await page.getByRole("menuitemcheckbox", { name: "Redirect my calls", checked: true }).waitFor();
    await shot(page, "my-state");
  });

  test("busy by choice is told from being in a call", async () => {
    page = await openDesk(browser, gateway);
    await page.locator("#state-button").click();
    await page.getByRole("menuitemradio", { name: "Busy" }).click();
    await page.locator("#state-text", { hasText: /^Busy$/ }).waitFor();
  });
});

describe("redirect rules", () => {
  const RULE = {
    id: "0a".repeat(16),
    caption: "Evenings",
    description: "kept",
    priority: 1,
    userid: "u",
    isenabled: true,
    allowcascade: true,
    state: 4,
    destinationnumber: "103",
    onlyforredirectstate: true,
    definesources: false,
  };
  let rules;

  beforeEach(async () => {
    rules = [RULE];
    gateway.on("getredirectrules", () => ({ redirectrules: rules }));
    gateway.on("saveredirectrules", ({ redirectrule }) => {
      rules = [...rules.filter(({ id }) => id !== redirectrule.id), redirectrule];
      return {};
    });
    gateway.on("deleteredirectrules", ({ ids }) => {
      rules = rules.filter(({ id }) => !ids.includes(id));
      return {};
    });
    page = await openDesk(browser, gateway);
    await page.getByRole("tab", { name: "Redirects" }).click();
  });

  test("are listed, and one is switched off with all its other fields kept", async () => {
    await page.locator(".rule", { hasText: "to Clara Weiss · while redirecting is on" }).waitFor();
    await page.getByRole("checkbox", { name: "Evenings" }).uncheck();
    assert.deepEqual(await gateway.request("saveredirectrules"), { redirectrule: { ...RULE, isenabled: false } });
    await page.getByRole("checkbox", { name: "Evenings", checked: false }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), `rule-${RULE.id}`, "the focus stays");
  });

  test("are added by name or number, and deleted", async () => {
    await page.getByRole("button", { name: "Add a rule" }).click();
    await page.getByLabel("Calls go to").fill("Nobody");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("No colleague has that name.").waitFor();
    await page.getByLabel("Calls go to").fill("boris");
    await page.getByLabel("Caption").fill("My deputy");
    await shot(page, "redirect-rule");
    await page.getByRole("button", { name: "Save" }).click();
    const { redirectrule } = await gateway.request("saveredirectrules");
    assert.match(redirectrule.id, /^[0-9a-f]{32}$/);
    assert.deepEqual(
      [redirectrule.destinationnumber, redirectrule.isenabled, redirectrule.onlyforredirectstate],
      ["102", true, false],
    );
    await page.locator(".rule", { hasText: "My deputy" }).waitFor();
    await shot(page, "redirects");
    await page.getByRole("button", { name: "Delete Evenings" }).click();
    assert.deepEqual(await gateway.request("deleteredirectrules"), { ids: [RULE.id] });
    await page.locator(".rule", { hasText: "Evenings" }).waitFor({ state: "detached" });
  });

  test("disappear where the gateway cannot save them", async () => {
    gateway.unknown.add("saveredirectrules");
    await page.getByRole("checkbox", { name: "Evenings" }).click();
    await page.getByText("This gateway does not offer that yet.").waitFor();
    assert.equal(await page.getByRole("tab", { name: "Redirects" }).count(), 0);
  });
});

describe("messages", () => {
  beforeEach(async () => {
    page = await openDesk(browser, gateway);
  });

  test("come with a note and a count, are read by being shown, and answered", async () => {
    gateway.say("usertextmessagereceived", {
      text: "Are you free?",
      sender: "Boris Klimov",
      senderuserid: BORIS.userid,
      senderuserlogin: "boris",
    });
    await page.getByRole("tab", { name: "Messages, 1 new" }).waitFor();
    await page.locator(".notice-note", { hasText: "Are you free?" }).getByRole("button", { name: "Show" }).click();
    await page.getByRole("tab", { name: "Messages", selected: true }).waitFor();
    assert.equal(await page.locator("#tab-messages .tab-count").textContent(), "");
    await page.keyboard.type("In a minute");
    await page.keyboard.press("Enter");
    assert.deepEqual(await gateway.request("sendusertextmessage"), { text: "In a minute", recipients: [BORIS.userid] });
    await page.locator(".message-mine", { hasText: "In a minute" }).waitFor();
    await shot(page, "messages");
  });

  test("are written to anybody from their row, and stay in the field when they cannot be sent", async () => {
    gateway.on("sendusertextmessage", () => ({ result: 0, error: 503, errormsg: "x" }));
    await page.getByRole("button", { name: "More with Clara Weiss" }).click();
    await page.getByRole("menuitem", { name: "Write a message" }).click();
    await page.keyboard.type("Hello");
    await page.keyboard.press("Enter");
    assert.deepEqual((await gateway.request("sendusertextmessage")).recipients, [CLARA.userid]);
    await page.getByText("The message was not sent.").waitFor();
    assert.equal(await page.locator(".compose textarea").inputValue(), "Hello");
    assert.equal(await page.locator(".message").count(), 0);
  });

  test("are added to the open thread without writing it anew, and each thread keeps its draft", async () => {
    const from = (user, text) =>
      gateway.say("usertextmessagereceived", { text, senderuserid: user.userid, senderuserlogin: user.userlogin });
    from(CLARA, "Tea?");
    from(BORIS, "One");
    await page.getByRole("tab", { name: "Messages, 2 new" }).click();
    const thread = (name) => page.locator(".thread-item", { hasText: name });
    await thread("Boris Klimov").click();
    await page.locator(".compose textarea").fill("Draft for Boris");
    const first = await page.locator(".message").first().elementHandle();
    from(BORIS, "Two");
    await page.locator(".message", { hasText: "Two" }).waitFor();
    assert.ok(await first.evaluate((node) => node.isConnected));
    await thread("Clara Weiss").click();
    assert.equal(await page.locator(".compose textarea").inputValue(), "");
    await thread("Clara Weiss").focus();
    from(BORIS, "Three");
    await page.locator(".thread-item .tab-count", { hasText: "1" }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.dataset.key), CLARA.userid, "the focus stays");
    await thread("Boris Klimov").click();
    assert.equal(await page.locator(".compose textarea").inputValue(), "Draft for Boris");
  });

  test("outlive a reload, come once, and are gone after the sign-out", async () => {
    const event = {
      id: "m1",
      text: "Are you free?",
      sender: "Boris",
      senderuserid: BORIS.userid,
      senderuserlogin: "boris",
    };
    gateway.say("usertextmessagereceived", event);
    await page.getByRole("tab", { name: "Messages, 1 new" }).waitFor();
    await page.reload();
    await page.getByRole("tab", { name: "Messages, 1 new" }).waitFor();
    gateway.say("usertextmessagereceived", event);
    await page.getByRole("tab", { name: "Messages, 1 new" }).click();
    await page.locator(".thread-item").click();
    assert.equal(await page.locator(".message").count(), 1);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  });

  test("of the gateway itself are notifications, with their sender and their time", async () => {
    gateway.say("shownotifymessage", {
      id: "1",
      sender: "Shift",
      text: "The meeting begins",
      type: 0,
      dt: "09.10.2012 09:42:33",
      dtformat: "dd.MM.yyyy HH:mm:ss",
      autohide: false,
      backcolor: "FFFFFFFF",
      savedb: false,
    });
    await page.locator(".notice-note", { hasText: "Shift The meeting begins" }).waitFor();
    await page.getByRole("tab", { name: "Messages, 1 new" }).click();
    await page.getByRole("button", { name: "Notifications" }).click();
    await page.locator(".message", { hasText: "Shift · 09:42" }).waitFor();
    assert.equal(await page.locator(".compose").isVisible(), false);
  });
});

describe("the history", () => {
  const call = (id, direction, callerid, calledid, result, minutes) => {
    const at = (offset) => new Date(Date.now() - (60 - minutes) * 60_000 + offset * 1000).toISOString();
    return {
      chainid: id,
      commutationid: id,
      direction,
      callerid,
      calledid,
      result,
      timestart: at(0),
      timeanswer: result === "answered" ? at(5) : null,
      timestop: at(80),
      recordlink: "",
    };
  };
  const CALLS = [
    call("f0000000-0000-4000-8000-000000000001", "in", IVAN.number, "101", "answered", 1),
    call("f0000000-0000-4000-8000-000000000002", "internal", "101", "102", "busy", 2),
    call("f0000000-0000-4000-8000-000000000003", "in", "84951112233", "101", "abandoned", 3),
  ];

  test("lists the calls, the newest first, filters them, and calls back", async () => {
    gateway.on("getpbxcalljournal", () => ({ calls: CALLS }));
    page = await openDesk(browser, gateway);
    await page.getByRole("tab", { name: "History" }).click();
    const { filter } = await gateway.request("getpbxcalljournal");
    assert.equal(filter.page, 0);
    assert.ok(Date.parse(filter.datestart) <= Date.now());
    await page.locator(".past-call").nth(2).waitFor();
    assert.deepEqual(await page.locator(".past-call .person-name").allTextContents(), [
      "8 495 111-22-33",
      "Boris Klimov",
      "8 927 451-31-58",
    ]);
    await page.locator(".past-call", { hasText: "1:15" }).waitFor();
    await shot(page, "history");
    await page.getByLabel("Which calls").selectOption("missed");
    assert.equal(await page.locator(".past-call").count(), 1);
    await page.getByRole("button", { name: "Call 8 495 111-22-33 back" }).click();
    assert.equal((await gateway.request("pbxautocallstart")).number, "84951112233");
  });

  test("is read again after a call, while it is shown", async () => {
    page = await openDesk(browser, gateway);
    await page.getByRole("tab", { name: "History" }).click();
    await page.getByText("No calls in this period.").waitFor();
    gateway.on("getpbxcalljournal", () => ({ calls: CALLS.slice(0, 1) }));
    gateway.step(lineOf("iscommutated", IVAN), "phoneevent_commstarted");
    await page.locator('#call[data-kind="talk"]').waitFor();
    gateway.step(IDLE, "phoneevent_commstopped");
    await page.locator(".past-call").waitFor();
  });

  test("goes on with older calls, page by page", async () => {
    const many = Array.from({ length: 105 }, (_, index) =>
      call(`f0000000-0000-4000-8000-000000000${100 + index}`, "in", `7${1000 + index}`, "101", "answered", index),
    );
    gateway.on("getpbxcalljournal", ({ filter }) => ({ calls: many.slice(filter.page * 50, filter.page * 50 + 50) }));
    page = await openDesk(browser, gateway);
    await page.getByRole("tab", { name: "History" }).click();
    for (const count of [50, 100, 105]) {
      await page.waitForFunction((wanted) => document.querySelectorAll(".past-call").length === wanted, count);
      if (count < 105) await page.getByRole("button", { name: "Older calls" }).click();
    }
    await page.getByRole("button", { name: "Older calls" }).waitFor({ state: "hidden" });
  });

  test("is not there where the gateway does not know it", async () => {
    gateway.unknown.add("getpbxcalljournal");
    page = await openDesk(browser, gateway);
    await page.getByRole("tab", { name: "History" }).click();
    await page.getByRole("tab", { name: "History" }).waitFor({ state: "detached" });
    await page.getByRole("tab", { name: "Colleagues", selected: true }).waitFor();
  });
});

describe("the password", () => {
  test("is changed with the present one, and what is wrong is said", async () => {
    page = await openDesk(browser, gateway);
    gateway.on("changepassword", () => ({ result: 0, error: 422, errormsg: "old password is wrong" }));
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("menuitem", { name: "Change password…" }).click();
    const fill = async (known, fresh, again) => {
      await page.getByLabel("Present password").fill(known);
      await page.getByLabel("New password", { exact: true }).fill(fresh);
      await page.getByLabel("New password again").fill(again);
      await page.getByRole("button", { name: "Save" }).click();
    };
    await fill("secret", "Тайна-1", "Тайна-2");
    await page.getByText("The two new passwords differ.").waitFor();
    await fill("secret", "пароль€", "пароль€");
    await page.getByText("a character that telephone passwords cannot have").waitFor();
    await fill("secret", "Тайна-1", "Тайна-1");
    const { oldpwdmd5, newpwdmd5, newpwd } = await gateway.request("changepassword");
    assert.deepEqual([oldpwdmd5, newpwdmd5], [passwordHashes("secret").Password, passwordHashes("Тайна-1").Password]);
    assert.equal(newpwd, "\u00d2\u00e0\u00e9\u00ed\u00e0-1");
    await page.locator("dialog .form-error", { hasText: "The present password is wrong." }).waitFor();
    gateway.on("changepassword", () => ({}));
    await fill("Secret", "Тайна-1", "Тайна-1");
    await page.getByText("The password is changed.").waitFor();
    await page.locator("dialog").waitFor({ state: "detached" });
  });
});

describe("photos", () => {
  const PIXEL = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64",
  );
  const LINK = "/photo/anna/t/96x96";

  test("stand in the list and in the call, and one's own is uploaded small", async () => {
    gateway.on("getalluserphotolink", () => ({
      links: [
        { id: BORIS.userid.toUpperCase(), link: "/photo/b/t", link32x32: "/photo/b/t/32x32", link96x96: LINK },
        { id: "x", link: "https://elsewhere.test/" },
      ],
    }));
    gateway.files.set(LINK, () => ({ body: PIXEL, contentType: "image/png" }));
    page = await openDesk(browser, gateway);
    await page.locator(`.person[data-number="${BORIS.number}"] img[src="${LINK}"]`).waitFor();
    gateway.step(lineOf("isringing", BORIS), "phoneevent_ringstarted");
    await page.locator(`#call-avatar img[src="${LINK}"]`).waitFor();

    gateway.on("gettemphttppass", () => ({ password: "once" }));
    let upload;
    gateway.files.set("/upload", (request) => {
      upload = request;
      return {
        body: '<uploadfilesresult count="1"><file name="photo.jpg" path="p/1"/></uploadfilesresult>',
        contentType: "text/xml",
      };
    });
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("menuitem", { name: "My photo…" }).click();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Choose a picture.").waitFor();
    await page.locator("#photo-file").setInputFiles({ name: "me.png", mimeType: "image/png", buffer: PIXEL });
    await page.getByRole("button", { name: "Save" }).click();
    assert.deepEqual(await gateway.request("setmyuserphoto"), { filepath: "p/1" });
    assert.equal(new URL(upload.url()).search, "?temppass=once&storagemode=storage&pathmode=relative");
    await page.locator("dialog").waitFor({ state: "detached" });
    assert.equal(gateway.requests("getalluserphotolink").length, 2);
  });
});
