/**
 * The operator page: puts the client, the views and the keyboard together.
 *
 * Owns: which view is shown, the kept session, the order of reading after a login. Comes in: events of the client,
 * wishes of the views. Goes out: requests. The phone's picture is always read from the gateway, never guessed.
 */

import { CallPanel } from "./callpanel.js";
import { Directory } from "./directory.js";
import { byId, isOff, setOff, setText } from "./dom.js";
import { LinkNotice, clearFailure, showFailure } from "./notices.js";
import { ErrorNumber, OkgateClient, OkgateError } from "./okgate.js";
import { dialledNumber, phoneOf } from "./phone.js";
import { Presence } from "./presence.js";
import { fillTexts, inWords, strings } from "./strings.js";

/** @type {OkgateClient | null} */
let client = null;
/** @type {import("./phone.js").Phone | null} */
let phone = null;
let online = false;
const callerNames = new Map();

const presence = new Presence(changeState);
const directory = new Directory(dial);
const callPanel = new CallPanel(act);
const linkNotice = new LinkNotice(() => client?.wake());
const readLine = oneAtATime(async () => {
  phone = phoneOf(await client.request("getextendedlineinfo"), phone, callerNames);
  showPhone();
});

async function start() {
  fillTexts(document);
  byId("signin").addEventListener("submit", signIn);
  byId("dial").addEventListener("submit", submitDial);
  byId("sign-out").addEventListener("click", signOut);
  document.addEventListener("keydown", onShortcut);
  addEventListener("online", () => client?.wake());
  document.addEventListener("visibilitychange", () => document.hidden || client?.wake());

  const session = keptSession();
  if (!session) {
    showView("signin");
    return;
  }
  try {
    client = await newClient();
    client.resume(session);
  } catch (error) {
    showView("signin");
    setText(byId("signin-error"), error.message);
  }
}

/** Reads where tabs connect to; throws an error in words. */
async function newClient() {
  const config = await fetch("config.json", { cache: "no-store" })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject()))
    .catch(() => {
      throw new Error(strings.failed.config);
    });
  const secure = location.protocol === "https:";
  const port = secure ? config.websocket_tls_port : config.websocket_port;
  if (!port) throw new Error(secure ? strings.failed.noTls : strings.failed.config);
  const created = new OkgateClient({ url: `${secure ? "wss" : "ws"}://${location.hostname}:${port}/` });
  listen(created);
  return created;
}

function listen(link) {
  link.subscribe("userstatechanged", "linestatechanged", "flashstatechanged", "phoneevent", "pbxnumberstatechanged");
  link.on("client.status", showStatus);
  link.on("client.ready", onReady);
  link.on("client.rejected", () => {
    leave();
    setText(byId("signin-error"), strings.signIn.sessionOver);
  });
  link.on("userstatechanged", (state) => {
    presence.show(state);
    readLine();
  });
  link.on("pbxnumberstatechanged", ({ numbers }) => directory.setStates(numbers ?? []));
  link.on("phoneevent_ringstarted", ({ chainid, callername }) => rememberCaller(chainid, callername));
  for (const name of LINE_EVENTS) link.on(name, readLine);
}

async function signIn(event) {
  event.preventDefault();
  const form = event.target;
  const [userlogin, password] = [form.login.value.trim(), form.password.value];
  const button = form.querySelector("button");
  const failed = (text) => setText(byId("signin-error"), text);
  failed("");
  if (!userlogin || !password) {
    failed(strings.signIn.missing);
    (userlogin ? form.password : form.login).focus();
    return;
  }
  button.disabled = true;
  setText(button, strings.signIn.working);
  try {
    client ??= await newClient();
    await client.login({ userlogin, password });
    form.reset();
  } catch (error) {
    const unreachable = error.number === ErrorNumber.NOT_AVAILABLE && !strings.refusals[error.message];
    failed(unreachable ? strings.signInUnreachable : inWords(error));
    form.password.select();
  } finally {
    button.disabled = false;
    setText(button, strings.signIn.submit);
  }
}

async function signOut() {
  leave();
  await client.logout();
}

/** Nothing of the last user stays on the page. */
function leave() {
  forgetSession();
  phone = null;
  callerNames.clear();
  clearFailure();
  showView("signin");
}

/** After each login: everything is read again, in one batch on the link; events were subscribed before. */
async function onReady(session) {
  keepSession(session);
  const signedIn = document.body.dataset.view === "signin";
  if (document.body.dataset.view !== "desk") showView("desk");
  if (signedIn) byId("desk").focus();
  try {
    const [, me, reasons, state, numbers, users] = await Promise.all([
      readLine(),
      client.request("getmyuserinfo"),
      client.request("cc_getlunchtypes"),
      client.request("getuserstate"),
      client.request("getpbxnumbers", { mode: "full" }),
      client.request("getallusernumbers"),
    ]);
    setText(byId("me"), [me.username || session.userlogin, me.mainpbxnumber].filter(Boolean).join(" · "));
    presence.setReasons(reasons.items ?? []);
    presence.show(state);
    directory.fill(users.users ?? [], numbers.numbers ?? [], session.userid);
  } catch (error) {
    if (client.status.state === "online") showFailure(inWords(error, strings.failed.load));
  }
}

function showStatus(status) {
  online = status.state === "online";
  linkNotice.show(status);
  presence.setOffline(!online);
  callPanel.setOffline(!online);
  showCallable();
}

function showPhone() {
  callPanel.show(phone);
  showCallable();
}

/** A call can be started while the link is up and the phone is free. */
function showCallable() {
  const callable = online && phone?.kind === "ready";
  directory.setCallable(callable);
  setOff(byId("dial").querySelector("button"), !callable);
}

function rememberCaller(chainid, callername) {
  if (!callername) return;
  if (callerNames.size >= CALLER_NAMES_MAX) callerNames.delete(callerNames.keys().next().value);
  callerNames.set(String(chainid), callername);
}

/** One action of the call panel. */
async function act(action) {
  const [method, fields] = METHODS[action];
  await attempt(strings.failed[action], method, fields);
}

async function changeState(fields) {
  const state = await attempt(strings.failed.state, "setuserstate", fields);
  if (state) presence.show(state);
}

async function submitDial(event) {
  event.preventDefault();
  const field = byId("dial-number");
  const number = dialledNumber(field.value);
  const wrong = Boolean(field.value.trim() && !number);
  const notNow = number && isOff(event.target.querySelector("button"));
  field.setAttribute("aria-invalid", String(wrong));
  setText(byId("dial-error"), (wrong && strings.dial.invalid) || (notNow && strings.dial.notNow) || "");
  if (!number) field.focus();
  else if (!notNow && (await dial(number))) field.value = "";
}

/** My own phone rings first, then the other one. */
async function dial(number) {
  return Boolean(await attempt(strings.failed.dial, "pbxautocallstart", { number, sequence: "user" }));
}

/** A request whose failure the person is told of, in words; null then. */
async function attempt(wanted, method, fields) {
  try {
    const answer = await client.request(method, fields);
    clearFailure();
    return answer;
  } catch (error) {
    showFailure(inWords(error, wanted));
    readLine();
    return null;
  }
}

/** By the key's place, so that it works on every keyboard layout. */
function onShortcut(event) {
  const view = document.body.dataset.view;
  if (view !== "desk" || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
  const actions = SHORTCUTS[event.code];
  if (actions && callPanel.press(actions)) event.preventDefault();
  if (event.code === "KeyN") {
    event.preventDefault();
    byId("dial-number").focus();
  }
}

function showView(view) {
  document.body.dataset.view = view;
  document.title = strings.product;
  if (view === "signin") byId("signin-login").focus();
}

/**
 * Runs a reading one at a time: a call during a run makes it run once more, so that the last picture is never stale.
 *
 * @param {() => Promise<void>} read
 * @returns {() => Promise<void>}
 */
function oneAtATime(read) {
  let running = null;
  let again = false;
  const run = async () => {
    do {
      again = false;
      try {
        await read();
      } catch (error) {
        if (!(error instanceof OkgateError)) throw error;
        // The link is gone or the line unknown: the next event or login reads anew.
      }
    } while (again);
  };
  return () => {
    again = running !== null;
    running ??= run().finally(() => {
      running = null;
    });
    return running;
  };
}

function keptSession() {
  try {
    return JSON.parse(sessionStorage.getItem(SESSION_KEY));
  } catch {
    return null;
  }
}

function keepSession(session) {
  sessionStorage.setItem(SESSION_KEY, JSON.stringify(session));
}

function forgetSession() {
  sessionStorage.removeItem(SESSION_KEY);
}

const SESSION_KEY = "okgate.session";
const CALLER_NAMES_MAX = 50;

/** After each of these the line's picture is read (protocol 6.6). */
const LINE_EVENTS = [
  "linestatechanged",
  "flashstatechanged",
  "phoneevent_ringstarted",
  "phoneevent_ringstopped",
  "phoneevent_commstarted",
  "phoneevent_commstopped",
  "phoneevent_acmcallstarted",
  "phoneevent_acmcallstopped",
  "phoneevent_ivrstarted",
  "phoneevent_ivrstopped",
];

const METHODS = {
  answer: ["pbxanswercall", {}],
  decline: ["pbxdeclinecall", {}],
  cancel: ["pbxautocallabort", {}],
  end: ["pbxabortcall", {}],
  hold: ["pbxmakeflash", { mode: "switch" }],
  takeBack: ["pbxmakeflash", { mode: "switch" }],
  swap: ["pbxmakeflash", { mode: "switch" }],
  connect: ["pbxabortcall", {}],
};

const SHORTCUTS = {
  KeyA: ["answer"],
  KeyX: ["decline", "cancel", "end"],
  KeyH: ["hold", "takeBack", "swap"],
};

start();
