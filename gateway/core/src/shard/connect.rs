//! A connection comes and goes: it is counted, or told that there are too many
//! (protocol 9-m, 9-n and 9-o).

use std::net::IpAddr;

use super::link::{Counted, Link, Stage};
use super::{Ending, Refused, Shard};
use crate::base::LinkId;
use crate::wire::answer::Answer;
use crate::wire::head::RequestHead;

impl Shard {
    /// Takes a connection from this address, or tells it at once, before it has said
    /// anything, that it is one too many: it must not hold a descriptor meanwhile.
    pub(super) fn take_connection(&mut self, address: IpAddr) -> LinkId {
        match self.count(address) {
            Ok(counted) => {
                self.counters.accepted += 1;
                let link = Link::accepted(address, counted, self.now);
                let id = self.links.insert(link);
                self.schedule(id);
                id
            }
            Err(reason) => self.turn_away(address, reason),
        }
    }

    /// The head of a connection that a trusted proxy opened says whose it is; the
    /// limits on addresses meet it now. A refusal's answer is in the `answer` buffer.
    pub(super) fn take_client(
        &mut self,
        id: LinkId,
        head: &RequestHead<'_>,
    ) -> Result<(), Refused> {
        let link = self.links.get_mut(id);
        let Some(link) = link.filter(|link| link.counted == Counted::Link) else {
            return Ok(());
        };
        let is_trusted = |address| self.config.is_trusted(address);
        let header = self.config.forwarded_header;
        match header.client(&head.headers, link.address, is_trusted) {
            Ok(client) => link.address = client,
            Err(error) => {
                write_answer(&mut self.answer, 400, &[], &format!("{error}\n"));
                return Err(Refused::Forwarded);
            }
        }
        let admitted = self.admission.admit_address(link.address, self.now);
        match admitted {
            Ok(()) => link.counted = Counted::Address,
            Err(reason) => write_refusal(&mut self.answer, reason),
        }
        admitted
    }

    /// A link is gone.
    pub(super) fn release(&self, link: &Link) {
        if link.counted == Counted::Address {
            self.admission.release_address(link.address);
        }
        if link.counted != Counted::Nowhere {
            self.admission.release();
        }
    }

    fn count(&self, address: IpAddr) -> Result<Counted, Refused> {
        self.admission.admit()?;
        if self.config.is_trusted(address) {
            return Ok(Counted::Link);
        }
        match self.admission.admit_address(address, self.now) {
            Ok(()) => Ok(Counted::Address),
            Err(reason) => {
                self.admission.release();
                Err(reason)
            }
        }
    }

    fn turn_away(&mut self, address: IpAddr, reason: Refused) -> LinkId {
        let link = Link::accepted(address, Counted::Nowhere, self.now);
        let id = self.links.insert(link);
        self.refuse(id, reason);
        self.answer.clear();
        write_refusal(&mut self.answer, reason);
        self.send_answer_raw(id);
        if let Some(link) = self.links.get_mut(id) {
            link.stage = Stage::Closing { shutdown: true };
        }
        self.endings.push_back(Ending::Forget(id));
        id
    }
}

/// Appends the answer to a connection that is one too many.
fn write_refusal(output: &mut Vec<u8>, reason: Refused) {
    let (status, retry_after_s, text) = match reason {
        Refused::HandshakesOfAddress => (429, "1", "connections come too fast from this address"),
        Refused::LinksOfAddress => (
            503,
            "10",
            "there are too many connections from this address",
        ),
        _ => (503, "10", "there are too many connections"),
    };
    let headers = [("Retry-After", retry_after_s)];
    write_answer(output, status, &headers, &format!("{text}\n"));
}

fn write_answer(output: &mut Vec<u8>, status: u16, headers: &[(&str, &str)], body: &str) {
    let answer = Answer {
        status,
        headers,
        body,
        without_body: false,
    };
    answer.write(output);
}
