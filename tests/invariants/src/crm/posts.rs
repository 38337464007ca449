//! The CRM's end of exchanges: what is posted, held against the rules, and how the CRM answers.

use std::collections::{BTreeMap, HashSet};

use base64_simd::STANDARD;
use okgate_core::base::ExecutionId;
use okgate_core::crm::{CrmConnectionId, Post, PostAnswer, PostFailure};
use okgate_core::wire::upgrade::Format;

use super::peer::text_in;
use crate::frames::{Said, field, read_message};
use crate::records::text;

pub(super) struct Exchanges {
    /// `None` where the CRM that connects chooses it.
    format: Option<Format>,
    has_credentials: bool,
    /// The runs, if any, that those under way are for, and their formats.
    under_way: BTreeMap<CrmConnectionId, (Option<ExecutionId>, Format)>,
    last: CrmConnectionId,
}

impl Exchanges {
    pub(super) fn new(format: Option<Format>, has_credentials: bool) -> Self {
        Self {
            format,
            has_credentials,
            under_way: BTreeMap::new(),
            last: CrmConnectionId::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// protocol 2.1-a: a form with one message in it.
    pub(super) fn begin(&mut self, id: CrmConnectionId, post: &Post) {
        assert!(id > self.last, "{id:?} again");
        self.last = id;
        assert_eq!(post.authorization.is_some(), self.has_credentials);
        let body = text(&post.body).expect("a form is a text");
        let (data, format) = body
            .strip_prefix("data=")
            .and_then(|body| body.split_once("&format="))
            .expect("two variables");
        let format = Format::from_token(format).expect("json or xml");
        assert!(self.format.is_none_or(|it| it == format), "{format:?}");
        let data = data.replace("%2B", "+").replace("%2F", "/");
        let data = data.replace("%3D", "=");
        let message = STANDARD.decode_to_vec(data).expect("base64");
        let message = text(&message).expect("a message is UTF-8");
        let Said::Message {
            name,
            fields,
            is_xml,
        } = read_message(message)
        else {
            panic!("no message: {message}");
        };
        assert_eq!(is_xml, format == Format::Xml);
        let run = field(&fields, "executionid").filter(|_| name == "executemethod");
        let run = run.map(|run| ExecutionId(run.parse().expect("a GUID")));
        self.under_way.insert(id, (run, format));
    }

    pub(super) fn abandon(&mut self, id: CrmConnectionId) {
        let known = self.under_way.remove(&id);
        assert!(known.is_some(), "{id:?} is not under way");
    }

    /// The exchange of this place comes to its end; `None` if there is none.
    pub(super) fn end(
        &mut self,
        place: usize,
        kind: u8,
        said: &[u8],
    ) -> Option<(CrmConnectionId, Result<PostAnswer, PostFailure>)> {
        let ids: Vec<_> = self.under_way.keys().copied().collect();
        let id = *ids.get(place % ids.len().max(1))?;
        let (_, format) = self.under_way.remove(&id)?;
        Some((id, outcome(kind, said, format)))
    }

    /// Nothing is posted for a run that has ended.
    pub(super) fn assert_only_for(&self, open: &HashSet<ExecutionId>) {
        for run in self.under_way.values().filter_map(|(run, _)| *run) {
            assert!(open.contains(&run), "{run:?} has ended");
        }
    }
}

/// How an exchange ends; kinds are digits, and bytes behind them.
pub(super) fn outcome(kind: u8, said: &[u8], format: Format) -> Result<PostAnswer, PostFailure> {
    let message = |json: &str| PostAnswer {
        status: 200,
        body: text_in(format, json),
        ..PostAnswer::default()
    };
    let status = |status| PostAnswer {
        status,
        body: said.to_vec(),
        ..PostAnswer::default()
    };
    let challenge = |challenge: &str| PostAnswer {
        challenges: vec![challenge.to_owned()],
        ..status(401)
    };
    let words = String::from_utf8_lossy(said).into_owned();
    match kind {
        b'0' => Ok(message(&words)),
        b'1' => Ok(message(r#"["iam",{"name":"CRM"}]"#)),
        b'2' => Ok(message(
            r#"["availablemethods",{"methods":[{"key":"m","allowcancel":1}]}]"#,
        )),
        b'3' => Ok(message(r#"["methodresult",{"outputparameters":{"a":1}}]"#)),
        b'4' => Ok(challenge(
            r#"Digest realm="crm", nonce="abc", qop="auth", algorithm=SHA-256"#,
        )),
        b'5' => Ok(challenge(r#"Basic realm="crm""#)),
        b'6' => Err(PostFailure::Unreachable(words)),
        b'7' => Err(PostFailure::TimedOut(words)),
        b'8' => Err(PostFailure::Broken(words)),
        b'9' => Err(PostFailure::TooBig),
        b':' => Ok(PostAnswer {
            location: Some(words),
            ..status(302)
        }),
        b';' => Ok(status(500)),
        b'<' => Ok(challenge(&words)),
        _ => Ok(status(200)),
    }
}
