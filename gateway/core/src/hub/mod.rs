//! The hub: the one place that owns shared state.

mod admin;
mod messages;
mod sessions;
mod token;

pub use admin::{
    AdminFault, AdminReply, AdminRequest, CrmStatus, MethodRun, SimCall, SimCallRequest, Status,
};
pub use messages::{Downward, FromShard, ToShard, Upward};
pub use sessions::{Limits as SessionLimits, Sessions};
pub use token::{TokenAlgorithm, TokenFault, TokenKeyError, TokenVerifier};
