//! What the admin interface asks of the hub, and what it is told.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::desk::{DeskQuestion, DeskTold};
use super::forms::{FormCounters, FormOpened, FormOpening, FormState};
use super::interface::{InterfaceAnswer, InterfaceRequest};
use crate::base::{ChainId, ExecutionId, WindowId};
use crate::crm::CrmStatus;
pub use crate::crm::MethodRun;

/// A request of the admin interface (`/api/v1/…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminRequest {
    /// `GET /api/v1/status`, `/readyz` and the gauges of `/metrics`.
    Status,
    /// `GET /api/v1/methods`.
    Methods,
    /// `GET /api/v1/forms`.
    Forms,
    /// `POST /api/v1/methods/{key}`.
    RunMethod(MethodRun),
    /// `DELETE /api/v1/executions/{executionid}`.
    CancelRun(ExecutionId),
    /// `POST /api/v1/forms/{key}`.
    OpenForm(FormOpening),
    /// `DELETE /api/v1/forms/windows/{windowid}`.
    CloseForm(WindowId),
    /// `GET /api/v1/forms/windows/{windowid}`.
    FormWindow {
        /// The window.
        window: WindowId,
        /// How long its end is waited for.
        wait: Duration,
    },
    /// `POST /api/v1/sim/calls`.
    SimCall(SimCallRequest),
    /// `GET /api/v1/sim/calls`.
    SimCalls,
    /// `POST /api/v1/sim/calls/{chainid}/answer`: the phone that rings is picked up.
    SimAnswer(ChainId),
    /// `POST /api/v1/sim/calls/{chainid}/hangup`: the outside caller hangs up, or,
    /// in a call without one, the phone that called.
    SimHangUp(ChainId),
    /// `POST /api/v1/notify`, and what the web address asks.
    Desk(DeskQuestion),
    /// A call of the HTTP interface (protocol 10); answered by [`AdminReply::Interface`]
    /// in any case.
    Interface(Box<InterfaceRequest>),
}

/// An outside caller to be simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimCallRequest {
    /// The caller's number.
    pub from: Arc<str>,
    /// The number that is called.
    pub to: Arc<str>,
    /// The caller's name as the switch shows it.
    pub name: Option<Arc<str>>,
    /// The called phone is picked up this long after it began to ring.
    pub answer_after: Option<Duration>,
    /// The caller hangs up this long after the talk began.
    pub talk: Option<Duration>,
}

/// What the admin interface is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminReply {
    /// It is done; nothing more to say.
    Done,
    /// How the gateway is.
    Status(Box<Status>),
    /// A catalogue as the CRM declared it: the text of a JSON array.
    Catalogue(Arc<str>),
    /// A dynamic method came to its end.
    Run {
        /// The run.
        execution: ExecutionId,
        /// `outputparameters`, as the text of a JSON object.
        output: Arc<str>,
    },
    /// A form is open.
    FormOpened(FormOpened),
    /// How a form is, and its user's login.
    FormWindow(FormState, Arc<str>),
    /// A simulated call exists.
    SimCallStarted(ChainId),
    /// The calls at the simulated switch.
    SimCalls(Vec<SimCall>),
    /// The answer to [`AdminRequest::Desk`].
    Desk(DeskTold),
    /// The answer to [`AdminRequest::Interface`].
    Interface(InterfaceAnswer),
}

/// How the gateway is, as far as the hub knows.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Status {
    /// The CRM's link.
    pub crm: CrmStatus,
    /// Whether the telephone switch is connected.
    pub pbx_connected: bool,
    /// Users in the settings.
    pub users: usize,
    /// Users with at least one link.
    pub users_online: usize,
    /// Logged-in links.
    pub tabs: usize,
    /// Sessions, with and without links.
    pub sessions: usize,
    /// Calls that go on.
    pub calls: usize,
    /// Callers who wait in lines.
    pub callers_waiting: usize,
    /// Callers refused since the exchange carried as many calls as it may.
    pub calls_over_limit: u64,
    /// Callers refused since a line was full.
    pub callers_over_limit: u64,
    /// Dynamic methods that run.
    pub method_runs: usize,
    /// Forms that are open.
    pub forms_open: usize,
    /// What happened to forms, and to methods that users' pages run.
    #[serde(flatten)]
    pub forms: FormCounters,
    /// Events that the hub gave out since the start.
    pub events: u64,
}

/// A call at the simulated switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimCall {
    /// The call.
    pub chainid: String,
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// `arrived`, `ringing`, `talking` or `held`.
    pub state: &'static str,
}

/// Why the admin interface's request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AdminFault {
    /// The HTTP status that fits.
    pub status: u16,
    /// The machine-readable word for it: `error` of the answer.
    pub code: &'static str,
    /// The words for people: `message` of the answer.
    pub message: String,
}
