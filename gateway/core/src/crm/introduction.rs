//! Who is who: the gateway introduces itself, waits for the CRM to do so, and asks what it can do and
//! who is there (protocol 4, 2.1-i, 2.1-j).

use std::sync::Arc;

use super::link::{Phase, Stage};
use super::posts::Purpose;
use super::{CrmEvent, CrmLink, Transport};
use crate::base::Instant;
use crate::protocol::{FieldWriter as _, write_message};

impl CrmLink {
    pub(super) fn is_introducing(&self) -> bool {
        self.connection()
            .is_some_and(|it| matches!(it.phase, Phase::Introduction { .. }))
    }

    /// The handshake is over: introduces the gateway (protocol 4).
    pub(super) fn opened(&mut self, now: Instant) {
        let wait = self.config.limits.introduction_wait;
        if let Stage::Connected(connection) = &mut self.stage {
            let until = Some(now + wait);
            connection.phase = Phase::Introduction { until };
            self.counters.connects += 1;
            self.introduce();
        }
    }

    pub(super) fn introduce(&mut self) {
        let Some(qid) = self.connection().map(|it| it.introduction) else {
            return;
        };
        let mut message = Vec::new();
        write_message(&mut message, "whoareyou", |writer| {
            writer.guid("qid", qid);
            self.write_identity(writer);
        });
        self.send_for(Purpose::Introduction, &message);
    }

    /// The introduction is over: events may go out, and the CRM is asked what it
    /// can do and who is there (protocol 4).
    pub(super) fn end_introduction(&mut self, now: Instant) {
        let Stage::Connected(connection) = &mut self.stage else {
            return;
        };
        connection.phase = Phase::Ready { since: now };
        if matches!(self.config.transport, Transport::Http) {
            connection.introduce_at = Some(now + self.config.limits.refresh);
            self.ask_for_catalogues();
        } else {
            self.ask_for_catalogues();
            self.request(Purpose::Other, "getactiveusers", |_| {});
        }
        self.events.push_back(CrmEvent::Ready {
            peer: self.peer.as_deref().map(Arc::from),
        });
        self.start_waiting_runs();
    }

    fn ask_for_catalogues(&mut self) {
        for name in ["getavailablemethods", "getavailableforms"] {
            self.request(Purpose::Catalogue, name, |_| {});
        }
    }

    /// protocol 2.1-j: introduces the gateway over HTTP again after a failure.
    pub(super) fn introduce_soon(&mut self, now: Instant) {
        let soon = now + self.config.limits.pause_min;
        if let Stage::Connected(connection) = &mut self.stage
            && let Some(at) = &mut connection.introduce_at
        {
            *at = soon.min(*at);
        }
    }

    /// protocol 2.1-j: over HTTP, from time to time.
    pub(super) fn introduce_again(&mut self, now: Instant) {
        let refresh = self.config.limits.refresh;
        if let Stage::Connected(connection) = &mut self.stage {
            connection.introduce_at = Some(now + refresh);
        }
        self.introduce();
        self.ask_for_catalogues();
    }
}
