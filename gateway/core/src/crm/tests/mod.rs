//! The link joined in memory with a CRM double that speaks server frames.

mod door;
mod formats;
mod hostile;
mod life;
mod posts;
mod runs;
mod subscriptions;
mod talk;

use std::ops::ControlFlow;

use serde_json::{Value, json};
use tungstenite::handshake::derive_accept_key;

use super::*;
use crate::protocol::peek;
use crate::wire::frame::{Binary, Limits as FrameLimits, Role, append_text};
use crate::wire::head::RequestHead;
use crate::wire::inbound::{Inbound, Incoming};
use crate::wire::upgrade::{Format, Version};

pub(super) struct World {
    pub(super) link: CrmLink,
    pub(super) now: Instant,
    pub(super) crm: Double,
    pub(super) events: Vec<CrmEvent>,
    /// The connection that was asked for last.
    pub(super) connection: CrmConnectionId,
    /// Connections that were asked for.
    pub(super) connects: usize,
    /// The last bytes of each connection that the link closed.
    pub(super) closes: usize,
    /// Sends are not confirmed while this is set.
    pub(super) is_stuck: bool,
}

/// The CRM's end of one connection.
#[derive(Default)]
pub(super) struct Double {
    head: Vec<u8>,
    inbound: Option<Inbound>,
    pub(super) heard: Vec<(String, Value)>,
    /// Texts as they came, packets and all.
    pub(super) texts: Vec<String>,
    pub(super) pings: usize,
    pub(super) pongs: Vec<Vec<u8>>,
    pub(super) close: Option<u16>,
    packets: String,
}

pub(super) fn config() -> CrmConfig {
    CrmConfig::new("ws-out", out(Version::V13))
}

pub(super) fn out(version: Version) -> Transport {
    Transport::WebSocketOut(WebSocketOut {
        host: "crm.example:8045".to_owned(),
        path: "/oktell".to_owned(),
        version,
    })
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with(config: CrmConfig) -> Self {
        let now = Instant::from_micros(1_000_000);
        let mut world = Self {
            link: CrmLink::new(config, Random::from_number(7), now),
            now,
            crm: Double::default(),
            events: Vec::new(),
            connection: CrmConnectionId::default(),
            connects: 0,
            closes: 0,
            is_stuck: false,
        };
        world.pump();
        world
    }

    /// A world whose link has come through the handshake.
    pub(super) fn introducing() -> Self {
        let mut world = Self::new();
        world.link_up();
        world
    }

    /// A world whose CRM has introduced itself; what was said so far is forgotten.
    pub(super) fn ready() -> Self {
        Self::ready_with(config())
    }

    pub(super) fn ready_with(config: CrmConfig) -> Self {
        let mut world = Self::with(config);
        world.link_up();
        world.introduce();
        world
    }

    pub(super) fn introduce(&mut self) {
        self.say(
            "iam",
            &json!({"qid": "1", "type": "ws-server", "name": "Double"}),
        );
        self.crm.heard.clear();
        self.crm.texts.clear();
        self.events.clear();
    }

    /// The connection is made, and the handshake answered.
    pub(super) fn link_up(&mut self) {
        self.crm = Double::default();
        self.report(CrmInput::Connected);
        let answer = self
            .crm
            .handshake_answer("Sec-WebSocket-Protocol: json\r\n");
        self.bytes(answer);
    }

    /// Reports this of the last connection, and does what the link wants done then.
    pub(super) fn report(&mut self, what: CrmInput) {
        let report = self.of_connection(what);
        self.link.handle_report(report, self.now);
        self.pump();
    }

    fn of_connection(&self, what: CrmInput) -> CrmReport {
        let connection = self.connection;
        CrmReport { connection, what }
    }

    pub(super) fn bytes(&mut self, bytes: impl Into<Vec<u8>>) {
        self.report(CrmInput::Bytes(bytes.into()));
    }

    pub(super) fn say(&mut self, name: &str, fields: &Value) {
        self.say_text(&json!([name, fields]).to_string());
    }

    pub(super) fn say_text(&mut self, text: &str) {
        let mut frame = Vec::new();
        append_text(&mut frame, text, None);
        self.bytes(frame);
    }

    /// Lets time pass, to each deadline of the link in turn.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.link.next_timeout().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.link.handle_timeout(self.now);
            self.pump();
        }
        self.now = end;
    }

    pub(super) fn pass_seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// Does what the link wants done until it wants no more.
    pub(super) fn pump(&mut self) {
        while let Some(action) = self.link.poll_action() {
            match action {
                CrmAction::Connect(id) => {
                    self.connection = id;
                    self.connects += 1;
                }
                CrmAction::Send(id, bytes) => {
                    assert_eq!(id, self.connection);
                    self.crm.receive(bytes);
                    if !self.is_stuck {
                        let sent = self.of_connection(CrmInput::Sent);
                        self.link.handle_report(sent, self.now);
                    }
                }
                CrmAction::Close(id, last) => {
                    assert_eq!(id, self.connection);
                    self.crm.receive(last);
                    self.closes += 1;
                    self.is_stuck = false;
                }
                CrmAction::Post(..) | CrmAction::Abandon(_) => panic!("there is no url"),
            }
        }
        while let Some(event) = self.link.poll_event() {
            self.events.push(event);
        }
    }

    /// The names of what the CRM heard since this was asked last.
    pub(super) fn heard_names(&mut self) -> Vec<String> {
        self.crm.heard.drain(..).map(|(name, _)| name).collect()
    }

    /// The fields of the one message of this name; all messages are forgotten.
    #[track_caller]
    pub(super) fn heard(&mut self, wanted: &str) -> Value {
        let heard = std::mem::take(&mut self.crm.heard);
        let mut found = heard.iter().filter(|(name, _)| name == wanted);
        let (Some((_, fields)), None) = (found.next(), found.next()) else {
            panic!("expected one {wanted}: {heard:?}");
        };
        fields.clone()
    }

    pub(super) fn take_events(&mut self) -> Vec<CrmEvent> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn state(&self) -> &'static str {
        self.link.status().state
    }

    pub(super) fn counters(&self) -> CrmCounters {
        self.link.status().counters
    }
}

impl Double {
    /// A 101 that fits the request heard, with these lines more.
    pub(super) fn handshake_answer(&mut self, lines: &str) -> String {
        let head = RequestHead::parse(&self.head, &crate::wire::head::Limits::default())
            .expect("a request")
            .expect("a whole one");
        let key = head.headers.text("sec-websocket-key").expect("a key");
        let accept = derive_accept_key(key.as_bytes());
        let frame_limits = FrameLimits {
            frame_bytes_max: u32::MAX,
            message_bytes_max: u32::MAX,
        };
        self.inbound = Some(Inbound::new(Role::Server, frame_limits, Binary::Refuse));
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
        )
    }

    pub(super) fn request_text(&self) -> String {
        String::from_utf8(self.head.clone()).expect("ASCII")
    }

    fn receive(&mut self, mut bytes: Vec<u8>) {
        let Some(mut inbound) = self.inbound.take() else {
            self.head.append(&mut bytes);
            return;
        };
        let outcome = inbound.receive(&mut bytes, |incoming| {
            self.take(incoming);
            ControlFlow::Continue(())
        });
        outcome.expect("the gateway's frames are right");
        self.inbound = Some(inbound);
    }

    fn take(&mut self, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Text(text) => {
                let text = String::from_utf8(text.to_vec()).expect("UTF-8");
                self.take_text(&text);
                self.texts.push(text);
            }
            Incoming::Ping(_) => self.pings += 1,
            Incoming::Pong(payload) => self.pongs.push(payload.to_vec()),
            Incoming::Close { code, .. } => self.close = code.map(u16::from),
            Incoming::Binary(_) => panic!("binary"),
        }
    }

    /// Puts packets together as libraries do: in order, each decoded on its own.
    fn take_text(&mut self, text: &str) {
        let name = peek(text.as_bytes()).expect("a message").name.to_owned();
        // What was echoed may be JSON that no program can read, such as 1e999.
        let read: Result<(String, Value), _> = serde_json::from_str(text);
        let fields = read.map_or(Value::Null, |(_, fields)| fields);
        if name != "multipart" {
            self.heard.push((name, fields));
            return;
        }
        let content = fields["content"].as_str().expect("content");
        let content = base64_simd::STANDARD
            .decode_to_vec(content)
            .expect("base64");
        self.packets += std::str::from_utf8(&content).expect("UTF-8 on its own");
        let number = fields["packetnumber"].as_u64().expect("a number");
        if Some(number + 1) == fields["packetcount"].as_u64() {
            let whole = std::mem::take(&mut self.packets);
            self.take_text(&whole);
        }
    }
}
