/**
 * okgate.js: the library for pages and programs that speak with the gateway.
 *
 * Owns: the methods of protocol section 6 as functions, and the phone's state. Comes in: calls of the page, answers and
 * events of the gateway. Goes out: promises of the answers' fields, events by name. `gateway/WEB.md` has the table of all functions.
 *
 * ```js
 * import { Events, OkgateClient } from "./okgate.js";
 *
 * const client = new OkgateClient({ url: "ws://gateway.example:4066/" });
 * client.on(Events.RING_STARTED, (event) => console.log(event.callerid, event.callername));
 * client.on("client.phone", (phone) => console.log(phone.kind, phone.party.name));
 * client.followPhone();
 * await client.login({ userlogin: "anna", password: "secret" });
 * await client.call("102");
 * ```
 */

import { Events } from "./events.js";
import { OkgateLink, newGuid } from "./link.js";
import { passwordBytes, passwordHashes } from "./md5.js";
import { PhoneFollower } from "./phonefollower.js";

export { EventGroups, Events } from "./events.js";
export { ErrorNumber, OkgateError, newGuid } from "./link.js";
export { dialledNumber, duration, phoneOf, readableNumber, truth } from "./phone.js";

/**
 * One user's link to the gateway, with every method as a function. Each function returns the promise of the answer's
 * fields and throws an {@link OkgateError} when the gateway refuses.
 */
export class OkgateClient extends OkgateLink {
  #follower = null;

  /** The phone's state, or null before the first reading; kept once {@link followPhone} was called. */
  get phone() {
    return this.#follower?.phone ?? null;
  }

  /** From now on `client.phone` comes after each change of the line, and after each login. */
  followPhone() {
    this.#follower ??= new PhoneFollower(this);
    if (this.status.state === "online") this.#follower.read();
  }

  /** Reads the line now, where nobody should wait for an event: after a refused action, say. */
  readPhone() {
    return this.#follower?.read() ?? Promise.resolve();
  }

  /** Forgets the phone's state: another user comes. */
  forgetPhone() {
    this.#follower?.reset();
  }

  // Connection and versions: 6.1, 6.2

  version() {
    return this.request("getversion", { showalloweddbstoredprocs: true });
  }

  me() {
    return this.request("getmyuserinfo");
  }

  // The user's state: 6.3

  userState() {
    return this.request("getuserstate");
  }

  /** @param {{userstateid?: number, oncallcenter?: boolean, onccmanual?: boolean, onredirect?: boolean, lunchreasonid?: number, lunchreasonmsg?: string}} fields */
  setUserState(fields) {
    return this.request("setuserstate", fields);
  }

  breakReasons() {
    return this.request("cc_getlunchtypes");
  }

  redirectRules() {
    return this.request("getredirectrules");
  }

  saveRedirectRule(redirectrule) {
    return this.request("saveredirectrules", { redirectrule });
  }

  /** @param {string[]} ids */
  deleteRedirectRules(ids) {
    return this.request("deleteredirectrules", { ids });
  }

  /** @param {string} oldPassword @param {string} newPassword both as typed */
  changePassword(oldPassword, newPassword) {
    return this.request("changepassword", {
      oldpwdmd5: passwordHashes(oldPassword).Password,
      newpwdmd5: passwordHashes(newPassword).Password,
      newpwd: String.fromCharCode(...passwordBytes(newPassword)),
    });
  }

  // The directory: 6.4

  numbers() {
    return this.request("getpbxnumbers", { mode: "full" });
  }

  users() {
    return this.request("getallusernumbers", { fillsubordinates: true });
  }

  photos() {
    return this.request("getalluserphotolink", { mode: "page" });
  }

  photo() {
    return this.request("getuserphoto", { mode: "page" });
  }

  /** @param {string} filepath what an upload answered */
  setPhoto(filepath) {
    return this.request("setmyuserphoto", { filepath });
  }

  // The line and calls: 6.5

  lineInfo() {
    return this.request("getextendedlineinfo");
  }

  /** In a talk: the other party goes on hold and the new one is called. */
  call(number, { sequence = "user", intercom = false } = {}) {
    return this.request("pbxautocallstart", { number, sequence, ...(intercom && { intercom }) });
  }

  abortDialling() {
    return this.request("pbxautocallabort");
  }

  answer() {
    return this.request("pbxanswercall");
  }

  /** With somebody on hold: connects the two, and leaves. */
  hangUp() {
    return this.request("pbxabortcall");
  }

  decline() {
    return this.request("pbxdeclinecall");
  }

  /** @param {"switch" | "abort" | "next"} [mode] `switch`: hold, take back or swap; `abort`: drop this one, back to the held one */
  flash(mode = "switch") {
    return this.request("pbxmakeflash", { mode });
  }

  transfer(transferto) {
    return this.request("pbxmaketransfer", { transferto });
  }

  heldParty() {
    return this.request("getflashedabonentinfo");
  }

  /** The callers who wait for this user. */
  queue() {
    return this.request("getcurrentqueue");
  }

  chainContent(chainid) {
    return this.request("getchaincontent", chainid === undefined ? {} : { chainid });
  }

  /** @param {{datestart?: string, dateend?: string, connectiontype?: any, minduration?: number, page?: number}} filter */
  journal(filter = {}) {
    return this.request("getpbxcalljournal", { filter });
  }

  // Conferences: 6.5-r to 6.5-ab

  conferenceFromTalk() {
    return this.request("buildconferencefromcommutation");
  }

  /** @param {object} conference fields of 6.5-s; its `id` is made where it is missing @param {object[]} competitors */
  createConference(conference, competitors) {
    return this.request("createnewconference", { conference: { id: newGuid(), ...conference }, competitors });
  }

  /** @param {string} conferenceid @param {({userid: string} | {userlogin: string} | {number: string} | {intnumber: string})[]} competitors */
  invite(conferenceid, competitors) {
    return this.request("invitetoconference", { conferenceid, competitors });
  }

  canJoinHeldParty() {
    return this.request("checkcanconnecttogathertoconference");
  }

  /** Takes the held party into the conference. */
  joinHeldParty() {
    return this.request("connecttogathertoconference");
  }

  conferenceInfo(conferenceid) {
    return this.request("getconferenceinfo", { conferenceid });
  }

  conferenceCompetitors(conferenceid) {
    return this.request("getconferencecompetitors", { conferenceid });
  }

  removeCompetitor(conferenceid, competitorid) {
    return this.request("confdisconnectcompetitor", { conferenceid, competitor: { competitorid } });
  }

  leaveConference(conferenceid) {
    return this.request("exitconference", { conferenceid });
  }

  /** Asks for the events of a conference's competitors, or for no more of them. */
  followConference(conferenceid, handle = true) {
    return this.request("confhandleevent", { conferenceid, eventtype: "competitors", handle });
  }

  // Supervision: 6.5-ac to 6.5-ae

  /** @param {string} ghostedid the user whose talk is listened to */
  supervise(ghostedid) {
    return this.request("attachasghost", { ghostedid });
  }

  /** @param {string} conferenceid @param {"monitor" | "help" | "conference"} ghostmode */
  setSuperviseMode(conferenceid, ghostmode) {
    return this.request("confsetghostmode", { conferenceid, ghostmode });
  }

  setVoice(conferenceid, competitorid, ghosthelp) {
    return this.request("confsetvoiceparams", { conferenceid, competitor: { competitorid, ghosthelp } });
  }

  // Messages between people and programs: 5-e, 6.7

  /** @param {string} text @param {string[]} recipients ids or logins of users */
  sendText(text, recipients) {
    return this.request("sendusertextmessage", { text, recipients });
  }

  triggerCustomEvent(eventname, eventparam, { recipients = [], sendback = false } = {}) {
    return this.request("triggercustomevent", { eventname, eventparam, recipients, sendback: sendback ? 1 : "0" });
  }

  runProcedure(procedure, inputparams = {}) {
    return this.request("execpredefineddbstoredproc", { procedure, inputparams });
  }

  /** @param {string} name @param {object} [fields] `startparam1` to `startparam5`, `timeout` */
  runScript(name, fields = {}) {
    return this.request("execsvcscript", { name, ...fields });
  }

  temporaryPassword(responsetowebsock = false) {
    return this.request("gettemphttppass", { responsetowebsock });
  }

  /** The answer to an `executemethod` of a scenario. */
  answerMethod(executionid, outputparameters) {
    return this.request("methodresult", { executionid, outputparameters });
  }

  // Forms: 8-l to 8-t

  /**
   * From now on `show` is called with the fields of each form that the CRM opens at this user, and of those that are open already
   * (again after each reconnection, with the same `windowid`), and `close` with the `windowid` of each that ends.
   *
   * @param {(form: {windowid: string, formkey: string, formname?: string, inputparameters: object, inputparams?: object[], outputparams?: object[]}) => void} show
   * @param {(windowid: string) => void} [close]
   * @returns {() => void} takes both off
   */
  onForm(show, close = () => {}) {
    const offs = [this.on(Events.FORM_SHOWN, show), this.on(Events.FORM_CLOSED, ({ windowid }) => close(windowid))];
    this.subscribe(Events.FORM_SHOWN, Events.FORM_CLOSED).catch(() => {});
    return () => offs.forEach((off) => off());
  }

  /** The values of a form, which ends it for everybody. */
  formResult(windowid, outputparameters = {}) {
    return this.request("methodresult", { windowid, outputparameters });
  }

  /** Puts a form away without values. */
  closeForm(windowid) {
    return this.request("closeform", { windowid });
  }
}
