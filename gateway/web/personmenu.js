/**
 * What else can be done with a colleague: the items of the menu in their row.
 *
 * Owns nothing. Comes in: the person and the moment. Goes out: the wish, through the call actions and the messages.
 */

import { canSupervise, canTransfer, targetAction } from "./callactions.js";
import { offers } from "./store.js";
import { strings } from "./strings.js";

/**
 * @param {object} desk
 * @param {import("./store.js").Store} desk.store
 * @param {import("./callactions.js").CallActions} desk.actions
 * @param {import("./chat.js").Chat} desk.chat
 * @param {import("./conferencepanel.js").ConferencePanel} desk.conferencePanel
 * @returns {(menu: import("./menu.js").PopupMenu, person: import("./store.js").Person) => Node[]}
 */
export function personMenuItems({ store, actions, chat, conferencePanel }) {
  return (menu, person) => {
    const { state } = store;
    const items = [];
    const add = (name, symbol, choose) => items.push(menu.item({ text: strings.personMenu[name], symbol, choose }));
    const action = targetAction(state);
    if (action) add(action, action === "invite" ? "person-add" : "phone", () => actions.reach(person));
    if (action === "call") add("intercom", "speaker", () => actions.call(person.number, { intercom: true }));
    if (canTransfer(state)) add("transfer", "forward", () => actions.transfer(person.number));
    if (person.userid && offers(state, "sendusertextmessage")) add("message", "message", () => chat.write(person));
    if (action === "call" && offers(state, "createnewconference")) {
      add("conference", "people", () => conferencePanel.create([person.number]));
    }
    const supervision = canSupervise(state, person)
      ? [
          ["monitor", "ear"],
          ["help", "whisper"],
          ["conference", "people"],
        ].map(([mode, symbol]) =>
          menu.item({ text: strings.supervise[mode], symbol, choose: () => actions.supervise(person.userid, mode) }),
        )
      : [];
    if (supervision.length > 0) items.push(menu.group(strings.supervise.title(person.name), supervision));
    if (items.length > 0) return items;
    return [menu.item({ text: strings.personMenu.nothing, choose: () => {} })];
  };
}
