//! Uploads, downloads and photos.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_channel::Sender;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use okgate_core::base::UserId;
use okgate_core::hub::{
    AdminFault, AdminReply, AdminRequest, DeskQuestion, DeskTold, FileKind, UploadTicket,
    UploadedFile,
};
use okgate_core::protocol::Secret;

use super::{HubQuestion, form};
use crate::http::{self, Answer, allow};

/// What uploads, downloads and photos need.
#[derive(Debug)]
pub(super) struct Desk {
    hub: Sender<HubQuestion>,
    upload_bytes_max: usize,
    uploading: AtomicUsize,
}

impl Desk {
    pub(super) fn new(hub: Sender<HubQuestion>, upload_bytes_max: usize) -> Self {
        Self {
            hub,
            upload_bytes_max,
            uploading: AtomicUsize::new(0),
        }
    }

    async fn ask(&self, question: DeskQuestion) -> Result<DeskTold, AdminFault> {
        match super::ask(&self.hub, AdminRequest::Desk(question)).await? {
            AdminReply::Desk(told) => Ok(told),
            _ => Err(fault(500, "the hub gave an answer of another kind")),
        }
    }
}

/// Whether this path is served here.
pub(super) fn is_for(path: &str) -> bool {
    path == UPLOAD || path.starts_with(DOWNLOAD) || path.starts_with(PHOTO)
}

/// Answers a request for such a path.
pub(super) async fn answer<B>(request: Request<B>, desk: &Desk) -> Answer
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let methods: &[Method] = match request.uri().path() {
        UPLOAD => &[Method::POST],
        _ => &[Method::GET, Method::HEAD],
    };
    if !methods.contains(request.method()) {
        let mut refused = refusal(&fault(405, "not with this method"));
        allow(&mut refused, methods);
        return refused;
    }
    let path = request.uri().path().to_owned();
    let found = if path == UPLOAD {
        upload(request, desk).await
    } else if let Some(rest) = path.strip_prefix(DOWNLOAD) {
        download(rest, desk).await
    } else {
        photo(path.strip_prefix(PHOTO).unwrap_or_default(), desk).await
    };
    found.unwrap_or_else(|fault| refusal(&fault))
}

/// protocol 10-j.
async fn upload<B>(request: Request<B>, desk: &Desk) -> Result<Answer, AdminFault>
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let query = Query::read(request.uri().query().unwrap_or_default())?;
    let _counted = Counted::enter(&desk.uploading)?;
    let redeem = DeskQuestion::Redeem(query.password);
    let DeskTold::Ticket(ticket) = desk.ask(redeem).await? else {
        return Err(fault(500, "the hub gave an answer of another kind"));
    };
    let read = files(request, desk.upload_bytes_max).await;
    let end = match &read {
        Ok(files) => Ok(files.clone()),
        Err(fault) => Err(status_and_words(fault)),
    };
    let told = end_upload(desk, ticket, query.is_relative, end).await?;
    read?;
    Ok(http::answer(
        StatusCode::OK,
        "text/xml; charset=utf-8",
        told.to_string(),
    ))
}

async fn end_upload(
    desk: &Desk,
    ticket: UploadTicket,
    is_relative: bool,
    end: Result<Vec<UploadedFile>, (Box<str>, Arc<str>)>,
) -> Result<Arc<str>, AdminFault> {
    let question = DeskQuestion::Uploaded {
        ticket,
        is_relative,
        end,
    };
    match desk.ask(question).await? {
        DeskTold::Uploaded(content) => Ok(content),
        _ => Err(fault(500, "the hub gave an answer of another kind")),
    }
}

/// The files of the form in the request's body.
async fn files<B>(request: Request<B>, bytes_max: usize) -> Result<Vec<UploadedFile>, AdminFault>
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let content_type = text_of(&head.headers);
    let unread = |error: form::FormError| fault(400, &error.to_string());
    let boundary = form::boundary(content_type).map_err(unread)?;
    let limited = Limited::new(body, bytes_max.saturating_add(FORM_BYTES_MAX));
    let bytes = limited.collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_big(bytes_max)
        } else {
            fault(400, "the body did not arrive whole")
        }
    })?;
    let files = form::files(&bytes.to_bytes(), &boundary).map_err(unread)?;
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    if bytes > bytes_max {
        return Err(too_big(bytes_max));
    }
    Ok(files)
}

/// protocol 10-k: `<token>/<whatever name>`.
async fn download(rest: &str, desk: &Desk) -> Result<Answer, AdminFault> {
    let token = rest.split('/').next().unwrap_or_default();
    let question = DeskQuestion::File(Secret::new(token));
    let DeskTold::File(file) = desk.ask(question).await? else {
        return Err(fault(500, "the hub gave an answer of another kind"));
    };
    let mut found = contents(&file.bytes);
    // A peer's page must never run as one of this address.
    let disposition = HeaderValue::from_static("attachment");
    found.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    Ok(found)
}

/// protocol 10-i: `<user>/<token>`, and whatever size; there is one only.
async fn photo(rest: &str, desk: &Desk) -> Result<Answer, AdminFault> {
    let mut parts = rest.split('/');
    let user = parts.next().and_then(|user| user.parse().ok());
    let token = Secret::new(parts.next().unwrap_or_default());
    let is_known = matches!(parts.next(), None | Some("32x32" | "96x96"));
    let user = user
        .map(UserId)
        .filter(|_| is_known && parts.next().is_none());
    let user = user.ok_or_else(|| fault(404, "there is nothing here"))?;
    let DeskTold::Photo(bytes) = desk.ask(DeskQuestion::Photo { user, token }).await? else {
        return Err(fault(500, "the hub gave an answer of another kind"));
    };
    let mut found = contents(&bytes);
    // The link of another photo is another one.
    let kept = HeaderValue::from_static("private, max-age=86400");
    found.headers_mut().insert(CACHE_CONTROL, kept);
    Ok(found)
}

fn contents(bytes: &Arc<[u8]>) -> Answer {
    let kind = FileKind::of(bytes);
    let shared = Bytes::from_owner(Arc::clone(bytes));
    http::answer(StatusCode::OK, kind.content_type(), shared)
}

/// What an upload's address says; a doubled `&` is tolerated.
struct Query {
    password: Secret,
    is_relative: bool,
}

impl Query {
    fn read(text: &str) -> Result<Self, AdminFault> {
        let (mut password, mut is_relative) = (None, false);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (key.to_ascii_lowercase().as_str(), value) {
                ("temppass", value) => password = Some(Secret::new(value)),
                ("storagemode", "storage" | "temp" | "") | ("pathmode", "absolute" | "") => {}
                ("pathmode", "relative") => is_relative = true,
                ("storagemode", "script" | "scriptplain") => {
                    return Err(fault(501, "storagemode: scripts take no uploads"));
                }
                ("storagemode", _) => return Err(fault(400, "storagemode: storage or temp")),
                ("pathmode", _) => return Err(fault(400, "pathmode: absolute or relative")),
                _ => {}
            }
        }
        let password = password.ok_or_else(|| fault(401, "temppass is missing"))?;
        Ok(Self {
            password,
            is_relative,
        })
    }
}

/// One of the uploads that go on.
struct Counted<'c>(&'c AtomicUsize);

impl<'c> Counted<'c> {
    fn enter(count: &'c AtomicUsize) -> Result<Self, AdminFault> {
        let counted = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= UPLOADS_MAX {
            return Err(fault(503, "too many uploads go on: try again"));
        }
        Ok(counted)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn text_of(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE);
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn refusal(fault: &AdminFault) -> Answer {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = format!("{}\n", fault.message);
    http::answer(status, "text/plain; charset=utf-8", text)
}

/// Such as `413 Payload Too Large`, and the words of the answer.
fn status_and_words(fault: &AdminFault) -> (Box<str>, Arc<str>) {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status.to_string().into(), fault.message.as_str().into())
}

fn too_big(bytes_max: usize) -> AdminFault {
    let words = format!("the files are more than the {bytes_max} bytes of desk.upload_bytes_max");
    fault(413, &words)
}

pub(super) fn fault(status: u16, message: &str) -> AdminFault {
    AdminFault {
        status,
        code: "refused",
        message: message.to_owned(),
    }
}

const UPLOAD: &str = "/upload";
const DOWNLOAD: &str = "/download/";
const PHOTO: &str = "/photo/";

/// Uploads that go on at a time, each of which is held in memory.
const UPLOADS_MAX: usize = 16;

/// What a form may take beside its files.
const FORM_BYTES_MAX: usize = 64 << 10;
