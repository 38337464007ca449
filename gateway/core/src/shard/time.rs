//! What time brings: hand-shakes, silence and closes that took too long.

use super::link::Due;
use super::{Refused, Shard};
use crate::base::LinkId;
use crate::wire::frame::{CloseCode, append_ping};

impl Shard {
    /// Acts on every deadline that has passed.
    pub(super) fn handle_timeout(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(self.now, |id| due.push(id));
        for id in due.drain(..) {
            self.handle_due(id);
        }
        self.due = due;
        self.flush_numbers();
        self.tell_next_of_everybody();
        self.drain_on();
    }

    fn handle_due(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let (deadline, due) = link.due(&self.config.limits);
        if deadline > self.now {
            return self.schedule(id);
        }
        match due {
            Due::Handshake => {
                self.refuse(id, Refused::HandshakeTimeout);
                self.cut(id);
            }
            Due::Closing => {
                self.refuse(id, Refused::CloseTimeout);
                self.cut(id);
            }
            Due::Ping => {
                link.pinged = self.now;
                self.write(id, |out| append_ping(out, b"", None));
                self.schedule(id);
            }
            Due::Silence => {
                let (code, reason) = (CloseCode::Away, "silent for too long");
                self.close(id, code, reason, Some(Refused::Silence));
            }
            Due::Formatless => {
                let (code, reason) = (CloseCode::Policy, "no format");
                self.close(id, code, reason, Some(Refused::FormatlessTimeout));
            }
            Due::Unauthenticated => {
                let (code, reason) = (CloseCode::Policy, "nobody logged in");
                self.close(id, code, reason, Some(Refused::Unauthenticated));
            }
        }
    }
}
