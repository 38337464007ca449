//! Whether the gateway should be given work.

use std::sync::atomic::{AtomicBool, Ordering};

use hyper::StatusCode;
use okgate_core::hub::{AdminFault, Status};

use super::{AdminGate, body};
use crate::http::Answer;

/// How far the process is in its life; set by whoever starts and stops it.
#[derive(Debug, Default)]
pub struct Readiness {
    started: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// All addresses are served from now on.
    pub fn started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// The gateway goes down from now on.
    pub fn draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Why it should not be given work now; `status` is what the hub says of
    /// itself. The CRM's link is no reason: tabs work without it.
    pub(super) fn reasons(&self, status: Option<&Status>) -> Vec<&'static str> {
        let is_connected = status.is_some_and(|status| status.pbx_connected);
        let reasons = [
            (!self.started.load(Ordering::Acquire), "starting"),
            (self.draining.load(Ordering::Acquire), "draining"),
            (status.is_none(), "hub"),
            (status.is_some() && !is_connected, "pbx"),
        ];
        let holding = reasons.into_iter().filter(|(holds, _)| *holds);
        holding.map(|(_, reason)| reason).collect()
    }
}

/// `/readyz`: 200, or 503 with the reasons; and how the CRM's link is, which is none.
pub(super) async fn answer(gate: &AdminGate) -> Result<Answer, AdminFault> {
    let status = gate.status().await.ok();
    let reasons = gate.readiness.reasons(status.as_ref());
    let code = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let crm = status.as_ref().map(|status| &status.crm);
    let body = serde_json::json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "crm": crm.map(|crm| serde_json::json!({"mode": crm.mode, "state": crm.state})),
    });
    body::json(code, &body)
}
