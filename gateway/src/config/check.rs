//! Rules between values, and the forms that a text can have.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use okgate_core::hub::TokenAlgorithm;

use super::secret::Secret;
use super::settings::{ClientLimits, TokenSettings};
use super::view::{Located, View};

/// The shortest bearer token of the admin interface.
pub(super) const ADMIN_TOKEN_BYTES_MIN: usize = 16;

/// The shortest shared secret of HS256 (RFC 7518 §3.2).
const HS256_KEY_BYTES_MIN: usize = 32;

/// The values without their places.
pub(super) fn values<T>(located: Vec<Located<T>>) -> Vec<T> {
    located.into_iter().map(|entry| entry.value).collect()
}

/// No two listeners may share a port (protocol 2). Port 0 is another port each
/// time; one section may use a port on several addresses.
pub(super) fn ports(sections: &[(&str, &View<'_>)]) {
    let mut users_of_port: HashMap<u16, (&str, Vec<IpAddr>)> = HashMap::new();
    for &(name, view) in sections {
        for Located { value, at } in listeners(name, view) {
            if value.port() == 0 {
                continue;
            }
            let (owner, addresses) = users_of_port
                .entry(value.port())
                .or_insert_with(|| (name, Vec::new()));
            if *owner != name {
                let reason = format!("port {} is the port of {owner} too", value.port());
                view.fault_at(at, "listen", reason);
            } else if addresses.contains(&value.ip()) {
                view.fault_at(at, "listen", format!("{value} is there twice"));
            } else {
                addresses.push(value.ip());
            }
        }
    }
}

fn listeners(name: &str, view: &View<'_>) -> Vec<Located<SocketAddr>> {
    if matches!(name, "admin.listen" | "crm.listen") {
        view.address("listen").into_iter().collect()
    } else {
        view.addresses("listen")
    }
}

/// The limits that only make sense together.
pub(super) fn client_limits(view: &View<'_>, limits: &ClientLimits) {
    if let (Some(sustained), Some(burst)) = (limits.messages_per_second, limits.messages_burst)
        && burst < sustained
    {
        let reason = format!("{burst} is less than messages_per_s ({sustained})");
        view.fault("messages_burst", reason);
    }
    if let (Some(sustained), Some(burst)) = (
        limits.handshakes_per_address_per_second,
        limits.handshakes_per_address_burst,
    ) && burst < sustained
    {
        let reason = format!("{burst} is less than handshakes_per_address_per_s ({sustained})");
        view.fault("handshakes_per_address_burst", reason);
    }
    if let (Some(ping), Some(close)) = (limits.silence_ping, limits.silence_close)
        && close <= ping
    {
        let reason = format!(
            "{} is not more than silence_ping_s ({}): links would be closed before they are asked",
            close.as_secs(),
            ping.as_secs()
        );
        view.fault("silence_close_s", reason);
    }
}

/// The allowed origins as browsers write them: lower case, no default port.
pub(super) fn origins(view: &View<'_>) -> Vec<String> {
    let mut origins = Vec::new();
    for Located { value, at } in view.texts("origins") {
        if let Some(origin) = normal_origin(&value) {
            origins.push(origin);
        } else {
            let reason = format!(
                "{value:?} is not an origin: scheme://host or scheme://host:port, without a path"
            );
            view.fault_at(at, "origins", reason);
        }
    }
    origins
}

fn normal_origin(text: &str) -> Option<String> {
    let origin = text.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://")?;
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    let (host, port) = split_port(authority);
    let port_is_fine = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    (is_host(host) && port_is_fine).then(|| format!("{scheme}://{authority}"))
}

/// `host:port`, the host without brackets.
pub(super) fn host_and_port(view: &View<'_>, key: &str, text: &str) -> Option<(String, u16)> {
    let (host, port) = split_port(text);
    let port = port.and_then(|port| port.parse::<u16>().ok());
    if let Some(port) = port.filter(|&port| port != 0 && is_host(host)) {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        Some((bare.unwrap_or(host).to_owned(), port))
    } else {
        let reason = format!("{text:?} is not host:port, such as \"crm.example:8045\"");
        view.fault(key, reason);
        None
    }
}

/// The part after the last colon outside brackets is the port.
pub(super) fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// A name of letters, digits, dots and dashes, an IPv4 address, or an IPv6
/// address in brackets.
pub(super) fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner
            .strip_suffix(']')
            .map(str::parse::<std::net::Ipv6Addr>);
        return matches!(address, Some(Ok(_)));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !host.is_empty() && host.len() <= 253 && host.bytes().all(fits)
}

/// A secret that stands in one of two keys: itself, or in a file. White space
/// around it is no part of it.
pub(super) fn one_secret(view: &View<'_>, direct: &str, file: &str) -> Option<Secret> {
    let from_file = view.file_contents(file);
    let from_text = view.secret(direct);
    if view.has(direct) && view.has(file) {
        view.fault(
            direct,
            format!("{file} is there too; one of them is enough"),
        );
    }
    let bytes = match (&from_text, &from_file) {
        (Some(text), _) => text.as_bytes(),
        (None, Some(secret)) => secret.reveal(),
        (None, None) => return None,
    };
    Some(Secret::new(bytes.trim_ascii()))
}

/// The key must be one that the algorithm can use.
pub(super) fn token_key(view: &View<'_>, token: &TokenSettings) {
    let name = if view.has("key") { "key" } else { "key_file" };
    let bytes = token.key.reveal().len();
    if token.algorithm == TokenAlgorithm::Hs256 && bytes < HS256_KEY_BYTES_MIN {
        let reason = format!("HS256 needs a key of at least {HS256_KEY_BYTES_MIN} bytes");
        view.fault(name, reason);
    } else if let Err(error) = token.verifier() {
        let reason = format!("{error}; it must be the public key as PEM");
        view.fault(name, reason);
    }
}

/// Each key of `[crm]` belongs to certain modes (interfaces: a key that does
/// not fit is a named fault, not ignored).
pub(super) fn keys_fit_mode(view: &View<'_>, mode: &str) {
    for key in view.present() {
        if !key.modes.is_empty() && !key.modes.contains(&mode) {
            let modes = key.modes.join(", ");
            let reason = format!("does not fit mode {mode:?}; it belongs to {modes}");
            view.fault(key.name, reason);
        }
    }
}
