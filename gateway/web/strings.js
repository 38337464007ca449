/**
 * Every text that a person reads on the page comes from here, in the language that was chosen or that the browser prefers.
 *
 * Owns: the choice of the language, which this browser keeps. The texts themselves are in `strings-en.js` and
 * `strings-ru.js`, two objects of one shape; another language is another such file.
 */

import { english } from "./strings-en.js";
import { russian } from "./strings-ru.js";
import { keep, readKept } from "./theme.js";

/** By their codes, in their own words. */
export const LANGUAGES = Object.freeze({ en: "English", ru: "Русский" });

/** @returns {"en" | "ru"} the kept one, else the first preferred one that there is */
export function languageOf(kept, preferred) {
  const codes = [kept, ...preferred.map((tag) => tag.slice(0, 2).toLowerCase())];
  return codes.find((code) => Object.hasOwn(LANGUAGES, code ?? "")) ?? "en";
}

const KEY = "okgate.language";
const ALL = { en: english, ru: russian };

/** @type {typeof english} */
export const strings = ALL[languageOf(readKept(KEY), globalThis.navigator?.languages ?? [])];

/** Takes the page over into another language: it is loaded anew, and the session goes on. */
export function chooseLanguage(code) {
  if (code === strings.language) return;
  keep(KEY, code);
  location.reload();
}

/**
 * A failure in words: what the person wanted, and why it did not happen.
 *
 * @param {{number?: number, message?: string}} error
 * @param {string} [wanted] one of `strings.failed`
 * @returns {string}
 */
export function inWords(error, wanted = "") {
  const reason = strings.refusals[error.message] ?? strings.reasons[error.number] ?? error.message ?? "";
  return [wanted, reason].filter(Boolean).join(" ");
}

/**
 * Says which language the document is in, and fills the elements that name a text: `data-text`, `data-label`, `data-placeholder`.
 *
 * @param {ParentNode} root
 */
export function fillTexts(root) {
  document.documentElement.lang = strings.language;
  const text = (path) => path.split(".").reduce((value, key) => value[key], strings);
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = text(node.dataset.placeholder);
  for (const node of root.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", text(node.dataset.label));
    if (node.matches("button")) node.title = text(node.dataset.label);
  }
}
