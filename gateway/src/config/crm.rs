//! Reads `[crm]`, `[crm.caller_name]` and `[tls]`: only the keys of the mode, and every other
//! key that is there is a fault.

use std::str::FromStr;
use std::time::Duration;

use hyper::Uri;
use okgate_core::hub::CallerName;
use okgate_core::wire::upgrade::{Format, Version};
use rustls::pki_types::ServerName;

use super::check;
use super::file::File;
use super::link::{
    ClientTls, Credentials, CrmAuth, CrmMode, CrmSettings, HttpLink, InLink, NamedFile, OutLink,
    PostUrl, ServerTls, TrustRoots,
};
use super::secret::Secret;
use super::view::View;

/// Reads all of it; faults are noted.
pub(super) fn crm(file: &File<'_>, view: &View<'_>) -> Option<CrmSettings> {
    let mode = view.choice("mode");
    let tls = file.view("tls");
    if let Some(mode) = mode {
        check::keys_fit_mode(view, mode);
        check::keys_fit_mode(&tls, mode);
    }
    let caller_name = file
        .has("crm.caller_name")
        .then(|| caller_name(file, mode))
        .flatten();
    let reader = Reader { view, mode: mode? };
    let mode = match reader.mode {
        "http-out" | "https-out" => CrmMode::Http(reader.http()?),
        "ws-out" | "wss-out" => CrmMode::WebSocketOut(reader.out()?),
        "ws-in" | "wss-in" => CrmMode::WebSocketIn(reader.incoming(&tls)?),
        _ => CrmMode::Off,
    };
    Some(CrmSettings { mode, caller_name })
}

/// Whether the mode is one in which the CRM connects to the gateway.
pub(super) fn is_incoming(view: &View<'_>) -> bool {
    matches!(view.choice("mode"), Some("ws-in" | "wss-in"))
}

fn caller_name(file: &File<'_>, mode: Option<&str>) -> Option<CallerName> {
    let view = file.view("crm.caller_name");
    if mode == Some("off") {
        view.fault("method", "no CRM is linked in mode \"off\"");
    }
    let (input, output) = (view.text("input"), view.text("output"));
    let wait = view.milliseconds("wait_ms");
    Some(CallerName {
        method: view.text("method")?.into(),
        input: input?.into(),
        output: output?.into(),
        wait,
    })
}

/// What was read is no good, and a fault says so.
struct Noted;

/// `[crm]` in one of the modes. Every part is read before any of them is missed, so that all
/// faults are noted.
struct Reader<'v, 'd> {
    view: &'v View<'d>,
    mode: &'static str,
}

impl Reader<'_, '_> {
    fn http(&self) -> Option<HttpLink> {
        let view = self.view;
        let url = self.needed("url").and_then(|text| self.url("url", &text));
        let host = url.as_ref().map(|url| url.host.as_str());
        let tls = self.client_tls("url", host);
        let credentials = self.credentials();
        let format = self.format();
        let refresh = Duration::from_secs(view.integer("refresh_s"));
        let message_bytes = view.limit_size("message_bytes_max");
        let method_runs = view.limit_size("method_runs_max");
        let url = self.post_url(url?, tls.ok()?);
        Some(HttpLink {
            url,
            format,
            credentials: credentials.ok()?,
            refresh,
            message_bytes,
            method_runs,
        })
    }

    /// Where methods are posted to beside a WebSocket; `link` says whom the link itself trusts.
    fn method_url(&self, link: Option<&ClientTls>) -> Result<Option<PostUrl>, Noted> {
        let view = self.view;
        let Some(text) = view.text("method_url") else {
            return if view.has("method_url") {
                Err(Noted)
            } else {
                Ok(None)
            };
        };
        let url = self.url("method_url", &text).ok_or(Noted)?;
        let tls = if url.scheme == "https" {
            let name = self.server_name("method_url", &url.host).ok_or(Noted)?;
            Some(ClientTls {
                name,
                roots: link.map_or(TrustRoots::System, |link| link.roots.clone()),
                client_certificate: link.and_then(|link| link.client_certificate.clone()),
            })
        } else {
            None
        };
        Ok(Some(self.post_url(url, tls)))
    }

    fn post_url(&self, url: Url, tls: Option<ClientTls>) -> PostUrl {
        let view = self.view;
        PostUrl {
            host: url.host,
            port: url.port,
            path_and_query: url.path_and_query,
            tls,
            answer_timeout: view.milliseconds("answer_timeout_ms"),
            exchanges: usize::try_from(view.integer("exchanges_max")).unwrap_or(usize::MAX),
        }
    }

    fn out(&self) -> Option<OutLink> {
        let view = self.view;
        let address = self.needed("address");
        let address = address.and_then(|text| check::host_and_port(view, "address", &text));
        let host = address.as_ref().map(|(host, _)| host.as_str());
        let tls = self.client_tls("address", host);
        let credentials = self.credentials();
        let (path, version) = (self.path(), self.version());
        let format = self.format();
        let (message_bytes, queue_bytes) = (
            view.limit_size("message_bytes_max"),
            view.limit_size("queue_bytes_max"),
        );
        let method_runs = view.limit_size("method_runs_max");
        let tls = tls.ok()?;
        let method_url = self.method_url(tls.as_ref());
        let (host, port) = address?;
        Some(OutLink {
            host,
            port,
            path,
            version,
            tls,
            format,
            credentials: credentials.ok()?,
            method_url: method_url.ok()?,
            message_bytes,
            queue_bytes,
            method_runs,
        })
    }

    fn incoming(&self, tls: &View<'_>) -> Option<InLink> {
        let view = self.view;
        let listen = view.address("listen");
        let tls = if self.mode == "wss-in" {
            self.server_tls(tls).map(Some)
        } else {
            Some(None)
        };
        let auth = self.auth();
        let (message_bytes, queue_bytes) = (
            view.limit_size("message_bytes_max"),
            view.limit_size("queue_bytes_max"),
        );
        let method_runs = view.limit_size("method_runs_max");
        let allow_hixie = view.boolean("allow_hixie");
        let method_url = self.method_url(None);
        Some(InLink {
            listen: listen?.value,
            tls: tls?,
            auth: auth?,
            allow_hixie,
            method_url: method_url.ok()?,
            message_bytes,
            queue_bytes,
            method_runs,
        })
    }

    /// The text of a key without which this mode cannot be.
    fn needed(&self, key: &str) -> Option<String> {
        if !self.view.has(key) {
            let reason = format!("is missing; mode {:?} needs it", self.mode);
            self.view.fault(key, reason);
        }
        self.view.text(key)
    }

    fn url(&self, key: &str, text: &str) -> Option<Url> {
        // It is not shown, since a password could stand in it.
        if authority(text).contains('@') {
            self.view.fault(
                key,
                "has an @: login and password belong into crm.credentials",
            );
            return None;
        }
        let wanted = match self.mode {
            "http-out" => Some("http"),
            "https-out" => Some("https"),
            _ => None,
        };
        let found = parse_url(text).and_then(|url| match wanted {
            Some(scheme) if url.scheme != scheme => {
                Err(format!("mode {:?} needs {scheme}://", self.mode))
            }
            _ => Ok(url),
        });
        let example = wanted.unwrap_or("http");
        let faulty = |words| {
            let reason = format!("{text:?}: {words}, such as \"{example}://crm.example/oktell\"");
            self.view.fault(key, reason);
        };
        found.map_err(faulty).ok()
    }

    fn path(&self) -> String {
        let path = self.view.text("path").unwrap_or_default();
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = format!("{path:?} is not a path: it starts with / and has no spaces");
            self.view.fault("path", reason);
        }
        path
    }

    fn version(&self) -> Version {
        match self.view.integer("websocket_version") {
            0 => Version::V0,
            7 => Version::V7,
            8 => Version::V8,
            _ => Version::V13,
        }
    }

    fn format(&self) -> Format {
        match self.view.choice("format") {
            Some("xml") => Format::Xml,
            _ => Format::Json,
        }
    }

    fn auth(&self) -> Option<CrmAuth> {
        let view = self.view;
        let auth = view.choice("auth");
        let credentials = self.credentials();
        let nonce_lifetime = Duration::from_secs(view.integer("nonce_lifetime_s"));
        let auth = auth?;
        if auth != "digest" && view.has("nonce_lifetime_s") {
            let reason = format!("does not fit auth {auth:?}; it belongs to \"digest\"");
            view.fault("nonce_lifetime_s", reason);
        }
        match (auth, credentials.ok()?) {
            ("none", None) => Some(CrmAuth::None),
            ("none", Some(_)) => {
                let key = self.credentials_key();
                view.fault(key, "nobody is asked for them with auth \"none\"");
                None
            }
            (_, None) => {
                let reason = format!("{auth:?} needs credentials or credentials_file");
                view.fault("auth", reason);
                None
            }
            ("basic", Some(credentials)) => Some(CrmAuth::Basic(credentials)),
            (_, Some(credentials)) => Some(CrmAuth::Digest {
                credentials,
                nonce_lifetime,
            }),
        }
    }

    /// The credentials if there are any.
    fn credentials(&self) -> Result<Option<Credentials>, Noted> {
        let key = self.credentials_key();
        let secret = check::one_secret(self.view, "credentials", "credentials_file");
        let Some(secret) = secret else {
            return if self.view.has(key) {
                Err(Noted)
            } else {
                Ok(None)
            };
        };
        // The words never quote what was read.
        let parsed = parse_credentials(secret.reveal());
        parsed.map(Some).map_err(|words| {
            self.view.fault(key, words);
            Noted
        })
    }

    fn credentials_key(&self) -> &'static str {
        if self.view.has("credentials") {
            "credentials"
        } else {
            "credentials_file"
        }
    }

    /// TLS towards this host if the mode has it.
    fn client_tls(&self, key: &str, host: Option<&str>) -> Result<Option<ClientTls>, Noted> {
        if !matches!(self.mode, "https-out" | "wss-out") {
            return Ok(None);
        }
        let view = self.view;
        let name = host.and_then(|host| self.server_name(key, host));
        let roots = match view.text("trust_roots").as_deref() {
            Some("system") | None => Some(TrustRoots::System),
            Some(_) => named(view, "trust_roots", "crm.trust_roots").map(TrustRoots::File),
        };
        let certificate = named(view, "client_certificate", "crm.client_certificate");
        let private_key = named(view, "client_key", "crm.client_key");
        for (key, there, other) in [
            ("client_certificate", &private_key, "client_key"),
            ("client_key", &certificate, "client_certificate"),
        ] {
            if there.is_some() && !view.has(key) {
                view.fault(key, format!("is missing; {other} needs it"));
            }
        }
        let (Some(name), Some(roots)) = (name, roots) else {
            return Err(Noted);
        };
        Ok(Some(ClientTls {
            name,
            roots,
            client_certificate: certificate.zip(private_key),
        }))
    }

    fn server_name(&self, key: &str, host: &str) -> Option<ServerName<'static>> {
        let name = ServerName::try_from(host.to_owned());
        let reason = format!("{host:?} is no name that a certificate could be for");
        name.map_err(|_| self.view.fault(key, reason)).ok()
    }

    fn server_tls(&self, tls: &View<'_>) -> Option<ServerTls> {
        for key in ["certificate", "private_key"] {
            if !tls.has(key) {
                tls.fault(key, "is missing; mode \"wss-in\" needs it");
            }
        }
        let certificate = named(tls, "certificate", "tls.certificate");
        let private_key = named(tls, "private_key", "tls.private_key");
        let client_roots = named(self.view, "client_roots", "crm.client_roots");
        Some(ServerTls {
            certificate: certificate?,
            private_key: private_key?,
            client_roots,
        })
    }
}

fn named(view: &View<'_>, key: &str, whole_key: &'static str) -> Option<NamedFile> {
    Some(NamedFile {
        path: view.file(key)?,
        key: whole_key,
        line: view.document.line(view.position(key)),
    })
}

/// What stands between the scheme and the path.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// A URL in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Url {
    scheme: &'static str,
    /// Without brackets.
    host: String,
    port: u16,
    path_and_query: String,
}

/// The parts of an `http` or `https` URL; or what is wrong.
fn parse_url(text: &str) -> Result<Url, String> {
    let uri = Uri::from_str(text).map_err(|error| error.to_string())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("it must begin with a scheme and a host".to_owned());
    };
    let (scheme, default_port) = match scheme {
        "http" => ("http", 80),
        "https" => ("https", 443),
        _ => return Err("it must begin with http:// or https://".to_owned()),
    };
    if text.contains('#') {
        return Err("a part behind # is never sent".to_owned());
    }
    let (host, port) = check::split_port(authority.as_str());
    let port = port.map_or(Some(default_port), |port| port.parse().ok());
    let port = port.filter(|&port| port != 0);
    if !check::is_host(host) {
        return Err(format!("{host:?} is no host"));
    }
    let port = port.ok_or("the port must be within 1 to 65535")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(Url {
        scheme,
        host: bare.to_owned(),
        port,
        path_and_query: path.to_owned(),
    })
}

/// `login:password`: the login goes to the first colon (RFC 7617, 2).
fn parse_credentials(bytes: &[u8]) -> Result<Credentials, &'static str> {
    let text = str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    let (login, password) = text
        .split_once(':')
        .ok_or("is not login:password: the colon is missing")?;
    if login.is_empty() {
        return Err("is not login:password: the login is missing");
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character, such as the end of a line");
    }
    Ok(Credentials {
        login: login.to_owned(),
        password: Secret::new(password.as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_url_is_taken_apart_as_it_was_put_together(
            host in "[a-z][a-z0-9-]{0,20}(\\.[a-z]{2,8}){0,3}",
            port in 1..=u16::MAX,
            path in "(/[a-zA-Z0-9._~@:-]{0,8}){0,4}",
            query in "(\\?[a-z]{1,4}=[0-9]{1,4})?",
        ) {
            let path = if path.is_empty() { "/".to_owned() } else { path };
            let url = format!("https://{host}:{port}{path}{query}");
            let path_and_query = path + &query;
            let parts = Url { scheme: "https", host, port, path_and_query };
            prop_assert_eq!(parse_url(&url), Ok(parts));
        }

        #[test]
        fn no_text_upsets_the_parsers(text in ".{0,80}", bytes in any::<Vec<u8>>()) {
            let _url = parse_url(&text);
            let _url = parse_url(&format!("http://{text}"));
            let _credentials = parse_credentials(&bytes);
        }
    }

    #[test]
    fn the_login_of_credentials_ends_at_the_first_colon() {
        let parse = |text: &str| {
            let parsed = parse_credentials(text.as_bytes())?;
            let password = String::from_utf8(parsed.password.reveal().to_vec());
            Ok::<_, &str>((parsed.login, password.expect("text")))
        };
        let good = |text: &str| parse(text).expect(text);
        assert_eq!(good("okgate:a:b"), ("okgate".into(), "a:b".into()));
        assert_eq!(good("Анна:"), ("Анна".into(), String::new()));
        for bad in ["", "okgate", ":secret", "a:b\nc:d"] {
            parse(bad).expect_err(bad);
        }
        let shown = format!("{:?}", parse_credentials(b"okgate:secret"));
        assert_eq!(shown, "Ok(Credentials(…))");
    }
}
