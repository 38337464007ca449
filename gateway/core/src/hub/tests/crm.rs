//! A CRM at the other end of the hub's link: it declares one form and three methods, and
//! notes what it hears.

use std::ops::ControlFlow;

use serde_json::{Value, json};
use tungstenite::handshake::derive_accept_key;

use super::World;
use crate::crm::{
    CrmAction, CrmConfig, CrmConnectionId, CrmInput, CrmReport, Transport, WebSocketOut,
};
use crate::hub::{Config, Output};
use crate::wire::frame::{Binary, Limits as FrameLimits, Role, append_text};
use crate::wire::head::RequestHead;
use crate::wire::inbound::{Inbound, Incoming};
use crate::wire::upgrade::Version;

/// The world with a CRM.
pub(super) struct Linked {
    pub(super) world: World,
    connection: CrmConnectionId,
    head: Vec<u8>,
    inbound: Option<Inbound>,
    /// Messages that the CRM got, in order.
    pub(super) heard: Vec<(String, Value)>,
}

impl Linked {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A world whose CRM is linked and has declared what it can do.
    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let world = World::with(|config| {
            let out = Transport::WebSocketOut(WebSocketOut {
                host: "crm.example:8045".to_owned(),
                path: "/".to_owned(),
                version: Version::V13,
            });
            config.crm.crm = Some(CrmConfig::new("ws-out", out));
            change(config);
        });
        let mut linked = Self {
            world,
            connection: CrmConnectionId::default(),
            head: Vec::new(),
            inbound: None,
            heard: Vec::new(),
        };
        linked.link();
        linked
    }

    /// Makes the link that the hub asked for, and declares.
    pub(super) fn link(&mut self) {
        self.pump();
        (self.head, self.inbound) = (Vec::new(), None);
        self.report(CrmInput::Connected);
        let answer = self.handshake();
        self.report(CrmInput::Bytes(answer));
        self.say(
            "iam",
            &json!({"qid": "1", "type": "ws-server", "name": "Double"}),
        );
        let parameter = |key: &str, kind: &str| json!({"key": key, "name": key, "type": kind});
        let card = json!({
            "key": "card", "name": "Card", "defineuser": true,
            "inputparams": [parameter("callerid", "string"), parameter("name", "string"), parameter("order", "number"), null],
            "outputparams": [parameter("comment", "string")],
        });
        self.say("availableforms", &json!({"forms": [card, null]}));
        let method = |key: &str, user: bool| {
            json!({
                "key": key, "name": key, "defineuser": user, "allowcancel": true,
                "inputparams": [parameter("callerid", "string"), parameter("number", "number")],
                "outputparams": [parameter("name", "string")],
            })
        };
        let methods = [method("callername", false), method("ask", true)];
        self.say("availablemethods", &json!({"methods": methods}));
        self.heard.clear();
    }

    pub(super) fn lose_link(&mut self) {
        self.report(CrmInput::Closed("gone".into()));
    }

    pub(super) fn say(&mut self, name: &str, fields: &Value) {
        let mut frame = Vec::new();
        append_text(&mut frame, &json!([name, fields]).to_string(), None);
        self.report(CrmInput::Bytes(frame));
    }

    /// Takes out the fields of the messages of this name.
    pub(super) fn take(&mut self, name: &str) -> Vec<Value> {
        self.pump();
        let heard = std::mem::take(&mut self.heard);
        let (wanted, others): (Vec<_>, Vec<_>) = heard.into_iter().partition(|(it, _)| it == name);
        self.heard = others;
        wanted.into_iter().map(|(_, fields)| fields).collect()
    }

    fn report(&mut self, what: CrmInput) {
        let connection = self.connection;
        let report = CrmReport { connection, what };
        self.world.hub.handle_crm(report, self.world.now);
        self.world.settle();
        self.pump();
    }

    /// Does what the hub wants done with the connection.
    pub(super) fn pump(&mut self) {
        while !self.world.crm.is_empty() {
            for output in std::mem::take(&mut self.world.crm) {
                let Output::Crm(action) = output else {
                    continue;
                };
                match action {
                    CrmAction::Connect(id) => self.connection = id,
                    CrmAction::Send(_, bytes) => {
                        self.receive(bytes);
                        let connection = self.connection;
                        let what = CrmInput::Sent;
                        let report = CrmReport { connection, what };
                        self.world.hub.handle_crm(report, self.world.now);
                        self.world.settle();
                    }
                    CrmAction::Close(..) => {}
                    CrmAction::Post(..) | CrmAction::Abandon(_) => panic!("there is no url"),
                }
            }
        }
    }

    fn handshake(&mut self) -> Vec<u8> {
        let head = RequestHead::parse(&self.head, &crate::wire::head::Limits::default());
        let head = head.expect("a request").expect("a whole one");
        let key = head.headers.text("sec-websocket-key").expect("a key");
        let accept = derive_accept_key(key.as_bytes());
        let limits = FrameLimits {
            frame_bytes_max: u32::MAX,
            message_bytes_max: u32::MAX,
        };
        self.inbound = Some(Inbound::new(Role::Server, limits, Binary::Refuse));
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: json\r\n\r\n"
        )
        .into()
    }

    fn receive(&mut self, mut bytes: Vec<u8>) {
        let Some(inbound) = &mut self.inbound else {
            return self.head.append(&mut bytes);
        };
        let heard = &mut self.heard;
        let outcome = inbound.receive(&mut bytes, |incoming| {
            if let Incoming::Text(text) = incoming {
                heard.push(serde_json::from_slice(text).expect("a message"));
            }
            ControlFlow::Continue(())
        });
        outcome.expect("the gateway's frames are right");
    }
}
