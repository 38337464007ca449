//! Owns the open requests of one tab: by their `qid`, with the moments when each was due and sent.

use std::time::Duration;

use tokio::time::Instant;

use crate::raw_link::append_text;
use crate::scenario::Method;

/// The requests of one tab that have no answer yet, the oldest first.
#[derive(Debug, Default)]
pub(in crate::play) struct Requests {
    open: Vec<Open>,
    next_qid: u32,
}

/// A request without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::play) struct Open {
    qid: u32,
    pub(in crate::play) method: Method,
    /// Who wanted it.
    pub(super) origin: Origin,
    /// When it was due, if it was at a set time.
    pub(super) due: Option<Instant>,
    pub(super) sent: Instant,
}

/// Who wanted a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::play) enum Origin {
    /// The tab's behaviour.
    Habit,
    /// The phase, at a set time.
    Due,
    /// The phase, behind an answer.
    Loop,
}

impl Requests {
    /// A `qid` that this tab has not used yet.
    pub(super) fn take_qid(&mut self) -> u32 {
        let qid = self.next_qid;
        self.next_qid = qid.wrapping_add(1);
        qid
    }

    /// Notes a request that is sent now, and writes its frame.
    pub(super) fn send(
        &mut self,
        method: Method,
        more: &str,
        (origin, due): (Origin, Option<Instant>),
        frame: &mut Vec<u8>,
    ) {
        let qid = self.take_qid();
        self.open.push(Open {
            qid,
            method,
            origin,
            due,
            sent: Instant::now(),
        });
        let fields = [method.fields(), more];
        let fields = fields.into_iter().filter(|fields| !fields.is_empty());
        let fields: String = fields.flat_map(|fields| [",", fields]).collect();
        let text = format!("[\"{}\",{{\"qid\":\"{qid}\"{fields}}}]", method.name());
        append_text(frame, text.as_bytes());
    }

    /// The request that has this answer.
    pub(super) fn answered(&mut self, qid: &[u8]) -> Option<Open> {
        let qid: u32 = std::str::from_utf8(qid).ok()?.parse().ok()?;
        let place = self.open.iter().position(|open| open.qid == qid)?;
        let open = self.open.remove(place);
        if self.open.is_empty() {
            self.open = Vec::new();
        }
        Some(open)
    }

    /// How many of this origin are open.
    pub(super) fn count(&self, origin: Origin) -> usize {
        self.open
            .iter()
            .filter(|open| open.origin == origin)
            .count()
    }

    /// When the oldest was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.open.first().map(|open| open.sent)
    }

    /// Gives up those that were sent so long ago.
    pub(super) fn give_up(&mut self, now: Instant, after: Duration) -> Vec<Open> {
        let late = self.open.iter().take_while(|open| open.sent + after <= now);
        let count = late.count();
        self.open.drain(..count).collect()
    }

    /// All of them, which will have no answer.
    pub(in crate::play) fn take(&mut self) -> Vec<Open> {
        std::mem::take(&mut self.open)
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= OPEN_MAX
    }
}

/// How many requests a tab has open at most.
const OPEN_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::{apply_mask, parse_head};

    fn text(frame: &[u8]) -> String {
        let head = parse_head(frame).unwrap();
        let mut payload = frame[head.head_bytes..].to_vec();
        apply_mask(&mut payload, head.mask.unwrap());
        String::from_utf8(payload).unwrap()
    }

    #[test]
    fn a_request_has_its_methods_fields_and_is_found_by_its_qid() {
        let mut requests = Requests::default();
        let habit = (Origin::Habit, None);
        let mut frame = Vec::new();
        requests.send(Method::PING, "", habit, &mut frame);
        assert_eq!(text(&frame), r#"["ping",{"qid":"0"}]"#);
        let mut frame = Vec::new();
        requests.send(Method::NUMBERS, r#""a":1"#, habit, &mut frame);
        assert_eq!(
            text(&frame),
            r#"["getpbxnumbers",{"qid":"1","mode":"full","a":1}]"#
        );
        assert_eq!(
            requests.answered(b"1").map(|open| open.method),
            Some(Method::NUMBERS)
        );
        assert_eq!(requests.answered(b"1"), None);
        assert_eq!(requests.answered(b"x"), None);
        assert_eq!(requests.count(Origin::Habit), 1);
    }

    #[test]
    fn what_is_not_answered_in_time_is_given_up() {
        let mut requests = Requests::default();
        let limit = Duration::from_secs(5);
        requests.send(Method::PING, "", (Origin::Habit, None), &mut Vec::new());
        let first = requests.oldest().unwrap();
        assert_eq!(requests.give_up(first, limit), []);
        let given_up = requests.give_up(first + limit, limit);
        let methods: Vec<Method> = given_up.iter().map(|open| open.method).collect();
        assert_eq!(methods, [Method::PING]);
        assert_eq!(requests.oldest(), None);
    }
}
