// What the browser tests look at: pictures, movements, contrast and names.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/** A picture of the page, where OKGATE_SCREENSHOTS asks for them. */
export async function shot(page, name) {
  const directory = process.env.OKGATE_SCREENSHOTS;
  if (!directory) return;
  await mkdir(directory, { recursive: true });
  await page.screenshot({ path: join(directory, `${name}.png`) });
}

/** Nothing on the page may shift while `happens` goes on: the browser's own measure of layout shifts is zero. */
export async function assertNothingMoves(page, happens) {
  await page.evaluate(() => {
    globalThis.shifts = [];
    const observer = new PerformanceObserver((list) => {
      for (const { value, sources } of list.getEntries()) {
        globalThis.shifts.push({
          value,
          nodes: sources.map(({ node }) => node?.id || node?.className || String(node)),
        });
      }
    });
    observer.observe({ type: "layout-shift" });
  });
  await happens();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  assert.deepEqual(await page.evaluate(() => globalThis.shifts), []);
}

/** Every text that can be seen stands out from what is behind it by 4.5 to 1 (WCAG 1.4.3), large text by 3 to 1. */
export async function assertReadable(page) {
  const faint = await page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.canvas.width = canvas.canvas.height = 1;
    const rgba = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
      return [red, green, blue, alpha / 255];
    };
    const over = (front, back) =>
      front.slice(0, 3).map((part, index) => part * front[3] + back[index] * (1 - front[3]));
    const light = (color) => {
      const [red, green, blue] = color.map((part) =>
        part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (node) => {
      const layers = [];
      for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
      return layers.reverse().reduce((back, layer) => over(layer, back), [255, 255, 255]);
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      const off = node.closest('[aria-disabled="true"], :disabled, .unseen, svg, option, noscript, script');
      if (off || !walker.currentNode.data.trim() || !node.checkVisibility({ visibilityProperty: true })) continue;
      const back = behind(node);
      const style = getComputedStyle(node);
      const [a, b] = [light(over(rgba(style.color), back)), light(back)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const large =
        parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5))
        found.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)} (${node.className || node.id})`);
    }
    return found;
  });
  assert.deepEqual(faint, []);
}

/** Everything that can be operated has a name, every field a label, and ids are not given twice. */
export async function assertNamed(page) {
  const nameless = await page.evaluate(() => {
    const named = (node) =>
      node.getAttribute("aria-label") ||
      node.getAttribute("aria-labelledby") ||
      node.labels?.length ||
      node.textContent.trim();
    const operable = [
      ...document.querySelectorAll("button, input, select, textarea, [role=tab], [role=tabpanel], [role=menu]"),
    ];
    const faults = operable
      .filter((node) => node.checkVisibility() && !named(node))
      .map(({ outerHTML }) => outerHTML.slice(0, 120));
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    return [...faults, ...ids.filter((id, index) => ids.indexOf(id) !== index)];
  });
  assert.deepEqual(nameless, []);
}

/** No sideways scrolling. */
export async function assertFits(page) {
  const [wanted, there] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(wanted <= there, `the page is ${wanted} wide in a window of ${there}`);
}
