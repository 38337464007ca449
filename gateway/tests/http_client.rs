//! The HTTP client for the CRM, against servers of threads that do what servers should and what
//! they should not.

mod support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use okgate::runtime::{
    AcceptorSettings, ConnectorSettings, DialError, HttpAnswer, HttpClient, HttpClientLimits,
    HttpFailure, HttpTarget, Listener, Roots, TlsAcceptor, TlsConnector, dial, spawn,
};
use support::certificates::{Authority, Holds};
use support::{beside_a_ring, free_listener};

/// One request as the server got it.
#[derive(Clone, Debug)]
struct Got {
    /// Which connection, and which request on it, both from 0.
    place: (usize, usize),
    line: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

struct Server {
    address: SocketAddr,
    requests: mpsc::Receiver<Got>,
}

impl Server {
    /// Answers each request as the script does; it says whether the connection goes on.
    fn start(script: impl Fn(&Got, &mut TcpStream) -> bool + Clone + Send + 'static) -> Self {
        let (listener, address) = free_listener();
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let (script, sender) = (script.clone(), sender.clone());
                thread::spawn(move || {
                    let mut writer = stream.try_clone().expect("a second handle");
                    let mut reader = BufReader::new(stream);
                    let mut number = 0;
                    while let Some(got) = read(&mut reader, (connection, number)) {
                        // Nobody looks any more when the test is over.
                        let _seen = sender.send(got.clone());
                        let goes_on = script(&got, &mut writer);
                        if !goes_on {
                            let _ended = writer.shutdown(std::net::Shutdown::Both);
                            break;
                        }
                        number += 1;
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// The places of all requests so far.
    fn places(&self) -> Vec<(usize, usize)> {
        self.requests.try_iter().map(|got| got.place).collect()
    }
}

fn read(reader: &mut impl BufRead, place: (usize, usize)) -> Option<Got> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|&count| count > 0)?;
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim_end().to_owned();
    Some(Got {
        place,
        line,
        headers,
        body,
    })
}

/// Writes, and does not mind a client that is gone.
fn say(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

/// Writes, and ends the connection.
fn last_words(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    say(stream, bytes);
    false
}

const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn fine(_: &Got, stream: &mut TcpStream) -> bool {
    say(stream, FINE)
}

fn client(address: SocketAddr, limits: HttpClientLimits) -> HttpClient {
    let target = HttpTarget {
        https: None,
        host: address.ip().to_string(),
        port: address.port(),
        path_and_query: "/oktell?x=1".to_owned(),
        host_header: "crm.example".to_owned(),
    };
    HttpClient::new(target, limits)
}

/// The answers to this many posts, one after the other.
fn posts(
    address: SocketAddr,
    limits: HttpClientLimits,
    count: usize,
) -> Vec<Result<HttpAnswer, HttpFailure>> {
    beside_a_ring(move |_| async move {
        let client = client(address, limits);
        let mut answers = Vec::new();
        for number in 0..count {
            let headers = [("Content-Type", "application/x-www-form-urlencoded")];
            let body = format!("data={number}").into_bytes();
            answers.push(client.post(&headers, body).await);
        }
        answers
    })
}

fn post(address: SocketAddr, limits: HttpClientLimits) -> Result<HttpAnswer, HttpFailure> {
    posts(address, limits, 1).remove(0)
}

// protocol 2.1-f
#[test]
fn posts_say_what_they_should_and_share_a_connection() {
    let server = Server::start(fine);
    let answers = posts(server.address, HttpClientLimits::default(), 3);
    for answer in answers {
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
    }
    let got: Vec<_> = server.requests.try_iter().collect();
    assert_eq!(got.len(), 3);
    for (number, got) in got.iter().enumerate() {
        assert_eq!(got.place, (0, number));
        assert_eq!(got.line, "POST /oktell?x=1 HTTP/1.1");
        assert_eq!(got.headers["host"], "crm.example");
        assert_eq!(got.headers["content-length"], "6");
        assert_eq!(
            got.headers["content-type"],
            "application/x-www-form-urlencoded"
        );
        assert_eq!(got.body, format!("data={number}").into_bytes());
    }
}

#[test]
fn answers_of_5_mib_come_whole_however_their_end_is_told() {
    const BYTES: usize = 5 << 20;
    let head = |more: &str| format!("HTTP/1.1 200 OK\r\n{more}\r\n").into_bytes();
    let body: Vec<u8> = (0..=250).cycle().take(BYTES).collect();
    let told = [head(&format!("Content-Length: {BYTES}\r\n")), body.clone()].concat();
    let mut chunked = head("Transfer-Encoding: chunked\r\n");
    for chunk in body.chunks(70_001) {
        chunked.extend(format!("{:x};a=b\r\n", chunk.len()).into_bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\nX-Trailer: 1\r\n\r\n");
    let closed = [head("Connection: close\r\n"), body.clone()].concat();
    let old = [b"HTTP/1.0 200 OK\r\n\r\n".to_vec(), body.clone()].concat();
    for (answer, goes_on) in [(told, true), (chunked, true), (closed, false), (old, false)] {
        let answer = Arc::new(answer);
        let server = Server::start(move |_, stream| say(stream, &answer) && goes_on);
        for got in posts(server.address, HttpClientLimits::default(), 2) {
            assert!(got.expect("an answer").body == body, "the same bytes");
        }
        let second = if goes_on { (0, 1) } else { (1, 0) };
        assert_eq!(server.places(), [(0, 0), second]);
    }
}

#[test]
fn an_answer_over_the_limit_is_not_read_to_its_end() {
    let limits = HttpClientLimits {
        body_bytes: 10,
        ..HttpClientLimits::default()
    };
    for (answer, is_fine) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"[..],
            true,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", false),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n01234\r\n",
            false,
        ),
    ] {
        let server = Server::start(move |_, stream| say(stream, answer));
        let got = post(server.address, limits);
        match got {
            Ok(answer) => assert!(is_fine && answer.body.len() == 10),
            Err(HttpFailure::BodyTooLong(10)) => assert!(!is_fine),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn an_answer_that_breaks_off_is_told_from_none_and_never_repeated() {
    for (answer, is_cut) in [
        (&b""[..], false),
        (b"HTTP/1.1 200 O", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123", true),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n0123",
            true,
        ),
    ] {
        let server = Server::start(move |_, stream| last_words(stream, answer));
        let failure = post(server.address, HttpClientLimits::default()).expect_err("no answer");
        assert_eq!(matches!(failure, HttpFailure::Cut), is_cut, "{failure}");
        assert_eq!(matches!(failure, HttpFailure::Closed), !is_cut, "{failure}");
        assert_eq!(server.places(), [(0, 0)]);
    }
}

// protocol 2.1-m
#[test]
fn a_kept_connection_that_the_server_closes_is_replaced_once() {
    // The second request on a connection meets its end.
    let server = Server::start(|got, stream| got.place.1 == 0 && fine(got, stream));
    let answers = posts(server.address, HttpClientLimits::default(), 2);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(server.places(), [(0, 0), (0, 1), (1, 0)]);

    // It meets the first bytes of an answer: the server has begun to act on it.
    let server = Server::start(|got, stream| {
        if got.place.1 == 0 {
            return fine(got, stream);
        }
        last_words(stream, b"HTTP/1.1 2")
    });
    let answers = posts(server.address, HttpClientLimits::default(), 2);
    assert!(matches!(answers[1], Err(HttpFailure::Cut)), "{answers:?}");
    assert_eq!(server.places(), [(0, 0), (0, 1)]);

    // It is closed between two posts.
    let server = Server::start(|_, stream| last_words(stream, FINE));
    let answers = posts(server.address, HttpClientLimits::default(), 2);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(server.places(), [(0, 0), (1, 0)]);

    // The new connection is closed, too.
    let server = Server::start(|got, stream| got.place == (0, 0) && fine(got, stream));
    let answers = posts(server.address, HttpClientLimits::default(), 2);
    assert!(
        matches!(answers[1], Err(HttpFailure::Closed)),
        "{answers:?}"
    );
    assert_eq!(server.places(), [(0, 0), (0, 1), (1, 0)]);
}

#[test]
fn an_answer_that_takes_too_long_is_given_up_with_its_connection() {
    let within = |answer| HttpClientLimits {
        answer,
        ..HttpClientLimits::default()
    };
    let silent = Server::start(|got, stream| got.place.0 == 0 || fine(got, stream));
    let answers = posts(silent.address, within(Duration::from_secs(2)), 2);
    assert!(
        matches!(answers[0], Err(HttpFailure::TimedOut(_))),
        "{answers:?}"
    );
    assert!(answers[1].is_ok(), "{answers:?}");
    assert_eq!(silent.places(), [(0, 0), (1, 0)]);

    // Each byte comes in time, the whole does not.
    let dripping = Server::start(|_, stream| {
        let mut goes_on = say(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        );
        while goes_on {
            thread::sleep(Duration::from_millis(10)); // check-text: allow sleep: a server that answers slowly
            goes_on = say(stream, b"x");
        }
        goes_on
    });
    let failure = post(dripping.address, within(Duration::from_millis(150))).expect_err("too slow");
    assert_eq!(failure.to_string(), "no whole answer within 150 ms");
}

#[test]
fn what_is_no_http_or_has_too_much_head_is_named() {
    let many = "X-Header: 1\r\n".repeat(200);
    let long = format!("X-Long: {}\r\n", "x".repeat(100_000));
    for (answer, words) in [
        (
            "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
            "the answer is not HTTP/1",
        ),
        (
            "HTTP/1.1 abc\r\n\r\n".to_owned(),
            "the answer is not HTTP/1",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
            "the head of the answer is longer than",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{long}\r\n"),
            "the head of the answer is longer than",
        ),
    ] {
        let server = Server::start(move |_, stream| say(stream, answer.as_bytes()));
        let failure = post(server.address, HttpClientLimits::default()).expect_err("no HTTP");
        assert!(failure.to_string().starts_with(words), "{failure}");
    }
}

// protocol 2.1-n
#[test]
fn redirects_and_challenges_are_given_back_as_they_are() {
    let server = Server::start(|got, stream| {
        match got.place.1 {
        0 => say(stream, b"HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nContent-Length: 0\r\n\r\n"),
        _ => say(stream, b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\nWWW-Authenticate: Basic realm=\"a\"\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\n\r\n"),
    }
    });
    let answers = posts(server.address, HttpClientLimits::default(), 2);
    let [Ok(redirect), Ok(challenge)] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(redirect.status, 302);
    assert_eq!(redirect.location.as_deref(), Some("http://other.example/"));
    assert_eq!(challenge.status, 401);
    assert_eq!(
        challenge.www_authenticate,
        ["Digest realm=\"a\", nonce=\"b\"", "Basic realm=\"a\""]
    );
    assert_eq!(
        challenge.content_type.as_deref(),
        Some("text/html; charset=utf-8")
    );
}

#[test]
fn no_more_exchanges_run_at_a_time_than_allowed_and_the_rest_waits_or_is_refused() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |got, stream| {
        highest.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20)); // check-text: allow sleep: gives exchanges the time to overlap, which is under test
        counted.fetch_sub(1, Ordering::SeqCst);
        fine(got, stream)
    });
    let limits = HttpClientLimits {
        exchanges_max: 2,
        waiting_max: 6,
        ..HttpClientLimits::default()
    };
    let address = server.address;
    let answers = beside_a_ring(move |_| async move {
        let client = Rc::new(client(address, limits));
        let (sender, receiver) = async_channel::bounded(10);
        for _ in 0..10 {
            let (client, sender) = (Rc::clone(&client), sender.clone());
            spawn(async move {
                let answer = client.post(&[], Vec::new()).await;
                sender.send(answer).await.expect("the test waits");
            })
            .detach();
        }
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(receiver.recv().await.expect("an answer"));
        }
        answers
    });
    let fine = answers.iter().filter(|answer| answer.is_ok()).count();
    let busy = answers
        .iter()
        .filter(|answer| matches!(answer, Err(HttpFailure::Busy)));
    assert_eq!((fine, busy.count()), (8, 2), "{answers:?}");
    assert_eq!(most.load(Ordering::SeqCst), 2);
    let places = server.places();
    assert!(
        places.iter().all(|(connection, _)| *connection < 2),
        "{places:?}"
    );
}

#[test]
fn a_connection_that_rests_too_long_is_closed() {
    let (listener, address) = free_listener();
    let limits = HttpClientLimits {
        idle: Duration::from_millis(50),
        ..HttpClientLimits::default()
    };
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        read(&mut reader, (0, 0)).expect("a request");
        say(&mut stream, FINE);
        reader.read(&mut [0; 1]).expect("an end")
    });
    let at_the_end = beside_a_ring(move |_| async move {
        let client = client(address, limits);
        client.post(&[], Vec::new()).await.expect("an answer");
        while !server.is_finished() {
            okgate::runtime::sleep(Duration::from_millis(1)).await; // check-text: allow sleep: gives a task of the runtime its time, which is under test
        }
        server.join().expect("the server")
    });
    assert_eq!(at_the_end, 0);
}

#[test]
fn https_is_the_same_with_tls_under_it_and_its_faults_are_told() {
    let authority = Authority::new();
    let own = authority.issue("server", &["localhost"], Holds::Now);
    let acceptor = AcceptorSettings {
        certificate: own.certificate,
        private_key: own.key,
        client_roots: None,
    };
    let acceptor = TlsAcceptor::new(&acceptor).expect("good files");
    let (listener, address) = free_listener();
    let connector = |roots: Roots| {
        let settings = ConnectorSettings {
            roots,
            client_certificate: None,
        };
        TlsConnector::new(&settings).expect("good files")
    };
    let trusting = connector(Roots::File(authority.roots.clone()));
    let strange = connector(Roots::System);
    let answers = beside_a_ring(move |_| async move {
        spawn(async move {
            let listener = Listener::new(listener).expect("a socket");
            loop {
                let stream = listener.accept().await.expect("a connection");
                let Ok(connection) = acceptor.accept(stream, Duration::from_secs(10)).await else {
                    continue;
                };
                let (mut reader, mut writer) = connection.split();
                // Two small requests come in a read each.
                let mut buffer = vec![0; 4096];
                while reader.read(&mut buffer).await.unwrap_or(0) > 0 {
                    writer.write_all(FINE).await.expect("a send");
                }
            }
        })
        .detach();
        let mut answers = Vec::new();
        for https in [trusting, strange] {
            let target = HttpTarget {
                https: Some(https),
                host: "localhost".to_owned(),
                port: address.port(),
                path_and_query: "/".to_owned(),
                host_header: "localhost".to_owned(),
            };
            let client = HttpClient::new(target, HttpClientLimits::default());
            answers.push(client.post(&[], Vec::new()).await);
            answers.push(client.post(&[], Vec::new()).await);
        }
        answers
    });
    let [Ok(_), Ok(second), Err(untrusted), Err(_)] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(second.body, b"ok");
    assert!(
        untrusted.to_string().contains("crm.trust_roots"),
        "{untrusted}"
    );
}

#[test]
fn hosts_that_cannot_be_reached_are_told_by_name_and_address() {
    let (listener, address) = free_listener();
    drop(listener);
    let refused = post(address, HttpClientLimits::default()).expect_err("nobody listens");
    assert!(
        refused
            .to_string()
            .starts_with(&format!("{address} cannot be connected to: ")),
        "{refused}"
    );
    let unknown = beside_a_ring(|_| async {
        // Where no resolver answers, the time runs out instead.
        dial("no-such-host.invalid:80", Duration::from_secs(3))
            .await
            .expect_err("no address")
    });
    assert!(matches!(
        unknown,
        DialError::Resolve { .. } | DialError::TimedOut { .. }
    ));
    assert!(
        unknown
            .to_string()
            .starts_with("no-such-host.invalid:80 cannot be "),
        "{unknown}"
    );
}

#[test]
fn a_header_that_cannot_be_sent_is_refused_before_anything_is() {
    let server = Server::start(fine);
    let address = server.address;
    let failure = beside_a_ring(move |_| async move {
        let client = client(address, HttpClientLimits::default());
        let headers = [("X-Bad", "secret\r\nX-Other: 1")];
        client
            .post(&headers, Vec::new())
            .await
            .expect_err("a bad header")
    });
    assert!(matches!(failure, HttpFailure::Request(_)), "{failure}");
    assert!(!failure.to_string().contains("secret"), "{failure}");
    assert!(server.places().is_empty());
}
