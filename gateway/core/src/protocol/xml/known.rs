//! The fields that are always numbers or booleans, whichever message they stand in (protocol 3.2-c, 3.2-d).
//!
//! A name that means a text in one message and a number in another (`id`, `type`, `version`) is not here: who
//! writes a number into it says so with `type`. `result` is the exception: it is in every answer.

/// What a field without `type` is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Number,
    Boolean,
}

/// What the field of this name is known to be.
pub(super) fn known(key: &str) -> Option<Known> {
    if NUMBERS.binary_search(&key).is_ok() {
        Some(Known::Number)
    } else if BOOLEANS.binary_search(&key).is_ok() {
        Some(Known::Boolean)
    } else {
        None
    }
}

/// Sorted.
pub(super) const NUMBERS: [&str; 23] = [
    "connectionindex",
    "content-length",
    "count",
    "dated",
    "error",
    "errorcode",
    "expires",
    "lunchreasonid",
    "minduration",
    "numstateid",
    "packetcount",
    "packetnumber",
    "page",
    "priority",
    "result",
    "state",
    "timeout",
    "timertalklensec",
    "unviewed",
    "userstate",
    "userstateid",
    "waitresponsems",
    "webserverport",
];

/// Sorted.
pub(super) const BOOLEANS: [&str; 47] = [
    "allowcancel",
    "allowcascade",
    "autohide",
    "canconnecttogather",
    "canfax",
    "canvideo",
    "canvieweachother",
    "containsflashed",
    "defineuser",
    "everyonecaninvite",
    "fillsubordinates",
    "ghosthelp",
    "handle",
    "hasline",
    "intercom",
    "isautocall",
    "iscommutated",
    "isconference",
    "iscreator",
    "iscurrent",
    "isdirector",
    "isenabled",
    "isextline",
    "isflashing",
    "isghost",
    "isghostmajor",
    "isgroup",
    "ishidden",
    "isivr",
    "isoperator",
    "isringing",
    "isroutingivr",
    "isselector",
    "istask",
    "iswaitingforanswer",
    "iswaitinginflash",
    "oncallcenter",
    "onccmanual",
    "onlunch",
    "onlyforredirectstate",
    "onredirect",
    "ontask",
    "responsetowebsock",
    "savedb",
    "sendback",
    "showalloweddbstoredprocs",
    "usewebrtc",
];
