//! The HTTP interface for CRMs (protocol 10-a to 10-g).
//!
//! In comes a request whose path is a call's; out goes the whole answer. It reads what
//! HTTP has to say (methods, forms, credentials, addresses); who may do what, and what
//! then happens, is the hub's business.

mod auth;
mod calls;
mod parameters;

use std::net::IpAddr;

use async_channel::Sender;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, StatusCode};
use ipnet::IpNet;
use okgate_core::hub::{
    AdminReply, AdminRequest, Credentials, InterfaceAnswer, InterfaceMethod, InterfaceRequest,
};
use okgate_core::protocol::{ErrorNumber, Fault};
use okgate_core::wire::forwarded::ForwardedHeader;
use okgate_core::wire::head::Headers;

use self::parameters::Parameters;
use super::HubQuestion;
use crate::http::{self, Answer, allow};

/// What the interface needs.
#[derive(Debug)]
pub struct Interface {
    hub: Sender<HubQuestion>,
    form_bytes_max: usize,
    proxies: Proxies,
}

/// The proxies that are believed whom they speak for (protocol 9-o).
#[derive(Clone, Debug)]
pub struct Proxies {
    /// Their addresses.
    pub trusted: Vec<IpNet>,
    /// Where they say it.
    pub header: ForwardedHeader,
}

impl Interface {
    /// The interface in front of this hub, with forms of at most so many bytes.
    pub fn new(hub: Sender<HubQuestion>, form_bytes_max: usize, proxies: Proxies) -> Self {
        Self {
            hub,
            form_bytes_max,
            proxies,
        }
    }
}

/// The call of this path, if it is one.
pub(super) fn called(path: &str) -> Option<InterfaceMethod> {
    let name = path.strip_prefix('/')?;
    let mut all = InterfaceMethod::ALL.iter().copied();
    all.find(|method| method.name() == name)
}

/// Answers a request for a call.
pub(super) async fn answer<B>(
    request: Request<B>,
    peer: IpAddr,
    called: InterfaceMethod,
    interface: &Interface,
) -> Answer
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let methods: &[Method] = if called.is_question() {
        &[Method::GET, Method::HEAD, Method::POST]
    } else {
        // HEAD promises to change nothing.
        &[Method::GET, Method::POST]
    };
    if !methods.contains(request.method()) {
        let fault = Fault::new(ErrorNumber::Malformed, "not with this method");
        let mut refused = shown(&InterfaceAnswer::failure(called, &fault));
        *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        allow(&mut refused, methods);
        return refused;
    }
    match ask(request, peer, called, interface).await {
        Ok(answer) => shown(&answer),
        Err(fault) => shown(&InterfaceAnswer::failure(called, &fault)),
    }
}

async fn ask<B>(
    request: Request<B>,
    peer: IpAddr,
    called: InterfaceMethod,
    interface: &Interface,
) -> Result<InterfaceAnswer, Fault>
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let address = client(request.headers(), peer, &interface.proxies)?;
    let (head, body) = request.into_parts();
    let form = form(&head.headers, body, interface.form_bytes_max).await?;
    let parameters = Parameters::read(&[head.uri.query().unwrap_or_default().as_bytes(), &form]);
    let password = parameters
        .as_ref()
        .ok()
        .and_then(Parameters::one_use_password);
    let credentials = if let Some(password) = password {
        Credentials::TempPassword(password)
    } else {
        not_of_another_site(&head.headers)?;
        auth::basic(&head.headers)
    };
    let question = AdminRequest::Interface(Box::new(InterfaceRequest {
        address,
        credentials,
        method: called,
        call: parameters.and_then(|parameters| calls::call(called, &parameters)),
    }));
    match super::ask(&interface.hub, question).await {
        Ok(AdminReply::Interface(answer)) => Ok(answer),
        Ok(_) => Err(unavailable("the hub gave an answer of another kind")),
        Err(fault) => Err(unavailable(&fault.message)),
    }
}

/// What was posted.
async fn form<B>(headers: &HeaderMap, body: B, bytes_max: usize) -> Result<Bytes, Fault>
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let collected = Limited::new(body, bytes_max).collect().await;
    let bytes = collected.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let text =
                format!("the form is longer than the {bytes_max} bytes of web.form_bytes_max");
            Fault::new(ErrorNumber::TooBig, text)
        } else {
            Fault::new(ErrorNumber::Malformed, "the form did not arrive whole")
        }
    })?;
    let bytes = bytes.to_bytes();
    let kind = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    if !bytes.is_empty() && !kind.trim_ascii().eq_ignore_ascii_case(FORM) {
        let text = "a form is posted as application/x-www-form-urlencoded";
        return Err(Fault::new(ErrorNumber::Malformed, text));
    }
    Ok(bytes)
}

/// The address of the client, for whom a trusted proxy may speak (protocol 9-o).
fn client(headers: &HeaderMap, peer: IpAddr, proxies: &Proxies) -> Result<IpAddr, Fault> {
    let is_trusted = |address: IpAddr| proxies.trusted.iter().any(|it| it.contains(&address));
    if !is_trusted(peer) {
        return Ok(peer);
    }
    let name = proxies.header.name();
    let lines = headers.get_all(name).iter();
    let lines = Headers::of(lines.map(|value| (name, value.as_bytes())));
    let client = proxies.header.client(&lines, peer, is_trusted);
    client.map_err(|error| Fault::new(ErrorNumber::Malformed, error.to_string()))
}

/// A browser sends a password that it knows also for pages of other sites, which must
/// not call with it (protocol 10-o).
fn not_of_another_site(headers: &HeaderMap) -> Result<(), Fault> {
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    if !matches!(site, Some(b"cross-site" | b"same-site")) {
        return Ok(());
    }
    let text = "a page of another site must use a one-use password (temppass)";
    Err(Fault::new(ErrorNumber::NotAllowed, text))
}

fn shown(answer: &InterfaceAnswer) -> Answer {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if answer.is_xml {
        "text/xml; charset=utf-8"
    } else {
        "text/plain; charset=utf-8"
    };
    let mut shown = http::answer(status, kind, answer.content.to_string());
    let headers = shown.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(auth::CHALLENGE));
    }
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    shown
}

fn unavailable(text: &str) -> Fault {
    Fault::new(ErrorNumber::NotAvailable, text.to_owned())
}

/// The content type of forms that are no uploads.
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// How browsers say where a request comes from.
const FETCH_SITE: &str = "sec-fetch-site";

#[cfg(test)]
mod tests;
