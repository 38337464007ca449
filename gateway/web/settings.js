/**
 * The page's own settings and the password: one menu in the header.
 *
 * Owns: the menu and the dialog for the password. Comes in: choices. Goes out: the theme, the language, `changepassword`.
 */

import { byId, element, field } from "./dom.js";
import { openDialog } from "./dialog.js";
import { PopupMenu } from "./menu.js";
import { showNote } from "./notices.js";
import { choosePhoto } from "./photo.js";
import { passwordBytes } from "./md5.js";
import { offers } from "./store.js";
import { LANGUAGES, chooseLanguage, strings } from "./strings.js";
import { setTheme, theme } from "./theme.js";

export class Settings {
  #menu = new PopupMenu(byId("settings-menu"));
  #store;
  #commands;
  #createConference;
  #readPhotos;

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./commands.js").Commands} commands
   * @param {{createConference: () => void, readPhotos: () => void}} leads to other parts of the page
   */
  constructor(store, commands, { createConference, readPhotos }) {
    this.#store = store;
    this.#commands = commands;
    this.#createConference = createConference;
    this.#readPhotos = readPhotos;
    this.#menu.attach(byId("settings-button"), () => this.#items());
  }

  #items() {
    const { state } = this.#store;
    const items = [];
    if (offers(state, "createnewconference")) {
      items.push(
        this.#menu.item({ text: strings.conference.create, symbol: "people", choose: this.#createConference }),
      );
    }
    if (offers(state, "changepassword")) {
      items.push(
        this.#menu.item({ text: strings.password.title, symbol: "key", choose: () => this.#changePassword() }),
      );
    }
    if (offers(state, "setmyuserphoto", "gettemphttppass")) {
      const choose = () => choosePhoto(this.#commands, this.#readPhotos);
      items.push(this.#menu.item({ text: strings.photo.title, symbol: "person", choose }));
    }
    const themes = Object.entries(strings.settings.themes).map(([name, text]) =>
      this.#menu.item({ text, checked: theme() === name, choose: () => setTheme(name) }),
    );
    const languages = Object.entries(LANGUAGES).map(([name, text]) =>
      this.#menu.item({ text, checked: strings.language === name, choose: () => chooseLanguage(name) }),
    );
    return [
      element("p", { class: "menu-title menu-me" }, byId("me").textContent),
      ...items,
      this.#menu.group(strings.settings.theme, themes),
      this.#menu.group(strings.settings.language, languages),
    ];
  }

  #changePassword() {
    const known = field(strings.password.old, {
      id: "password-old",
      type: "password",
      autocomplete: "current-password",
    });
    const fresh = field(strings.password.fresh, { id: "password-new", type: "password", autocomplete: "new-password" });
    const again = field(strings.password.again, {
      id: "password-again",
      type: "password",
      autocomplete: "new-password",
    });
    const save = async () => {
      const wrong = passwordFault(known.input.value, fresh.input.value, again.input.value);
      if (wrong) return wrong;
      const change = (client) => client.changePassword(known.input.value, fresh.input.value);
      const { fault } = await this.#commands.try(strings.failed.password, change);
      if (fault === null) showNote("", strings.password.done);
      return fault;
    };
    const rules = element("p", { class: "quiet" }, strings.password.rules);
    openDialog({
      title: strings.password.title,
      content: [known.row, fresh.row, again.row, rules],
      submit: strings.save,
      save,
    });
  }
}

/** @returns {string} what is wrong with it; empty if nothing is (protocol 6.1-m drops other letters, so they are refused) */
export function passwordFault(known, fresh, again) {
  if (!known || !fresh) return strings.password.missing;
  if (fresh !== again) return strings.password.different;
  const readable = /^[\u0020-\u007e\u0410-\u044f\u0401\u0451]+$/.test(fresh);
  return readable && passwordBytes(fresh).length === fresh.length ? "" : strings.password.letters;
}
