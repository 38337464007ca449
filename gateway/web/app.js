/**
 * The operator page: puts the client, the store, the views and the keyboard together.
 *
 * Owns: the order of reading after a login, and which key does what. Comes in: events of the client. Goes out: the store's
 * first contents. Each subject is a module of its own; `gateway/WEB.md` says which.
 */

import { CallActions } from "./callactions.js";
import { CallPanel } from "./callpanel.js";
import { Chat } from "./chat.js";
import { Commands } from "./commands.js";
import { ConferenceKeeper } from "./conference.js";
import { ConferencePanel } from "./conferencepanel.js";
import { Dial } from "./dial.js";
import { Directory } from "./directory.js";
import { byId, setText } from "./dom.js";
import { Events } from "./events.js";
import { Forms } from "./forms.js";
import { History } from "./history.js";
import { LinkNotice, showFailure } from "./notices.js";
import { OkgateError } from "./okgate.js";
import { peopleOf, withStates } from "./people.js";
import { personMenuItems } from "./personmenu.js";
import { photosOf } from "./photo.js";
import { Presence } from "./presence.js";
import { Queue } from "./queue.js";
import { Redirects } from "./redirect.js";
import { SessionKeeper } from "./session.js";
import { Settings } from "./settings.js";
import { Store, emptyState } from "./store.js";
import { fillTexts, inWords, strings } from "./strings.js";
import { Tabs } from "./tabs.js";

fillTexts(document);

const SHORTCUTS = {
  KeyA: ["answer"],
  KeyX: ["decline", "cancel", "end", "leave", "back"],
  KeyH: ["hold", "takeBack", "swap"],
  KeyT: ["transfer"],
  KeyJ: ["connect", "joinHeld"],
};

const store = new Store();
const session = new SessionKeeper(listen, clear);
const commands = new Commands(store, () => session.client);
const conferenceKeeper = new ConferenceKeeper(store, commands);
const actions = new CallActions(store, commands, conferenceKeeper);
const linkNotice = new LinkNotice(() => session.client?.wake());

const tabs = new Tabs(byId("tabs"));
tabs.add("colleagues", strings.colleagues.title, byId("panel-colleagues"));
const conferencePanel = new ConferencePanel(store, actions, tabs);
const chat = new Chat(store, commands, tabs);
const history = new History(store, commands, tabs, (number) => actions.reach({ number }));
const redirects = new Redirects(store, commands, tabs);
const dial = new Dial(store, actions);
const callPanel = new CallPanel(store, act);
const queue = new Queue(store, commands);
const forms = new Forms(commands);
new Presence(store, commands);
new Settings(store, commands, { createConference: () => conferencePanel.create(), readPhotos });
new Directory(store, choose, personMenuItems({ store, actions, chat, conferencePanel }));

tabs.onChoose((id) => ({ messages: chat, history, redirects })[id]?.shown());
document.addEventListener("keydown", onShortcut);
session.start();

/** Everything of the last user goes; what the gateway does not know stays known. */
function clear() {
  const { unknownMethods } = store.state;
  for (const part of [chat, history, dial, forms]) part.clear();
  store.set({ ...emptyState(), unknownMethods });
  tabs.choose("colleagues");
}

function listen(client) {
  client.on("client.status", (status) => {
    store.set({ online: status.state === "online" });
    linkNotice.show(status);
  });
  client.on("client.phone", (phone) => store.set({ phone }));
  client.on("client.ready", readAll);
  client.on(Events.USER_STATE, (presence) => store.set({ presence }));
  client.on(Events.NUMBER_STATES, ({ numbers }) => {
    store.set({ numberStates: withStates(store.state.numberStates, numbers ?? []) });
  });
  client.subscribe(Events.NUMBER_STATES).catch(() => {});
  client.followPhone();
  for (const part of [conferenceKeeper, chat, queue, forms]) part.listen(client);
}

/** After each login: everything is read again, in one batch on the link; events were subscribed before. */
async function readAll({ userlogin, userid }) {
  const { client } = session;
  redirects.read();
  readPhotos();
  try {
    const [me, presence, numbers, users, reasons] = await Promise.all([
      client.me(),
      client.userState(),
      client.numbers(),
      client.users(),
      commands.read(() => client.breakReasons()),
    ]);
    setText(byId("me"), [me.username || userlogin, me.mainpbxnumber].filter(Boolean).join(" · "));
    const states = (numbers.numbers ?? []).map(({ number, state }) => ({ num: number, numstateid: state }));
    store.set({
      me: { ...me, userid: me.userid ?? userid },
      presence,
      reasons: (reasons?.items ?? []).filter(Boolean),
      numberStates: withStates(store.state.numberStates, states),
      people: peopleOf(users.users ?? [], numbers.numbers ?? [], userid, strings.colleagues),
    });
  } catch (error) {
    if (!(error instanceof OkgateError)) throw error;
    if (client.status.state === "online") showFailure(inWords(error, strings.failed.load));
  }
}

async function readPhotos() {
  store.set({ photos: photosOf(await commands.read((client) => client.photos())) });
}

/** Some actions only lead to another part of the page. */
async function act(action) {
  if (action === "transfer") dial.focus();
  else if (action === "people") {
    tabs.choose("conference");
    byId("panel-conference").focus();
  } else await actions.run(action);
}

function choose(person, use) {
  return use === "transfer" ? actions.transfer(person.number) : actions.reach(person);
}

/** By the key's place, so that it works on every keyboard layout. */
function onShortcut(event) {
  const view = document.body.dataset.view;
  if (view !== "desk" || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
  if (document.querySelector("dialog[open]")) return;
  const pressed = SHORTCUTS[event.code];
  if (pressed && callPanel.press(pressed)) event.preventDefault();
  if (event.code === "KeyN") {
    event.preventDefault();
    dial.focus();
  }
}
