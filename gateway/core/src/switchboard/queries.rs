//! What the hub wants to know of the switchboard beyond the protocol.

use super::Switchboard;
use crate::base::{ChainId, LegId, UserId};
use crate::protocol::{Fault, UserRef};

impl Switchboard {
    /// The call that a live leg belongs to.
    pub fn chain_of(&self, leg: LegId) -> Option<ChainId> {
        self.calls.chain_of(leg)
    }

    /// A user as messages name one.
    pub fn user_reference(&self, user: UserId) -> Result<UserRef, Fault> {
        Ok(self.users.of(user)?.reference.clone())
    }

    /// Users in the settings.
    pub fn user_count(&self) -> usize {
        self.users.iter().count()
    }
}
