/**
 * The conference panel: who is in it, taking somebody out, and making a new one.
 *
 * Owns: the panel's elements and the dialog for a new conference. Comes in: the store's conference.
 * Goes out: the wishes, through the call actions. Inviting is done where numbers and colleagues are: in the dial card and the list.
 */

import { others, mayLead } from "./conference.js";
import { byId, checkField, element, field, icon, iconButton, initials, keepingFocus } from "./dom.js";
import { openDialog } from "./dialog.js";
import { dialledNumber, idOf, readableNumber } from "./phone.js";
import { nameOf } from "./people.js";
import { offers } from "./store.js";
import { strings } from "./strings.js";
import { spoken } from "./callpanel.js";

export class ConferencePanel {
  #panel = byId("panel-conference");
  #store;
  #actions;
  #tabs;
  #before = "";
  #shownId = "";

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./callactions.js").CallActions} actions
   * @param {import("./tabs.js").Tabs} tabs
   */
  constructor(store, actions, tabs) {
    this.#store = store;
    this.#actions = actions;
    this.#tabs = tabs;
    tabs.add("conference", strings.conference.title, this.#panel, true);
    store.watch(["conference", "people", "unknownMethods"], (state) => this.#show(state));
  }

  /** Opens the dialog for a new conference. */
  create(preselected = []) {
    const { people } = this.#store.state;
    const name = field(strings.conference.name, { id: "conference-name", maxlength: "80" });
    const numbers = field(strings.conference.numbers, { id: "conference-numbers", inputmode: "tel" });
    const chosen = people
      .filter(({ service }) => !service)
      .map((person) => ({
        person,
        ...checkField(`${person.name} · ${person.number}`, {
          id: `conference-with-${person.number}`,
          checked: preselected.includes(person.number),
        }),
      }));
    const list = element("div", { class: "check-list", role: "group", "aria-label": strings.conference.who });
    list.append(...chosen.map(({ row }) => row));
    const save = async () => {
      const typed = numbers.input.value.split(/[,;]+/).filter((text) => text.trim());
      const dialled = typed.map(dialledNumber);
      const wrong = typed.find((_, index) => !dialled[index]);
      if (wrong !== undefined) return strings.conference.wrongNumber(wrong.trim());
      const targets = [
        ...chosen.filter(({ input }) => input.checked).map(({ person }) => person),
        ...dialled.map((number) => ({ number })),
      ];
      if (targets.length < 1) return strings.conference.nobody;
      return this.#actions.createConference(name.input.value.trim() || strings.conference.title, targets);
    };
    openDialog({
      title: strings.conference.create,
      content: [name.row, element("p", { class: "field-title" }, strings.conference.who), list, numbers.row],
      submit: strings.conference.start,
      save,
    });
  }

  #show(state) {
    const { conference, me } = state;
    this.#follow(conference);
    if (!conference) {
      this.#panel.replaceChildren();
      return;
    }
    const lead = mayLead(conference, me?.userid) && offers(state, "confdisconnectcompetitor");
    const shown = conference.competitors.filter(({ presence }) => presence !== "out");
    const count = others(conference, me?.userid).filter(({ presence }) => presence === "in").length + 1;
    this.#tabs.setCount("conference", count, strings.conference.count(count));
    const title = conference.ghost ? strings.conference.supervised : conference.name || strings.conference.title;
    const hint = conference.ghost ? strings.conference.ghostHint[conference.mode] : strings.conference.hint;
    const head = element(
      "div",
      { class: "panel-head" },
      element("h2", {}, title),
      element("span", { class: "quiet" }, strings.conference.count(count)),
    );
    const rows = shown.map((competitor) => this.#row(competitor, state, lead));
    const list = element("ul", { class: "competitors" }, ...rows);
    keepingFocus(this.#panel, () =>
      this.#panel.replaceChildren(head, element("p", { class: "quiet panel-hint" }, hint), list),
    );
  }

  #row(competitor, { me, people, conference }, lead) {
    const mine = competitor.userid !== "" && competitor.userid === idOf(me?.userid);
    const name =
      competitor.name || nameOf(people, competitor) || readableNumber(competitor.number) || strings.call.unknown;
    const words = mine ? strings.conference.you(name) : name;
    const marks = [
      competitor.creator && !conference.ghost && strings.conference.creator,
      competitor.director && !competitor.creator && strings.conference.director,
      competitor.major && strings.conference.major,
      competitor.ghost && !competitor.major && strings.conference.ghost,
    ].filter(Boolean);
    const remove = iconButton("close", strings.conference.remove(spoken({ ...competitor, name })), {
      "data-key": competitor.id,
      click: () => this.#actions.remove(competitor.id),
    });
    const number = readableNumber(competitor.number);
    const parts = [number === name ? "" : number, presenceWords(competitor)].filter(Boolean);
    const line = element("p", { class: "person-line" }, ...parts.map((text) => element("span", {}, text)));
    return element(
      "li",
      { class: "person competitor", "data-presence": competitor.presence, "data-number": competitor.number },
      element("span", { class: "avatar", "aria-hidden": "true" }, competitor.name ? initials(name) : icon("person")),
      element(
        "div",
        { class: "person-words" },
        element(
          "p",
          { class: "person-name", title: name },
          words,
          ...marks.map((mark) => element("span", { class: "mark" }, mark)),
        ),
        line,
      ),
      ...(lead && !mine && competitor.presence !== "failed" ? [remove] : []),
    );
  }

  /** The panel comes forward when a conference begins, unless somebody is writing, and goes when it is over. */
  #follow(conference) {
    const id = conference?.id ?? "";
    if (id === this.#shownId) return;
    this.#shownId = id;
    const writing =
      document.activeElement?.closest?.("[role=tabpanel]") && document.activeElement.matches("input, textarea");
    if (id) {
      this.#before = this.#tabs.chosen;
      this.#tabs.setHidden("conference", false);
      if (!writing) this.#tabs.choose("conference");
    } else {
      const wasChosen = this.#tabs.chosen === "conference";
      this.#tabs.setHidden("conference", true);
      if (wasChosen) this.#tabs.choose(this.#before);
    }
  }
}

function presenceWords({ presence, reason }) {
  if (presence !== "failed") return strings.conference.states[presence];
  return strings.conference.failures[reason] ?? strings.conference.failed;
}
