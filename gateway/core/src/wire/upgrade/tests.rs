use proptest::prelude::*;
use tungstenite::handshake::derive_accept_key;

use super::*;
use crate::wire::head::{Limits, RequestHead, ResponseHead};

/// The key and the accept key of RFC 6455, 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const PLAIN: &[(&str, &str)] = &[
    ("Host", "gateway.example"),
    ("Upgrade", "websocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
];

/// A header that is replaced or added (`Some`) or left out (`None`).
type Change<'a> = (&'a str, Option<&'a str>);

fn append(text: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        text.push_str(part);
    }
}

/// A request to upgrade, with some headers changed.
fn request(changes: &[Change<'_>]) -> String {
    let mut text = "GET /oktell HTTP/1.1\r\n".to_owned();
    for (name, value) in PLAIN {
        if !changes.iter().any(|(changed, _)| changed == name) {
            append(&mut text, name, value);
        }
    }
    for (name, value) in changes {
        if let Some(value) = value {
            append(&mut text, name, value);
        }
    }
    text + "\r\n"
}

/// The outcome for a request: the 101 or the refusal's status, and the whole answer.
fn outcome(request: &str, policy: &Policy<'_>) -> (u16, String) {
    let head = RequestHead::parse(request.as_bytes(), &Limits::default());
    let head = head.unwrap().unwrap();
    let mut output = Vec::new();
    let status = match accept(&head, policy) {
        Ok(upgrade) => {
            upgrade.write_response(&mut output);
            101
        }
        Err(refusal) => {
            refusal.write_response(&mut output);
            refusal.status()
        }
    };
    (status, String::from_utf8(output).unwrap())
}

/// Reads an answer back: its length must fit, and a refusal must close.
fn assert_complete(answer: &str, status: u16) {
    let head = ResponseHead::parse(answer.as_bytes(), &Limits::default());
    let head = head.unwrap().unwrap();
    assert_eq!(head.status, status);
    let body = &answer[head.consumed()..];
    if status != 101 {
        let length = head.headers.single("content-length");
        assert_eq!(length, Ok(Some(&*body.len().to_string())));
        assert!(head.headers.has_token("connection", "close"));
        assert!(body.ends_with('\n') && body.len() < 120, "{body}");
    }
}

#[test]
fn the_example_of_the_rfc_is_granted() {
    let (status, answer) = outcome(&request(&[]), &Policy::default());
    assert_eq!(status, 101);
    assert_eq!(
        answer,
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        )
    );
}

#[test]
fn the_subprotocol_with_the_word_is_echoed_alone_and_names_the_format() {
    // protocol 2.2: any case, within a longer token, the first that matches
    let cases = [
        (None, None, None),
        (Some("json"), Some("json"), Some(Format::Json)),
        (Some("xml"), Some("xml"), Some(Format::Xml)),
        (Some("JSON"), Some("JSON"), Some(Format::Json)),
        (
            Some("oktell-json.v1"),
            Some("oktell-json.v1"),
            Some(Format::Json),
        ),
        (
            Some("chat, superXml, json"),
            Some("superXml"),
            Some(Format::Xml),
        ),
        (Some("json, xml"), Some("json"), Some(Format::Json)),
        (Some("xml-or-json"), Some("xml-or-json"), Some(Format::Xml)),
        (Some("chat, js, on"), None, None),
        (Some(""), None, None),
    ];
    for (offered, echoed, format) in cases {
        let text = request(&[("Sec-WebSocket-Protocol", offered)]);
        let head = RequestHead::parse(text.as_bytes(), &Limits::default());
        let head = head.unwrap().unwrap();
        let upgrade = accept(&head, &Policy::default()).unwrap();
        assert_eq!((upgrade.subprotocol, upgrade.format), (echoed, format));
        let mut output = Vec::new();
        upgrade.write_response(&mut output);
        let answer = ResponseHead::parse(&output, &Limits::default());
        let answer = answer.unwrap().unwrap();
        assert_eq!(answer.headers.single("sec-websocket-protocol"), Ok(echoed));
    }
}

#[test]
fn a_subprotocol_in_a_second_header_line_counts() {
    let text = request(&[
        ("Sec-WebSocket-Protocol", Some("chat")),
        ("Sec-WebSocket-Protocol", Some("xml")),
    ]);
    let (_, answer) = outcome(&text, &Policy::default());
    assert!(
        answer.contains("\r\nSec-WebSocket-Protocol: xml\r\n"),
        "{answer}"
    );
}

#[test]
fn each_version_is_known_by_its_number_and_its_origin_header() {
    let origins = ["https://crm.example".to_owned()];
    let policy = Policy {
        origins: &origins,
        ..Policy::default()
    };
    let ask = |version, origin_header, origin| {
        let text = request(&[
            ("Sec-WebSocket-Version", Some(version)),
            (origin_header, Some(origin)),
        ]);
        let (status, answer) = outcome(&text, &policy);
        assert_complete(&answer, status);
        status
    };
    let ours = "https://CRM.example";
    assert_eq!(ask("13", "Origin", ours), 101);
    assert_eq!(ask("8", "Sec-WebSocket-Origin", ours), 101);
    assert_eq!(ask("7", "Sec-WebSocket-Origin", ours), 101);
    assert_eq!(ask("13", "Sec-WebSocket-Origin", ours), 403);
    assert_eq!(ask("8", "Origin", ours), 403);
    assert_eq!(ask("13", "Origin", "https://other.example"), 403);
    assert_eq!(ask("13", "Origin", "null"), 403);
    assert_eq!(outcome(&request(&[]), &policy).0, 403);
    let twice = [("Origin", Some(ours)), ("Origin", Some(ours))];
    assert_eq!(outcome(&request(&twice), &policy).0, 403);
}

#[test]
fn another_version_is_answered_with_the_list_of_ours() {
    for version in [
        None,
        Some("0"),
        Some("6"),
        Some("9"),
        Some("14"),
        Some("13, 8"),
        Some("x"),
    ] {
        let text = request(&[("Sec-WebSocket-Version", version)]);
        let (status, answer) = outcome(&text, &Policy::default());
        assert_eq!(status, 426, "{version:?}");
        assert_complete(&answer, 426);
        assert!(
            answer.contains("\r\nSec-WebSocket-Version: 13, 8, 7\r\n"),
            "{answer}"
        );
    }
}

#[test]
fn a_request_that_breaks_a_rule_is_refused_with_a_line_that_says_which() {
    let repeated_key = [
        ("Sec-WebSocket-Key", Some(KEY)),
        ("Sec-WebSocket-Key", Some(KEY)),
    ];
    let repeated_host = [("Host", Some("a")), ("Host", Some("b"))];
    let short_key = [("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub2=="))];
    let long_key = [("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZWE="))];
    let odd_key = [("Sec-WebSocket-Key", Some("dGhlIHNhbXBs-SBub25jZQ=="))];
    let cases: &[(&[Change<'_>], &str)] = &[
        (&[("Host", None)], "Host"),
        (&repeated_host, "Host"),
        (&[("Connection", None)], "Connection"),
        (&[("Connection", Some("close"))], "Connection"),
        (&[("Sec-WebSocket-Key", None)], "Key"),
        (&repeated_key, "Key"),
        (&short_key, "Key"),
        (&long_key, "Key"),
        (&odd_key, "Key"),
        (&[("Content-Length", Some("5"))], "body"),
        (&[("Transfer-Encoding", Some("chunked"))], "body"),
    ];
    for (changes, word) in cases {
        let (status, answer) = outcome(&request(changes), &Policy::default());
        assert_eq!(status, 400, "{changes:?}");
        assert_complete(&answer, 400);
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(body.contains(word), "{body}");
    }
    let old = request(&[]).replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(outcome(&old, &Policy::default()).0, 400);
}

#[test]
fn a_key_of_random_letters_and_an_empty_body_are_tolerated() {
    let text = request(&[
        ("Sec-WebSocket-Key", Some("abcdefghij+/mnopqrstuv==")),
        ("Content-Length", Some("0")),
    ]);
    let (status, answer) = outcome(&text, &Policy::default());
    assert_eq!(status, 101);
    assert!(answer.contains(&derive_accept_key(b"abcdefghij+/mnopqrstuv==")));
}

#[test]
fn a_plain_request_gets_a_short_page_at_the_root_and_404_elsewhere() {
    let ask = |line: &str| outcome(&format!("{line}\r\nHost: a\r\n\r\n"), &Policy::default());
    let (status, answer) = ask("GET / HTTP/1.1");
    assert_eq!(status, 200);
    assert_complete(&answer, 200);
    assert!(
        answer.ends_with(
            "this address speaks WebSocket: the Oktell Web-Socket integration protocol\n"
        )
    );
    assert_eq!(ask("GET /?x=1 HTTP/1.0").0, 200);
    let (status, answer) = ask("GET /favicon.ico HTTP/1.1");
    assert_eq!(status, 404);
    assert_complete(&answer, 404);
    let (status, answer) = ask("HEAD / HTTP/1.1");
    assert_eq!(status, 200);
    assert!(
        answer.ends_with("\r\n\r\n") && !answer.contains("Content-Length: 0"),
        "{answer}"
    );
    let upgrade = request(&[]).replace("GET", "HEAD");
    assert_eq!(outcome(&upgrade, &Policy::default()).0, 404);
    let (status, answer) = ask("POST / HTTP/1.1");
    assert_eq!(status, 405);
    assert_complete(&answer, 405);
    assert!(answer.contains("\r\nAllow: GET, HEAD\r\n"));
    let other_protocol = request(&[("Upgrade", Some("h2c"))]);
    assert_eq!(outcome(&other_protocol, &Policy::default()).0, 404);
}

fn ours() -> UpgradeRequest<'static> {
    UpgradeRequest {
        host: "crm.example:8045",
        path: "/socket?a=b",
        version: Version::V13,
        format: Format::Json,
        nonce: *b"the sample nonce",
        headers: &[("Authorization", "Basic bG9naW46cGFzc3dvcmQ=")],
    }
}

#[test]
fn our_request_is_written_for_each_version_and_accepted_by_our_own_server() {
    let mut output = Vec::new();
    ours().write(&mut output).unwrap();
    assert_eq!(
        String::from_utf8(output).unwrap(),
        format!(
            "GET /socket?a=b HTTP/1.1\r\nHost: crm.example:8045\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: json\r\nAuthorization: Basic bG9naW46cGFzc3dvcmQ=\r\n\r\n"
        )
    );
    for version in [Version::V13, Version::V8, Version::V7] {
        for format in [Format::Json, Format::Xml] {
            let request = UpgradeRequest {
                version,
                format,
                ..ours()
            };
            let mut asked = Vec::new();
            request.write(&mut asked).unwrap();
            let head = RequestHead::parse(&asked, &Limits::default());
            let head = head.unwrap().unwrap();
            let upgrade = accept(&head, &Policy::default()).unwrap();
            assert_eq!((upgrade.version, upgrade.format), (version, Some(format)));
            let mut answered = Vec::new();
            upgrade.write_response(&mut answered);
            let head = ResponseHead::parse(&answered, &Limits::default());
            assert_eq!(request.check(&head.unwrap().unwrap()), Ok(()));
        }
    }
}

#[test]
fn a_setting_that_would_break_the_request_is_a_fault() {
    let write = |change: &dyn Fn(&mut UpgradeRequest<'static>)| {
        let mut request = ours();
        change(&mut request);
        let mut output = Vec::new();
        let result = request.write(&mut output);
        assert_eq!(result.is_err(), output.is_empty());
        result
    };
    assert_eq!(write(&|request| request.host = ""), Err(RequestFault::Host));
    assert_eq!(
        write(&|request| request.host = "a\r\nb"),
        Err(RequestFault::Host)
    );
    assert_eq!(
        write(&|request| request.path = "socket"),
        Err(RequestFault::Path)
    );
    assert_eq!(
        write(&|request| request.path = "/a b"),
        Err(RequestFault::Path)
    );
    assert_eq!(
        write(&|request| request.path = "/путь"),
        Err(RequestFault::Path)
    );
    let fault = Err(RequestFault::Header);
    assert_eq!(write(&|request| request.headers = &[("", "a")]), fault);
    assert_eq!(write(&|request| request.headers = &[("A:", "a")]), fault);
    assert_eq!(
        write(&|request| request.headers = &[("A", "a\r\nB: b")]),
        fault
    );
    assert_eq!(write(&|request| request.headers = &[("A", "a\0")]), fault);
    assert_eq!(
        write(&|request| request.headers = &[("A", "tab\tпривет")]),
        Ok(())
    );
}

#[test]
fn the_answer_must_prove_that_it_speaks_websocket_and_choose_nothing_else() {
    let granted = |more: &str| {
        format!(
            "HTTP/1.1 101 OK\r\nupgrade: WebSocket\r\nConnection: upgrade\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\n{more}\r\n"
        )
    };
    let check = |answer: &str| {
        let head = ResponseHead::parse(answer.as_bytes(), &Limits::default());
        ours().check(&head.unwrap().unwrap())
    };
    assert_eq!(check(&granted("")), Ok(()));
    assert_eq!(check(&granted("Sec-WebSocket-Protocol: json\r\n")), Ok(()));
    assert_eq!(check(&granted("Sec-WebSocket-Protocol: JSON\r\n")), Ok(()));
    assert_eq!(check(&granted("Sec-WebSocket-Protocol: \r\n")), Ok(()));
    for chosen in ["xml", "json, xml", "chat"] {
        let answer = granted(&format!("Sec-WebSocket-Protocol: {chosen}\r\n"));
        let chosen = chosen.to_owned();
        assert_eq!(check(&answer), Err(UpgradeError::Subprotocol { chosen }));
    }
    let extension = granted("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    assert_eq!(check(&extension), Err(UpgradeError::Extension));
    let replaced = |from: &str, to: &str| check(&granted("").replace(from, to));
    assert_eq!(replaced(ACCEPT, KEY), Err(UpgradeError::AcceptKey));
    assert_eq!(
        replaced("Sec-WebSocket-Accept", "X"),
        Err(UpgradeError::AcceptKey)
    );
    assert_eq!(replaced("WebSocket\r", "h2c\r"), Err(UpgradeError::Upgrade));
    assert_eq!(replaced("Connection", "X"), Err(UpgradeError::Upgrade));
}

// protocol 2.2-r
#[test]
fn a_refusing_answer_is_an_error_of_its_own_kind() {
    let check = |answer: &str| {
        let head = ResponseHead::parse(answer.as_bytes(), &Limits::default());
        ours().check(&head.unwrap().unwrap()).unwrap_err()
    };
    let challenge = "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"a\"\r\nWWW-Authenticate: Basic\r\n\r\n";
    let challenges = vec!["Digest realm=\"a\"".to_owned(), "Basic".to_owned()];
    assert_eq!(check(challenge), UpgradeError::Unauthorized { challenges });
    let redirect = check("HTTP/1.1 302 x\r\nLocation: http://b/\r\n\r\n");
    let location = "http://b/".to_owned();
    assert_eq!(
        redirect,
        UpgradeError::Redirect {
            status: 302,
            location
        }
    );
    assert!(
        redirect
            .to_string()
            .starts_with("redirects are not followed")
    );
    let versions = "HTTP/1.1 426 No\r\nSec-WebSocket-Version: 8, 7\r\n\r\n";
    let spoken = "8, 7".to_owned();
    assert_eq!(
        check(versions),
        UpgradeError::Version {
            status: 426,
            spoken
        }
    );
    let versions = "HTTP/1.1 400 No\r\nSec-WebSocket-Version: 8\r\n\r\n";
    let spoken = "8".to_owned();
    assert_eq!(
        check(versions),
        UpgradeError::Version {
            status: 400,
            spoken
        }
    );
    for status in [200, 204, 400, 403, 404, 409, 503] {
        let error = check(&format!("HTTP/1.1 {status} x\r\n\r\n"));
        assert_eq!(error, UpgradeError::Status { status });
        assert!(error.to_string().contains(&status.to_string()));
    }
}

#[test]
fn our_handshakes_are_understood_by_an_independent_peer() {
    use tungstenite::handshake::server::create_response_with_body;
    use tungstenite::http::{Request, Version as HttpVersion};

    let mut output = Vec::new();
    ours().write(&mut output).unwrap();
    let head = RequestHead::parse(&output, &Limits::default())
        .unwrap()
        .unwrap();
    let mut request = Request::builder()
        .uri(head.target)
        .version(HttpVersion::HTTP_11);
    for name in [
        "Host",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
    ] {
        request = request.header(name, head.headers.text(name).unwrap());
    }
    let request = request.body(()).unwrap();
    let response = create_response_with_body(&request, || ()).unwrap();
    let mut answer = format!("HTTP/1.1 {}\r\n", response.status());
    for (name, value) in response.headers() {
        append(&mut answer, name.as_str(), value.to_str().unwrap());
    }
    answer += "\r\n";
    let head = ResponseHead::parse(answer.as_bytes(), &Limits::default());
    assert_eq!(ours().check(&head.unwrap().unwrap()), Ok(()));
}

proptest! {
    #[test]
    fn a_token_names_a_format_just_when_it_contains_its_word(token in "[a-zA-Z.]{0,6}(json|JsOn|XML|xMl|js)?[a-z-]{0,6}") {
        let lower = token.to_lowercase();
        let expected = match (lower.find("json"), lower.find("xml")) {
            (None, None) => None,
            (Some(json), Some(xml)) if xml < json => Some(Format::Xml),
            (None, Some(_)) => Some(Format::Xml),
            _ => Some(Format::Json),
        };
        prop_assert_eq!(Format::from_token(&token), expected);
    }

    #[test]
    fn any_origin_and_key_give_a_complete_answer(key in "[ -~]{0,30}", origin in "[ -~]{0,30}", protocol in "[ -~]{0,30}") {
        let text = request(&[
            ("Sec-WebSocket-Key", Some(&key)),
            ("Origin", Some(&origin)),
            ("Sec-WebSocket-Protocol", Some(&protocol)),
        ]);
        let (status, answer) = outcome(&text, &Policy::default());
        assert_complete(&answer, status);
    }
}
