//! Owns what a peer does with a text: the JSON is parsed into types, as a user of `serde_json` would write it, and the answer is
//! made from types, too.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What follows from a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// This goes back.
    Answer(String),
    /// This goes to all others.
    Broadcast(String),
}

/// Reads a text and says what follows.
pub(super) fn reply(text: &[u8]) -> Reply {
    let Request(method, fields) = match serde_json::from_slice(text) {
        Ok(request) => request,
        Err(error) => return Reply::failure(None, &format!("not a request: {error}")),
    };
    match (&*method, fields.text) {
        ("ping", _) => Reply::answer("pong", &Pong { qid: fields.qid }),
        ("broadcast", Some(text)) => Reply::Broadcast(text.into_owned()),
        ("broadcast", None) => Reply::failure(fields.qid, "broadcast needs a text"),
        _ => Reply::failure(fields.qid, "unknown method"),
    }
}

impl Reply {
    fn answer(name: &str, fields: &impl Serialize) -> Self {
        let text = serde_json::to_string(&(name, fields));
        Self::Answer(text.expect("texts and options of them can be JSON"))
    }

    fn failure(qid: Option<Cow<'_, str>>, error: &str) -> Self {
        Self::answer("error", &Failure { qid, error })
    }
}

/// `["method", {fields}]`.
#[derive(Debug, Deserialize)]
struct Request<'t>(#[serde(borrow)] Cow<'t, str>, #[serde(borrow)] Fields<'t>);

/// The fields of all methods.
#[derive(Debug, Deserialize)]
struct Fields<'t> {
    #[serde(borrow)]
    qid: Option<Cow<'t, str>>,
    #[serde(borrow)]
    text: Option<Cow<'t, str>>,
}

#[derive(Debug, Serialize)]
struct Pong<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    qid: Option<Cow<'t, str>>,
}

#[derive(Debug, Serialize)]
struct Failure<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    qid: Option<Cow<'t, str>>,
    error: &'t str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> String {
        match reply(text.as_bytes()) {
            Reply::Answer(answer) => answer,
            Reply::Broadcast(text) => panic!("goes to all: {text}"),
        }
    }

    #[test]
    fn a_ping_is_answered_with_its_qid_wherever_that_stands() {
        assert_eq!(
            answer(r#"["ping",{"qid":"0.17"}]"#),
            r#"["pong",{"qid":"0.17"}]"#
        );
        let spaced = r#" [ "ping" , { "a" : [ { "qid" : "no" } ] , "qid" : "\u0061\"" } ] "#;
        assert_eq!(answer(spaced), r#"["pong",{"qid":"a\""}]"#);
        assert_eq!(answer(r#"["p\u0069ng",{}]"#), r#"["pong",{}]"#);
    }

    #[test]
    fn what_is_no_known_request_is_said_to_be_none() {
        assert_eq!(
            answer(r#"["login",{"qid":"1"}]"#),
            r#"["error",{"qid":"1","error":"unknown method"}]"#
        );
        assert!(answer(r#"["broadcast",{"qid":"2"}]"#).contains("needs a text"));
        for broken in ["", "[]", r#"["ping"]"#, r#"["ping",{"qid":1}]"#, "ping"] {
            assert!(answer(broken).contains("not a request"), "{broken}");
        }
        assert!(
            matches!(reply(b"[\"ping\",{\"qid\":\"\xFF\"}]"), Reply::Answer(text) if text.contains("not a request"))
        );
    }

    #[test]
    fn a_broadcast_gives_its_text_unescaped() {
        let request = r#"["broadcast",{"text":"[\"event\",{}]"}]"#;
        assert_eq!(
            reply(request.as_bytes()),
            Reply::Broadcast(r#"["event",{}]"#.into())
        );
    }
}
