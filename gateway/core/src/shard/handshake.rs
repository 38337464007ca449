//! From an accepted connection to a link that speaks frames (protocol 2.2, 9).

use super::link::{Open, Stage};
use super::{Refused, Shard};
use crate::base::LinkId;
use crate::session::Session;
use crate::wire::head::{HeadError, RequestHead};
use crate::wire::upgrade::{Policy, Refusal, accept};

/// What the bytes so far amount to. Answers are in the shard's `answer` buffer.
enum Progress {
    /// More are needed.
    Unfinished,
    /// The link is upgraded; so many bytes were its head.
    Upgraded(Session, usize),
    /// It is refused.
    Refused(Refused),
}

impl Shard {
    /// Takes bytes of a link that is not upgraded yet.
    pub(super) fn handle_handshake(&mut self, id: LinkId, bytes: &mut [u8]) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let Stage::Handshake(head) = &mut link.stage else {
            return;
        };
        let mut head = std::mem::take(head);
        if head.is_empty() {
            // The usual case: the whole head came in one piece and is not copied.
            return self.shake_hands(id, bytes);
        }
        head.extend_from_slice(bytes);
        self.shake_hands(id, &mut head);
    }

    fn shake_hands(&mut self, id: LinkId, bytes: &mut [u8]) {
        self.answer.clear();
        let progress = self.read_head(id, bytes);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        match progress {
            Progress::Unfinished => link.stage = Stage::Handshake(bytes.to_vec()),
            Progress::Refused(reason) => {
                self.refuse(id, reason);
                self.send_answer_raw(id);
                self.close_after_sending(id);
            }
            Progress::Upgraded(session, consumed) => {
                self.counters.upgraded += 1;
                link.stage = Stage::Open;
                link.format = session.format();
                link.open = Some(Box::new(Open::new(session, &self.config.limits)));
                link.since = self.now;
                self.send_answer_raw(id);
                self.schedule(id);
                if consumed < bytes.len() {
                    self.handle_frames(id, &mut bytes[consumed..]);
                }
            }
        }
    }

    fn read_head(&mut self, id: LinkId, bytes: &[u8]) -> Progress {
        let head = match RequestHead::parse(bytes, &self.config.limits.head) {
            Ok(Some(head)) => head,
            Ok(None) => return Progress::Unfinished,
            Err(error) => {
                error.write_response(&mut self.answer);
                return Progress::Refused(match error {
                    HeadError::Malformed(_) => Refused::Handshake,
                    HeadError::TooLong | HeadError::TooManyHeaders => Refused::HeadTooBig,
                });
            }
        };
        if let Err(reason) = self.take_client(id, &head) {
            return Progress::Refused(reason);
        }
        let policy = Policy {
            origins: &self.config.origins,
            ..Policy::default()
        };
        match accept(&head, &policy) {
            Ok(upgrade) => {
                upgrade.write_response(&mut self.answer);
                Progress::Upgraded(Session::new(upgrade.format), head.consumed())
            }
            Err(refusal) => {
                refusal.write_response(&mut self.answer);
                Progress::Refused(match refusal {
                    Refusal::Version => Refused::Version,
                    Refusal::Origin => Refused::Origin,
                    _ => Refused::Handshake,
                })
            }
        }
    }
}
