//! Owns how an event that a tab got is told from others: in a few words, without keeping it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::message::{peek_number, peek_text};

/// One event, in as few words as tell it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeenEvent {
    /// Its name.
    pub(crate) what: Happened,
    /// A digest of its `qid`.
    pub(crate) qid: u64,
    /// A digest of the whole text.
    pub(crate) text: u64,
    /// What it is about: the user's new state, or a digest of the call's or the talk's id.
    pub(crate) about: u64,
}

/// The name of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Happened {
    /// `userstatechanged`.
    UserState,
    /// `phoneevent_ringstarted`.
    RingStarted,
    /// `phoneevent_ringstopped`.
    RingStopped,
    /// `phoneevent_commstarted`.
    CommStarted,
    /// `phoneevent_commstopped`.
    CommStopped,
    /// `linestatechanged`.
    LineState,
    /// Any other.
    Other,
}

impl Happened {
    /// The event of this name.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "userstatechanged" => Self::UserState,
            "phoneevent_ringstarted" => Self::RingStarted,
            "phoneevent_ringstopped" => Self::RingStopped,
            "phoneevent_commstarted" => Self::CommStarted,
            "phoneevent_commstopped" => Self::CommStopped,
            "linestatechanged" => Self::LineState,
            _ => Self::Other,
        }
    }

    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UserState => "userstatechanged",
            Self::RingStarted => "phoneevent_ringstarted",
            Self::RingStopped => "phoneevent_ringstopped",
            Self::CommStarted => "phoneevent_commstarted",
            Self::CommStopped => "phoneevent_commstopped",
            Self::LineState => "linestatechanged",
            Self::Other => "another event",
        }
    }
}

impl SeenEvent {
    /// Reads what is needed of an event; `None` if it is not there.
    pub(super) fn read(what: Happened, text: &[u8]) -> Option<Self> {
        let about = match what {
            Happened::UserState => peek_number(text, b"\"userstateid\":"),
            Happened::RingStarted | Happened::RingStopped => id(text, "\"chainid\""),
            Happened::CommStarted | Happened::CommStopped => id(text, "\"commutationid\""),
            Happened::LineState | Happened::Other => Some(0),
        };
        Some(Self {
            what,
            qid: id(text, "\"qid\"")?,
            text: digest(text),
            about: about?,
        })
    }
}

/// Whether an event that is about a user is about this one.
pub(super) fn is_of(what: Happened, text: &[u8], login: &str) -> bool {
    let named = (what != Happened::Other).then(|| peek_text(text, "\"userlogin\""));
    let Some(Some(named)) = named else {
        return true;
    };
    named.eq_ignore_ascii_case(login.as_bytes())
}

/// A digest of a field that is an id.
fn id(text: &[u8], key: &str) -> Option<u64> {
    peek_text(text, key).map(digest)
}

/// The same for the same bytes in every process of this program.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, fields: &str) -> Option<SeenEvent> {
        let text = format!("[\"{name}\",{{{fields}}}]");
        SeenEvent::read(Happened::named(name), text.as_bytes())
    }

    #[test]
    fn events_are_told_apart_by_what_they_are_about() {
        let busy = read("userstatechanged", r#""qid":"a","userstateid":5"#).unwrap();
        assert_eq!((busy.what, busy.about), (Happened::UserState, 5));
        let begun = read("phoneevent_ringstarted", r#""qid":"b","chainid":"c""#).unwrap();
        let over = read("phoneevent_ringstopped", r#""qid":"d","chainid":"c""#).unwrap();
        assert_eq!(begun.about, over.about);
        assert_ne!(begun.qid, over.qid);
    }

    #[test]
    fn what_lacks_its_id_cannot_be_read() {
        assert_eq!(read("phoneevent_ringstarted", r#""qid":"b""#), None);
        assert_eq!(read("linestatechanged", ""), None);
    }

    #[test]
    fn another_users_event_is_known_by_the_login_in_it() {
        let text = br#"["linestatechanged",{"qid":"a","userlogin":"User7"}]"#;
        assert!(is_of(Happened::LineState, text, "user7"));
        assert!(!is_of(Happened::LineState, text, "user70"));
        assert!(is_of(
            Happened::LineState,
            b"[\"linestatechanged\",{}]",
            "user7"
        ));
    }
}
