//! CRMs that connect to the gateway: who is let in, who is turned away, and when one takes another's
//! place (protocol 2-i, 2-j, 2.2).

use std::collections::BTreeMap;

use super::*;
use crate::wire::credentials::{ClientCredentials, Login, Scheme, Tries};
use crate::wire::frame::{append_own_text, append_pong};

/// A link with a door, and those who stand before it.
struct Doorway {
    link: CrmLink,
    now: Instant,
    heard: BTreeMap<u64, Vec<u8>>,
    /// Connections that the gateway closed.
    closed: Vec<u64>,
    events: Vec<CrmEvent>,
}

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

impl Doorway {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let config = CrmConfig {
            mode: "ws-in",
            transport: Transport::WebSocketIn(WebSocketIn::default()),
            limits,
            ..config()
        };
        let now = Instant::from_micros(1_000_000);
        Self {
            link: CrmLink::new(config, Random::from_number(7), now),
            now,
            heard: BTreeMap::new(),
            closed: Vec::new(),
            events: Vec::new(),
        }
    }

    fn report(&mut self, id: u64, what: CrmInput) {
        let connection = CrmConnectionId(id);
        let report = CrmReport { connection, what };
        self.link.handle_report(report, self.now);
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(action) = self.link.poll_action() {
            match action {
                CrmAction::Send(id, mut bytes) => {
                    self.heard.entry(id.0).or_default().append(&mut bytes);
                    let (connection, what) = (id, CrmInput::Sent);
                    self.link
                        .handle_report(CrmReport { connection, what }, self.now);
                }
                CrmAction::Close(id, mut bytes) => {
                    self.heard.entry(id.0).or_default().append(&mut bytes);
                    self.closed.push(id.0);
                }
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = self.link.poll_event() {
            self.events.push(event);
        }
    }

    /// Somebody connects and asks for an upgrade.
    fn knock(&mut self, id: u64, subprotocol: &str) {
        self.report(id, CrmInput::Accepted(format!("192.0.2.{id}:5000")));
        self.bytes(id, request(subprotocol).into_bytes());
    }

    fn bytes(&mut self, id: u64, bytes: Vec<u8>) {
        self.report(id, CrmInput::Bytes(bytes));
    }

    fn say(&mut self, id: u64, message: &Value) {
        let mut frame = Vec::new();
        append_own_text(&mut frame, message.to_string().as_bytes(), MASK);
        self.bytes(id, frame);
    }

    fn introduce(&mut self, id: u64) {
        self.say(
            id,
            &json!(["iam", {"type": "ws-server", "name": "Web CRM"}]),
        );
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.link.next_timeout().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.link.handle_timeout(self.now);
            self.pump();
        }
        self.now = end;
    }

    fn text(&self, id: u64) -> String {
        String::from_utf8_lossy(self.heard.get(&id).map_or(b"", Vec::as_slice)).into_owned()
    }

    #[track_caller]
    fn assert_answered(&self, id: u64, status: &str) {
        let text = self.text(id);
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
    }

    /// What the pings that a connection heard carry.
    fn pings(&self, id: u64) -> Vec<Vec<u8>> {
        let bytes = self.heard.get(&id).cloned().unwrap_or_default();
        let head_end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
        let mut frames = bytes[head_end.expect("a head") + 4..].to_vec();
        let mut pings = Vec::new();
        let limits = FrameLimits::default();
        let mut inbound = Inbound::new(Role::Client, limits, Binary::Refuse);
        let read = inbound.receive(&mut frames, |incoming| {
            if let Incoming::Ping(payload) = incoming {
                pings.push(payload.to_vec());
            }
            ControlFlow::Continue(())
        });
        read.expect("the gateway's frames are right");
        pings
    }

    fn reasons(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.events).into_iter();
        let reasons = events.filter_map(|event| match event {
            CrmEvent::TurnedAway { reason, .. } => Some(reason.to_string()),
            _ => None,
        });
        reasons.collect()
    }
}

fn request(subprotocol: &str) -> String {
    let line = match subprotocol {
        "" => String::new(),
        token => format!("Sec-WebSocket-Protocol: {token}\r\n"),
    };
    format!(
        "GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{line}\r\n"
    )
}

fn ready() -> Doorway {
    let mut door = Doorway::new();
    door.knock(1, "json");
    door.introduce(1);
    door.events.clear();
    door
}

#[test]
fn a_crm_that_connects_is_let_in_and_introduced() {
    let mut door = Doorway::new();
    assert_eq!(door.link.status().state, "listening");
    door.knock(1, "oktell-json.v1");
    door.assert_answered(1, "101");
    let text = door.text(1);
    assert!(
        text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{text}"
    );
    assert!(text.contains("Sec-WebSocket-Protocol: oktell-json.v1\r\n"));
    assert!(text.contains("[\"whoareyou\""), "{text}");
    door.introduce(1);
    let ready = CrmEvent::Ready {
        peer: Some("192.0.2.1:5000".into()),
    };
    assert_eq!(door.events, [ready]);
    let status = door.link.status();
    assert_eq!((status.state, status.mode), ("ready", "ws-in"));
    assert_eq!(status.peer.as_deref(), Some("192.0.2.1:5000"));
}

#[test]
fn what_comes_behind_the_request_in_the_same_bytes_is_read() {
    let mut bytes = request("json").into_bytes();
    append_own_text(&mut bytes, br#"["iam",{"name":"Early"}]"#, MASK);
    for size in [1, 7, bytes.len() - 1, bytes.len()] {
        let mut door = Doorway::new();
        door.report(1, CrmInput::Accepted("here".to_owned()));
        for piece in bytes.chunks(size) {
            door.bytes(1, piece.to_vec());
        }
        let name = door.link.status().name;
        assert_eq!(name.as_deref(), Some("Early"), "in pieces of {size}");
    }
}

#[test]
fn the_crm_restores_its_link_and_the_gateway_waits_for_it() {
    let mut door = ready();
    door.report(1, CrmInput::Closed("reset".to_owned()));
    let [CrmEvent::Lost { retry_in, .. }] = &door.events[..] else {
        panic!("{:?}", door.events);
    };
    assert_eq!(*retry_in, None);
    assert_eq!(door.link.status().state, "listening");
    door.pass(Duration::from_secs(3600));
    door.knock(2, "json");
    door.introduce(2);
    assert_eq!(door.link.status().state, "ready");
}

#[test]
fn a_second_crm_is_refused_when_the_first_shows_that_it_lives() {
    let mut door = ready();
    door.knock(2, "json");
    assert_eq!(door.text(2), "", "it has to wait");
    let payload = door.pings(1).pop().expect("the first is pinged at once");
    door.pass(Duration::from_millis(1900));
    let mut pong = Vec::new();
    append_pong(&mut pong, &payload, MASK);
    door.bytes(1, pong);
    door.assert_answered(2, "409");
    assert_eq!(door.closed, [2]);
    let status = door.link.status();
    assert_eq!((status.state, status.counters.conflicts), ("ready", 1));
    door.pass(Duration::from_secs(10));
    assert!(door.closed == [2] && door.link.is_ready());
}

#[test]
fn an_old_pong_does_not_show_that_the_first_lives_now() {
    let mut door = ready();
    door.knock(2, "json");
    let mut pong = Vec::new();
    append_pong(&mut pong, b"", MASK);
    door.bytes(1, pong);
    assert_eq!(door.text(2), "");
}

#[test]
fn a_second_crm_takes_the_place_of_one_that_stays_silent_for_two_seconds() {
    let mut door = ready();
    door.knock(2, "json");
    door.pass(Duration::from_millis(1999));
    assert_eq!((door.text(2), door.closed.len()), (String::new(), 0));
    door.pass(Duration::from_millis(1));
    assert_eq!(door.closed, [1]);
    door.assert_answered(2, "101");
    assert!(matches!(
        &door.events[..],
        [CrmEvent::Lost {
            was_ready: true,
            ..
        }]
    ));
    door.introduce(2);
    assert_eq!(door.link.status().peer.as_deref(), Some("192.0.2.2:5000"));
    // What the first one says now reaches nobody.
    door.say(1, &json!(["iam", {"name": "Ghost"}]));
    assert_eq!(door.link.status().name.as_deref(), Some("Web CRM"));
}

#[test]
fn who_waits_gets_the_place_at_once_when_the_first_one_goes() {
    let mut door = ready();
    door.knock(2, "json");
    door.knock(3, "json");
    door.report(1, CrmInput::Closed("reset".to_owned()));
    door.assert_answered(3, "101");
    door.assert_answered(2, "409");
    assert_eq!(door.closed, [2]);
}

#[test]
fn one_that_goes_while_it_waits_takes_no_place() {
    let mut door = ready();
    door.knock(2, "json");
    door.report(2, CrmInput::Closed("gone".to_owned()));
    door.pass(Duration::from_secs(2));
    assert_eq!(door.link.status().state, "listening");
}

#[test]
fn without_a_format_every_message_is_refused_and_no_place_is_taken() {
    for subprotocol in ["", "soap"] {
        let mut door = ready();
        door.knock(2, subprotocol);
        door.assert_answered(2, "101");
        for number in 0..10 {
            assert_eq!(door.closed, [0_u64; 0], "after {number}");
            door.say(2, &json!(["ping", {"qid": number}]));
        }
        let text = door.text(2);
        assert_eq!(text.matches("[\"error\",").count(), 10, "{text}");
        assert!(text.contains("json or xml"), "{text}");
        assert_eq!(door.closed, [2]);
        assert!(door.link.is_ready());
        assert_eq!(door.pings(1).len(), 0, "the link is not asked for that");
    }
}

#[test]
fn a_link_without_a_format_is_closed_after_ten_seconds_also_in_silence() {
    let mut door = Doorway::new();
    door.knock(1, "");
    door.pass(Duration::from_millis(9999));
    assert_eq!(door.closed.len(), 0);
    door.pass(Duration::from_millis(1));
    assert_eq!(door.closed, [1]);
}

#[test]
fn what_is_no_upgrade_is_answered_and_closed() {
    let wrong = [
        ("GET / HTTP/1.1\r\nHost: gateway\r\n\r\n", "200"),
        ("POST / HTTP/1.1\r\nHost: gateway\r\n\r\n", "405"),
        ("rubbish\r\n\r\n", "400"),
    ];
    for (bytes, status) in wrong {
        let mut door = Doorway::new();
        door.report(1, CrmInput::Accepted("somebody".to_owned()));
        door.bytes(1, bytes.into());
        door.assert_answered(1, status);
        assert_eq!(door.closed, [1]);
        assert_eq!(door.reasons().len(), 1);
        assert_eq!(door.link.status().counters.turned_away, 1);
    }
}

// protocol 2-l
#[test]
fn who_asks_too_slowly_or_too_much_is_closed() {
    let mut door = Doorway::new();
    door.report(1, CrmInput::Accepted("slow".to_owned()));
    door.bytes(1, b"GET / HT".to_vec());
    door.pass(Duration::from_secs(10));
    door.assert_answered(1, "408");
    door.report(2, CrmInput::Accepted("much".to_owned()));
    door.bytes(2, vec![b'x'; 9000]);
    assert_eq!(door.closed, [1, 2]);
}

// protocol 2-l
#[test]
fn more_than_some_may_not_stand_before_the_door() {
    let mut door = Doorway::with(Limits {
        candidates_max: 2,
        ..Limits::default()
    });
    for id in 1..=3 {
        door.report(id, CrmInput::Accepted("somebody".to_owned()));
    }
    door.assert_answered(3, "503");
    assert_eq!(door.link.status().candidates, 2);
}

#[test]
fn when_the_gateway_goes_down_everybody_is_told() {
    let mut door = ready();
    door.knock(2, "json");
    door.link.shut_down("the gateway is going down", door.now);
    door.pump();
    door.assert_answered(2, "503");
    assert_eq!(door.closed, [1, 2]);
    door.knock(3, "json");
    door.assert_answered(3, "503");
    assert_eq!(door.link.next_timeout(), None);
}

fn asking(scheme: Scheme) -> Doorway {
    let mut door = Doorway::new();
    let config = CrmConfig {
        mode: "ws-in",
        transport: Transport::WebSocketIn(WebSocketIn {
            scheme,
            login: Login::new("crm", "secret"),
            ..WebSocketIn::default()
        }),
        ..config()
    };
    door.link = CrmLink::new(config, Random::from_number(7), door.now);
    door
}

fn with_header(header: &str) -> Vec<u8> {
    let line = format!("Authorization: {header}\r\nHost:");
    request("json").replacen("Host:", &line, 1).into_bytes()
}

#[test]
fn who_does_not_know_the_password_is_asked_for_it() {
    let mut door = asking(Scheme::Basic);
    door.knock(1, "json");
    door.assert_answered(1, "401");
    assert!(
        door.text(1)
            .contains("WWW-Authenticate: Basic realm=\"okgate\"")
    );
    door.report(2, CrmInput::Accepted("somebody".to_owned()));
    door.bytes(2, with_header("Basic Y3JtOndyb25n"));
    door.assert_answered(2, "401");
    door.report(3, CrmInput::Accepted("the CRM".to_owned()));
    door.bytes(3, with_header("Basic Y3JtOnNlY3JldA=="));
    door.assert_answered(3, "101");
    assert_eq!(door.reasons(), ["no credentials", "wrong password"]);
    assert_eq!(door.link.status().counters.unauthenticated, 2);
}

#[test]
fn a_crm_answers_a_digest_challenge_on_its_next_connection() {
    let mut door = asking(Scheme::Digest);
    door.knock(1, "json");
    door.assert_answered(1, "401");
    let text = door.text(1);
    let challenges = text.lines();
    let challenges = challenges.filter_map(|line| line.strip_prefix("WWW-Authenticate: "));
    let challenges: Vec<&str> = challenges.collect();
    assert_eq!(challenges.len(), 2, "SHA-256 and MD5: {text}");
    let mut client = ClientCredentials::new(Login::new("crm", "secret"));
    let (mut tries, mut random) = (Tries::default(), Random::from_number(1));
    let header = client
        .answer(&mut tries, &challenges, "GET", "/", &mut random)
        .expect("it is understood");
    door.report(2, CrmInput::Accepted("the CRM".to_owned()));
    door.bytes(2, with_header(&header));
    door.assert_answered(2, "101");
    // What was said once proves nothing a second time.
    door.report(3, CrmInput::Accepted("an eavesdropper".to_owned()));
    door.bytes(3, with_header(&header));
    door.assert_answered(3, "401");
}

// protocol 2-m
#[test]
fn who_is_not_let_in_does_not_disturb_the_link() {
    let mut door = asking(Scheme::Basic);
    door.report(1, CrmInput::Accepted("the CRM".to_owned()));
    door.bytes(1, with_header("Basic Y3JtOnNlY3JldA=="));
    door.knock(2, "json");
    door.assert_answered(2, "401");
    assert!(door.pings(1).is_empty());
}

#[test]
fn who_was_upgraded_without_a_format_is_told_of_the_end_in_a_frame() {
    let mut door = ready();
    door.knock(2, "");
    let upgrade = door.text(2).len();
    door.link.shut_down("the gateway is going down", door.now);
    door.pump();
    let last = &door.heard[&2][upgrade..];
    assert_eq!(last[..4], [0x88, 27, 0x03, 0xE9], "a close frame with 1001");
    assert_eq!(door.closed, [1, 2]);
}

#[test]
fn who_waits_gets_the_place_at_once_when_the_clock_ends_the_link() {
    let mut door = ready();
    door.report(2, CrmInput::Accepted("somebody".to_owned()));
    // The link's last sign of life is old, and it is lost within the contest of a third one.
    door.pass(Duration::from_secs(59));
    door.knock(3, "json");
    door.pass(Duration::from_secs(1));
    assert_eq!(door.closed, [2, 1], "too slow, and silent for too long");
    door.assert_answered(3, "101");
    door.introduce(3);
    door.pass(Duration::from_secs(10));
    assert!(door.link.is_ready(), "{:?}", door.closed);
}

#[test]
fn however_many_want_the_place_the_link_is_asked_once_whether_it_lives() {
    let mut door = ready();
    for id in 2..6 {
        door.knock(id, "json");
    }
    assert_eq!(door.pings(1).len(), 1);
}

#[test]
fn without_a_format_too_nothing_is_sent_before_the_last_send_has_gone_out() {
    let mut door = Doorway::new();
    let mut bytes = request("").into_bytes();
    append_own_text(&mut bytes, br#"["ping",{}]"#, MASK);
    let (connection, peer) = (CrmConnectionId(1), "somebody".to_owned());
    for what in [CrmInput::Accepted(peer), CrmInput::Bytes(bytes.clone())] {
        let report = CrmReport { connection, what };
        door.link.handle_report(report, door.now);
    }
    assert!(matches!(
        door.link.poll_action(),
        Some(CrmAction::Send(_, _))
    ));
    let mut more = Vec::new();
    append_own_text(&mut more, br#"["ping",{}]"#, MASK);
    let what = CrmInput::Bytes(more);
    let report = CrmReport { connection, what };
    door.link.handle_report(report, door.now);
    assert_eq!(door.link.poll_action(), None);
    let what = CrmInput::Sent;
    let report = CrmReport { connection, what };
    door.link.handle_report(report, door.now);
    assert!(matches!(
        door.link.poll_action(),
        Some(CrmAction::Send(_, _))
    ));
}

#[test]
fn a_flood_of_pings_without_a_format_ends_the_connection() {
    let mut door = Doorway::new();
    let mut bytes = request("").into_bytes();
    for _ in 0..1000 {
        crate::wire::frame::append_ping(&mut bytes, &[0; 125], MASK);
    }
    door.report(1, CrmInput::Accepted("somebody".to_owned()));
    door.bytes(1, bytes);
    assert_eq!(door.closed, [1]);
}

#[test]
fn who_floods_with_its_request_is_answered_before_it_is_closed() {
    let mut door = Doorway::with(Limits {
        queue_bytes_max: 500,
        ..Limits::default()
    });
    let mut bytes = request("json").into_bytes();
    for _ in 0..100 {
        append_own_text(&mut bytes, br#"["ping",{}]"#, MASK);
    }
    door.report(1, CrmInput::Accepted("somebody".to_owned()));
    door.bytes(1, bytes);
    assert_eq!(door.closed, [1]);
    door.assert_answered(1, "101");
}

#[test]
fn what_is_posted_beside_a_link_is_in_the_format_that_its_crm_chose() {
    let mut door = Doorway::new();
    let config = CrmConfig {
        mode: "ws-in",
        transport: Transport::WebSocketIn(WebSocketIn::default()),
        posting: Some(Posting {
            target: "/".to_owned(),
            exchanges_max: 16,
        }),
        ..config()
    };
    door.link = CrmLink::new(config, Random::from_number(7), door.now);
    door.knock(1, "xml");
    let say = |door: &mut Doorway, text: &str| {
        let mut frame = Vec::new();
        append_own_text(&mut frame, text.as_bytes(), MASK);
        door.bytes(1, frame);
    };
    say(&mut door, r#"<message name="iam"/>"#);
    let methods = r#"<methods type="array"><item type="object"><key>m</key><connectiontype>http</connectiontype></item></methods>"#;
    say(
        &mut door,
        &format!(r#"<message name="availablemethods">{methods}</message>"#),
    );
    door.events.clear();
    let run = MethodRun {
        key: "m".into(),
        input: "{}".into(),
        user_login: None,
        timeout: Duration::from_secs(10),
        wait_for_link: false,
    };
    let execution = ExecutionId(crate::base::Guid::from_bits(1));
    door.link.run_method(run, execution, door.now);
    let Some(CrmAction::Post(connection, post)) = door.link.poll_action() else {
        panic!("nothing is posted");
    };
    assert!(post.body.ends_with(b"&format=xml"));
    let result = r#"<message name="methodresult"><outputparameters type="object"><a type="number">1</a></outputparameters></message>"#;
    let id = crate::base::Guid::from_bits(2);
    let packets = crate::protocol::split(result.as_bytes(), id, 20, Format::Xml);
    let packets = packets.map(|it| String::from_utf8(it).expect("text"));
    let body = format!("<messages>{}</messages>", packets.collect::<String>());
    let answer = PostAnswer {
        status: 200,
        body: body.into_bytes(),
        ..PostAnswer::default()
    };
    let what = CrmInput::Posted(Ok(answer));
    door.link
        .handle_report(CrmReport { connection, what }, door.now);
    door.pump();
    let end = Ok(r#"{"a":1}"#.into());
    assert_eq!(door.events, [CrmEvent::MethodDone { execution, end }]);
}
