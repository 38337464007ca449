//! A gateway in memory: one shard and the hub, joined as the runtime joins them,
//! with sockets that take everything.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use okgate_core::base::{
    Action, AdminTicket, Engine, Guid, Instant, LinkId, Now, NumberId, Peer, Random, ShardId,
    UserId, WallTime,
};
use okgate_core::hub::{
    self, AdminRequest, Downward, Hub, Output, SessionLimits, SimCallRequest, ToShard,
};
use okgate_core::pbx::sim::SimConfig;
use okgate_core::protocol::{Event, UserRef, password_hashes};
use okgate_core::shard::{Config, Shard};
use okgate_core::switchboard::{Directory, User};
use okgate_core::wire::frame::append_text;

/// One shard, the hub, and the time that stands still.
#[derive(Debug)]
pub(crate) struct Gateway {
    shard: Shard,
    hub: Hub,
    now: Now,
    sent: usize,
}

/// The handshake of a tab.
const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: json\r\n\r\n";

/// A browser's mask.
pub(crate) const MASK: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

const SHARD: ShardId = ShardId(0);

/// The kinds of the fixture's ids.
const USER: u128 = 1;
const NUMBER: u128 = 2;

/// The requests of a browser library's start after the login (protocol 6.1).
pub(crate) const OPENING: [&str; 12] = [
    r#"["getcurrentqueue",{"qid":"1"}]"#,
    r#"["subscribeevent",{"qid":"2","eventmethod":"userstatechanged"}]"#,
    r#"["subscribeevent",{"qid":"3","eventmethod":"linestatechanged"}]"#,
    r#"["subscribeevent",{"qid":"4","eventmethod":"pbxnumberstatechanged"}]"#,
    r#"["getversion",{"qid":"5","showalloweddbstoredprocs":1}]"#,
    r#"["getmyuserinfo",{"qid":"6"}]"#,
    r#"["cc_getlunchtypes",{"qid":"7"}]"#,
    r#"["getuserstate",{"qid":"8"}]"#,
    r#"["getredirectrules",{"qid":"9"}]"#,
    r#"["getpbxnumbers",{"qid":"10","mode":"full"}]"#,
    r#"["getallusernumbers",{"qid":"11"}]"#,
    r#"["getextendedlineinfo",{"qid":"12"}]"#,
];

impl Gateway {
    /// A gateway with so many users, `user1` and on, whose numbers are 1001 and on. The first of them are the last in the
    /// directory, so that what looks through all users costs what it costs at worst.
    pub(crate) fn new(users: u32) -> Self {
        let mut config = Config::default();
        config.limits.session.messages = None;
        let now = Now {
            instant: Instant::from_micros(1_000_000),
            wall: WallTime::from_unix_millis(1_700_000_000_000),
        };
        let mut random = Random::from_number(1);
        let shard = Shard::new(SHARD, Arc::new(config), random.split(), now.instant);
        let mut gateway = Self {
            shard,
            hub: Hub::new(hub_config(users), random, now),
            now,
            sent: 0,
        };
        gateway.settle();
        gateway
    }

    /// A tab that is logged in as this user and has gone through [`OPENING`].
    pub(crate) fn tab(&mut self, login: &str) -> LinkId {
        let link = self.logged_in(login);
        self.receive(link, &mut frames(&OPENING));
        link
    }

    /// A tab that is logged in as this user.
    pub(crate) fn logged_in(&mut self, login: &str) -> LinkId {
        let link = self.connect();
        self.receive(link, &mut login_frame(login));
        link
    }

    /// A tab that has shaken hands.
    pub(crate) fn connect(&mut self) -> LinkId {
        let peer = Peer {
            address: ([127, 0, 0, 1], 1).into(),
            listener: 0,
        };
        let link = self.shard.open(peer, self.now.instant).expect("no limit");
        self.receive(link, &mut HANDSHAKE.to_vec());
        link
    }

    /// How many bytes have gone out.
    pub(crate) const fn sent(&self) -> usize {
        self.sent
    }

    /// Bytes arrive on a link; everything that they lead to is done. Gives how many
    /// bytes went out.
    pub(crate) fn receive(&mut self, link: LinkId, bytes: &mut [u8]) -> usize {
        let before = self.sent;
        self.shard.receive(link, bytes, self.now.instant);
        self.settle();
        self.sent - before
    }

    /// A tab's connection ends.
    pub(crate) fn disconnect(&mut self, link: LinkId) {
        self.shard.closed(link, self.now.instant);
        self.settle();
    }

    /// The hub tells the shard of an event. Gives how many bytes went out.
    pub(crate) fn tell(&mut self, event: &Arc<Event>) -> usize {
        let before = self.sent;
        let message = ToShard {
            shard: SHARD,
            what: Downward::Event(Arc::clone(event)),
        };
        self.shard.message(message, self.now.instant);
        self.settle();
        self.sent - before
    }

    /// Somebody outside calls this number, and waits. Gives how many bytes went out.
    pub(crate) fn outside_call(&mut self, number: &str) -> usize {
        let before = self.sent;
        let call = SimCallRequest {
            from: "89274513158".into(),
            to: number.into(),
            name: None,
            answer_after: None,
            talk: None,
        };
        let call = AdminRequest::SimCall(call);
        self.hub.handle_admin(AdminTicket(1), call, self.now);
        self.settle();
        self.sent - before
    }

    /// Does what the shard and the hub want done until both are quiet.
    fn settle(&mut self) {
        let mut payloads = Vec::new();
        loop {
            while let Some(output) = self.hub.poll_output() {
                if let Output::ToShard(message) = output {
                    self.shard.message(message, self.now.instant);
                }
            }
            let mut is_quiet = true;
            while let Some(action) = self.shard.poll_action() {
                match action {
                    Action::Post(message) => {
                        self.hub.handle_shard(message, self.now);
                        is_quiet = false;
                    }
                    Action::Send { payload, .. } => payloads.push(payload),
                    // Who logs out is asked to close.
                    Action::Shutdown { .. } => {}
                    Action::Close { .. } => unreachable!("no link does anything wrong"),
                }
            }
            if is_quiet {
                break;
            }
        }
        for payload in payloads {
            let bytes = black_box(self.shard.payload(&payload));
            debug_assert!(!is_refusal(bytes), "{}", String::from_utf8_lossy(bytes));
            self.sent += bytes.len();
        }
        self.shard.end_batch();
    }
}

/// Whether an answer says that a request failed.
fn is_refusal(bytes: &[u8]) -> bool {
    let refusal = br#""result":0"#;
    bytes.windows(refusal.len()).any(|bytes| bytes == refusal)
}

/// These messages as the frames of one read, masked as a browser masks them.
pub(crate) fn frames(messages: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        append_text(&mut bytes, message, MASK);
    }
    bytes
}

/// The login of a user of [`Gateway::new`].
pub(crate) fn login_frame(login: &str) -> Vec<u8> {
    let hashes = password_hashes("password").expect("a plain password");
    let mut hex = String::new();
    for byte in hashes.lower_cased {
        write!(hex, "{byte:02x}").expect("a string takes everything");
    }
    let message = format!(r#"["login",{{"qid":"0","userlogin":"{login}","password":"{hex}"}}]"#);
    frames(&[&message])
}

/// A user of [`Gateway::new`], as events name it.
pub(crate) fn user(index: u32) -> UserRef {
    UserRef {
        id: UserId(id(index, USER)),
        login: format!("user{index}").into(),
    }
}

fn id(index: u32, kind: u128) -> Guid {
    Guid::from_bits(kind << 64 | u128::from(index))
}

/// A hub with so many users of a directory like that of [`Gateway::new`].
pub(crate) fn hub_config(users: u32) -> hub::Config {
    let hashes = password_hashes("password").expect("a plain password");
    let number = |index: u32| Arc::from((1000 + index).to_string());
    let user = |index: u32| User {
        id: UserId(id(index, USER)),
        login: format!("user{index}").into(),
        name: format!("Name of {index}").into(),
        numbers: vec![(NumberId(id(index, NUMBER)), number(index))],
        password_md5: Some(hashes.as_typed),
        password_lower_md5: Some(hashes.lower_cased),
        is_operator: true,
        supervises: Vec::new(),
        department: None,
        waiting: std::time::Duration::ZERO,
    };
    hub::Config {
        directory: Directory {
            users: (1..=users).rev().map(user).collect(),
            ..Directory::default()
        },
        sessions: SessionLimits {
            tabs_per_user: 0,
            ..SessionLimits::default()
        },
        pbx: SimConfig {
            phones: (1..=users).map(number).collect(),
            ..SimConfig::default()
        },
        ..hub::Config::default()
    }
}
