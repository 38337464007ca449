use std::sync::Mutex;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::handshake::{Offer, Terms, Upgraded, answer, ask};
use super::socket::{Event, Socket};
use super::stream::BoxedStream;
use super::*;
use crate::auth::Answerer;
use crate::multipart;
use crate::tls::{self, Authority, Flaw};

const SOON: Duration = Duration::from_secs(10);

fn credentials() -> Credentials {
    Credentials::new("crm", "Aladdin:open sesame")
}

/// A gateway's side of a link that the CRM listens for.
async fn linked(crm: &CrmHandle, version: WebSocketVersion, format: Format) -> Socket {
    let stream: BoxedStream = Box::new(TcpStream::connect(crm.address()).await.unwrap());
    let offer = Offer {
        host: "localhost".into(),
        path: "/",
        version,
        subprotocols: format.name().into(),
        authorization: None,
    };
    ask(stream, &offer).await.unwrap().0
}

async fn next_message(socket: &mut Socket, format: Format) -> Message {
    let mut assembler = Assembler::new(format);
    loop {
        let event = tokio::time::timeout(SOON, socket.next()).await.unwrap();
        let Event::Text(text) = event.unwrap() else {
            panic!("no text");
        };
        let message = format.read(&text).unwrap();
        if message.name != "multipart" {
            return message;
        }
        if let Some(whole) = assembler.accept(&message).unwrap() {
            return whole;
        }
    }
}

async fn asked(socket: &mut Socket, format: Format, name: &str, fields: Value) -> Message {
    let message = Message::new(name, fields);
    socket.send(format.write(&message)).await.unwrap();
    next_message(socket, format).await
}

// protocol 2.2-a, 3.2, 3.3
#[tokio::test]
async fn a_crm_of_every_version_and_format_answers_and_takes_packets() {
    for version in WebSocketVersion::ALL {
        for format in Format::ALL {
            let mut options = CrmOptions::on_loopback().active_user("anna", "crm-7");
            options.websocket_version = version;
            let crm = SimulatedCrm::start(options).await.unwrap();
            let mut socket = linked(&crm, version, format).await;
            let list = asked(
                &mut socket,
                format,
                "getavailablemethods",
                json!({"qid": "1"}),
            )
            .await;
            assert_eq!(list.field("methods")[0]["key"], json!("callername"));
            let users = asked(&mut socket, format, "getactiveusers", json!({"qid": "2"})).await;
            assert_eq!(users.field("users")[0]["userid"], json!("crm-7"));
            let long = "Ё\u{0}".repeat(50_000);
            let ping = Message::new("ping", json!({"qid": "3", "text": long}));
            for packet in multipart::split_as(&ping, format) {
                socket.send(format.write(&packet)).await.unwrap();
            }
            assert_eq!(
                next_message(&mut socket, format).await.text("text"),
                Some(&*long)
            );
        }
    }
}

#[tokio::test]
async fn a_cancelled_run_is_not_answered_and_a_doubled_one_twice() {
    let slow = Answer {
        delay_ms: Some(50),
        times: 2,
        ..Answer::default()
    };
    let mut options = CrmOptions::on_loopback();
    options.behaviour = Behaviour::default().method(Method::new("twice", slow));
    let crm = SimulatedCrm::start(options).await.unwrap();
    let mut socket = linked(&crm, WebSocketVersion::V13, Format::Json).await;
    let run = |id: &str| {
        let fields =
            json!({"qid": id, "executionid": id, "methodkey": "twice", "inputparameters": {}});
        Message::new("executemethod", fields).to_text()
    };
    socket.send(run("1")).await.unwrap();
    socket.send(run("2")).await.unwrap();
    let cancel = Message::new("cancelmethod", json!({"executionid": "1"}));
    socket.send(cancel.to_text()).await.unwrap();
    for _ in 0..2 {
        let result = next_message(&mut socket, Format::Json).await;
        assert_eq!(result.text("executionid"), Some("2"));
    }
}

#[tokio::test]
async fn a_link_is_dropped_after_so_many_messages_and_a_silent_crm_reads_on() {
    let mut options = CrmOptions::on_loopback();
    options.behaviour.link.drop_every = 3;
    options.behaviour.link.reads = Reads::Silently;
    options.behaviour.link.silent_after = 1;
    let crm = SimulatedCrm::start(options).await.unwrap();
    let mut socket = linked(&crm, WebSocketVersion::V13, Format::Json).await;
    let pong = asked(&mut socket, Format::Json, "ping", json!({"qid": "1"})).await;
    assert_eq!(pong.name, "pong");
    for qid in ["2", "3"] {
        let unheard = Message::new("ping", json!({"qid": qid}));
        socket.send(unheard.to_text()).await.unwrap();
    }
    assert!(!matches!(socket.next().await, Ok(Event::Text(_))));
    let mut records = crm.received();
    let is_down = |record: &CrmRecord| matches!(record.what, CrmSeen::LinkDown(_));
    records.find(SOON, is_down).await.unwrap();
    let sent = |record: &Arc<CrmRecord>| matches!(record.what, CrmSeen::Sent(_));
    assert_eq!(
        crm.records().iter().filter(|record| sent(record)).count(),
        1
    );
}

/// A gateway's side of the incoming modes.
struct Door {
    listener: TcpListener,
    guard: Mutex<Guard>,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Door {
    async fn open(scheme: Scheme) -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            guard: Mutex::new(Guard::new(scheme, credentials())),
            tls: None,
        }
    }

    fn options(&self, format: Format) -> CrmOptions {
        let mut options = CrmOptions::on_loopback().mode(Mode::WsIn, format);
        options.connect = self.listener.local_addr().unwrap();
        options.restore_after = Duration::from_millis(1);
        options
    }

    async fn next(&self, version: WebSocketVersion) -> Result<Upgraded> {
        let (stream, _) = tokio::time::timeout(SOON, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let stream = stream::accept(stream, self.tls.as_ref()).await?;
        let terms = Terms {
            version,
            subprotocol: &SubprotocolAnswer::Echo,
            guard: &self.guard,
            is_tls: self.tls.is_some(),
        };
        answer(stream, &terms).await
    }
}

// protocol 2-e, 2-g, 2.2-d, 5
#[tokio::test]
async fn a_crm_that_connects_restores_its_link_and_its_users_speak() {
    for version in WebSocketVersion::ALL {
        let door = Door::open(Scheme::None).await;
        let mut options = door.options(Format::Xml);
        options.websocket_version = version;
        options.offers = vec!["oktell-XML.v1".into(), "json".into()];
        options.behaviour.users = Some(Users {
            count: 2,
            rate: 1000.0,
            ..Users::default()
        });
        let crm = SimulatedCrm::start(options).await.unwrap();
        let mut first = door.next(version).await.unwrap();
        assert_eq!(first.asked.as_deref(), Some("oktell-XML.v1, json"));
        let users = asked(&mut first.socket, Format::Xml, "getactiveusers", json!({})).await;
        assert_eq!(users.field("users"), &json!([]));
        for name in ["login", "login", "getuserstate"] {
            let request = next_message(&mut first.socket, Format::Xml).await;
            assert_eq!(request.name, name);
            let mut answer = request.clone();
            answer.name = crate::message::answer_name(name);
            first.socket.send(Format::Xml.write(&answer)).await.unwrap();
        }
        drop(first);
        let mut second = door.next(version).await.unwrap();
        let users = asked(&mut second.socket, Format::Xml, "getactiveusers", json!({})).await;
        assert_eq!(users.field("users").as_array().map(Vec::len), Some(2));
        let report = crm.tunnel();
        assert!(report.wrong == 0 && report.answered >= 2, "{report}");
    }
}

// protocol 2.2-l, 2.2-m
#[tokio::test]
async fn a_crm_that_connects_gives_its_credentials() {
    for scheme in [Scheme::Basic, Scheme::Digest] {
        let door = Door::open(scheme).await;
        let options = door.options(Format::Json).auth(scheme, credentials());
        let _crm = SimulatedCrm::start(options).await.unwrap();
        if scheme == Scheme::Digest {
            assert!(door.next(WebSocketVersion::V13).await.is_err());
        }
        door.next(WebSocketVersion::V13).await.unwrap();
    }
    let door = Door::open(Scheme::Digest).await;
    let wrong = Credentials::new("crm", "wrong");
    let crm = SimulatedCrm::start(door.options(Format::Json).auth(Scheme::Digest, wrong));
    let crm = crm.await.unwrap();
    for _ in 0..2 {
        assert!(door.next(WebSocketVersion::V13).await.is_err());
    }
    let mut records = crm.received();
    let record = records.next(SOON).await.unwrap();
    assert!(matches!(&record.what, CrmSeen::Refused(what) if what.contains("401")));
}

// protocol 2-f
#[tokio::test]
async fn a_crm_that_connects_over_tls_checks_the_certificate() {
    let authority = Authority::new().unwrap();
    for (flaw, is_let_in) in [
        (Flaw::None, true),
        (Flaw::WrongName, false),
        (Flaw::Expired, false),
    ] {
        let mut door = Door::open(Scheme::None).await;
        let identity = authority.issue_for_loopback(flaw).unwrap();
        door.tls = Some(tls::acceptor(&identity, None).unwrap());
        let mut options = door.options(Format::Json);
        options.mode = Mode::WssIn;
        options.tls.root = Some(authority.root().to_owned());
        let _crm = SimulatedCrm::start(options).await.unwrap();
        assert_eq!(
            door.next(WebSocketVersion::V13).await.is_ok(),
            is_let_in,
            "{flaw:?}"
        );
    }
    let missing = CrmOptions::on_loopback().mode(Mode::WssIn, Format::Json);
    assert!(matches!(
        SimulatedCrm::start(missing).await.unwrap_err(),
        Error::Usage(_)
    ));
}

/// Posts over a connection; gives the head and the body of the answer.
async fn post(
    stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    format: Format,
    text: &str,
    authorization: Option<String>,
) -> (String, String) {
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let data = data
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let body = format!("data={data}&format={format}");
    let authorization =
        authorization.map_or(String::new(), |value| format!("Authorization: {value}\r\n"));
    let request = format!(
        "POST /oktell HTTP/1.1\r\nHost: crm\r\nContent-Length: {}\r\n{authorization}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
            let head = String::from_utf8(answer[..end].to_vec())
                .unwrap()
                .to_lowercase();
            let body = &answer[end + 4..];
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let is_whole = match length {
                Some(length) => body.len() >= length.parse::<usize>().unwrap(),
                None => body.ends_with(b"0\r\n\r\n"),
            };
            if is_whole {
                return (head, String::from_utf8(body.to_vec()).unwrap());
            }
        }
        if stream.read_buf(&mut answer).await.unwrap() == 0 {
            return (
                "ended".into(),
                String::from_utf8_lossy(&answer).into_owned(),
            );
        }
    }
}

async fn http_crm(change: impl FnOnce(&mut CrmOptions)) -> (CrmHandle, TcpStream) {
    let mut options = CrmOptions::on_loopback().mode(Mode::HttpOut, Format::Json);
    change(&mut options);
    let crm = SimulatedCrm::start(options).await.unwrap();
    let stream = TcpStream::connect(crm.address()).await.unwrap();
    (crm, stream)
}

// protocol 2.1-a to 2.1-f
#[tokio::test]
async fn posts_are_answered_over_one_connection_in_their_format() {
    let (crm, mut stream) = http_crm(|options| {
        options.behaviour.http.also = vec![("later".into(), serde_json::Map::new())];
    })
    .await;
    for format in Format::ALL {
        let question = Message::new("whoareyou", json!({"qid": "1"}));
        let (head, body) = post(&mut stream, format, &format.write(&question), None).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let answers = format.read_several(&body).unwrap();
        assert_eq!(answers[0].name, "iam");
        assert_eq!(answers[1].name, "later");
    }
    let (head, _) = post(&mut stream, Format::Json, "no message", None).await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
    assert!(crm.records().iter().all(|record| record.link == 1));
}

#[tokio::test]
async fn posts_are_answered_oddly_when_told() {
    let question = Message::new("ping", json!({"qid": "1"})).to_text();
    for (answer, start, body) in [
        (HttpAnswer::Html, "http/1.1 200", "<!DOCTYPE html>"),
        (HttpAnswer::Base64, "http/1.1 200", "WyJwb25nIi"),
        (HttpAnswer::Empty, "http/1.1 200", ""),
        (HttpAnswer::Status, "http/1.1 503", "no"),
        (HttpAnswer::Redirect, "http/1.1 302", "over there"),
        (HttpAnswer::Half, "ended", "HTTP/1.1 200"),
    ] {
        let (_crm, mut stream) = http_crm(|options| {
            options.behaviour.http.answer = answer;
            options.behaviour.http.status = 503;
        })
        .await;
        let (head, got) = post(&mut stream, Format::Json, &question, None).await;
        assert!(
            head.starts_with(start) && got.starts_with(body),
            "{answer:?}: {head} {got}"
        );
    }
    let (_crm, mut stream) = http_crm(|options| {
        options.behaviour.http.only = vec!["executemethod".into()];
        options.behaviour.http.answer = HttpAnswer::Silent;
        options.behaviour.http.chunked = true;
        options.behaviour.http.keep_alive = false;
    })
    .await;
    let (head, body) = post(&mut stream, Format::Json, &question, None).await;
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    assert!(
        head.contains("connection: close") && body.contains("pong"),
        "{head}"
    );
}

// protocol 2.1-k
#[tokio::test]
async fn posts_need_credentials_if_the_crm_asks_for_them() {
    let question = Message::new("ping", json!({"qid": "1"})).to_text();
    for scheme in [Scheme::Basic, Scheme::Digest] {
        let (_crm, mut stream) = http_crm(|options| {
            options.auth = scheme;
            options.credentials = Some(credentials());
        })
        .await;
        let (head, _) = post(&mut stream, Format::Json, &question, None).await;
        assert!(head.starts_with("http/1.1 401"), "{head}");
        let mut answerer = Answerer::new(credentials()).basic_up_front();
        if scheme == Scheme::Digest {
            // The answers' heads were made lower-case, which a nonce of hex digits survives.
            let challenges: Vec<String> = head
                .lines()
                .filter_map(|line| line.strip_prefix("www-authenticate: "))
                .map(str::to_owned)
                .collect();
            answerer.take_challenges(&challenges).unwrap();
        }
        for _ in 0..2 {
            let authorization = answerer.authorization("POST", "/oktell");
            let (head, _) = post(&mut stream, Format::Json, &question, authorization).await;
            assert!(head.starts_with("http/1.1 200"), "{scheme:?}: {head}");
        }
    }
}

// protocol 2-b, 2-d
#[tokio::test]
async fn a_crm_over_tls_shows_the_certificate_that_it_made() {
    for mode in [Mode::HttpsOut, Mode::WssOut] {
        let options = CrmOptions::on_loopback().mode(mode, Format::Json);
        let crm = SimulatedCrm::start(options).await.unwrap();
        let connector = tls::connector(crm.root().unwrap(), None).unwrap();
        let name = "localhost".try_into().unwrap();
        let mut stream = stream::connect(crm.address(), Some(&(connector, name)))
            .await
            .unwrap();
        if mode == Mode::HttpsOut {
            let question = Message::new("ping", json!({"qid": "1"})).to_text();
            let (head, _) = post(&mut stream, Format::Json, &question, None).await;
            assert!(head.starts_with("http/1.1 200"), "{head}");
        } else {
            let offer = Offer {
                host: "localhost".into(),
                path: "/",
                version: WebSocketVersion::V13,
                subprotocols: "json".into(),
                authorization: None,
            };
            let (mut socket, _) = ask(stream, &offer).await.unwrap();
            let pong = asked(&mut socket, Format::Json, "ping", json!({"qid": "1"})).await;
            assert_eq!(pong.name, "pong");
        }
    }
}
