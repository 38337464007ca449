//! What the link wants done is done, and held against the rules; what it tells the hub, too.

use okgate_core::crm::{CrmAction, CrmEvent, CrmInput, Transport};
use okgate_core::protocol::Answer;
use serde_json::value::RawValue;

use super::peer::{Opener, Peer};
use super::settings::{Mode, PASSWORD};
use super::world::World;

impl World {
    /// Does what the link wants done until it wants no more.
    pub(super) fn settle(&mut self) {
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 10_000, "it never comes to rest");
            if let Some(action) = self.link.poll_action() {
                self.act(action);
            } else if let Some(event) = self.link.poll_event() {
                self.hear(event);
            } else if !self.confirm() && !self.answer() && !self.show_life() {
                return;
            }
        }
    }

    fn act(&mut self, action: CrmAction) {
        assert!(
            !self.is_over || matches!(action, CrmAction::Close(..)),
            "after the end: {action:?}"
        );
        match action {
            CrmAction::Connect(id) => {
                assert!(self.peers.is_empty() && id > self.last, "{id:?}");
                assert_eq!(self.mode, Mode::Out);
                let Transport::WebSocketOut(out) = &self.config.transport else {
                    panic!("the CRM connects");
                };
                let peer = Peer::new(Opener::Gateway, out.version, Some(self.config.format));
                self.last = id;
                self.focus = id;
                self.stale.append(&mut self.held);
                self.peers.insert(id, peer);
            }
            CrmAction::Send(id, bytes) => {
                let peer = self.peers.get_mut(&id);
                let peer = peer.expect("a connection to send over");
                assert!(peer.is_made && !peer.in_flight && !bytes.is_empty());
                peer.in_flight = true;
                peer.read(&bytes);
            }
            CrmAction::Close(id, last) => {
                let mut peer = self.peers.remove(&id).expect("a connection to close");
                if !last.is_empty() {
                    peer.read(&last);
                }
                if peer.is_link() {
                    self.stale.append(&mut self.held);
                    self.closed_one_owed_life |= peer.pings > 0;
                }
                // What it was asked for another may answer.
                if let Some(other) = self.peers.values_mut().next() {
                    other.challenges.append(&mut peer.challenges);
                }
            }
            CrmAction::Post(id, post) => {
                assert_secret(&format!("{post:?}"));
                self.exchanges.begin(id, &post);
            }
            CrmAction::Abandon(id) => self.exchanges.abandon(id),
        }
    }

    /// Reports that a send went out; whether there was one.
    fn confirm(&mut self) -> bool {
        if self.is_stuck {
            return false;
        }
        let mut peers = self.peers.iter_mut();
        let sent = peers.find_map(|(id, it)| std::mem::take(&mut it.in_flight).then_some(*id));
        sent.is_some_and(|id| {
            self.report(id, CrmInput::Sent);
            true
        })
    }

    /// Answers a request of the CRM; whether there was one.
    fn answer(&mut self) -> bool {
        // Whoever asked over a connection that is gone has nothing to hear on the next one.
        let stale = if self.link.is_ready() {
            self.stale.pop()
        } else {
            None
        };
        let token = if self.holds_requests {
            stale
        } else {
            stale.or_else(|| self.held.pop())
        };
        if let Some(token) = token {
            self.link.answer(token, &Ok(Answer::Done), self.now);
        }
        token.is_some()
    }

    /// Has a CRM answer what asks whether it lives; whether one did.
    fn show_life(&mut self) -> bool {
        if !self.answers_pings {
            return false;
        }
        let mut peers = self.peers.iter_mut();
        let reaction = peers.find_map(|(id, peer)| Some((*id, peer.reactions.pop()?)));
        let Some((id, bytes)) = reaction else {
            return false;
        };
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.pings = peer.reactions.len();
        }
        self.report(id, CrmInput::Bytes(bytes));
        true
    }

    fn hear(&mut self, event: CrmEvent) {
        match event {
            CrmEvent::MethodDone { execution, end } => {
                assert!(self.open_runs.remove(&execution), "a second end");
                if let Ok(output) = end {
                    let output: &RawValue = serde_json::from_str(&output).expect("JSON");
                    assert!(output.get().starts_with('{'), "no object: {output}");
                }
            }
            CrmEvent::Request(request) => self.held.push(request.token),
            CrmEvent::ActiveUsers(users) => {
                assert!(users.len() <= self.config.limits.users_max);
            }
            CrmEvent::Lost {
                retry_in, reason, ..
            } => {
                self.stale.append(&mut self.held);
                assert_secret(&reason);
                if reason.contains("does not answer a ping") {
                    let was_asked = std::mem::take(&mut self.closed_one_owed_life);
                    assert!(was_asked, "it was not asked");
                }
                assert_eq!(retry_in.is_none(), self.mode == Mode::In, "who restores it");
                assert!(retry_in.is_none_or(|it| it <= self.config.limits.pause_max));
            }
            CrmEvent::TurnedAway { reason, .. } => {
                assert_eq!(self.mode, Mode::In);
                assert_secret(&reason);
            }
            CrmEvent::ExchangeFailed { reason } => {
                assert!(self.config.posting.is_some());
                assert_secret(&reason);
            }
            CrmEvent::Ready { peer } => assert_eq!(peer.is_some(), self.mode == Mode::In),
            CrmEvent::UserAppeared(_) | CrmEvent::UserLeft(_) | CrmEvent::CatalogueChanged => {}
        }
    }

    pub(super) fn check(&self) {
        let (status, limits) = (self.link.status(), &self.config.limits);
        // What is posted beside a WebSocket has the bound for itself.
        let has_two = self.mode != Mode::Http && self.config.posting.is_some();
        let queues = if has_two { 2 } else { 1 };
        assert!(
            status.queue_bytes <= queues * limits.queue_bytes_max,
            "{}",
            status.queue_bytes
        );
        assert_eq!(status.method_runs, self.open_runs.len());
        assert!(status.active_users <= limits.users_max);
        assert!(self.held.len() <= limits.requests_max, "requests wait");
        assert!(status.methods.max(status.forms) <= limits.declared_max);
        for declared in [self.link.methods(), self.link.forms()] {
            let list: Result<Vec<&RawValue>, _> = serde_json::from_str(&declared);
            assert!(list.is_ok(), "no list: {declared}");
        }
        self.check_exchanges();
        let links = self.peers.values().filter(|it| it.is_link()).count();
        assert!(links <= 1, "{links} links");
        for peer in self.peers.values() {
            // protocol 2-j
            let since = peer.asked_at.filter(|_| peer.is_waiting() && !peer.is_wild);
            let in_time = since.is_none_or(|since| self.now <= since + limits.contest);
            assert!(in_time, "no answer to who asked at {since:?}");
            if peer.is_open() && !(self.is_stuck || self.holds_requests || peer.is_wild) {
                peer.assert_quiet();
            }
        }
        let candidates = self.peers.len() - links;
        let candidates = if self.mode == Mode::In { candidates } else { 0 };
        assert_eq!(status.candidates, candidates);
        assert!(candidates <= limits.candidates_max);
    }

    fn check_exchanges(&self) {
        let status = self.link.status();
        assert_eq!(status.exchanges, self.exchanges.len());
        self.exchanges.assert_only_for(&self.open_runs);
        let is_alone = self.mode == Mode::Http && status.state == "introducing";
        let at_a_time = if is_alone {
            1
        } else {
            let posting = self.config.posting.as_ref();
            posting.map_or(0, |it| it.exchanges_max)
        };
        assert!(status.exchanges <= at_a_time);
    }
}

/// What everybody may read.
pub(super) fn assert_secret(text: &str) {
    // The second is the base64 of the login and the password, or begins so.
    let secrets = [PASSWORD, "b2t0ZWxsOlRyMHViNGRv"];
    for secret in secrets {
        assert!(!text.contains(secret), "a secret shows: {text}");
    }
}
