/**
 * Dark or light: what the system says, or what was chosen on this page.
 *
 * Owns: the choice, which this browser keeps. Runs before the page is painted, so that nothing flashes.
 */

const KEY = "okgate.theme";

/** @returns {"auto" | "light" | "dark"} */
export function theme() {
  const kept = readKept(KEY);
  return kept === "light" || kept === "dark" ? kept : "auto";
}

/** @param {"auto" | "light" | "dark"} chosen */
export function setTheme(chosen) {
  keep(KEY, chosen);
  apply();
}

/** What this browser keeps; a browser may forbid it. */
export function readKept(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Then it holds until the page is closed.
  }
}

function apply() {
  document.documentElement.dataset.theme = theme();
}

if (globalThis.document) apply();
