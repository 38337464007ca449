//! Messages as exchanges of HTTP (protocol 2.1): what waits to be posted, what is under way, and
//! what an answer says.
//!
//! In come messages with their purpose and the ends of exchanges; out go [`CrmAction::Post`]s, a
//! bounded number at a time, and whole messages or the fault of an exchange.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use super::text::{self, TextError};
use super::{
    Authorization, CrmAction, CrmConnectionId, CrmEvent, CrmLink, Post, PostAnswer, PostFailure,
};
use crate::base::{ExecutionId, Instant};
use crate::wire::credentials::{ClientError, Tries};
use crate::wire::form::post_body;
use crate::wire::upgrade::Format;

/// What a message is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Our `whoareyou`.
    Introduction,
    /// To learn what the CRM can do.
    Catalogue,
    /// To run a method.
    Run(ExecutionId),
    /// Anything else: whatever comes of it, nobody waits.
    Other,
}

/// The exchanges of the link.
#[derive(Debug, Default)]
pub(super) struct Posts {
    waiting: VecDeque<Exchange>,
    under_way: BTreeMap<CrmConnectionId, Exchange>,
    last_id: u64,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Exchange {
    purpose: Purpose,
    /// The text of the message in the link's format.
    message: Vec<u8>,
    format: Format,
    tries: Tries,
    /// What the CRM asked for in its last answer.
    authorization: Option<Authorization>,
}

/// Why an exchange gave nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeFault {
    /// There was no answer.
    #[error("{0}")]
    Failed(#[from] PostFailure),
    /// The CRM asks for credentials, and there are none.
    #[error("the CRM asks for a login (401): put it into crm.credentials")]
    Unauthorized,
    /// The credentials are wrong, or asked for in a way that is not spoken.
    #[error("{0}")]
    Credentials(#[from] ClientError),
    /// A redirect.
    #[error(
        "the CRM redirects ({status}) to {location:?}: redirects are not followed, put the right address into crm.url"
    )]
    Redirect { status: u16, location: String },
    /// Another status than 200.
    #[error("the CRM answers with status {status}{said}")]
    Status { status: u16, said: String },
    /// A page for people.
    #[error("the CRM answers with a page of HTML instead of a message{said}")]
    Html { said: String },
    /// The message is packed as the request's is.
    #[error("the CRM answers with base64: the answer must be the message itself, not packed")]
    Base64,
    /// Anything else that is no message.
    #[error("the CRM's answer is no message: {problem}{said}")]
    Unreadable { problem: String, said: String },
}

impl Posts {
    /// Bytes of messages that wait or are under way.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Exchanges under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The next exchange, unless so many are under way; one at a time while the CRM and the
    /// gateway introduce themselves, so that nothing overtakes that.
    fn start(&mut self, at_a_time: usize) -> Option<(CrmConnectionId, &mut Exchange)> {
        if self.under_way.len() >= at_a_time {
            return None;
        }
        let exchange = self.waiting.pop_front()?;
        self.last_id += 1;
        let id = CrmConnectionId(self.last_id);
        Some((id, self.under_way.entry(id).or_insert(exchange)))
    }

    fn end(&mut self, id: CrmConnectionId) -> Option<Exchange> {
        let exchange = self.under_way.remove(&id)?;
        self.bytes -= exchange.message.len();
        Some(exchange)
    }

    /// Has this one be the next.
    fn again(&mut self, exchange: Exchange) {
        self.bytes += exchange.message.len();
        self.waiting.push_front(exchange);
    }

    /// Takes out the exchange of a run, which has one at most; gives it if it was under way.
    fn drop_run(&mut self, execution: ExecutionId) -> Option<CrmConnectionId> {
        let is_it = |it: &Exchange| it.purpose == Purpose::Run(execution);
        let under_way = self.under_way.iter().find(|(_, it)| is_it(it));
        if let Some(id) = under_way.map(|(id, _)| *id) {
            self.end(id);
            return Some(id);
        }
        let place = self.waiting.iter().position(is_it)?;
        let exchange = self.waiting.remove(place)?;
        self.bytes -= exchange.message.len();
        None
    }

    /// Takes out all; gives those that were under way.
    fn drop_all(&mut self) -> impl Iterator<Item = CrmConnectionId> {
        self.waiting.clear();
        self.bytes = 0;
        mem::take(&mut self.under_way).into_keys()
    }
}

impl CrmLink {
    /// Posts the text of a message as soon as it is its turn; `false` if too much waits already.
    pub(super) fn post(&mut self, purpose: Purpose, message: Vec<u8>) -> bool {
        if self.posts.bytes + message.len() > self.config.limits.queue_bytes_max {
            self.counters.queue_overflows += 1;
            return false;
        }
        self.posts.bytes += message.len();
        let format = self.format();
        self.posts.waiting.push_back(Exchange {
            purpose,
            message,
            format,
            tries: Tries::default(),
            authorization: None,
        });
        true
    }

    /// The next exchange that can begin.
    pub(super) fn next_post(&mut self) -> Option<CrmAction> {
        let at_a_time = if self.is_http() && self.is_introducing() {
            1
        } else {
            self.config
                .posting
                .as_ref()
                .map_or(1, |it| it.exchanges_max)
        };
        let (id, exchange) = self.posts.start(at_a_time)?;
        self.counters.posts += 1;
        let body = post_body(&exchange.message, exchange.format);
        let target = self.config.posting.as_ref().map_or("/", |it| &it.target);
        let authorization = exchange.authorization.take().or_else(|| {
            let credentials = self.posting_credentials.as_mut()?;
            let header = credentials.header(&mut exchange.tries, "POST", target, &mut self.random);
            Some(Authorization::from(header))
        });
        Some(CrmAction::Post(
            id,
            Post {
                body,
                authorization,
            },
        ))
    }

    /// An exchange came to its end.
    pub(super) fn handle_posted(
        &mut self,
        id: CrmConnectionId,
        outcome: Result<PostAnswer, PostFailure>,
        now: Instant,
    ) {
        let Some(mut exchange) = self.posts.end(id) else {
            return;
        };
        let read = match outcome {
            Ok(answer) if answer.status == 401 => {
                match self.answer_challenge(&mut exchange, &answer.challenges) {
                    Ok(()) => return self.posts.again(exchange),
                    Err(fault) => Err(fault),
                }
            }
            Ok(answer) => messages_of(answer, exchange.format),
            Err(failure) => Err(failure.into()),
        };
        match read {
            Ok(messages) => {
                for mut message in messages {
                    self.take_posted(exchange.purpose, &mut message, now);
                }
                self.end_exchange(exchange.purpose, now);
            }
            Err(fault) => self.exchange_failed(exchange.purpose, &fault, now),
        }
        self.settle(now);
    }

    /// What the CRM asks for (protocol 2.1-k).
    fn answer_challenge(
        &mut self,
        exchange: &mut Exchange,
        challenges: &[String],
    ) -> Result<(), ExchangeFault> {
        let credentials = self.posting_credentials.as_mut();
        let credentials = credentials.ok_or(ExchangeFault::Unauthorized)?;
        let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
        let target = self.config.posting.as_ref().map_or("/", |it| &it.target);
        let (tries, random) = (&mut exchange.tries, &mut self.random);
        let answer = credentials.answer(tries, &challenges, "POST", target, random)?;
        exchange.authorization = Some(answer.into());
        Ok(())
    }

    /// Breaks off what is posted for this run.
    pub(super) fn abandon_run(&mut self, execution: ExecutionId) {
        let under_way = self.posts.drop_run(execution);
        let actions = under_way.into_iter().map(CrmAction::Abandon);
        self.actions.extend(actions);
    }

    /// Breaks off every exchange.
    pub(super) fn abandon_posts(&mut self) {
        let under_way = self.posts.drop_all();
        self.actions.extend(under_way.map(CrmAction::Abandon));
    }

    /// What must have come with the answer has not.
    fn end_exchange(&mut self, purpose: Purpose, now: Instant) {
        match purpose {
            // protocol 2.1-i: it answers `iam`, or asks, or says nothing.
            Purpose::Introduction if self.is_introducing() => self.end_introduction(now),
            Purpose::Run(execution) => self.end_unanswered(execution),
            Purpose::Introduction | Purpose::Catalogue | Purpose::Other => {}
        }
    }

    fn exchange_failed(&mut self, purpose: Purpose, fault: &ExchangeFault, now: Instant) {
        self.count_fault(fault);
        let reason = fault.to_string();
        if let Purpose::Run(execution) = purpose {
            self.fail_posted(execution, fault);
        }
        let is_unreachable = matches!(fault, ExchangeFault::Failed(PostFailure::Unreachable(_)));
        let is_introduction = matches!(purpose, Purpose::Introduction | Purpose::Catalogue);
        if self.is_http() && (is_unreachable || is_introduction) {
            return self.lose(&reason, None, now);
        }
        self.events.push_back(CrmEvent::ExchangeFailed {
            reason: reason.into(),
        });
        // protocol 2.1-j: after every failure.
        self.introduce_soon(now);
    }

    fn count_fault(&mut self, fault: &ExchangeFault) {
        let counters = &mut self.counters;
        let counter = match fault {
            ExchangeFault::Failed(PostFailure::Unreachable(_)) => &mut counters.posts_unreachable,
            ExchangeFault::Failed(PostFailure::TimedOut(_)) => &mut counters.posts_timed_out,
            ExchangeFault::Failed(PostFailure::Broken(_)) => &mut counters.posts_broken,
            ExchangeFault::Failed(PostFailure::TooBig) => &mut counters.too_big,
            ExchangeFault::Unauthorized | ExchangeFault::Credentials(_) => {
                &mut counters.posts_unauthorized
            }
            ExchangeFault::Redirect { .. } | ExchangeFault::Status { .. } => {
                &mut counters.posts_status
            }
            ExchangeFault::Html { .. } => &mut counters.posts_html,
            ExchangeFault::Base64 => &mut counters.posts_base64,
            ExchangeFault::Unreadable { .. } => &mut counters.malformed,
        };
        *counter += 1;
    }
}

/// The messages in the CRM's answer; none in an empty one (protocol 2.1-e).
fn messages_of(answer: PostAnswer, format: Format) -> Result<Vec<Vec<u8>>, ExchangeFault> {
    let said = || excerpt(&answer.body);
    match answer.status {
        200 => {}
        status @ 300..=399 => {
            let location = answer.location.unwrap_or_default();
            return Err(ExchangeFault::Redirect { status, location });
        }
        // Some frameworks say so to an empty body.
        204 => return Ok(Vec::new()),
        status => {
            let said = said();
            return Err(ExchangeFault::Status { status, said });
        }
    }
    let body = answer.body.trim_ascii();
    // A byte-order mark in front is common in files of the field.
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if body.is_empty() {
        return Ok(Vec::new());
    }
    text::messages(body, format).map_err(|error| what_is_wrong(body, &error))
}

fn what_is_wrong(body: &[u8], error: &TextError) -> ExchangeFault {
    let said = excerpt(body);
    let start = body[..body.len().min(HTML_START)].to_ascii_lowercase();
    let says = |word: &[u8]| start.windows(word.len()).any(|it| it == word);
    if says(b"<!doctype html") || says(b"<html") || says(b"<body") {
        return ExchangeFault::Html { said };
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(byte);
    if body.len() >= BASE64_MIN && body.iter().all(is_base64) {
        return ExchangeFault::Base64;
    }
    ExchangeFault::Unreadable {
        problem: error.to_string(),
        said,
    }
}

/// The beginning of what the CRM said, for the log.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * EXCERPT_CHARS)]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let start: String = words.join(" ").chars().take(EXCERPT_CHARS).collect();
    if start.is_empty() {
        String::new()
    } else {
        format!("; it begins with {start:?}")
    }
}

/// Where a page of HTML says so at the latest.
const HTML_START: usize = 512;

/// Shorter texts are words.
const BASE64_MIN: usize = 16;

/// Characters of a wrong answer that the log shows.
const EXCERPT_CHARS: usize = 120;
