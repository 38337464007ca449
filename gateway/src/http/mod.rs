//! Answers over HTTP that the page's and the admin interface's addresses share.
//!
//! In comes what is to be said; out comes a whole response with the headers
//! that belong to it. It reads no socket and knows no route.

mod files;

pub use files::{Files, StaticFile};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};

/// A response whose whole body is in memory.
pub type Answer = Response<Full<Bytes>>;

/// `application/json`.
pub const JSON: &str = "application/json";

/// An answer of this content type.
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A short text for people.
pub fn plain(status: StatusCode, text: &'static str) -> Answer {
    answer(status, "text/plain; charset=utf-8", text)
}

/// Says which methods the resource has (405).
pub fn allow(answer: &mut Answer, methods: &[Method]) {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
        answer.headers_mut().insert(ALLOW, value);
    }
}

/// Adds the headers that keep a page from being used against its reader.
pub fn secure_page(answer: &mut Answer, policy: &'static str) {
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// The answer as it goes to this method: `HEAD` gets everything but the body.
pub fn for_method(mut answer: Answer, method: &Method) -> Answer {
    if method == Method::HEAD {
        use hyper::body::Body as _;
        let length = answer.body().size_hint().exact().unwrap_or(0);
        let value = HeaderValue::from(length);
        answer.headers_mut().insert(CONTENT_LENGTH, value);
        *answer.body_mut() = Full::default();
    }
    answer
}
