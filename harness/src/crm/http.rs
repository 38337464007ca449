//! Owns the simulated CRM as an HTTP server (protocol 2.1): posts are unpacked, recorded and answered with messages, or oddly
//! if it is told to.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::behaviour::{HttpAnswer, Packets};
use super::form;
use super::stream::BoxedStream;
use super::{CrmSeen, Shared};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::message::{Message, shortened};
use crate::multipart;

type Body = BoxBody<Bytes, io::Error>;

/// Serves one connection until it ends; says how it ended.
pub(super) async fn serve(number: u64, stream: BoxedStream, shared: Arc<Shared>) -> Result<String> {
    shared.record(number, CrmSeen::LinkUp(None));
    let keeps = shared.options.behaviour.http.keep_alive;
    let service = service_fn(|request| {
        let exchange = Exchange {
            number,
            shared: Arc::clone(&shared),
        };
        async move { Ok::<_, Infallible>(exchange.answer(request).await) }
    });
    let served = http1::Builder::new()
        .keep_alive(keeps)
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    match served {
        Ok(()) => Ok("ended".into()),
        Err(error) => Err(Error::Http {
            call: "a connection of the gateway".into(),
            problem: error.to_string(),
        }),
    }
}

struct Exchange {
    number: u64,
    shared: Arc<Shared>,
}

impl Exchange {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if let Some(refusal) = self.refusal(&request) {
            self.note(&format!("answered with {}", refusal.status()));
            return refusal;
        }
        let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
        let posted = match body.await {
            Ok(body) => form::read(&body.to_bytes()),
            Err(error) => Err(Error::Malformed(format!("the body: {error}"))),
        };
        let read = posted.and_then(|(format, text)| Ok((format, format.read_several(&text)?)));
        let (format, messages) = match read {
            Ok(read) => read,
            Err(error) => {
                self.record(CrmSeen::Malformed(error.to_string()));
                return text_answer(StatusCode::BAD_REQUEST, "text/plain", error.to_string());
            }
        };
        let mut answers = Vec::new();
        let mut is_odd = false;
        for message in &messages {
            let message = match self.whole(format, message) {
                Ok(Some(whole)) => whole,
                Ok(None) => continue,
                Err(error) => {
                    self.record(CrmSeen::Malformed(error.to_string()));
                    continue;
                }
            };
            is_odd |= self.is_odd(&message);
            self.record(CrmSeen::Received(message.clone()));
            answers.extend(self.react(&message, format).await);
        }
        let also = &self.shared.options.behaviour.http.also;
        answers.extend(also.iter().map(|(name, fields)| Message {
            name: name.clone(),
            fields: fields.clone(),
        }));
        if is_odd {
            return self.odd_answer(format, &answers).await;
        }
        for answer in &answers {
            self.record(CrmSeen::Sent(answer.clone()));
        }
        self.messages_answer(format, &answers)
    }

    /// An answer without the message having been looked at.
    fn refusal(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let authorization = request.headers().get(AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let guard = self.shared.guard.lock();
        // A panic while the lock is held cannot leave the guard half-changed.
        let mut guard = guard.unwrap_or_else(PoisonError::into_inner);
        if let Err(denial) = guard.check(request.method().as_str(), target, authorization) {
            let mut answer = text_answer(StatusCode::UNAUTHORIZED, "text/plain", "who are you?");
            for challenge in guard.challenges(denial) {
                if let Ok(value) = HeaderValue::from_str(&challenge) {
                    answer.headers_mut().append(WWW_AUTHENTICATE, value);
                }
            }
            return Some(answer);
        }
        if request.method() != Method::POST {
            let mut answer = text_answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "post it");
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            return Some(answer);
        }
        None
    }

    /// The message, or the one that its packets make.
    fn whole(&self, format: Format, message: &Message) -> Result<Option<Message>> {
        if message.name != "multipart" {
            return Ok(Some(message.clone()));
        }
        let assemblers = self.shared.assemblers.lock();
        // A panic while the lock is held leaves at most one message unfinished.
        let mut assemblers = assemblers.unwrap_or_else(PoisonError::into_inner);
        assemblers.of(format).accept(message)
    }

    async fn react(&self, message: &Message, format: Format) -> Vec<Message> {
        let replies = self.shared.mind().react(message, self.number).replies;
        let wait = replies.iter().map(|reply| reply.after).max();
        if let Some(wait) = wait.filter(|wait| *wait > Duration::ZERO) {
            tokio::time::sleep(wait).await;
        }
        let mut messages = Vec::new();
        for reply in replies {
            // Without being told, nothing is divided: an answer has no length that would be too much.
            match reply.packets {
                Packets::Always => messages.extend(multipart::split_as(&reply.message, format)),
                _ => messages.push(reply.message),
            }
        }
        messages
    }

    fn is_odd(&self, message: &Message) -> bool {
        let http = &self.shared.options.behaviour.http;
        http.answer != HttpAnswer::Messages
            && (http.only.is_empty() || http.only.contains(&message.name))
    }

    async fn odd_answer(&self, format: Format, answers: &[Message]) -> Response<Body> {
        let http = &self.shared.options.behaviour.http;
        self.note(&format!("answered on purpose with {:?}", http.answer));
        let text = format.write_several(answers);
        match http.answer {
            HttpAnswer::Messages => self.messages_answer(format, answers),
            HttpAnswer::Html => text_answer(
                StatusCode::OK,
                "text/html; charset=utf-8",
                "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>",
            ),
            HttpAnswer::Base64 => text_answer(StatusCode::OK, "text/plain", STANDARD.encode(text)),
            HttpAnswer::Empty => text_answer(StatusCode::OK, "text/plain", ""),
            HttpAnswer::Status => {
                let status = StatusCode::from_u16(http.status);
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                text_answer(status, "text/plain", "no")
            }
            HttpAnswer::Redirect => {
                let mut answer = text_answer(StatusCode::FOUND, "text/plain", "over there");
                if let Ok(location) = HeaderValue::from_str(&http.location) {
                    answer.headers_mut().insert(LOCATION, location);
                }
                answer
            }
            HttpAnswer::Half => half_answer(text),
            HttpAnswer::Silent => std::future::pending().await,
        }
    }

    fn messages_answer(&self, format: Format, answers: &[Message]) -> Response<Body> {
        let text = format.write_several(answers);
        let kind = match format {
            Format::Json => "application/json; charset=utf-8",
            Format::Xml => "text/xml; charset=utf-8",
        };
        if !self.shared.options.behaviour.http.chunked {
            return text_answer(StatusCode::OK, kind, text);
        }
        let bytes = Bytes::from(text);
        let chunks: Vec<io::Result<Frame<Bytes>>> = (0..bytes.len())
            .step_by(CHUNK_BYTES)
            .map(|start| bytes.slice(start..bytes.len().min(start + CHUNK_BYTES)))
            .map(|chunk| Ok(Frame::data(chunk)))
            .collect();
        answer_with(
            StatusCode::OK,
            kind,
            BoxBody::new(StreamBody::new(stream::iter(chunks))),
        )
    }

    fn note(&self, what: &str) {
        self.record(CrmSeen::Refused(shortened(what)));
    }

    fn record(&self, what: CrmSeen) {
        self.shared.record(self.number, what);
    }
}

fn text_answer(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(text.into())
        .map_err(|never| match never {})
        .boxed();
    answer_with(status, kind, body)
}

fn answer_with(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// Half of what the head says, and then the connection ends.
fn half_answer(text: String) -> Response<Body> {
    let length = text.len() + 1;
    let half = Bytes::from(text).slice(..length / 2);
    // What goes out before it ends is only what was written by then.
    let end = async {
        tokio::time::sleep(HALF_PAUSE).await;
        Err(io::Error::other("half of it is enough"))
    };
    let pieces = stream::iter([Ok(Frame::data(half))]).chain(stream::once(end));
    let body = BoxBody::new(StreamBody::new(pieces));
    let mut answer = answer_with(StatusCode::OK, "text/plain", body);
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    answer
}

/// How long a post may be.
const BODY_BYTES_MAX: usize = 64 << 20;
/// How long half of an answer has to go out.
const HALF_PAUSE: Duration = Duration::from_millis(50);
/// How long a chunk is.
const CHUNK_BYTES: usize = 1000;
