use proptest::prelude::*;

use super::*;

const BROWSER: &[u8] = b"GET /oktell?a=1 HTTP/1.1\r\n\
    Host: gateway.example:4066\r\n\
    connection: keep-alive, Upgrade\r\n\
    UPGRADE: websocket\r\n\
    Sec-WebSocket-Protocol: one,, two\r\n\
    Sec-WebSocket-Protocol:\tthree \r\n\
    X-Bytes: \xff\xfe\r\n\
    \r\n";

fn request<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Option<RequestHead<'a>>, HeadError> {
    RequestHead::parse(bytes, limits)
}

#[test]
fn a_request_is_read_up_to_its_empty_line_and_what_follows_stays() {
    let bytes = [BROWSER, b"\x81\x80first frame"].concat();
    let head = request(&bytes, &Limits::default()).unwrap().unwrap();
    assert_eq!(head.consumed(), BROWSER.len());
    assert_eq!((head.method, head.minor_version), ("GET", 1));
    assert_eq!((head.path(), head.query()), ("/oktell", Some("a=1")));
    assert_eq!(head.headers.text("HOST"), Some("gateway.example:4066"));
    assert!(head.headers.has_token("Connection", "upgrade"));
    assert!(head.headers.has_token("upgrade", "WebSocket"));
    assert!(!head.headers.has_token("connection", "keep"));
    let tokens: Vec<_> = head.headers.tokens("sec-websocket-protocol").collect();
    assert_eq!(tokens, ["one", "two", "three"]);
    assert_eq!(head.headers.single("sec-websocket-protocol"), Err(Repeated));
    assert_eq!(
        head.headers.single("host"),
        Ok(Some("gateway.example:4066"))
    );
    assert_eq!(head.headers.single("cookie"), Ok(None));
    assert!(head.headers.contains("x-bytes"));
    assert_eq!(head.headers.text("x-bytes"), None);
    assert_eq!(
        head.headers.values("x-bytes").next(),
        Some(&b"\xff\xfe"[..])
    );
}

#[test]
fn a_head_is_incomplete_at_every_cut() {
    for end in 0..BROWSER.len() {
        let head = request(&BROWSER[..end], &Limits::default());
        assert!(matches!(head, Ok(None)), "cut at {end}");
    }
}

#[test]
fn a_target_that_is_a_whole_url_has_the_same_path() {
    let cases = [
        ("/", "/", None),
        ("/a/b?c?d", "/a/b", Some("c?d")),
        ("http://host:1/a?b", "/a", Some("b")),
        ("http://host", "/", None),
        ("http://host?b", "", Some("b")),
        (
            "/redirect?to=http://host/x",
            "/redirect",
            Some("to=http://host/x"),
        ),
        ("*", "*", None),
    ];
    for (target, path, query) in cases {
        let bytes = format!("GET {target} HTTP/1.1\r\n\r\n");
        let head = request(bytes.as_bytes(), &Limits::default());
        let head = head.unwrap().unwrap();
        assert_eq!((head.path(), head.query()), (path, query), "{target}");
    }
}

#[test]
fn what_is_no_http_is_malformed_and_answered_with_400() {
    let cases: [&[u8]; 7] = [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    ];
    for bytes in cases {
        let error = request(bytes, &Limits::default()).unwrap_err();
        assert!(matches!(error, HeadError::Malformed(_)), "{bytes:?}");
        assert_eq!(error.status(), 400);
    }
    let mut output = Vec::new();
    let error = request(cases[0], &Limits::default()).unwrap_err();
    error.write_response(&mut output);
    let answer = String::from_utf8(output).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
}

#[test]
fn a_head_over_the_limit_of_bytes_is_too_long_before_and_after_its_end() {
    let exact = Limits {
        bytes_max: BROWSER.len(),
        ..Limits::default()
    };
    assert!(request(BROWSER, &exact).unwrap().is_some());
    let short = Limits {
        bytes_max: BROWSER.len() - 1,
        ..Limits::default()
    };
    assert_eq!(request(BROWSER, &short).unwrap_err(), HeadError::TooLong);
    let unfinished = &BROWSER[..BROWSER.len() - 1];
    assert_eq!(request(unfinished, &short).unwrap_err(), HeadError::TooLong);
    assert!(
        request(&unfinished[..unfinished.len() - 1], &short)
            .unwrap()
            .is_none()
    );
    assert_eq!(HeadError::TooLong.status(), 431);
    let blank_lines = b"\r\n".repeat(5_000);
    let result = request(&blank_lines, &Limits::default());
    assert_eq!(result.unwrap_err(), HeadError::TooLong);
}

#[test]
fn more_header_lines_than_allowed_are_refused_with_431() {
    let head = |lines: usize| {
        let lines = "A: b\r\n".repeat(lines);
        format!("GET / HTTP/1.1\r\n{lines}\r\n")
    };
    let ask = |lines, headers_max| {
        let limits = Limits {
            headers_max,
            ..Limits::default()
        };
        request(head(lines).as_bytes(), &limits).map(|head| head.is_some())
    };
    assert_eq!(ask(64, 64), Ok(true));
    assert_eq!(ask(65, 64), Err(HeadError::TooManyHeaders));
    assert_eq!(ask(65, usize::MAX), Err(HeadError::TooManyHeaders));
    assert_eq!(ask(5, 5), Ok(true));
    assert_eq!(ask(6, 5), Err(HeadError::TooManyHeaders));
    assert_eq!(HeadError::TooManyHeaders.status(), 431);
}

#[test]
fn a_response_is_read_with_or_without_words_behind_its_status() {
    let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nframes";
    let head = ResponseHead::parse(bytes, &Limits::default());
    let head = head.unwrap().unwrap();
    assert_eq!((head.status, head.reason), (101, "Switching Protocols"));
    assert_eq!(&bytes[head.consumed()..], b"frames");
    assert!(head.headers.has_token("upgrade", "websocket"));

    let bytes = b"HTTP/1.1 401\r\n\r\n";
    let head = ResponseHead::parse(bytes, &Limits::default());
    assert_eq!(head.unwrap().unwrap().status, 401);
    for end in 0..bytes.len() {
        let head = ResponseHead::parse(&bytes[..end], &Limits::default());
        assert!(matches!(head, Ok(None)), "cut at {end}");
    }
    let result = ResponseHead::parse(b"SSH-2.0-OpenSSH\r\n", &Limits::default());
    assert!(matches!(result, Err(HeadError::Malformed(_))));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = request(&bytes, &Limits::default()).map(|head| head.is_some());
        let _ = ResponseHead::parse(&bytes, &Limits::default()).map(|head| head.is_some());
    }

    #[test]
    fn any_header_value_comes_back(value in "[!-~]([ -~]{0,60}[!-~])?", name in "[A-Za-z0-9-]{1,20}") {
        let bytes = format!("GET / HTTP/1.1\r\n{name}: {value}\r\n\r\n");
        let head = request(bytes.as_bytes(), &Limits::default()).unwrap().unwrap();
        prop_assert_eq!(head.headers.single(&name.to_uppercase()), Ok(Some(&*value)));
    }
}
