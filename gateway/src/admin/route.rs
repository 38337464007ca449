//! Which resource a path names, and which methods it has.

use hyper::Method;

use super::READ;

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// `/healthz`.
    Health,
    /// `/readyz`.
    Ready,
    /// `/metrics`.
    Metrics,
    /// The status page and what it loads.
    File(&'static str),
    /// Below `/api/v1`.
    Api(Call),
}

/// A call of the API; texts are decoded parts of the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// `/status`.
    Status,
    /// `/methods`.
    Methods,
    /// `/forms`.
    Forms,
    /// `/forms/{key}`.
    Form(String),
    /// `/forms/windows/{windowid}`.
    FormWindow(String),
    /// `/methods/{key}`.
    Method(String),
    /// `/executions/{executionid}`.
    Execution(String),
    /// `/notify`.
    Notify,
    /// `/sim/calls`.
    SimCalls,
    /// `/sim/calls/{chainid}/answer`.
    SimAnswer(String),
    /// `/sim/calls/{chainid}/hangup`.
    SimHangUp(String),
}

/// Whether the path is below `/api/v1`, where access is checked first.
pub(super) fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// The resource of this path.
pub(super) fn resource(path: &str) -> Option<Resource> {
    let fixed = match path {
        "/healthz" => Some(Resource::Health),
        "/readyz" => Some(Resource::Ready),
        "/metrics" => Some(Resource::Metrics),
        "/" => Some(Resource::File("/index.html")),
        "/status.css" => Some(Resource::File("/status.css")),
        "/status.js" => Some(Resource::File("/status.js")),
        _ => None,
    };
    fixed.or_else(|| call(path).map(Resource::Api))
}

fn call(path: &str) -> Option<Call> {
    let below = path.strip_prefix("/api/v1/")?;
    let parts: Vec<&str> = below.split('/').collect();
    match parts[..] {
        ["status"] => Some(Call::Status),
        ["methods"] => Some(Call::Methods),
        ["forms"] => Some(Call::Forms),
        ["forms", key] => decoded(key).map(Call::Form),
        ["forms", "windows", id] => decoded(id).map(Call::FormWindow),
        ["methods", key] => decoded(key).map(Call::Method),
        ["executions", id] => decoded(id).map(Call::Execution),
        ["notify"] => Some(Call::Notify),
        ["sim", "calls"] => Some(Call::SimCalls),
        ["sim", "calls", id, "answer"] => decoded(id).map(Call::SimAnswer),
        ["sim", "calls", id, "hangup"] => decoded(id).map(Call::SimHangUp),
        _ => None,
    }
}

impl Resource {
    /// The methods that it has.
    pub(super) fn methods(&self) -> &'static [Method] {
        match self {
            Self::Api(
                Call::Method(_)
                | Call::Form(_)
                | Call::Notify
                | Call::SimAnswer(_)
                | Call::SimHangUp(_),
            ) => &[Method::POST],
            Self::Api(Call::FormWindow(_)) => &[Method::GET, Method::HEAD, Method::DELETE],
            Self::Api(Call::Execution(_)) => &[Method::DELETE],
            Self::Api(Call::SimCalls) => &[Method::GET, Method::HEAD, Method::POST],
            _ => READ,
        }
    }
}

/// A part of a path without its percent-encoding; nothing if it is empty or no
/// UTF-8 text.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let decoded = if byte == b'%' {
            let mut digit = || (rest.next()? as char).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_path_is_decoded_once() {
        let method = |key: &str| Some(Resource::Api(Call::Method(key.to_owned())));
        assert_eq!(resource("/api/v1/methods/get%20name"), method("get name"));
        assert_eq!(
            resource("/api/v1/methods/%D0%B8%D0%BC%D1%8F"),
            method("имя")
        );
        assert_eq!(resource("/api/v1/methods/a%2Fb"), method("a/b"));
        assert_eq!(resource("/api/v1/methods/a%2525"), method("a%25"));
    }

    #[test]
    fn a_path_that_names_nothing_is_nothing() {
        for path in [
            "",
            "/api/v1",
            "/api/v1/",
            "/api/v1/methods/",
            "/api/v1/methods/a/b",
            "/api/v1/methods/%F",
            "/api/v1/methods/%zz",
            "/api/v1/methods/%ff",
            "/api/v2/status",
            "/healthz/",
        ] {
            assert_eq!(resource(path), None, "{path}");
        }
    }
}
