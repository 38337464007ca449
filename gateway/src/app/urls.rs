//! URLs of `[[procedures]]`: each run is one HTTP exchange on a connection of its own,
//! on shard 0's executor.
//!
//! In come runs of the hub; out goes the end of each, once, into the hub's mailbox. An
//! exchange ends with the run's time and takes no more than the run's bytes. Redirects
//! are not followed: the settings say who is asked.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future::or;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use okgate_core::hub::{ProgramFailure, ProgramRun, RunTarget, UrlMethod, UrlTarget};
use okgate_core::wire::host;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::hub_seat::HubMessage;
use crate::runtime::{Connection, Inbox, Mailbox, ServerName, TlsConnector, dial, spawn, timeout};

/// Serves the hub's runs until the hub is gone.
pub(super) struct UrlCaller {
    pub(super) runs: Inbox<ProgramRun>,
    pub(super) hub: Mailbox<HubMessage>,
    /// For `https`: whom the system trusts is trusted.
    pub(super) https: Option<TlsConnector>,
}

impl UrlCaller {
    /// Each run is a task of its own; the hub bounds how many go on at a time.
    pub(super) async fn run(self) {
        while let Some(run) = self.runs.receive().await {
            let (hub, https) = (self.hub.clone(), self.https.clone());
            spawn(async move {
                let end = end_of(&run, https.as_ref()).await;
                if let Err(failure) = &end {
                    tracing::warn!(procedure = &*run.name, %failure, "a procedure failed");
                }
                hub.send_when_room(HubMessage::Program(run.id, end)).await;
            })
            .detach();
        }
    }
}

async fn end_of(run: &ProgramRun, https: Option<&TlsConnector>) -> Result<Vec<u8>, ProgramFailure> {
    let RunTarget::Url(target) = &run.target else {
        return Err(ProgramFailure::NotStarted);
    };
    let end = timeout(run.timeout, exchange(run, target, https)).await;
    end.unwrap_or(Err(ProgramFailure::TimedOut))
}

async fn exchange(
    run: &ProgramRun,
    target: &UrlTarget,
    https: Option<&TlsConnector>,
) -> Result<Vec<u8>, ProgramFailure> {
    let request = request(run, target)?;
    let connection = connect(target, https, run.timeout).await;
    let connection = connection.map_err(|error| failure("cannot be reached", &error))?;
    let broken = |error: hyper::Error| failure("gave no whole answer", &error.to_string());
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(connection).await.map_err(broken)?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        output(response, run.output_bytes_max).await
    };
    let driven = async {
        // What breaks the connection breaks the answer, too, and is said there.
        let _ended = connection.await;
        pending().await
    };
    or(answered, driven).await
}

/// What the URL answered, as a program would have printed it.
async fn output(response: Response<Incoming>, bytes_max: usize) -> Result<Vec<u8>, ProgramFailure> {
    let status = response.status();
    if !status.is_success() {
        let text = format!("answered with status {}", status.as_u16());
        return Err(ProgramFailure::Url(text));
    }
    let is_plain = is_plain_text(response.headers().get(CONTENT_TYPE));
    let collected = Limited::new(response.into_body(), bytes_max)
        .collect()
        .await;
    let bytes = collected.map_err(|error| {
        if error.is::<LengthLimitError>() {
            ProgramFailure::TooMuch
        } else {
            failure("gave no whole answer", &error.to_string())
        }
    })?;
    let bytes = bytes.to_bytes();
    if is_plain && let Ok(text) = std::str::from_utf8(&bytes) {
        // protocol 6.7-n: the value as it stands.
        return Ok(Value::from(text.trim_end()).to_string().into_bytes());
    }
    Ok(bytes.to_vec())
}

fn is_plain_text(kind: Option<&HeaderValue>) -> bool {
    let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"text/plain")
}

fn request(run: &ProgramRun, target: &UrlTarget) -> Result<Request<Full<Bytes>>, ProgramFailure> {
    let host = host::header(&target.host, target.port, target.is_https);
    let builder = Request::builder()
        .header(HOST, host)
        .header(USER_AGENT, "okgate")
        .header(ACCEPT, "application/json, text/plain;q=0.9")
        .header(CONNECTION, "close");
    let request = match target.method {
        UrlMethod::Post => builder
            .method(Method::POST)
            .uri(&target.path)
            .header(CONTENT_TYPE, crate::http::JSON)
            .body(Full::from(run.input.clone())),
        UrlMethod::Get => builder
            .method(Method::GET)
            .uri(with_query(&target.path, &run.input)?)
            .body(Full::default()),
    };
    request.map_err(|error| failure("cannot be asked", &error.to_string()))
}

/// The path with the run's input in its query: the parameters beside what is said of
/// the user.
fn with_query(path: &str, input: &str) -> Result<String, ProgramFailure> {
    let input: Map<String, Value> = serde_json::from_str(input)
        .map_err(|error| failure("cannot be given its parameters", &error.to_string()))?;
    let mut whole = path.to_owned();
    for (key, value) in &input {
        match value {
            Value::Object(parameters) => {
                for (key, value) in parameters {
                    push_pair(&mut whole, key, value);
                }
            }
            value => push_pair(&mut whole, key, value),
        }
    }
    if whole.len() > QUERY_BYTES_MAX {
        let text = format!("takes no query of more than {QUERY_BYTES_MAX} bytes: use POST");
        return Err(ProgramFailure::Url(text));
    }
    Ok(whole)
}

fn push_pair(whole: &mut String, key: &str, value: &Value) {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    whole.push(if whole.contains('?') { '&' } else { '?' });
    whole.extend(utf8_percent_encode(key, QUERY));
    whole.push('=');
    whole.extend(utf8_percent_encode(&text, QUERY));
}

async fn connect(
    target: &UrlTarget,
    https: Option<&TlsConnector>,
    within: Duration,
) -> Result<Connection, String> {
    let UrlTarget { host, port, .. } = target;
    let dialled = dial(&host::address(host, *port), within).await;
    let stream = dialled.map_err(|error| error.to_string())?;
    if !target.is_https {
        return Ok(stream.into());
    }
    let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
    let https = https.ok_or("nobody is trusted")?;
    let secured = https.connect(stream, &name, within).await;
    secured.map_err(|error| error.to_string())
}

fn failure(what: &str, why: &str) -> ProgramFailure {
    ProgramFailure::Url(format!("{what}: {why}"))
}

/// What stands for itself in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Servers take no longer request lines.
const QUERY_BYTES_MAX: usize = 8 << 10;

/// The head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &str = r#"{"name":"s","userid":"1","userlogin":"анна","inputparams":{"a":"x y&z","n":5,"e":null}}"#;

    // protocol 6.7-n
    #[test]
    fn a_query_has_what_is_known_of_the_user_and_the_parameters() {
        let whole = with_query("/p?key=1", INPUT).expect("a query");
        let wanted =
            "/p?key=1&name=s&userid=1&userlogin=%D0%B0%D0%BD%D0%BD%D0%B0&a=x%20y%26z&n=5&e=";
        assert_eq!(whole, wanted);
        assert!(with_query("/", INPUT).is_ok_and(|whole| whole.starts_with("/?name=s&")));
        let long = format!(r#"{{"inputparams":{{"a":"{}"}}}}"#, "x".repeat(9000));
        assert!(matches!(
            with_query("/", &long),
            Err(ProgramFailure::Url(_))
        ));
    }

    #[test]
    fn only_a_plain_text_is_taken_as_it_stands() {
        let is_plain = |kind: &'static str| is_plain_text(Some(&HeaderValue::from_static(kind)));
        assert!(is_plain("Text/Plain; charset=utf-8"));
        assert!(!is_plain("text/html") && !is_plain("application/json") && !is_plain_text(None));
    }
}
