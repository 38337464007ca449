//! The admin address: health, metrics, the scenario API and the status page.
//!
//! In comes a whole HTTP request; out comes its whole answer. What needs the
//! hub's state is one typed question to it and one answer back, over channels,
//! so that this runs on whatever executor serves the address. It never decides
//! anything about calls or methods, and never logs a token.

mod access;
mod api;
mod body;
mod files;
mod forms;
mod ready;
mod route;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_channel::{Sender, TrySendError};
use hyper::body::Body;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode};
use okgate_core::hub::{AdminFault, AdminReply, AdminRequest, Status};

use crate::config::Secret;
use crate::http::{Answer, Files, JSON, allow, answer, for_method, plain, secure_page};
use crate::metrics::Metrics;

pub use ready::Readiness;
use route::Resource;

/// A question to the hub and the way back: exactly one answer is sent, and
/// nobody may be left to take it.
pub type HubQuestion = (AdminRequest, Sender<Result<AdminReply, AdminFault>>);

/// What the admin address knows and whom it asks.
#[derive(Debug)]
pub struct AdminGate {
    hub: Sender<HubQuestion>,
    token: Option<Secret>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    files: Files,
}

impl AdminGate {
    /// A gate to the hub behind this channel. Without a token only requests
    /// that name this machine in `Host` and `Origin` may use `/api/v1`.
    pub fn new(
        hub: Sender<HubQuestion>,
        token: Option<Secret>,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> Self {
        Self {
            hub,
            token,
            metrics,
            readiness,
            files: Files::new(files::FILES),
        }
    }

    /// Asks the hub and waits for its answer.
    async fn ask(&self, request: AdminRequest) -> Result<AdminReply, AdminFault> {
        let (reply_sender, reply) = async_channel::bounded(1);
        self.hub
            .try_send((request, reply_sender))
            .map_err(|error| match error {
                TrySendError::Full(_) => fault(503, "busy", "too many requests wait"),
                TrySendError::Closed(_) => hub_is_gone(),
            })?;
        reply.recv().await.unwrap_or_else(|_| Err(hub_is_gone()))
    }

    async fn status(&self) -> Result<Status, AdminFault> {
        match self.ask(AdminRequest::Status).await? {
            AdminReply::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }
}

/// Answers one request on the admin address.
pub async fn handle<B>(request: Request<B>, gate: &AdminGate) -> Answer
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut found = match find(request, &path, gate).await {
        Ok(found) => found,
        Err(fault) => refusal(&fault, &path),
    };
    secure_page(&mut found, CONTENT_POLICY);
    for_method(found, &method)
}

async fn find<B>(request: Request<B>, path: &str, gate: &AdminGate) -> Result<Answer, AdminFault>
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    if route::is_api(path) {
        access::check(request.headers(), gate.token.as_ref())?;
    }
    let nothing = || fault(404, "not_found", format!("there is nothing at {path}"));
    let resource = route::resource(path).ok_or_else(nothing)?;
    if !resource.methods().contains(request.method()) {
        let message = format!("{} is not a method of {path}", request.method());
        return Err(fault(405, "method_not_allowed", message));
    }
    match resource {
        Resource::Health => Ok(plain(StatusCode::OK, "alive\n")),
        Resource::Ready => ready::answer(gate).await,
        Resource::Metrics => metrics(gate).await,
        Resource::File(file) => {
            let found = gate.files.serve(file, request.headers());
            found.ok_or_else(nothing)
        }
        Resource::Api(call) => api::run(call, request, gate).await,
    }
}

async fn metrics(gate: &AdminGate) -> Result<Answer, AdminFault> {
    // The shards' numbers are worth having without the hub's.
    let status = gate.status().await.ok();
    let text = gate.metrics.text(status.as_ref());
    let text = text.map_err(|_| fault(500, "internal", "the metrics cannot be written"))?;
    Ok(answer(StatusCode::OK, METRICS_TYPE, text))
}

/// `{"error", "message"}` with the fault's status and the headers that this
/// status asks for.
fn refusal(fault: &AdminFault, path: &str) -> Answer {
    let body = serde_json::json!({"error": fault.code, "message": fault.message});
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut refused = answer(status, JSON, body.to_string());
    match (status, route::resource(path)) {
        (StatusCode::UNAUTHORIZED, _) => {
            let challenge = HeaderValue::from_static("Bearer realm=\"okgate\"");
            refused.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        (StatusCode::METHOD_NOT_ALLOWED, Some(resource)) => {
            allow(&mut refused, resource.methods());
        }
        _ => {}
    }
    refused
}

fn fault(status: u16, code: &'static str, message: impl Into<String>) -> AdminFault {
    AdminFault {
        status,
        code,
        message: message.into(),
    }
}

fn hub_is_gone() -> AdminFault {
    fault(503, "unavailable", "the gateway is going down")
}

fn unexpected(reply: &AdminReply) -> AdminFault {
    tracing::error!(?reply, "the hub gave an answer of another kind");
    fault(500, "internal", "the hub gave an answer of another kind")
}

/// The methods of what can only be read.
const READ: &[Method] = &[Method::GET, Method::HEAD];

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";
