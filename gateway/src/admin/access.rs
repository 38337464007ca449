//! Who may use the API: whoever has the token, or without one this machine.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN};
use okgate_core::hub::AdminFault;
use subtle::ConstantTimeEq;

use super::fault;
use crate::config::Secret;

/// Refuses a request that may not use the API.
pub(super) fn check(headers: &HeaderMap, token: Option<&Secret>) -> Result<(), AdminFault> {
    match token {
        Some(token) => bearer(headers, token),
        None => local(headers),
    }
}

fn bearer(headers: &HeaderMap, token: &Secret) -> Result<(), AdminFault> {
    let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = given.and_then(|value| {
        let (scheme, rest) = value.split_at_checked(BEARER.len())?;
        scheme
            .eq_ignore_ascii_case(BEARER)
            .then(|| rest.trim_ascii())
    });
    if given.is_some_and(|given| bool::from(given.ct_eq(token.reveal()))) {
        return Ok(());
    }
    let message = "Authorization: Bearer <token> is missing or wrong";
    Err(fault(401, "unauthorized", message))
}

/// Without a token the address is a loopback one, so only programs of this
/// machine reach it. A browser of this machine is one of them, and any page in
/// it could send requests: such a request names the page's host in `Origin`,
/// or a name that somebody made point to this machine in `Host`.
fn local(headers: &HeaderMap) -> Result<(), AdminFault> {
    let host = headers
        .get(HOST)
        .map_or(b"" as &[u8], HeaderValue::as_bytes);
    if !is_local_authority(host) {
        let message = "without a token in the settings, Host must name this machine";
        return Err(fault(403, "forbidden", message));
    }
    for origin in headers.get_all(ORIGIN) {
        let authority = origin.to_str().ok().and_then(|text| text.split_once("://"));
        if !authority.is_some_and(|(_, authority)| is_local_authority(authority.as_bytes())) {
            let message = "without a token in the settings, pages of other hosts may not ask";
            return Err(fault(403, "forbidden", message));
        }
    }
    Ok(())
}

/// Whether `host` or `host:port` is this machine.
fn is_local_authority(authority: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(authority) else {
        return false;
    };
    if let Some((address, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_loopback = address
            .parse()
            .is_ok_and(|address: Ipv6Addr| address.is_loopback());
        return is_loopback && is_port(port);
    }
    let (host, port) = text
        .find(':')
        .map_or((text, ""), |colon| text.split_at(colon));
    let is_loopback = host
        .parse()
        .is_ok_and(|address: Ipv4Addr| address.is_loopback());
    (is_loopback || host.eq_ignore_ascii_case("localhost")) && is_port(port)
}

/// Nothing, or a colon and a number.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok())
}

const BEARER: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_this_machine_are_told_from_others() {
        for local in [
            "localhost",
            "LocalHost:4056",
            "127.0.0.1:4056",
            "127.9.9.9",
            "[::1]:1",
            "[::1]",
        ] {
            assert!(is_local_authority(local.as_bytes()), "{local}");
        }
        for other in [
            "",
            "crm.example",
            "localhost.example",
            "localhost:",
            "localhost:x",
            "10.0.0.1:4056",
            "127.0.0.1.example",
            "127.0.0.1@evil",
            "[::2]:1",
            "[::1",
            "[::1]x",
        ] {
            assert!(!is_local_authority(other.as_bytes()), "{other}");
        }
    }
}
