//! XML on the link, version 0 of the WebSocket protocol, and a CRM that asks for a login.

use super::*;
use crate::base::Guid;
use crate::protocol::{json_from_xml, split, xml_from_json};
use crate::wire::credentials::{Authenticator, Login, Scheme};
use crate::wire::hixie::{self, HixieInbound};
use crate::wire::upgrade::{Policy, accept};

/// A CRM that speaks what it is asked for, with the gateway's own server side of the handshake.
struct Peer {
    link: CrmLink,
    now: Instant,
    connection: CrmConnectionId,
    received: Vec<u8>,
    is_open: bool,
    hixie: HixieInbound,
    inbound: Inbound,
    texts: Vec<String>,
    is_closed: bool,
    events: Vec<CrmEvent>,
}

impl Peer {
    fn new(config: CrmConfig) -> Self {
        let now = Instant::from_micros(1_000_000);
        let limits = FrameLimits {
            frame_bytes_max: u32::MAX,
            message_bytes_max: u32::MAX,
        };
        let mut peer = Self {
            link: CrmLink::new(config, Random::from_number(7), now),
            now,
            connection: CrmConnectionId::default(),
            received: Vec::new(),
            is_open: false,
            hixie: HixieInbound::new(limits),
            inbound: Inbound::new(Role::Server, limits, Binary::Refuse),
            texts: Vec::new(),
            is_closed: false,
            events: Vec::new(),
        };
        peer.pump();
        peer
    }

    fn version(&self) -> Version {
        match &self.link.config.transport {
            Transport::WebSocketOut(out) => out.version,
            other => panic!("{other:?}"),
        }
    }

    fn pump(&mut self) {
        while let Some(action) = self.link.poll_action() {
            match action {
                CrmAction::Connect(id) => {
                    self.connection = id;
                    self.received.clear();
                }
                CrmAction::Send(_, bytes) => {
                    self.take(bytes);
                    let what = CrmInput::Sent;
                    let connection = self.connection;
                    self.link
                        .handle_report(CrmReport { connection, what }, self.now);
                }
                CrmAction::Close(_, last) => {
                    self.take(last);
                    self.is_closed = true;
                }
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = self.link.poll_event() {
            self.events.push(event);
        }
    }

    fn report(&mut self, what: CrmInput) {
        let connection = self.connection;
        self.link
            .handle_report(CrmReport { connection, what }, self.now);
        self.pump();
    }

    fn take(&mut self, mut bytes: Vec<u8>) {
        if !self.is_open {
            return self.received.append(&mut bytes);
        }
        let (texts, is_closed) = (&mut self.texts, &mut self.is_closed);
        let take = |incoming: Incoming<'_>| {
            match incoming {
                Incoming::Text(text) => texts.push(String::from_utf8_lossy(text).into_owned()),
                Incoming::Close { .. } => *is_closed = true,
                _ => {}
            }
            ControlFlow::Continue(())
        };
        let read = match self.link.config.transport {
            Transport::WebSocketOut(WebSocketOut {
                version: Version::V0,
                ..
            }) => self.hixie.receive(&mut bytes, take),
            _ => self.inbound.receive(&mut bytes, take),
        };
        read.expect("the gateway's frames are right");
    }

    /// The CRM grants the upgrade.
    fn open(&mut self) {
        self.report(CrmInput::Connected);
        let mut answer = Vec::new();
        let limits = crate::wire::head::Limits::default();
        let head = RequestHead::parse(&self.received, &limits);
        let head = head.expect("a request").expect("a whole one");
        let policy = Policy {
            allow_hixie: true,
            ..Policy::default()
        };
        let upgrade = accept(&head, &policy).expect("an upgrade");
        assert_eq!(upgrade.version, self.version());
        upgrade.write_response(&mut answer);
        self.is_open = true;
        // Byte by byte: the answer may be cut anywhere.
        for byte in answer {
            self.report(CrmInput::Bytes(vec![byte]));
        }
    }

    fn say(&mut self, text: &str) {
        let mut frame = Vec::new();
        if self.version() == Version::V0 {
            hixie::append_text(&mut frame, text);
        } else {
            append_text(&mut frame, text, None);
        }
        self.report(CrmInput::Bytes(frame));
    }

    fn taken(&mut self) -> Vec<String> {
        std::mem::take(&mut self.texts)
    }
}

#[test]
fn every_version_speaks_the_same_messages() {
    for version in [Version::V13, Version::V8, Version::V7, Version::V0] {
        let mut peer = Peer::new(CrmConfig {
            transport: out(version),
            ..super::config()
        });
        peer.open();
        let texts = peer.taken();
        assert!(texts[0].starts_with("[\"whoareyou\","), "{texts:?}");
        let long = "л".repeat(40_000);
        peer.say(&format!(r#"["iam",{{"name":"{}"}}]"#, &long[..20]));
        assert!(peer.link.is_ready(), "{version:?}");
        peer.taken();
        peer.say(&json!(["ping", {"qid": 1, "text": long}]).to_string());
        assert!(peer.taken().len() > 40, "in packets");
        peer.link.shut_down("over", peer.now);
        peer.pump();
        assert!(peer.is_closed);
    }
}

#[test]
fn version_0_is_kept_alive_by_messages_for_want_of_pings() {
    let mut peer = Peer::new(CrmConfig {
        transport: out(Version::V0),
        ..super::config()
    });
    peer.open();
    peer.say(r#"["iam",{}]"#);
    peer.taken();
    peer.now = peer.now + Duration::from_secs(20);
    peer.link.handle_timeout(peer.now);
    peer.pump();
    let texts = peer.taken();
    assert!(
        texts.len() == 1 && texts[0].starts_with("[\"ping\","),
        "{texts:?}"
    );
    peer.say(r#"["pong",{"qid":"1"}]"#);
    peer.now = peer.now + Duration::from_secs(45);
    peer.link.handle_timeout(peer.now);
    assert!(peer.link.is_ready());
}

fn xml() -> CrmConfig {
    CrmConfig {
        format: Format::Xml,
        ..super::config()
    }
}

/// The JSON of a document.
fn read(document: &str) -> (String, Value) {
    let json = json_from_xml(document.as_bytes()).expect("a message");
    serde_json::from_slice(&json).expect("JSON")
}

#[test]
fn a_link_with_xml_introduces_asks_and_answers_in_xml() {
    let mut peer = Peer::new(xml());
    peer.report(CrmInput::Connected);
    let asked = String::from_utf8_lossy(&peer.received).into_owned();
    assert!(asked.contains("Sec-WebSocket-Protocol: xml\r\n"), "{asked}");
    let mut peer = Peer::new(xml());
    peer.open();
    let texts = peer.taken();
    assert_eq!(read(&texts[0]).0, "whoareyou");
    peer.say(r#"<message name="iam"><name>Web CRM</name></message>"#);
    assert_eq!(peer.link.status().name.as_deref(), Some("Web CRM"));
    let names: Vec<_> = peer.taken().iter().map(|it| read(it).0).collect();
    assert_eq!(
        names,
        ["getavailablemethods", "getavailableforms", "getactiveusers"]
    );
    peer.say(r#"<message name="login"><qid>7</qid><userlogin>anna</userlogin></message>"#);
    let (name, fields) = read(&peer.taken()[0]);
    assert_eq!(
        (name.as_str(), &fields["qid"]),
        ("loginresult", &json!("7"))
    );
    assert_eq!(fields["result"], 1);
}

#[test]
fn a_method_runs_over_xml_and_its_result_is_json() {
    let mut peer = Peer::new(xml());
    peer.open();
    peer.say(r#"<message name="iam"/>"#);
    let methods = json!(["availablemethods", {"methods": [{"key": "name", "inputparams": [{"key": "number", "type": "string"}]}]}]);
    let mut document = Vec::new();
    xml_from_json(methods.to_string().as_bytes(), &mut document).expect("it can be written");
    peer.say(&String::from_utf8_lossy(&document));
    peer.taken();
    let execution = ExecutionId(Guid::random(1));
    let run = |input: &str| MethodRun {
        key: "name".into(),
        input: input.into(),
        user_login: None,
        timeout: Duration::from_secs(10),
        wait_for_link: false,
    };
    peer.link
        .run_method(run(r#"{"number":"\r\u0000<&"}"#), execution, peer.now);
    peer.pump();
    let (name, fields) = read(&peer.taken()[0]);
    assert_eq!(name, "executemethod");
    assert_eq!(fields["inputparameters"]["number"], "\r\0<&");
    peer.events.clear();
    peer.say(&format!(
        "<message name=\"methodresult\"><executionid>{execution}</executionid><outputparameters type=\"object\"><name>Анна</name><age type=\"number\">123456789012345678901234567890</age></outputparameters></message>",
    ));
    let end = Ok(Arc::from(
        r#"{"name":"Анна","age":123456789012345678901234567890}"#,
    ));
    assert_eq!(peer.events, [CrmEvent::MethodDone { execution, end }]);
    // What XML cannot say fails before it is sent.
    let execution = ExecutionId(Guid::random(2));
    peer.events.clear();
    peer.link
        .run_method(run(r#"{"number":"\ud800"}"#), execution, peer.now);
    peer.pump();
    assert!(matches!(
        &peer.events[..],
        [CrmEvent::MethodDone { end: Err(_), .. }]
    ));
    assert!(peer.taken().is_empty());
}

#[test]
fn long_messages_go_in_packets_of_xml_both_ways() {
    let mut peer = Peer::new(xml());
    peer.open();
    peer.say(r#"<message name="iam"/>"#);
    let long = "я<&".repeat(2000);
    let message = json!(["ping", {"qid": "q", "text": long}]).to_string();
    let mut document = Vec::new();
    xml_from_json(message.as_bytes(), &mut document).expect("it can be written");
    peer.taken();
    let packets: Vec<_> = split(&document, Guid::random(5), 2048, Format::Xml).collect();
    for packet in &packets {
        peer.say(&String::from_utf8_lossy(packet));
    }
    let answer = peer.taken();
    assert!(answer.len() > 5);
    let whole: Vec<u8> = answer
        .iter()
        .flat_map(|packet| {
            let (name, fields) = read(packet);
            assert_eq!(
                (name.as_str(), &fields["content-type"]),
                ("multipart", &json!("text/xml; charset=utf-8"))
            );
            let content = fields["content"].as_str().expect("base64").to_owned();
            base64_simd::STANDARD
                .decode_to_vec(content)
                .expect("base64")
        })
        .collect();
    let (name, fields) = read(&String::from_utf8_lossy(&whole));
    assert_eq!(
        (name.as_str(), fields["text"].as_str()),
        ("pong", Some(&*long))
    );
}

#[test]
fn what_is_no_xml_is_answered_with_an_error_in_xml() {
    let mut peer = Peer::new(xml());
    peer.open();
    peer.say(r#"<message name="iam"/>"#);
    peer.taken();
    for wrong in [
        r#"["ping",{"qid":1}]"#,
        r#"<!DOCTYPE message><message name="ping"/>"#,
        r#"<message name="ping"><qid>1</qid>"#,
    ] {
        peer.say(wrong);
        let (name, fields) = read(&peer.taken()[0]);
        assert_eq!(
            (name.as_str(), &fields["error"]),
            ("error", &json!(400)),
            "{wrong}"
        );
    }
    assert!(peer.link.is_ready());
}

#[test]
fn a_crm_that_asks_for_digest_gets_it_on_a_second_connection_at_once() {
    let config = CrmConfig {
        credentials: Some(Login::new("gate", "secret")),
        ..super::config()
    };
    let mut peer = Peer::new(config);
    let mut random = Random::from_number(3);
    let login = Login::new("gate", "secret");
    let mut server = Authenticator::new(Scheme::Digest, "crm", login, &mut random);
    let mut answers = Vec::new();
    for _ in 0..2 {
        peer.report(CrmInput::Connected);
        let limits = crate::wire::head::Limits::default();
        let head = RequestHead::parse(&peer.received, &limits);
        let head = head.expect("a request").expect("a whole one");
        let said = head.headers.text("authorization").map(str::to_owned);
        answers.push(said.clone().expect("credentials"));
        let checked = server.check("GET", head.target, said.as_deref(), peer.now, &mut random);
        let mut answer = Vec::new();
        peer.is_open = checked.is_ok();
        match checked {
            Ok(()) => accept(&head, &Policy::default())
                .expect("an upgrade")
                .write_response(&mut answer),
            Err(denied) => denied.write_response(&mut answer),
        }
        peer.report(CrmInput::Bytes(answer));
    }
    assert!(answers[0].starts_with("Basic ") && answers[1].starts_with("Digest "));
    assert_eq!(peer.link.status().state, "introducing");
    assert_eq!(peer.events, [], "nothing was lost");
    // It goes on with Digest after a loss.
    peer.report(CrmInput::Closed("reset".to_owned()));
    peer.now = peer.now + Duration::from_secs(1);
    peer.link.handle_timeout(peer.now);
    peer.is_open = false;
    peer.pump();
    peer.report(CrmInput::Connected);
    let request = String::from_utf8_lossy(&peer.received).into_owned();
    assert!(request.contains("Authorization: Digest"), "{request}");
}

#[test]
fn a_login_that_is_refused_is_said_to_be_wrong_and_tried_again_later() {
    for (credentials, words) in [
        (None, "put it into crm.credentials"),
        (Some(Login::new("a", "b")), "check crm.credentials"),
    ] {
        let mut peer = Peer::new(CrmConfig {
            credentials,
            ..super::config()
        });
        peer.report(CrmInput::Connected);
        let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"crm\"\r\n\r\n";
        peer.report(CrmInput::Bytes(answer.into()));
        let status = peer.link.status();
        assert_eq!(status.state, "waiting");
        let error = status.last_error.expect("why");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn an_answer_to_a_challenge_is_for_the_next_connection_alone() {
    let mut peer = Peer::new(CrmConfig {
        credentials: Some(Login::new("gate", "secret")),
        ..super::config()
    });
    peer.report(CrmInput::Connected);
    let challenge = r#"Digest realm="crm", qop="auth", algorithm=SHA-256, nonce="old""#;
    let answer = format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n\r\n");
    peer.report(CrmInput::Bytes(answer.into()));
    peer.report(CrmInput::ConnectFailed("refused".to_owned()));
    let due = peer.link.next_timeout().expect("another try");
    peer.now = due;
    peer.link.handle_timeout(due);
    peer.pump();
    peer.report(CrmInput::Connected);
    let request = String::from_utf8_lossy(&peer.received).into_owned();
    assert!(
        request.contains("nc=00000002"),
        "the nonce's second use: {request}"
    );
}

#[test]
fn an_input_that_xml_cannot_hold_is_said_to_be_wrong() {
    let mut peer = Peer::new(xml());
    peer.open();
    peer.say(r#"<message name="iam"></message>"#);
    peer.say(
        r#"<message name="availablemethods"><methods type="array"><item type="object"><key>m</key></item></methods></message>"#,
    );
    peer.events.clear();
    let run = MethodRun {
        key: "m".into(),
        input: format!(r#"{{"a":{}1{}}}"#, "[".repeat(200), "]".repeat(200)).into(),
        user_login: None,
        timeout: Duration::from_secs(10),
        wait_for_link: false,
    };
    peer.link
        .run_method(run, ExecutionId(crate::base::Guid::from_bits(1)), peer.now);
    peer.pump();
    assert!(
        matches!(
            &peer.events[..],
            [CrmEvent::MethodDone {
                end: Err(MethodFailure::WrongParameters(_)),
                ..
            }]
        ),
        "{:?}",
        peer.events
    );
}
