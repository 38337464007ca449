// The page that the harness makes of a run of load, as a browser shows and prints it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { openBrowser } from "./fakegateway.mjs";
import { assertFits, assertReadable, shot } from "./look.mjs";

const HOSTILE = `</td></style></svg><script>globalThis.taken = 1</script><img src=x onerror="globalThis.taken = 2">`;

let browser;
let directory;

before(async () => {
  browser = await openBrowser();
  directory = await mkdtemp(join(tmpdir(), "okgate-report-"));
});

after(async () => {
  await browser?.close();
  await rm(directory, { recursive: true, force: true });
});

/** The file of a page that the harness makes of these results; of several, their comparison. */
async function made(name, ...results) {
  const program = process.env.OKGATE_HARNESS_BIN;
  assert.ok(program && isAbsolute(program), "OKGATE_HARNESS_BIN must be the absolute path of the built program");
  const files = results.map((_, place) => join(directory, `${name}-${place}.json`));
  await Promise.all(results.map((result, place) => writeFile(files[place], JSON.stringify(result))));
  const page = join(directory, `${name}.html`);
  const compare = results.length > 1 ? ["--compare"] : [];
  await promisify(execFile)(program, ["report", ...compare, ...files, "--html", page]);
  return page;
}

/** A made-up run: 1,000 round trips and the course of 60 seconds, the same each time. */
function results({ slower = 1, word = "" } = {}) {
  const at_s = Array.from({ length: 60 }, (_, second) => second + 1);
  const wave = (second, length) => Math.sin((second * Math.PI) / length);
  const course = (of) => at_s.map((second) => (second % 20 === 7 ? null : of(second)));
  const steps = Array.from({ length: 40 }, (_, step) => [Math.round(slower * 500 * 1.12 ** step), 60 - step]);
  const count = steps.reduce((sum, [, times]) => sum + times, 0);
  const us = (share) => {
    let left = share * count;
    return steps.find(([, times]) => (left -= times) <= 0)[0];
  };
  const times = {
    ...{ count, min_us: steps[0][0], mean_us: 1500, max_us: steps.at(-1)[0], steps },
    ...{ p50_us: us(0.5), p90_us: us(0.9), p99_us: us(0.99), p999_us: us(0.999) },
  };
  const latency = (name) => ({
    ...{ name: name + word, explanation: `from a request to its answer ${word}` },
    ...{ kind: "latency", service: times, response: times },
  });
  const phase = (name, begun_s, ended_s) => ({ name: name + word, kind: "hold", begun_s, ended_s, is_measured: true });
  return {
    ...{ schema: 1, scenario: `office day${word}`, description: `A day. ${word}`, seed: 1, seconds: 61 },
    ...{ begun: "2026-03-02T08:00:00Z", target: `127.0.0.1:4066${word}` },
    machine: { kernel: "6.18.2", processor: `A Processor${word}`, processors: 8, load_before: 0.1 },
    phases: [phase("warm up", 0, 5), phase("working hours", 5, 50), phase("rush", 50, 60)],
    measures: [latency("round_trip"), latency("round_trip.getuserstate"), latency("ring_to_popup")],
    series: {
      at_s,
      columns: {
        "round_trip.p50_us": course((second) => slower * (1200 + 100 * wave(second, 7))),
        "round_trip.p99_us": course((second) => slower * (9000 + 2000 * wave(second, 3))),
        tabs: course((second) => Math.min(second * 100, 2000)),
        events_per_s: course((second) => 10_000 + 500 * wave(second, 5)),
        "server.rss_bytes": course((second) => 2e7 + second * 1e5),
        "server.cpu_share": course((second) => 0.3 + 0.02 * wave(second, 4)),
      },
    },
    gates: [
      { threshold: `p99 of round_trip < 20 ms${word}`, observed: 12.3, held: true, aborted: false },
      { threshold: "errors = 0", observed: 3, held: false, aborted: false },
    ],
    failures: [{ kind: "no_answer", count: 3, first: `tab 7 of user 3 was not answered ${word}` }],
    notes: [`a note ${word}`],
    verdict: "failed",
  };
}

/** Opens a file, and gives the page with what it asked the network for and complained of. */
async function opened(file, { width = 1000, media = "screen", colorScheme = "light" } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  const page = await context.newPage();
  const asked = [];
  const complaints = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(dialog.message()));
  await page.emulateMedia({ media, colorScheme });
  await page.goto(pathToFileURL(file).href);
  return { page, asked, complaints, close: () => context.close() };
}

/** Every text of the drawings that are seen lies within its drawing and on no other text. */
async function assertDrawingsAreTidy(page) {
  const faults = await page.evaluate(() => {
    const found = [];
    let drawings = 0;
    for (const drawing of document.querySelectorAll("svg[role=img]")) {
      const room = drawing.getBoundingClientRect();
      if (room.width === 0) continue;
      drawings += 1;
      const name = drawing.querySelector("title").textContent;
      const texts = [...drawing.querySelectorAll("text")].map((text) => [
        text.firstChild?.textContent,
        text.getBoundingClientRect(),
      ]);
      for (const [place, [words, at]] of texts.entries()) {
        if (at.left < room.left - 1 || at.right > room.right + 1 || at.top < room.top - 1 || at.bottom > room.bottom + 1) {
          found.push(`${words} is cut off in ${name}`);
        }
        for (const [other, beside] of texts.slice(place + 1)) {
          const isOver =
            at.left < beside.right - 1 && beside.left < at.right - 1 && at.top < beside.bottom - 3 && beside.top < at.bottom - 3;
          if (isOver) found.push(`${words} lies on ${other} in ${name}`);
        }
      }
    }
    return drawings > 0 ? found : ["no drawing is seen"];
  });
  assert.deepEqual(faults, []);
}

describe("the page of a run of load", () => {
  let file;
  let comparison;

  before(async () => {
    file = await made("run", results());
    comparison = await made("comparison", results(), results({ slower: 1.3 }));
  });

  for (const [name, look] of Object.entries({
    "bright": {},
    "dark": { colorScheme: "dark" },
    "narrow": { width: 390 },
    "narrow-dark": { width: 390, colorScheme: "dark" },
    "printed": { media: "print", width: 690 },
  })) {
    test(`is tidy and readable, ${name}`, async () => {
      for (const [kind, of] of [["run", file], ["comparison", comparison]]) {
        const { page, asked, complaints, close } = await opened(of, look);
        await shot(page, `report-${kind}-${name}`);
        await assertFits(page);
        await assertDrawingsAreTidy(page);
        await assertReadable(page);
        assert.deepEqual(complaints, []);
        assert.deepEqual(asked, [pathToFileURL(of).href]);
        await close();
      }
    });
  }

  test("is printed on white by those who have a dark screen, without the contents, within few sheets", async () => {
    const { page, close } = await opened(file, { media: "print", colorScheme: "dark", width: 690 });
    const colours = await page.evaluate(() => {
      const { color, backgroundColor } = getComputedStyle(document.documentElement);
      return { color, backgroundColor, contents: getComputedStyle(document.querySelector("nav")).display };
    });
    assert.deepEqual(colours, { color: "rgb(26, 28, 31)", backgroundColor: "rgb(255, 255, 255)", contents: "none" });
    const printed = await page.pdf({ preferCSSPageSize: true });
    const sheets = printed.toString("latin1").match(/\/Type\s*\/Page\b(?!s)/g).length;
    assert.ok(sheets >= 4 && sheets <= 10, `${sheets} sheets`);
    await close();
  });

  test("keeps its drawings where its style sheet is not allowed", async () => {
    const { page, close } = await opened(file);
    await page.evaluate(() => document.querySelector("style").remove());
    await assertDrawingsAreTidy(page);
    const seen = await page.evaluate(() => {
      const line = document.querySelector("figure path[stroke]");
      const narrow = [...document.querySelectorAll(".narrow")];
      const { stroke, fill } = getComputedStyle(line);
      return { stroke, fill, narrow: narrow.some((drawing) => drawing.getBoundingClientRect().width > 0) };
    });
    assert.deepEqual(seen, { stroke: "rgb(27, 107, 218)", fill: "none", narrow: false });
    await close();
  });

  test("tells series apart without colours", async () => {
    const { page, close } = await opened(file);
    const looks = await page.evaluate(() => {
      const lines = [...document.querySelectorAll(".legend li path[stroke]")].slice(0, 2);
      return lines.map((line) => line.getAttribute("stroke-dasharray"));
    });
    assert.equal(looks.length, 2);
    assert.notEqual(looks[0], looks[1]);
    await close();
  });

  test("shows hostile texts and does nothing that they say", async () => {
    const { page, asked, complaints, close } = await opened(await made("hostile", results({ word: HOSTILE })));
    await page.waitForLoadState("networkidle");
    assert.equal(await page.evaluate(() => globalThis.taken), undefined);
    assert.equal(await page.locator("img, script").count(), 0);
    assert.match(await page.locator("h1").textContent(), /office day<\/td><\/style><\/svg><script>/);
    assert.equal(asked.length, 1);
    assert.deepEqual(complaints, []);
    await assertFits(page);
    await close();
  });
});
