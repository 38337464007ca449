//! The hub: the one place that owns shared state.

mod admin;

pub use admin::{
    AdminFault, AdminReply, AdminRequest, CrmStatus, MethodRun, SimCall, SimCallRequest, Status,
};
