//! Refusals: counted for the metrics, and noted for the log.

use std::net::IpAddr;
use std::sync::Arc;

use super::Shard;
use crate::base::{LinkId, Refusal, Refused};

impl Shard {
    /// What the log is to be told of refusals since the last call: at most one a reason,
    /// with their count. Ask after each batch, until there is none.
    pub fn poll_refusal(&mut self) -> Option<Refusal> {
        self.refusals.pop()
    }

    /// Counts a refusal that met this link.
    pub(super) fn refuse(&mut self, id: LinkId, reason: Refused) {
        let link = self.links.get_mut(id);
        let address = link.as_ref().map(|link| link.address);
        let user = link.and_then(|link| link.user);
        let user = user.and_then(|user| self.users.get_mut(user));
        let user = user.map(|links| Arc::clone(&links.user.login));
        self.note_refusal(reason, address, user);
    }

    /// Counts a refusal.
    pub(super) fn note_refusal(
        &mut self,
        reason: Refused,
        address: Option<IpAddr>,
        user: Option<Arc<str>>,
    ) {
        self.counters.refused[reason as usize] += 1;
        let mut noted = self.refusals.iter_mut();
        if let Some(noted) = noted.find(|noted| noted.reason == reason) {
            noted.count += 1;
            return;
        }
        self.refusals.push(Refusal {
            reason,
            address,
            user,
            count: 1,
        });
    }
}
