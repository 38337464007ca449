/**
 * Every text that a person reads on the page, in one place.
 *
 * Another language is another object of this shape; `strings` picks by the browser's languages.
 */

const english = {
  language: "en",
  product: "okgate",
  signIn: {
    title: "Sign in",
    lead: "Use the login and password of your telephone workplace.",
    login: "Login",
    password: "Password",
    submit: "Sign in",
    working: "Signing in…",
    missing: "Enter your login and your password.",
    sessionOver: "Your session has ended. Please sign in again.",
  },
  restoring: "Restoring your session…",
  signOut: "Sign out",
  myState: "My state",
  myStateIs: (state) => `My state: ${state}. Change`,
  breakReasons: "Take a break",
  afterCall: (state) => `${state} after this call`,
  stateNow: (state) => `Your state is now: ${state}`,
  states: {
    offline: "Offline",
    ready: "Ready",
    break: "On a break",
    dnd: "Do not disturb",
    busy: "On a call",
    reserved: "Reserved",
    nophone: "No phone",
  },
  call: {
    title: "Call",
    kinds: {
      ready: "No call",
      disconnected: "No phone",
      ring: "Incoming call",
      backring: "Answer your phone to call",
      backcall: "Calling",
      call: "Calling",
      talk: "In a call",
      held: "On hold",
      waiting: "You are on hold",
      menu: "In a voice menu",
      reserved: "One moment",
    },
    idle: "Incoming calls appear here.",
    disconnected: "Your phone is not connected. Check that it is switched on.",
    unknown: "Unknown number",
    conference: "Conference",
    withHeld: (party) => `${party} is on hold`,
    duration: "Duration",
    actions: {
      answer: "Answer",
      decline: "Decline",
      cancel: "Cancel",
      end: "End",
      hold: "Hold",
      takeBack: "Take back",
      swap: "Swap",
      connect: "Connect both",
    },
    announceRing: (party) => `Incoming call from ${party}. Alt A to answer, Alt X to decline.`,
    announce: (kind, party) => (party ? `${kind}: ${party}` : kind),
    titleRing: (party) => `${party} is calling`,
  },
  dial: {
    title: "Dial",
    label: "Number",
    placeholder: "Enter a number",
    submit: "Call",
    invalid: "A number has digits, and may have +, * and #.",
    notNow: "A call can be started once your phone is free.",
  },
  colleagues: {
    title: "Colleagues",
    find: "Find by name or number",
    empty: "There are no colleagues yet. They appear here once they are in the gateway's settings.",
    nothingFound: (text) => `Nobody matches “${text}”.`,
    noDepartment: "Without a department",
    services: "Groups, queues and menus",
    readyOf: (ready, all) => `${ready} of ${all} ready`,
    call: (name, number) => `Call ${name}, ${number}`,
    types: { 1: "Group", 2: "Queue", 3: "Voice menu", 4: "Outside line" },
  },
  keys: {
    title: "Keyboard shortcuts",
    answer: "answer",
    drop: "decline, cancel or end",
    hold: "hold, take back",
    dial: "go to the number",
  },
  link: {
    lost: "The link to the gateway is lost. Your phone keeps working.",
    retryIn: (seconds) => `Next try in ${seconds} s.`,
    retrying: "Reconnecting…",
    retryNow: "Try now",
    restored: "The link to the gateway is back.",
  },
  dismiss: "Dismiss",
  failed: {
    answer: "The call could not be answered.",
    decline: "The call could not be declined.",
    cancel: "The call could not be cancelled.",
    end: "The call could not be ended.",
    hold: "The call could not be put on hold.",
    takeBack: "The call could not be taken back.",
    swap: "The calls could not be swapped.",
    connect: "The calls could not be connected.",
    dial: "The call could not be started.",
    state: "Your state could not be changed.",
    load: "The page could not be filled.",
    config: "The gateway's web address does not answer.",
    noTls: "This page came over HTTPS, but the gateway takes browser tabs without TLS only. Ask your administrator.",
  },
  reasons: {
    400: "The gateway did not understand the request.",
    401: "You are not signed in.",
    403: "You are not allowed to do that.",
    404: "The gateway does not know that.",
    409: "That is not possible at this moment.",
    422: "The gateway did not accept the entry.",
    429: "Too many requests; wait a moment.",
    503: "The gateway is not available now.",
    504: "The gateway did not answer in time.",
    50025: "The permitted number of users is already signed in.",
    50093: "You are signed in from another program.",
  },
  refusals: {
    "Wrong login/pass combination": "This login and password do not match.",
    "Service not available": "The telephone service is not available now. Try again in a moment.",
  },
  signInUnreachable: "The gateway cannot be reached. Check the network and try again.",
};

/** @type {typeof english} */
export const strings = english;

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
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", text(node.dataset.label));
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = text(node.dataset.placeholder);
}
