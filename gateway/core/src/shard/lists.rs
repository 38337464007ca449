//! The long lists that every tab asks for when it opens, encoded once for all.
//!
//! The hub gives everybody the same list until something in it changes. What an
//! answer says behind its `qid` is kept as it goes on the wire, until a list with
//! other content is asked for. A long one is in packets (protocol 3.3), and the
//! links' queues hold it without a copy of their own.

use std::rc::Rc;
use std::sync::Arc;

use super::{Shard, Waiting};
use crate::base::Random;
use crate::fanout::Overflow;
use crate::protocol::{
    Answer, Format, NumberEntry, SharedRest, UserEntry, write_answer_rest, write_answer_start,
};

/// The lists as they were asked for last.
#[derive(Debug, Default)]
pub(super) struct Lists {
    kept: [Option<List>; KINDS],
    /// How many were encoded.
    encoded: u32,
}

/// Which of the encoded lists a link got last: the packets of one have an id, which
/// must not come twice on a link.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given([u32; KINDS]);

/// One list, encoded.
#[derive(Debug)]
struct List {
    source: Source,
    /// Differs from that of every other list; never zero.
    serial: u32,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// Short enough for one message.
    Text(Rc<[u8]>),
    Packets(SharedRest),
}

/// The hub's list: as long as it is this one, nothing in it has changed.
#[derive(Debug)]
enum Source {
    Numbers(Arc<[NumberEntry]>),
    Users(Arc<[UserEntry]>),
}

impl Source {
    /// `None` for what is not a list that many links get.
    fn of(answer: &Answer) -> Option<Self> {
        match answer {
            Answer::PbxNumbers { numbers, .. } => Some(Self::Numbers(Arc::clone(numbers))),
            Answer::AllUserNumbers { users, is_common } if *is_common => {
                Some(Self::Users(Arc::clone(users)))
            }
            _ => None,
        }
    }

    const fn kind(&self) -> usize {
        match self {
            Self::Numbers(_) => NUMBERS,
            Self::Users(_) => 1,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numbers(one), Self::Numbers(other)) => Arc::ptr_eq(one, other),
            (Self::Users(one), Self::Users(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Lists {
    /// The numbers' states have changed: what was encoded is not given any more.
    pub(super) fn forget_numbers(&mut self) {
        self.kept[NUMBERS] = None;
    }

    /// The encoded form of this answer, which the link has not got yet; packets are
    /// used from so many bytes on.
    fn take(
        &mut self,
        answer: &Answer,
        over_bytes: usize,
        given: &mut Given,
        random: &mut Random,
    ) -> Option<Form> {
        let source = Source::of(answer)?;
        let (kept, given) = (&mut self.kept[source.kind()], &mut given.0[source.kind()]);
        if let Some(list) = kept.as_ref().filter(|list| list.source.is(&source)) {
            // Who asks once more gets packets with another id, and so does everybody
            // after this.
            if list.serial != *given || matches!(list.form, Form::Text(_)) {
                *given = list.serial;
                return Some(list.form.clone());
            }
        }
        self.encoded = self.encoded.wrapping_add(1).max(1);
        *given = self.encoded;
        let mut rest = Vec::new();
        write_answer_rest(&mut rest, answer);
        let form = if rest.len() > over_bytes {
            Form::Packets(SharedRest::new(&rest, random.guid()))
        } else {
            Form::Text(rest.into())
        };
        *kept = Some(List {
            source,
            serial: self.encoded,
            form: form.clone(),
        });
        Some(form)
    }
}

impl Shard {
    /// Gives a link an answer that many links get. `false` if it is none of those, or
    /// its beginning is too long: then nothing was said.
    pub(super) fn give_list(
        &mut self,
        waiting: &Waiting,
        answer: &Answer,
        given: &mut Given,
    ) -> bool {
        if waiting.qid.is_empty() {
            return false;
        }
        let over_bytes = self.config.limits.multipart_over_bytes;
        let form = self.lists.take(answer, over_bytes, given, &mut self.random);
        let Some(form) = form else {
            return false;
        };
        self.answer.clear();
        write_answer_start(&mut self.answer, waiting.method.name(), &waiting.qid);
        match form {
            Form::Text(rest) => {
                self.answer.extend_from_slice(&rest);
                self.send_answer(waiting.link, Some(Format::Json));
                true
            }
            Form::Packets(rest) => self.send_packets(waiting, &rest),
        }
    }

    /// Sends what is in the answer buffer, and this behind it.
    fn send_packets(&mut self, waiting: &Waiting, rest: &SharedRest) -> bool {
        let beginning = std::mem::take(&mut self.answer);
        let (id, mut is_said) = (waiting.link, true);
        self.write_by(id, |fanout, outbox| {
            let mut write_first = |out: &mut Vec<u8>| is_said = rest.write_first(out, &beginning);
            fanout.write(id, outbox, &mut write_first)?;
            if is_said {
                fanout.share_long(id, outbox, rest.frames())?;
            }
            Ok::<(), Overflow>(())
        });
        self.answer = beginning;
        is_said
    }
}

const KINDS: usize = 2;
const NUMBERS: usize = 0;
