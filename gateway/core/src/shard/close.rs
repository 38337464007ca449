//! Telling links things, and ending them.

use super::link::Stage;
use super::xml::Encoded;
use super::{Ending, Refused, Shard};
use crate::base::LinkId;
use crate::fanout::{Fanout, Outbox, Overflow};
use crate::hub::Upward;
use crate::protocol::{EventKind, Format, PACKET_CHARS, split};
use crate::wire::frame::{CloseCode, append_close, append_own_text};

impl Shard {
    /// Appends bytes of whole frames for a link; drops the link if its queue is
    /// over the bound.
    pub(super) fn write(&mut self, id: LinkId, write: impl FnOnce(&mut Vec<u8>)) {
        self.write_by(id, |fanout, outbox| fanout.write(id, outbox, write));
    }

    pub(super) fn write_by(
        &mut self,
        id: LinkId,
        write: impl FnOnce(&mut Fanout, &mut Outbox) -> Result<(), Overflow>,
    ) {
        if let Some(link) = self.links.get_mut(id)
            && !matches!(link.stage, Stage::Closing { .. })
            && write(&mut self.fanout, &mut link.outbox).is_err()
        {
            self.drop_slow(id);
        }
    }

    /// Sends what is in the answer buffer as one message, which it is in JSON; nothing
    /// if it is empty.
    pub(super) fn send_answer(&mut self, id: LinkId, format: Option<Format>) {
        if self.answer.is_empty() {
            return;
        }
        if format == Some(Format::Xml) {
            return self.send_answer_as_xml(id);
        }
        let answer = std::mem::take(&mut self.answer);
        self.send_message(id, &answer, Format::Json);
        self.answer = answer;
    }

    /// Sends an answer that is in the link's format.
    pub(super) fn send_message(&mut self, id: LinkId, answer: &[u8], format: Format) {
        if answer.len() > self.config.limits.multipart_over_bytes {
            self.send_in_pieces(id, answer, format);
        } else {
            self.write(id, |out| append_message(out, answer));
        }
    }

    /// protocol 3.3: a long answer goes as a run of packets with nothing between.
    fn send_in_pieces(&mut self, id: LinkId, answer: &[u8], format: Format) {
        let mut frames = Vec::new();
        for packet in split(answer, self.random.guid(), PACKET_CHARS, format) {
            append_message(&mut frames, &packet);
        }
        let frames = frames.into();
        self.write_by(id, |fanout, outbox| fanout.share_long(id, outbox, &frames));
    }

    /// Sends what is in the answer buffer as it is.
    pub(super) fn send_answer_raw(&mut self, id: LinkId) {
        let answer = std::mem::take(&mut self.answer);
        self.write(id, |out| out.extend_from_slice(&answer));
        self.answer = answer;
    }

    /// Gives an event, encoded in whole frames, to one link.
    pub(super) fn tell(&mut self, id: LinkId, kind: EventKind, messages: &[Encoded]) {
        for message in messages {
            let Some(link) = self.links.get_mut(id) else {
                return;
            };
            if !matches!(link.stage, Stage::Open) {
                return;
            }
            if link.format == Some(Format::Xml) {
                self.tell_as_xml(id, kind, message);
                continue;
            }
            self.counters.events[kind as usize] += 1;
            let frame = message.json();
            if self.fanout.share(id, &mut link.outbox, frame).is_err() {
                self.drop_slow(id);
            }
        }
    }

    /// Begins to close a link: a close frame goes out, and the peer's is awaited.
    pub(super) fn close(
        &mut self,
        id: LinkId,
        code: CloseCode,
        reason: &str,
        refused: Option<Refused>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if !matches!(link.stage, Stage::Open) {
            return;
        }
        if let Some(refused) = refused {
            self.refuse(id, refused);
        }
        self.write(id, |out| append_close(out, Some(code), reason, None));
        self.leave(id);
        self.enter_closing(id, false);
    }

    /// The peer closed: answer with its code, and half-close. If we had begun, its
    /// answer is the end.
    pub(super) fn answer_close(&mut self, id: LinkId, code: Option<CloseCode>) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if matches!(link.stage, Stage::Open) {
            self.write(id, |out| append_close(out, code, "", None));
            self.leave(id);
        }
        self.close_after_sending(id);
    }

    /// Half-closes the connection as soon as everything has been sent; if the peer
    /// does not close its side in time, it is closed at once.
    pub(super) fn close_after_sending(&mut self, id: LinkId) {
        self.leave(id);
        self.enter_closing(id, true);
        if let Some(link) = self.links.get_mut(id)
            && !link.outbox.is_blocked()
        {
            self.endings.push_back(Ending::Shutdown(id));
        }
    }

    /// protocol 9, the slow-consumer rule: of what waits only what the socket has
    /// begun to take, or is given now, is kept; a close frame with 1013 follows it.
    pub(super) fn drop_slow(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let was_open = matches!(link.stage, Stage::Open);
        self.fanout.forget_behind_first(&mut link.outbox);
        if !was_open {
            return;
        }
        let mut close = Vec::new();
        append_close(&mut close, Some(CloseCode::Again), "too slow", None);
        self.fanout.append_last(id, &mut link.outbox, &close);
        self.refuse(id, Refused::Slow);
        self.close_after_sending(id);
    }

    /// The connection is gone, or is to go at once.
    pub(super) fn forget(&mut self, id: LinkId) {
        self.leave(id);
        if let Some(mut link) = self.links.remove(id) {
            self.fanout.forget(&mut link.outbox);
            self.release(&link);
        }
        self.check_drained();
    }

    /// Closes the connection at once.
    pub(super) fn cut(&mut self, id: LinkId) {
        self.forget(id);
        self.endings.push_back(Ending::Close(id));
    }

    /// The link no longer belongs to a user, and the hub is told so.
    fn leave(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let user = link.user.take();
        if std::mem::take(&mut link.known_to_hub) {
            self.post(id, Upward::Gone);
        }
        if let Some(user) = user {
            self.users.leave(user, id);
        }
    }

    fn enter_closing(&mut self, id: LinkId, shutdown: bool) {
        if let Some(link) = self.links.get_mut(id) {
            link.stage = Stage::Closing { shutdown };
            link.since = self.now;
            self.schedule(id);
        }
    }
}

fn append_message(out: &mut Vec<u8>, text: &[u8]) {
    append_own_text(out, text, None);
}
