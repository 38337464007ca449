//! What a program drives: the link, the CRMs' ends of its connections and exchanges, and the hub's part.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use okgate_core::base::{ExecutionId, Guid, Instant};
use okgate_core::crm::{CrmConfig, CrmConnectionId, CrmInput, CrmLink, CrmReport, CrmToken};
use okgate_core::protocol::peek;
use okgate_core::wire::credentials::{ClientCredentials, Login, Tries};
use okgate_core::wire::head::{Limits as HeadLimits, RequestHead};
use okgate_core::wire::upgrade::{Format, Policy, UpgradeRequest, Version, accept};
use tungstenite::handshake::derive_accept_key;

use super::peer::{Opener, Peer};
use super::posts::{self, Exchanges};
use super::settings::{LOGIN, Mode, PASSWORD, Settings};
use super::settle::assert_secret;
use crate::records::{number, split, text};

pub(super) struct World {
    pub(super) link: CrmLink,
    pub(super) config: CrmConfig,
    pub(super) mode: Mode,
    pub(super) now: Instant,
    /// Connections that are there.
    pub(super) peers: BTreeMap<CrmConnectionId, Peer>,
    /// The one that operations are about.
    pub(super) focus: CrmConnectionId,
    /// That of the last one.
    pub(super) last: CrmConnectionId,
    pub(super) exchanges: Exchanges,
    /// Sends are not confirmed.
    pub(super) is_stuck: bool,
    /// CRMs answer what asks whether they live.
    pub(super) answers_pings: bool,
    /// A connection that was closed owed such an answer.
    pub(super) closed_one_owed_life: bool,
    pub(super) holds_requests: bool,
    pub(super) held: Vec<CrmToken>,
    /// Requests that came over connections that are gone.
    pub(super) stale: Vec<CrmToken>,
    pub(super) runs: u128,
    pub(super) open_runs: HashSet<ExecutionId>,
    pub(super) requests: usize,
    pub(super) login: ClientCredentials,
    pub(super) is_over: bool,
}

impl World {
    pub(super) fn new(choice: u8) -> Self {
        let Settings { mode, config } = Settings::new(choice);
        let now = Instant::from_micros(1_000_000);
        let mut world = Self {
            link: CrmLink::new(
                config.clone(),
                okgate_core::base::Random::from_number(7),
                now,
            ),
            mode,
            now,
            peers: BTreeMap::new(),
            focus: CrmConnectionId::default(),
            last: CrmConnectionId::default(),
            exchanges: Exchanges::new(
                (mode != Mode::In).then_some(config.format),
                config.credentials.is_some(),
            ),
            config,
            is_stuck: false,
            answers_pings: false,
            closed_one_owed_life: false,
            holds_requests: false,
            held: Vec::new(),
            stale: Vec::new(),
            runs: 0,
            open_runs: HashSet::new(),
            requests: 0,
            login: ClientCredentials::new(Login::new(LOGIN, PASSWORD)),
            is_over: false,
        };
        world.settle();
        world
    }

    /// Does what one record says. In the operations of connections the one in focus is meant: the last one that was made,
    /// unless `j` chose another.
    pub(super) fn step(&mut self, operation: u8, operand: &[u8]) {
        let (digit, rest) = split(operand);
        match operation {
            b'a' => self.come(),
            b'g' => self.ask_for_upgrade(number(digit), rest),
            b'j' => self.look_at(number(digit)),
            b'c' => self.connect(),
            b'f' => self.over(CrmInput::ConnectFailed("refused".to_owned()), |it| {
                !it.is_made
            }),
            b'x' => self.over(CrmInput::Closed("reset".to_owned()), |_| true),
            b'u' => self.upgrade(operand),
            b'b' => self.bytes(operand.to_vec(), true),
            b't' => self.say(&String::from_utf8_lossy(operand)),
            b'p' => self.ping(operand),
            b'm' => self.request(METHODS[number(digit) % METHODS.len()], rest),
            b'y' => self.end_exchange(number(digit), rest),
            b'w' => self.pass(SPANS[number(digit) % SPANS.len()]),
            b'z' => self.jump(SPANS[number(digit) % SPANS.len()]),
            b'e' => self.event(number(digit)),
            b'F' => self.form(number(digit)),
            b'r' => self.run(digit, rest),
            b'k' => self.cancel(number(digit)),
            b's' => self.is_stuck = digit == b'1',
            b'l' => self.answers_pings = digit == b'1',
            b'h' => self.holds_requests = digit == b'1',
            b'q' => self.shut_down(),
            b'o' => self.late_news(number(digit), rest),
            _ => {}
        }
        self.settle();
    }

    pub(super) fn report(&mut self, connection: CrmConnectionId, what: CrmInput) {
        self.link
            .handle_report(CrmReport { connection, what }, self.now);
    }

    fn focused(&mut self) -> Option<&mut Peer> {
        self.peers.get_mut(&self.focus)
    }

    /// A CRM connects.
    fn come(&mut self) {
        if self.mode == Mode::In {
            self.last.0 += 1;
            self.focus = self.last;
            let peer = Peer::new(Opener::Crm, Version::V13, None);
            self.peers.insert(self.focus, peer);
            self.report(self.focus, CrmInput::Accepted("192.0.2.1:5000".to_owned()));
        }
    }

    /// The CRM that connected asks for an upgrade. Bits choose XML, no format, version 0, wrong credentials, and two
    /// pieces; what follows comes behind the request.
    fn ask_for_upgrade(&mut self, bits: usize, behind: &[u8]) {
        let (id, now) = (self.focus, self.now);
        let is_new = |peer: &Peer| peer.is_waiting() && peer.asked_at.is_none() && !peer.is_wild;
        if self.mode != Mode::In || !self.peers.get(&id).is_some_and(is_new) {
            return;
        }
        let format = if bits & 1 != 0 {
            Format::Xml
        } else {
            Format::Json
        };
        let version = if bits & 4 != 0 {
            Version::V0
        } else {
            Version::V13
        };
        let request = self.request_of_crm(format, version, bits & 2 == 0, bits & 8 == 0);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.asked_at = Some(now);
        peer.version = version;
        peer.format = (bits & 2 == 0).then_some(format);
        peer.is_wild |= !behind.is_empty();
        let (start, end) = request.split_at(if bits & 16 != 0 { 40 } else { 0 });
        if !start.is_empty() {
            self.report(id, CrmInput::Bytes(start.to_vec()));
            self.settle();
        }
        if self.peers.contains_key(&id) {
            self.report(id, CrmInput::Bytes([end, behind].concat()));
        }
    }

    fn request_of_crm(
        &mut self,
        format: Format,
        version: Version,
        has_format: bool,
        is_right: bool,
    ) -> Vec<u8> {
        let random = &mut Settings::random();
        let challenges: Vec<String> = self
            .peers
            .values()
            .flat_map(|it| it.challenges.clone())
            .collect();
        let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
        let answer = |login: &mut ClientCredentials, random: &mut _| {
            let answer = login.answer(&mut Tries::default(), &challenges, "GET", "/", random);
            answer.unwrap_or_else(|_| login.header(&mut Tries::default(), "GET", "/", random))
        };
        let authorization = if is_right {
            answer(&mut self.login, random)
        } else {
            "Basic bm9ib2R5OndoYXQ=".to_owned()
        };
        let mut request = Vec::new();
        let upgrade = UpgradeRequest {
            host: "gateway",
            path: "/",
            version,
            format,
            nonce: [3; 16],
            headers: &[("Authorization", &authorization)],
        };
        upgrade.write(&mut request).expect("a request");
        if !has_format {
            // A longer name means nothing to anybody.
            let word = b"Sec-WebSocket-Protocol";
            let at = request.windows(word.len()).position(|it| it == word);
            request[at.expect("a subprotocol")] = b'X';
        }
        request
    }

    fn look_at(&mut self, place: usize) {
        let ids: Vec<_> = self.peers.keys().copied().collect();
        if let Some(id) = ids.get(place % ids.len().max(1)) {
            self.focus = *id;
        }
    }

    fn connect(&mut self) {
        if let Some(peer) = self.focused()
            && !std::mem::replace(&mut peer.is_made, true)
        {
            self.report(self.focus, CrmInput::Connected);
        }
    }

    /// The connection ends from outside, if it is one of those that can end so.
    fn over(&mut self, what: CrmInput, can_end: impl Fn(&Peer) -> bool) {
        if self.peers.get(&self.focus).is_some_and(can_end) {
            self.peers.remove(&self.focus);
            self.report(self.focus, what);
        }
    }

    /// The answer that opens the link, with these header lines more.
    fn upgrade(&mut self, lines: &[u8]) {
        self.connect();
        self.settle();
        let Some(peer) = self.focused().filter(|peer| !peer.request.is_empty()) else {
            return;
        };
        let request = peer.request.clone();
        let (answer, has_frames) = match peer.version {
            Version::V0 => (old_answer(&request), false),
            _ => new_answer(&request, lines),
        };
        self.bytes(answer, has_frames);
    }

    /// The CRM says something with whatever `qid`.
    fn say(&mut self, message: &str) {
        let Some(peer) = self.peers.get(&self.focus) else {
            return;
        };
        let bytes = peer.written(message);
        // It might bear the `qid` of another request, in packets too.
        let is_wild = message.contains(['#', '\\', '&']) || message.contains("multipart");
        self.bytes(bytes, is_wild || !peer.is_open());
    }

    fn ping(&mut self, payload: &[u8]) {
        if let Some(peer) = self.peers.get(&self.focus)
            && peer.version != Version::V0
        {
            let bytes = peer.ping(payload);
            let is_wild = payload.len() > 125 || !peer.is_open();
            self.bytes(bytes, is_wild);
        }
    }

    fn bytes(&mut self, bytes: Vec<u8>, is_wild: bool) {
        if let Some(peer) = self.focused()
            && peer.is_made
        {
            peer.is_wild |= is_wild;
            self.report(self.focus, CrmInput::Bytes(bytes));
        }
    }

    /// The CRM asks something with a `qid` of its own.
    fn request(&mut self, method: &str, fields: &[u8]) {
        let qid = format!("#{}", self.requests);
        self.requests += 1;
        let fields = text(fields).unwrap_or_default();
        let comma = if fields.is_empty() { "" } else { "," };
        let message = format!(r#"["{method}",{{{fields}{comma}"qid":"{qid}"}}]"#);
        let Some(peer) = self.focused() else {
            return;
        };
        // Behind a request that is not answered yet, it waits with it.
        let is_wild = !peer.is_open() && (peer.asked_at.is_none() || peer.is_wild);
        if !is_wild && peek(message.as_bytes()).is_ok() {
            peer.unanswered.insert(qid);
        }
        let bytes = peer.written(&message);
        self.bytes(bytes, is_wild);
    }

    fn end_exchange(&mut self, place: usize, how: &[u8]) {
        let (kind, said) = split(how);
        if let Some((id, outcome)) = self.exchanges.end(place, kind, said) {
            self.report(id, CrmInput::Posted(outcome));
        }
    }

    /// News of what is over, or never was, change nothing.
    fn late_news(&mut self, kind: usize, said: &[u8]) {
        let ids = 1..=self.last.0 + 1;
        let over = ids
            .map(CrmConnectionId)
            .find(|id| !self.peers.contains_key(id));
        let id = over.unwrap_or_default();
        let what = match kind % 6 {
            0 => CrmInput::Sent,
            1 => CrmInput::Closed("late".to_owned()),
            2 => CrmInput::Connected,
            3 => CrmInput::ConnectFailed("late".to_owned()),
            4 => CrmInput::Posted(posts::outcome(b'0', said, self.config.format)),
            _ => CrmInput::Bytes(said.to_vec()),
        };
        let id = match what {
            CrmInput::Posted(_) => CrmConnectionId(u64::MAX),
            _ => id,
        };
        let before = self.link.status();
        self.report(id, what);
        assert_eq!(self.link.status(), before, "late news of {id:?}");
        assert!(self.link.poll_action().is_none() && self.link.poll_event().is_none());
    }

    fn cancel(&mut self, which: usize) {
        let execution = ExecutionId(Guid::from_bits(which as u128));
        let is_open = self.open_runs.contains(&execution);
        assert_eq!(self.link.cancel(execution, self.now), is_open);
    }

    fn shut_down(&mut self) {
        self.link.shut_down("the gateway is going down", self.now);
        self.settle();
        self.is_over = true;
    }

    /// Lets time pass, to each deadline in turn.
    fn pass(&mut self, span: Duration) {
        let (end, mut at_once) = (self.now + span, 0);
        while let Some(next) = self.link.next_timeout().filter(|next| *next <= end) {
            at_once = if next > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 10, "a deadline that stays due: {next:?}");
            self.now = self.now.max(next);
            self.link.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Lets time pass, and looks at the clock once at its end, as a process that was stopped.
    fn jump(&mut self, span: Duration) {
        self.now = self.now + span;
        self.link.handle_timeout(self.now);
        self.settle();
        self.pass(Duration::ZERO);
    }

    /// The gateway goes down: nothing is left, and nothing begins.
    pub(super) fn end(mut self) {
        self.shut_down();
        self.check();
        assert!(self.peers.is_empty(), "a connection is left");
        assert_eq!(self.exchanges.len(), 0, "an exchange is left");
        assert!(self.open_runs.is_empty(), "runs without an end");
        self.come();
        self.run(b'1', b"{}");
        self.settle();
        assert!(self.peers.is_empty(), "somebody is let in");
        assert!(self.open_runs.is_empty(), "a run waits for nothing");
        assert_eq!(self.link.next_timeout(), None);
        let status = self.link.status();
        assert_eq!(
            (status.state, status.method_runs, status.queue_bytes),
            ("off", 0, 0)
        );
        assert_eq!((status.candidates, status.exchanges), (0, 0));
        assert_secret(&format!("{:?}", self.link));
    }
}

/// The answer of RFC 6455, and whether there may be frames behind it.
fn new_answer(request: &[u8], lines: &[u8]) -> (Vec<u8>, bool) {
    let request = text(request).expect("a request is a text");
    let key = request.split_once("Sec-WebSocket-Key: ");
    let key = key
        .and_then(|(_, rest)| rest.split_once("\r\n"))
        .expect("a key")
        .0;
    let accept = derive_accept_key(key.as_bytes());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    )
    .into_bytes();
    answer.extend_from_slice(lines);
    answer.extend_from_slice(b"\r\n");
    // The lines may end the head, and frames stand behind it.
    let lines = [b"\n", lines].concat();
    let has_frames = lines.windows(2).any(|two| matches!(two, b"\n\r" | b"\n\n"));
    (answer, has_frames)
}

/// The answer of version 0.
fn old_answer(request: &[u8]) -> Vec<u8> {
    let head = RequestHead::parse(request, &HeadLimits::default());
    let head = head.expect("a request").expect("a whole one");
    let policy = Policy {
        allow_hixie: true,
        ..Policy::default()
    };
    let mut answer = Vec::new();
    let upgrade = accept(&head, &policy).expect("the gateway asks for a WebSocket");
    upgrade.write_response(&mut answer);
    answer
}

/// How far time goes.
const SPANS: [Duration; 8] = [
    Duration::from_millis(1),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(31),
    Duration::from_secs(120),
];

/// Methods whose every request with a `qid` is answered.
const METHODS: [&str; 12] = [
    "ping",
    "whoareyou",
    "login",
    "logout",
    "getpbxnumbers",
    "getuserstate",
    "setuserstate",
    "pbxautocallstart",
    "pbxmakeflash",
    "getextendedlineinfo",
    "subscribeevent",
    "nosuchmethod",
];
