//! Whom a proxy speaks for: `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! Each proxy appends the address that it was connected from, so a list is read from its end: the
//! first address that is no trusted proxy's is the client's, and whatever stands before it was
//! written by the client itself and is not looked at. In come the headers of a request and the
//! address that it came from; out goes the client's address. It never decides whom to trust.

use std::net::{IpAddr, SocketAddr};
use std::str;

use super::head::Headers;

/// The header that the proxies write. Only one is read: a proxy passes the other one on as the
/// client sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy`: the header of nearly all proxies.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

/// A trusted proxy wrote something that is no address. Answer 400: the settings of the proxy are
/// wrong, or those of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header {} of a trusted proxy is malformed", header.name())]
pub struct ForwardedError {
    /// The header.
    pub header: ForwardedHeader,
}

/// Who stands at one place of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Address(IpAddr),
    /// The proxy does not say: `unknown`, or a word of its own.
    Hidden,
}

impl ForwardedHeader {
    /// The header's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "X-Forwarded-For",
            Self::Forwarded => "Forwarded",
        }
    }

    /// The address of the client for whom the trusted proxy `peer` speaks. It is the proxy's own
    /// if there is no such header; if a proxy hides whom it speaks for, it is that proxy's.
    pub fn client(
        self,
        headers: &Headers<'_>,
        peer: IpAddr,
        is_trusted: impl Fn(IpAddr) -> bool,
    ) -> Result<IpAddr, ForwardedError> {
        let malformed = ForwardedError { header: self };
        let mut client = peer;
        for line in headers.values(self.name()).rev() {
            let line = str::from_utf8(line).map_err(|_| malformed)?;
            let nodes: Vec<Option<Node>> = match self {
                Self::XForwardedFor => line.rsplit(',').map(x_forwarded_node).collect(),
                Self::Forwarded => forwarded_nodes(line).ok_or(malformed)?,
            };
            for node in nodes {
                match node.ok_or(malformed)? {
                    Node::Hidden => return Ok(client),
                    Node::Address(address) => client = address,
                }
                if !is_trusted(client) {
                    return Ok(client);
                }
            }
        }
        Ok(client)
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80` or `unknown`.
fn x_forwarded_node(text: &str) -> Option<Node> {
    let text = text.trim_ascii();
    let bare = || text.parse::<IpAddr>().ok();
    bare().map_or_else(
        || node(text),
        |address| Some(Node::Address(address.to_canonical())),
    )
}

/// A node of RFC 7239, 6: an IPv6 address stands in brackets, a port may follow.
fn node(text: &str) -> Option<Node> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let is_word = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        text.strip_prefix('_')
            .is_some_and(|word| !word.is_empty() && word.bytes().all(fits))
    };
    let is_port = |port: &str| is_word(port) || port.parse::<u16>().is_ok();
    if !port.is_none_or(is_port) {
        return None;
    }
    if name.eq_ignore_ascii_case("unknown") || is_word(name) {
        return Some(Node::Hidden);
    }
    // The standard library reads addresses with a port more strictly than anything of ours.
    let address = format!("{name}:0").parse::<SocketAddr>().ok()?;
    Some(Node::Address(address.ip().to_canonical()))
}

/// The nodes of one line of `Forwarded`, the last first; `None` for a line against the grammar.
fn forwarded_nodes(line: &str) -> Option<Vec<Option<Node>>> {
    let mut nodes = Vec::new();
    let mut rest = line.trim_start_matches(BETWEEN_ELEMENTS);
    while !rest.is_empty() {
        let (node, after) = forwarded_element(rest)?;
        nodes.push(node);
        rest = after.trim_start_matches(BETWEEN_ELEMENTS);
    }
    nodes.reverse();
    Some(nodes)
}

/// `for=…;proto=…` up to a comma or the end: who is named, and what follows. An element without
/// `for` hides whom it speaks for.
fn forwarded_element(text: &str) -> Option<(Option<Node>, &str)> {
    let (mut found, mut rest) = (None, text);
    while !rest.is_empty() && !rest.starts_with(',') {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = token_or_quoted(after)?;
        let is_name = !name.is_empty() && name.bytes().all(is_token_byte);
        let is_for = name.eq_ignore_ascii_case("for");
        if !is_name || (is_for && found.is_some()) {
            return None;
        }
        if is_for {
            found = Some(node(value));
        }
        let after = after.trim_ascii_start();
        rest = after.trim_start_matches(BETWEEN_PAIRS);
        if rest.len() == after.len() && !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
    Some((found.unwrap_or(Some(Node::Hidden)), rest))
}

/// A value and what follows it. Quoted ones with escapes are not taken: no address needs any.
fn token_or_quoted(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, after) = quoted.split_once('"')?;
        return (!value.contains('\\')).then_some((value, after));
    }
    let end = text.bytes().position(|byte| !is_token_byte(byte));
    let (value, after) = text.split_at(end.unwrap_or(text.len()));
    (!value.is_empty()).then_some((value, after))
}

/// RFC 9110, 5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// What may stand between two elements: a list may have empty ones (RFC 9110, 5.6.1).
const BETWEEN_ELEMENTS: [char; 3] = [',', ' ', '\t'];

/// What may stand between two pairs of an element, which may be empty, too.
const BETWEEN_PAIRS: [char; 3] = [';', ' ', '\t'];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::head::{Limits, RequestHead};

    /// What is read of a request from 10.0.0.1 with these header lines; 10.0.0.0/8 is trusted.
    fn client(header: ForwardedHeader, lines: &str) -> Result<String, ForwardedError> {
        let bytes = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        let head = RequestHead::parse(bytes.as_bytes(), &Limits::default());
        let head = head.expect("a head").expect("a whole one");
        let is_trusted = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(_) => false,
        };
        let peer = IpAddr::from([10, 0, 0, 1]);
        let client = header.client(&head.headers, peer, is_trusted)?;
        Ok(client.to_string())
    }

    fn x(list: &str) -> Result<String, ForwardedError> {
        let lines = format!("X-Forwarded-For: {list}\r\n");
        client(ForwardedHeader::XForwardedFor, &lines)
    }

    fn forwarded(list: &str) -> Result<String, ForwardedError> {
        client(
            ForwardedHeader::Forwarded,
            &format!("Forwarded: {list}\r\n"),
        )
    }

    // protocol 9-o
    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        assert_eq!(x("192.0.2.1").as_deref(), Ok("192.0.2.1"));
        assert_eq!(x("192.0.2.1, 10.0.0.2").as_deref(), Ok("192.0.2.1"));
        assert_eq!(x("1.1.1.1, 192.0.2.1,10.0.0.2").as_deref(), Ok("192.0.2.1"));
        assert_eq!(x("10.0.0.3, 10.0.0.2").as_deref(), Ok("10.0.0.3"));
        let lines = "X-Forwarded-For: 1.1.1.1\r\nX-Other: 2.2.2.2\r\nx-forwarded-for: 192.0.2.1\r\nX-Forwarded-For: 10.0.0.9\r\n";
        let read = client(ForwardedHeader::XForwardedFor, lines);
        assert_eq!(read.as_deref(), Ok("192.0.2.1"));
    }

    #[test]
    fn what_the_client_wrote_itself_is_not_looked_at() {
        for written in [
            "nonsense",
            "",
            "999.1.1.1",
            "10.0.0.7",
            "unknown",
            "\"",
            "for=1.1.1.1",
        ] {
            let read = x(&format!("{written}, 192.0.2.1"));
            assert_eq!(read.as_deref(), Ok("192.0.2.1"), "{written}");
        }
    }

    #[test]
    fn without_the_header_the_proxy_itself_is_the_client() {
        let other = "Forwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n";
        let read = client(ForwardedHeader::XForwardedFor, other);
        assert_eq!(read.as_deref(), Ok("10.0.0.1"));
        let other = "X-Forwarded-For: 192.0.2.1\r\n";
        let read = client(ForwardedHeader::Forwarded, other);
        assert_eq!(read.as_deref(), Ok("10.0.0.1"));
    }

    #[test]
    fn addresses_come_with_ports_and_in_brackets() {
        for (written, meant) in [
            ("192.0.2.1:1234", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:1234", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(x(written).as_deref(), Ok(meant), "{written}");
        }
        for (written, meant) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1:80\"", "192.0.2.1"),
            ("for=\"[2001:db8::1]:_x\";proto=https", "2001:db8::1"),
            ("by=10.0.0.1; for=192.0.2.1 ;host=gate", "192.0.2.1"),
            ("for=1.1.1.1, for=192.0.2.1, for=10.0.0.2", "192.0.2.1"),
            ("for=192.0.2.1;;proto=http; , ,for=10.0.0.2,", "192.0.2.1"),
        ] {
            assert_eq!(forwarded(written).as_deref(), Ok(meant), "{written}");
        }
    }

    #[test]
    fn a_proxy_that_hides_whom_it_speaks_for_stands_for_them() {
        assert_eq!(x("192.0.2.1, unknown").as_deref(), Ok("10.0.0.1"));
        assert_eq!(x("192.0.2.1, unknown, 10.0.0.2").as_deref(), Ok("10.0.0.2"));
        for hidden in ["for=unknown", "for=_gazonk", "proto=https", "for=\"_a:_b\""] {
            let read = forwarded(&format!("for=1.1.1.1, {hidden}"));
            assert_eq!(read.as_deref(), Ok("10.0.0.1"), "{hidden}");
        }
    }

    #[test]
    fn what_is_no_address_is_malformed() {
        let header = ForwardedHeader::XForwardedFor;
        for written in [
            "",
            "nonsense",
            "192.0.2.1,",
            "192.0.2.1 10.0.0.1",
            "192.0.2",
            "192.0.2.256",
            "0192.0.2.1",
            "192.0.2.1:",
            "192.0.2.1:99999",
            "192.0.2.1:x",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]:80",
            "fe80::1%eth0",
            "for=192.0.2.1",
            "\"192.0.2.1\"",
            "192.0.2.1;",
        ] {
            assert_eq!(x(written), Err(ForwardedError { header }), "{written}");
        }
        let header = ForwardedHeader::Forwarded;
        for written in [
            "192.0.2.1",
            "for",
            "for=",
            "for=2001:db8::1",
            "for=\"2001:db8::1\"",
            "for=\"192.0.2.1",
            "for=192.0.2.1 for=1.1.1.1",
            "for=1.1.1.1;for=192.0.2.1",
            "=192.0.2.1",
            "for=\"192.0.2\\.1\"",
            "for=\"a, for=192.0.2.1",
            "for =192.0.2.1",
        ] {
            assert_eq!(
                forwarded(written),
                Err(ForwardedError { header }),
                "{written}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "[ -~]{0,60}") {
            let _read = x(&text);
            let _read = forwarded(&text);
        }

        #[test]
        fn nothing_before_the_last_untrusted_address_counts(before in "[ -+\\--~]{0,40}", last in any::<u32>()) {
            let last = std::net::Ipv4Addr::from_bits(last);
            prop_assume!(last.octets()[0] != 10);
            let read = x(&format!("{before},{last}"));
            prop_assert_eq!(read, Ok(last.to_string()));
        }
    }
}
