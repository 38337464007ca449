/**
 * What a line's picture means: the phone's state and the other party, derived from `getextendedlineinfo`.
 *
 * Pure functions over the protocol's fields (section 6.5); no document, no link, no clock.
 */

/**
 * @typedef {"ready" | "disconnected" | "ring" | "backring" | "backcall" | "call" | "talk" | "held" | "waiting" | "menu" | "reserved"} PhoneKind
 * `held`: only a held party is left; `waiting`: the other side put us on hold
 */

/**
 * @typedef {object} Phone
 * @property {PhoneKind} kind
 * @property {string} chainid
 * @property {Party} party
 * @property {Party | null} held
 * @property {number} talkSeconds so far, when the picture was taken
 * @property {string} userid of the other party, where it is a colleague
 * @property {string} conferenceid of the conference that the user is in or is called into; else empty
 * @property {string} note what the ring's event said about the caller
 */

/** @typedef {{name: string, number: string, conference: boolean}} Party */

/** @typedef {{number: string, name: string, note: string}} Caller what a ring's event said */

/**
 * @param {object} info the answer of `getextendedlineinfo`
 * @param {Phone | null} [previous] for the moments in which the line says "no change"
 * @param {Map<string, Caller>} [callers] by chain
 * @returns {Phone}
 */
export function phoneOf(info, previous = null, callers = new Map()) {
  const abonent = info.abonent ?? {};
  const chainid = String(info.chainid ?? "");
  const caller = callers.get(chainid);
  const held = truth(info.isflashing) ? partyOf(info.flashed ?? {}, caller) : null;
  const kind = kindOf(info, abonent, held);
  if (kind === "reserved" && previous) return previous;
  const party = kind === "held" ? held : partyOf(abonent, caller);
  return {
    kind,
    chainid,
    held,
    party,
    talkSeconds: Number(info.timertalklensec ?? 0) || 0,
    userid: idOf(abonent.userid),
    conferenceid: idOf(abonent.conferenceid),
    note: caller && caller.number === party.number ? caller.note : "",
  };
}

/** The order is the protocol's (section 6.5); libraries of the field derive the same. */
function kindOf(info, abonent, held) {
  if (truth(abonent.isautocall)) return "backcall";
  if (truth(abonent.isringing)) return abonent.direction === "acm_callback" ? "backring" : "ring";
  if (truth(abonent.iswaitinginflash)) return "waiting";
  if (truth(abonent.iscommutated) || truth(abonent.isconference)) return "talk";
  if (truth(abonent.isivr)) return "menu";
  if (abonent.extline || abonent.number) return "call";
  if (held) return "held";
  if (info.linestatestr === "lsDisconnected") return "disconnected";
  if (info.linestatestr === "lsReserved") return "reserved";
  return "ready";
}

/** A chain outlives its first caller: what the ring said holds for that number alone. */
function partyOf(fields, caller) {
  const conference = truth(fields.isconference) || Boolean(fields.conferencename);
  const number = String(fields.number ?? fields.callerid ?? fields.conferenceroom ?? "");
  const names = [
    fields.username,
    caller?.number === number ? caller.name : "",
    fields.name,
    fields.simplename,
    fields.caption,
    conferenceName(fields.conferencename),
    fields.ivrname,
  ];
  const name = names.map((candidate) => String(candidate ?? "").trim()).find((text) => text && text !== number) ?? "";
  return { name, number, conference };
}

/** @returns {string} empty where nobody gave it one: the gateway then calls it by the English word */
export function conferenceName(name) {
  return name === "Conference" ? "" : String(name ?? "");
}

/** @returns {string} an id in the form in which ids are compared; empty for none and for GUID zero */
export function idOf(value) {
  const id = String(value ?? "").toLowerCase();
  return /^[0-]*$/.test(id) ? "" : id;
}

/** Booleans may come as 1/0 or "1"/"0" (protocol 3.1). */
export function truth(value) {
  return value === true || value === 1 || value === "1" || value === "true";
}

/**
 * A number for the eye: Russian numbers of eleven digits in their usual groups, anything else as it came.
 *
 * @param {string} number
 * @returns {string}
 */
export function readableNumber(number) {
  const parts = /^(\+?7|8)(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(number);
  return parts ? `${parts[1]} ${parts[2]} ${parts[3]}-${parts[4]}-${parts[5]}` : number;
}

/**
 * What a person typed, as a number to dial.
 *
 * @param {string} text
 * @returns {string | null} null when it is none
 */
export function dialledNumber(text) {
  const number = text.replace(/[\s().\u2010-\u2015-]/g, "");
  return /^\+?[\d*#]{1,32}$/.test(number) ? number : null;
}

/**
 * @param {number} seconds
 * @returns {string} `0:07`, `12:34`, `1:02:03`
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** The page's word for a state id of users and numbers (protocol 6.3). */
export function stateName(id) {
  return ["offline", "ready", "break", "dnd", "offline", "busy", "reserved", "nophone"][Number(id)] ?? "offline";
}
