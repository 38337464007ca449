//! What every other module stands on: ids, time as a number, rates, reasons of
//! refusals, the timing wheel and seeded randomness.
//!
//! Nothing comes in but plain values; this module imports no other one.

mod engine;
mod guid;
mod ids;
mod random;
mod rate;
mod refused;
mod source;
mod time;
mod wheel;

pub use engine::{Action, Engine, Payload, Peer, SharedBytes};
pub use guid::{Guid, ParseGuidError};
pub use ids::{
    AdminTicket, ChainId, CommandId, CommutationId, ConferenceId, DepartmentId, ExecutionId, LegId,
    LinkId, LinkRef, NumberId, RequestId, SessionId, ShardId, UserId, WindowId,
};
pub use random::Random;
pub use rate::{RateLimit, RateUse};
pub use refused::{Refusal, Refused};
pub use source::Source;
pub use time::{Instant, Now, WallTime};
pub use wheel::Wheel;
