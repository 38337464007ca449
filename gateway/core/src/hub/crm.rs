//! The CRM's side of the hub.

use std::sync::Arc;

use super::Hub;
use crate::base::NumberId;
use crate::protocol::{Event, NumberChange};

impl Hub {
    pub(super) fn pump_crm(&mut self) -> bool {
        false
    }

    pub(super) fn tell_crm(&mut self, _event: &Arc<Event>) {}

    pub(super) fn tell_crm_numbers(&mut self, _changes: &[(NumberId, NumberChange)]) {}
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("x")]
pub(super) enum MethodFailure {
    Unavailable,
    Timeout,
    UnknownMethod,
    WrongParameters(String),
    Cancelled,
    TooMany,
    Failed(String),
}
