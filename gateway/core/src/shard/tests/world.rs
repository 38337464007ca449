//! The world around a shard: sockets in memory, a clock, and what the hub gets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::base::{
    Action, Engine, Guid, Instant, LinkId, LinkRef, Payload, Peer, Random, RequestId, SessionId,
    ShardId, UserId,
};
use crate::hub::{Downward, FromShard, ToShard, Upward};
use crate::protocol::{Answer, LoginAnswer, Reply, UserRef};
use crate::shard::{Admission, Config, Shard};
use crate::wire::frame::{Binary, Limits, Role};
use crate::wire::frame::{CloseCode, append_text};
use crate::wire::inbound::{Inbound, Incoming};

pub(super) struct World {
    pub(super) shard: Shard,
    pub(super) now: Instant,
    pub(super) posts: Vec<FromShard>,
    sockets: HashMap<LinkId, Socket>,
}

/// The peer's end of a connection.
struct Socket {
    room: usize,
    got: Vec<u8>,
    is_shut: bool,
    is_cut: bool,
}

/// What a peer saw.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Message(String, Value),
    Ping,
    Pong(Vec<u8>),
    Close(u16),
}

pub(super) const HEAD: &str = "GET / HTTP/1.1\r\nHost: gate\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: json\r\n\r\n";

pub(super) fn anna() -> UserRef {
    UserRef {
        id: UserId(Guid::from_bits(0xA)),
        login: "Anna".into(),
    }
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            shard: Shard::new(ShardId(1), Arc::new(config), Random::from_number(1), now),
            now,
            posts: Vec::new(),
            sockets: HashMap::new(),
        }
    }

    /// From now on the shard counts connections together with others.
    pub(super) fn share(&mut self, admission: Arc<Admission>) {
        let alone = Shard::new(
            self.shard.id(),
            Arc::default(),
            Random::from_number(1),
            self.now,
        );
        self.shard = std::mem::replace(&mut self.shard, alone).sharing(admission);
    }

    /// A connection that has sent nothing.
    pub(super) fn connect(&mut self) -> LinkId {
        self.connect_from([127, 0, 0, 1].into())
    }

    /// A connection from this address that has sent nothing.
    pub(super) fn connect_from(&mut self, address: IpAddr) -> LinkId {
        let peer = Peer {
            address: (address, 1).into(),
            listener: 0,
        };
        let id = self.shard.open(peer, self.now).expect("the link is taken");
        let socket = Socket {
            room: usize::MAX,
            got: Vec::new(),
            is_shut: false,
            is_cut: false,
        };
        self.sockets.insert(id, socket);
        self.settle();
        id
    }

    /// A link that was upgraded with `json`.
    pub(super) fn link(&mut self) -> LinkId {
        let id = self.connect();
        self.send_bytes(id, HEAD.as_bytes());
        assert!(self.take_bytes(id).starts_with(b"HTTP/1.1 101 "));
        id
    }

    /// A link that is logged in as Anna.
    pub(super) fn tab(&mut self) -> LinkId {
        let id = self.link();
        self.send(
            id,
            r#"["login",{"qid":"l","userlogin":"anna","password":"x"}]"#,
        );
        let request = self.asked_to_log_in();
        self.answer(id, request, Ok(logged_in()));
        self.seen(id);
        id
    }

    pub(super) fn send(&mut self, id: LinkId, text: &str) {
        let mut frame = Vec::new();
        append_text(&mut frame, text, Some([1, 2, 3, 4]));
        self.send_bytes(id, &frame);
    }

    pub(super) fn send_bytes(&mut self, id: LinkId, bytes: &[u8]) {
        self.shard.receive(id, &mut bytes.to_vec(), self.now);
        self.settle();
    }

    pub(super) fn hub(&mut self, what: Downward) {
        let shard = self.shard.id();
        self.shard.message(ToShard { shard, what }, self.now);
        self.settle();
    }

    pub(super) fn answer(&mut self, link: LinkId, request: RequestId, reply: Reply) {
        let link = LinkRef {
            shard: self.shard.id(),
            link,
        };
        self.hub(Downward::Reply {
            link,
            request,
            reply,
        });
    }

    /// The number of the login that the hub was asked for last.
    pub(super) fn asked_to_log_in(&mut self) -> RequestId {
        match self.posts.pop() {
            Some(FromShard::Link {
                what: Upward::Login { request, .. },
                ..
            }) => request,
            other => panic!("no login, but {other:?}"),
        }
    }

    /// Lets time pass in the steps that the shard asks for.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.shard.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.shard.timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Bounds what the peer's socket takes until [`World::read`].
    pub(super) fn stop_reading(&mut self, id: LinkId) {
        self.socket(id).room = 0;
    }

    pub(super) fn read(&mut self, id: LinkId) {
        self.socket(id).room = usize::MAX;
        self.shard.writable(id, self.now);
        self.settle();
    }

    /// The peer's socket takes so many bytes more.
    pub(super) fn read_some(&mut self, id: LinkId, room: usize) {
        self.socket(id).room = room;
        self.shard.writable(id, self.now);
        self.settle();
    }

    /// Puts back what was taken out with [`World::take_bytes`].
    pub(super) fn put_bytes(&mut self, id: LinkId, bytes: Vec<u8>) {
        self.socket(id).got = bytes;
    }

    pub(super) fn take_bytes(&mut self, id: LinkId) -> Vec<u8> {
        std::mem::take(&mut self.socket(id).got)
    }

    /// What the peer of an upgraded link has got since the last look.
    pub(super) fn seen(&mut self, id: LinkId) -> Vec<Seen> {
        let mut bytes = self.take_bytes(id);
        let mut seen = Vec::new();
        Inbound::new(Role::Client, Limits::default(), Binary::Refuse)
            .receive(&mut bytes, |incoming| {
                seen.push(match incoming {
                    Incoming::Text(text) => {
                        let (name, fields) =
                            serde_json::from_slice(text).expect("a message is JSON");
                        Seen::Message(name, fields)
                    }
                    Incoming::Ping(_) => Seen::Ping,
                    Incoming::Pong(payload) => Seen::Pong(payload.to_vec()),
                    Incoming::Close { code, .. } => {
                        Seen::Close(code.map_or(1005, |code: CloseCode| code.into()))
                    }
                    Incoming::Binary(_) => panic!("the gateway speaks text"),
                });
                std::ops::ControlFlow::Continue(())
            })
            .expect("the gateway's frames are right");
        seen
    }

    /// The texts that the peer got since the last look, and nothing else.
    pub(super) fn texts(&mut self, id: LinkId) -> Vec<String> {
        let mut bytes = self.take_bytes(id);
        let mut texts = Vec::new();
        Inbound::new(Role::Client, Limits::default(), Binary::Refuse)
            .receive(&mut bytes, |incoming| {
                let Incoming::Text(text) = incoming else {
                    panic!("{incoming:?} is no text");
                };
                texts.push(String::from_utf8(text.to_vec()).expect("UTF-8"));
                std::ops::ControlFlow::Continue(())
            })
            .expect("the gateway's frames are right");
        texts
    }

    /// The messages that the peer got since the last look, by name.
    pub(super) fn messages(&mut self, id: LinkId) -> Vec<(String, Value)> {
        let message = |seen| match seen {
            Seen::Message(name, fields) => (name, fields),
            other => panic!("no message, but {other:?}"),
        };
        self.seen(id).into_iter().map(message).collect()
    }

    pub(super) fn is_shut(&mut self, id: LinkId) -> bool {
        self.socket(id).is_shut
    }

    pub(super) fn is_cut(&mut self, id: LinkId) -> bool {
        self.socket(id).is_cut
    }

    fn socket(&mut self, id: LinkId) -> &mut Socket {
        self.sockets.get_mut(&id).expect("the socket exists")
    }

    /// Does what the shard wants done, as a runtime would.
    pub(super) fn settle(&mut self) {
        let mut sends: Vec<(LinkId, Payload)> = Vec::new();
        let mut endings = Vec::new();
        while let Some(action) = self.shard.poll_action() {
            match action {
                Action::Send { link, payload } => sends.push((link, payload)),
                Action::Post(post) => self.posts.push(post),
                ending => endings.push(ending),
            }
        }
        let mut full = Vec::new();
        for (id, payload) in sends {
            let bytes = self.shard.payload(&payload).to_vec();
            let socket = self.sockets.get_mut(&id).expect("a send on an open link");
            let sent = bytes.len().min(socket.room);
            socket.room -= sent;
            socket.got.extend_from_slice(&bytes[..sent]);
            if sent < bytes.len() {
                full.push(id);
                self.shard.unsent(id, &payload, sent);
            }
        }
        for ending in endings {
            match ending {
                Action::Shutdown { link } if !full.contains(&link) => {
                    self.socket(link).is_shut = true;
                }
                Action::Close { link } => self.socket(link).is_cut = true,
                _ => {}
            }
        }
        self.shard.end_batch();
    }
}

pub(super) fn logged_in() -> Answer {
    Answer::Login(LoginAnswer {
        user: anna(),
        session: SessionId::named("session"),
    })
}
