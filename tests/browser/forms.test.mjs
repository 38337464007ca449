// Forms of the CRM on the operator page: shown, filled in, sent, put away, several at a time, over a ring, in both looks and
// languages; and one that a call opens through the real gateway and the simulated CRM.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { formOf, typedValue, wordsOf } from "../../gateway/web/forms.js";
import { FakeGateway, IVAN, closePage, lineOf, openBrowser, openDesk } from "./fakegateway.mjs";
import { USERS, startGateway } from "./gateway.mjs";
import { assertFits, assertNamed, assertNothingMoves, assertReadable, shot } from "./look.mjs";

const WINDOW = "e0000000-0000-4000-8000-000000000001";
const OTHER = "e0000000-0000-4000-8000-000000000002";
const RING = [
  lineOf("isringing", IVAN),
  ["phoneevent_ringstarted", { callerid: IVAN.number, callername: "Ivan Golubev" }],
];
const CARD = {
  windowid: WINDOW,
  formkey: "card",
  formname: "Customer",
  inputparameters: { callerid: "89274513158", name: "Иван Петров", vip: true, kind: "2", empty: "", score: 4 },
  inputparams: [
    { key: "callerid", name: "Number", type: "string", items: [] },
    { key: "name", name: "Name", type: "string" },
    null,
    { key: "vip", name: "Important", type: "boolean" },
    { key: "kind", name: "Kind", type: "list", items: [{ id: 1, name: "New" }, null, { id: 2, name: "Regular" }] },
    { key: "empty", name: "Empty", type: "string" },
  ],
  outputparams: [
    { key: "comment", name: "Comment", type: "string" },
    { key: "score", name: "Score", type: "number" },
    { key: "again", name: "Call again", type: "boolean" },
    { key: "when", name: "When", type: "datetime" },
    {
      key: "outcome",
      name: "Outcome",
      type: "list",
      items: [
        { id: "s", name: "Sold" },
        { id: "l", name: "Lost" },
      ],
    },
  ],
};

describe("what a form says", () => {
  test("values are shown by the declared names, nulls and what is empty left out", () => {
    const { title, inputs, outputs } = formOf(CARD);
    assert.equal(title, "Customer");
    assert.deepEqual(
      inputs.map((input) => [input.name, wordsOf(input)]),
      [
        ["Number", "8 927 451-31-58"],
        ["Name", "Иван Петров"],
        ["Important", "Yes"],
        ["Kind", "Regular"],
      ],
    );
    assert.deepEqual(
      outputs.map(({ type }) => type),
      ["string", "number", "boolean", "datetime", "list"],
    );
    assert.equal(outputs[1].value, 4, "what the CRM gave is there to be changed");
  });

  test("a gateway that says nothing of the declaration gets its values by their keys", () => {
    const { title, inputs, outputs } = formOf({ windowid: WINDOW, formkey: "card", inputparameters: { a: 1 } });
    assert.deepEqual([title, inputs.map(({ name }) => name), outputs], ["card", ["a"], []]);
  });

  test("what was typed goes out as the declared type", () => {
    assert.equal(typedValue("number", { value: " 1,5 " }), 1.5);
    assert.equal(typedValue("number", { value: "many" }), null);
    assert.equal(typedValue("number", { value: "" }), undefined);
    assert.equal(typedValue("string", { value: "" }), "");
    assert.equal(typedValue("boolean", { value: "on", checked: false }), false);
    assert.equal(typedValue("list", { value: "" }), undefined);
  });
});

describe("on the page", () => {
  let browser, gateway, page;
  before(async () => (browser = await openBrowser()));
  after(() => browser?.close());
  beforeEach(() => (gateway = new FakeGateway()));
  afterEach(() => closePage(page));

  const form = (name = "Customer") => page.getByRole("form", { name });

  test("a form is filled in by keyboard and sent with its window, and goes", async () => {
    page = await openDesk(browser, gateway);
    gateway.say("showuserform", CARD);
    await form().waitFor();
    await form().getByLabel("Comment").fill("calls back");
    await form().getByLabel("Score").fill("x");
    await page.keyboard.press("Enter");
    await form().getByText("Score: enter a number.").waitFor();
    assert.equal(gateway.requests("methodresult").length, 0);
    await form().getByLabel("Score").fill("7,5");
    await form().getByLabel("Call again").check();
    await form().getByLabel("Outcome").selectOption({ label: "Sold" });
    await form().getByRole("button", { name: "Send" }).click();
    const sent = await gateway.request("methodresult");
    assert.equal(sent.windowid, WINDOW);
    assert.deepEqual(sent.outputparameters, { comment: "calls back", score: 7.5, again: true, outcome: "s" });
    await form().waitFor({ state: "detached" });
    assert.equal(await page.locator("#forms").isVisible(), false);
  });

  test("a refusal is told in the form, and what was typed stays", async () => {
    gateway.on("methodresult", () => ({ result: 0, error: 413, errormsg: "too long" }));
    page = await openDesk(browser, gateway);
    gateway.say("showuserform", CARD);
    await form().getByLabel("Comment").fill("long");
    await form().getByRole("button", { name: "Send" }).click();
    await form().getByText("The form was not sent. That is too long.").waitFor();
    assert.equal(await form().getByLabel("Comment").inputValue(), "long");
  });

  test("several stack, the newest on top; the gateway and the person each close one", async () => {
    page = await openDesk(browser, gateway);
    gateway.say("showuserform", CARD);
    gateway.say("showuserform", { ...CARD, windowid: OTHER, formname: "Order", outputparams: [] });
    await form("Order").waitFor();
    assert.deepEqual(await page.locator("#forms h2").allTextContents(), ["Order", "Customer"]);
    assert.equal(await form("Order").getByRole("button", { name: "Send" }).count(), 0, "there is nothing to send");
    gateway.say("closeform", { windowid: OTHER.toUpperCase() });
    await form("Order").waitFor({ state: "detached" });
    await form().getByRole("button", { name: "Put the form away" }).click();
    assert.equal((await gateway.request("closeform")).windowid, WINDOW);
    await form().waitFor({ state: "detached" });
  });

  test("a form that comes again keeps what is typed, and one that is gone after a lost link goes", async () => {
    page = await openDesk(browser, gateway);
    gateway.say("showuserform", CARD);
    gateway.say("showuserform", { ...CARD, windowid: OTHER, formname: "Order" });
    await form().getByLabel("Comment").fill("half");
    gateway.on("subscribeevent", ({ eventmethod }) => {
      if (eventmethod.includes("showuserform")) queueMicrotask(() => gateway.say("showuserform", CARD));
    });
    gateway.drop();
    await form("Order").waitFor({ state: "detached" });
    assert.equal(await form().getByLabel("Comment").inputValue(), "half");
    assert.equal(await page.locator("#forms form").count(), 1);
  });

  test("it comes with a ring, moves nothing, takes no focus and is announced", async () => {
    page = await openDesk(browser, gateway);
    await page.locator("#colleagues-find").focus();
    await assertNothingMoves(page, async () => {
      gateway.step(...RING);
      gateway.say("showuserform", CARD);
      await form().waitFor();
    });
    assert.equal(await page.evaluate(() => document.activeElement.id), "colleagues-find");
    const said = await page.locator("#announce-polite").textContent();
    assert.match(said, /^Form opened: Customer\. 8 927 451-31-58, Иван Петров/);
    await page.getByRole("button", { name: "Answer" }).click();
    await gateway.request("pbxanswercall");
  });

  for (const [colorScheme, locale, width] of [
    ["light", "en-US", 1280],
    ["dark", "ru-RU", 1280],
    ["dark", "en-US", 360],
  ]) {
    test(`is readable and has names: ${colorScheme}, ${locale}, ${width} pixels`, async () => {
      page = await openDesk(browser, gateway, { colorScheme, locale, viewport: { width, height: 760 } });
      gateway.step(...RING);
      gateway.say("showuserform", CARD);
      await form().waitFor();
      await form()
        .getByRole("button", { name: locale === "ru-RU" ? "Отправить" : "Send" })
        .scrollIntoViewIfNeeded();
      await assertReadable(page);
      await assertNamed(page);
      await assertFits(page);
      await shot(page, `form-${colorScheme}-${width}`);
    });
  }
});

test("a call opens the card with the name from the CRM's method, a reload keeps it, and its values reach the scenario API", async () => {
  const rule = `
[[form_rules]]
event = "phoneevent_ringstarted"
when = ["isextline = true"]
form = "callercard"
parameters = { callerid = "{callerid}", name = "{method.name}" }
method = "callername"
method_parameters = { callerid = "{callerid}" }
method_wait_ms = 5000
`;
  const office = await startGateway({ more: rule });
  const browser = await openBrowser();
  try {
    const page = await browser.newPage({ locale: "en-US" });
    await page.goto(office.pageUrl);
    await page.locator("#signin-login").fill(USERS[0].login);
    await page.locator("#signin-password").fill(USERS[0].password);
    await page.keyboard.press("Enter");
    await page.locator("#call-kind:not(:empty)").waitFor();
    const { chainid } = await office.api("POST", "/api/v1/sim/calls", { from: "89274513158", to: "101" });
    const card = page.getByRole("form", { name: "The caller's card" });
    await card.getByText("Ivan Golubev").waitFor();
    await page.reload();
    await card.getByText("8 927 451-31-58").waitFor();
    const window = (await card.locator("h2").getAttribute("id")).replace("form-", "");
    await card.getByLabel("Comment").fill("will pay");
    await card.getByRole("button", { name: "Send" }).click();
    await card.waitFor({ state: "detached" });
    const state = await office.api("GET", `/api/v1/forms/windows/${window}`);
    assert.deepEqual([state.state, state.outputparameters], ["answered", { comment: "will pay" }]);
    await office.api("POST", `/api/v1/sim/calls/${chainid}/hangup`);
    await office.api("POST", "/api/v1/sim/calls", { from: "89031112233", to: "101" }).then(async (second) => {
      await card.getByText("Мария Соколова").waitFor();
      await office.api("POST", `/api/v1/sim/calls/${second.chainid}/hangup`);
      await card.waitFor({ state: "detached" });
    });
  } finally {
    await browser.close();
    await office.stop();
  }
});
