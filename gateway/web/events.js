/**
 * The names of the gateway's events (protocol, section 7), so that a typing error is found at once.
 *
 * Owns nothing: constants alone.
 */

export const Events = Object.freeze({
  USER_STATE: "userstatechanged",
  NUMBER_STATES: "pbxnumberstatechanged",
  LINE_STATE: "linestatechanged",
  FLASH_STATE: "flashstatechanged",
  RING_STARTED: "phoneevent_ringstarted",
  RING_STOPPED: "phoneevent_ringstopped",
  TALK_STARTED: "phoneevent_commstarted",
  TALK_STOPPED: "phoneevent_commstopped",
  IVR_STARTED: "phoneevent_ivrstarted",
  IVR_STOPPED: "phoneevent_ivrstopped",
  DIALLING_STARTED: "phoneevent_acmcallstarted",
  DIALLING_STOPPED: "phoneevent_acmcallstopped",
  FAX_STARTED: "phoneevent_faxstarted",
  FAX_STOPPED: "phoneevent_faxstopped",
  FAX_RECEIVED: "phoneevent_faxreceived",
  CONFERENCE_CHANGED: "confcompositionchanged",
  COMPETITOR_CHANGED: "confcompetitorstatechanged",
  CUSTOM: "customevent",
  HTTP_RESPONSE: "httpresponsecopy",
  NOTIFICATION: "shownotifymessage",
  TEXT_MESSAGE: "usertextmessagereceived",
  FORM_SHOWN: "showuserform",
  FORM_CLOSED: "closeform",
  METHOD_CALLED: "executemethod",
  METHOD_CANCELLED: "cancelmethod",
  METHOD_GIVEN_UP: "executemethodwaitaborted",
  CHAT_CREATED: "chatcreated",
  CHAT_RENAMED: "chatnamechanged",
  CHAT_MEMBER_ADDED: "chatmemberadded",
  CHAT_MEMBER_REMOVED: "chatmemberremoved",
  CHAT_MESSAGE: "chatmessage",
  CHAT_MESSAGE_VIEWED: "chatmessageviewed",
  CARD_RESERVE: "dlgcard_showreserve",
  CARD_CONFIRM: "dlgcard_showconfirm",
  CARD_FORM_STOP: "dlgcard_showformstop",
  CARD_FORM_DIALOG: "dlgcard_showformdialog",
  CARD_CLOSE_ALL: "dlgcard_closeall",
  CARD_CLOSE_RESERVE: "dlgcard_closereserve",
  CARD_RETURN_VALUES: "dlgcard_closeformreturnvalues",
  CARD_RETURN_COMMENT: "dlgcard_closeformreturncomment",
});

/** Names that `subscribe` takes for all their members (protocol 7-u). */
export const EventGroups = Object.freeze({
  PHONE: "phoneevent",
  METHODS: "dynamic",
  METHODS_GIVEN_UP: "dynamicwaitabort",
  CHAT: "chat",
  CARDS: "dlgcard",
});

/** After each of these the line has a new picture (protocol 6.6-a). */
export const LINE_EVENTS = Object.freeze([
  Events.USER_STATE,
  Events.LINE_STATE,
  Events.FLASH_STATE,
  Events.RING_STARTED,
  Events.RING_STOPPED,
  Events.TALK_STARTED,
  Events.TALK_STOPPED,
  Events.DIALLING_STARTED,
  Events.DIALLING_STOPPED,
  Events.IVR_STARTED,
  Events.IVR_STOPPED,
]);
