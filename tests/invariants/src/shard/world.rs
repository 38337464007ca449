//! One shard and the hub, joined as the runtime joins them, with sockets that take as much as the program says.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::{
    Action, AdminTicket, ChainId, Engine as _, Guid, Instant, LinkId, Now, NumberId, Payload,
    Random, ShardId, UserId, WallTime,
};
use okgate_core::hub::{
    self, AdminReply, AdminRequest, DeskConfig, Hub, Output, Procedure, ProcedureSource,
    SimCallRequest, Status,
};
use okgate_core::pbx::sim::SimConfig;
use okgate_core::protocol::{ProcedureKind, password_hashes, peek};
use okgate_core::shard::{self, Refused, Shard};
use okgate_core::switchboard::{Directory, Group, HuntRule, IvrMenu, User};
use okgate_core::wire::frame::append_text;

use super::peer::{Life, Peer};

/// Users `user1` and on, with the numbers 101 and on.
pub(super) const USERS: usize = 4;
/// Links that a program may open.
const LINKS_MAX: usize = 8;
/// What a queue may hold, in bytes, long answers apart.
const QUEUE_BYTES_MAX: usize = 4096;
/// What it may hold of long answers.
const LONG_ANSWER_BYTES_MAX: usize = 16 << 10;
/// A close frame at most, which may follow in a full queue.
const CLOSE_BYTES_MAX: usize = 127;

pub(super) struct World {
    shard: Shard,
    hub: Hub,
    now: Now,
    peers: Vec<Peer>,
    requests: usize,
    tickets: u64,
    unanswered: HashSet<AdminTicket>,
    chains: Vec<ChainId>,
    status: Option<Status>,
    is_draining: bool,
    drained: usize,
}

impl World {
    pub(super) fn new(choice: u8) -> Self {
        let now = Now {
            instant: Instant::from_micros(1_000_000),
            wall: WallTime::from_unix_millis(1_700_000_000_000),
        };
        let mut random = Random::from_number(1);
        let shard = Shard::new(
            ShardId(0),
            Arc::new(shard_config(choice)),
            random.split(),
            now.instant,
        );
        let mut world = Self {
            shard,
            hub: Hub::new(hub_config(choice), random, now),
            now,
            peers: Vec::new(),
            requests: 0,
            tickets: 0,
            unanswered: HashSet::new(),
            chains: Vec::new(),
            status: None,
            is_draining: false,
            drained: 0,
        };
        world.settle();
        world
    }

    /// A connection is accepted.
    pub(super) fn open(&mut self) {
        if self.peers.len() == LINKS_MAX {
            return;
        }
        let peer = okgate_core::base::Peer {
            address: ([127, 0, 0, 1], 50_000).into(),
            listener: 0,
        };
        match self.shard.open(peer, self.now.instant) {
            Some(link) => {
                let ping_after = shard::Limits::default().ping_after;
                self.peers.push(Peer::new(link, ping_after));
            }
            None => assert!(self.is_draining, "refused for no reason"),
        }
        self.settle();
    }

    /// Bytes arrive on a link; wild ones may be anything.
    pub(super) fn receive(&mut self, index: usize, bytes: &[u8], is_wild: bool) {
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        if peer.life == Life::Gone || bytes.is_empty() {
            return;
        }
        // What is right as a handshake is wild as frames, and the other way round.
        peer.is_wild |= is_wild || peer.is_open() != (bytes[0] != b'G');
        self.shard
            .receive(peer.link, &mut bytes.to_vec(), self.now.instant);
        self.settle();
    }

    /// A link sends a request with a `qid` of its own.
    pub(super) fn request(&mut self, index: usize, method: &str, fields: &str) {
        let qid = format!("#{}", self.requests);
        self.requests += 1;
        let comma = if fields.is_empty() { "" } else { "," };
        let text = format!(r#"["{method}",{{{fields}{comma}"qid":"{qid}"}}]"#);
        if let Some(peer) = self.peers.get_mut(index)
            && peek(text.as_bytes()).is_ok()
        {
            peer.asks(&qid);
        }
        let mut frame = Vec::new();
        append_text(&mut frame, &text, Some([1, 2, 3, 4]));
        self.receive(index, &frame, false);
    }

    /// A socket takes so many bytes from now on.
    pub(super) fn make_room(&mut self, index: usize, room: usize) {
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        peer.room = room;
        if room > 0 && peer.life == Life::Open && std::mem::take(&mut peer.is_blocked) {
            self.shard.writable(peer.link, self.now.instant);
            self.settle();
        }
    }

    /// The peer closes the connection.
    pub(super) fn hang_up(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        if peer.life != Life::Gone {
            peer.life = Life::Gone;
            self.shard.closed(peer.link, self.now.instant);
            self.settle();
        }
    }

    pub(super) fn drain(&mut self, spread: Duration) {
        if !std::mem::replace(&mut self.is_draining, true) {
            self.hub.drain(spread, self.now);
            self.settle();
        }
    }

    /// An outside caller rings a number.
    pub(super) fn call_in(&mut self, from: usize, to: usize) {
        self.ask(AdminRequest::SimCall(SimCallRequest {
            from: format!("8927451{from}").into(),
            to: format!("10{to}").into(),
            name: None,
            answer_after: (from == 1).then_some(Duration::from_secs(1)),
            talk: (to == 1).then_some(Duration::from_secs(3)),
        }));
    }

    pub(super) fn answer_call(&mut self, call: usize) {
        if let Some(chain) = self.chain(call) {
            self.ask(AdminRequest::SimAnswer(chain));
        }
    }

    pub(super) fn end_call(&mut self, call: usize) {
        if let Some(chain) = self.chain(call) {
            self.ask(AdminRequest::SimHangUp(chain));
        }
    }

    /// The chain of a call at the switch, the first one being 0.
    fn chain(&mut self, call: usize) -> Option<ChainId> {
        self.ask(AdminRequest::SimCalls);
        let count = self.chains.len().max(1);
        self.chains.get(call % count).copied()
    }

    fn ask(&mut self, request: AdminRequest) {
        self.tickets += 1;
        let ticket = AdminTicket(self.tickets);
        self.unanswered.insert(ticket);
        self.hub.handle_admin(ticket, request, self.now);
        self.settle();
    }

    /// Lets time pass, to each deadline in turn.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now.instant + span;
        let mut at_once = 0;
        while let Some(next) = self.next_timeout().filter(|next| *next <= end) {
            at_once = if next > self.now.instant {
                0
            } else {
                at_once + 1
            };
            assert!(at_once < 10, "a deadline that stays due: {next:?}");
            // The hub looks for absences twice a second; over hours a late look is as good.
            let late = self.now.instant + span / 64;
            self.set_time(next.max(late).min(end));
            self.timeouts();
        }
        self.set_time(end);
        self.timeouts();
    }

    fn set_time(&mut self, instant: Instant) {
        let passed = instant.since(Instant::default()).as_millis();
        let passed = u64::try_from(passed).expect("a few weeks");
        self.now.instant = instant.max(self.now.instant);
        self.now.wall = WallTime::from_unix_millis(1_700_000_000_000 + passed);
    }

    fn timeouts(&mut self) {
        let is_due = |at: Option<Instant>, now: Instant| at.is_some_and(|at| at <= now);
        if is_due(self.hub.next_timeout(), self.now.instant) {
            self.hub.handle_timeout(self.now);
            self.settle();
        }
        if is_due(self.shard.next_timeout(), self.now.instant) {
            self.shard.timeout(self.now.instant);
            self.settle();
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let both = [self.shard.next_timeout(), self.hub.next_timeout()];
        both.into_iter().flatten().min()
    }

    /// Every link goes, every call ends, and nothing is left.
    pub(super) fn end(mut self) {
        for index in 0..self.peers.len() {
            self.hang_up(index);
        }
        for round in 0..20 {
            self.ask(AdminRequest::SimCalls);
            if self.chains.is_empty() && round > 0 {
                break;
            }
            for chain in self.chains.clone() {
                self.ask(AdminRequest::SimHangUp(chain));
            }
            self.pass(Duration::from_secs(31));
        }
        self.pass(Duration::from_secs(31 * 24 * 3600));
        self.pass(Duration::from_secs(1));
        self.ask(AdminRequest::Status);
        assert!(self.unanswered.is_empty(), "{:?}", self.unanswered);
        let status = self.status.expect("it was asked for");
        let left = (
            status.tabs,
            status.sessions,
            status.users_online,
            status.calls,
        );
        assert_eq!(left, (0, 0, 0, 0), "tabs, sessions, users, calls");
        let counters = self.shard.counters();
        let left = (counters.links, counters.tabs, counters.queue_bytes);
        assert_eq!((self.shard.links(), left), (0, (0, 0, 0)));
        assert_eq!(self.drained, usize::from(self.is_draining), "drained once");
    }

    /// Does what the shard and the hub want done until both are quiet.
    fn settle(&mut self) {
        let mut rounds = 0;
        while self.batch() {
            rounds += 1;
            assert!(rounds < 1000, "it never comes to rest");
        }
        let panics = self.shard.counters().refused[Refused::Panicked as usize];
        assert_eq!(panics, 0, "the handling of a link's bytes panicked");
        let most = QUEUE_BYTES_MAX + LONG_ANSWER_BYTES_MAX;
        let bound = |peer: &Peer| most.max(peer.unsent_max) + CLOSE_BYTES_MAX;
        let bound: usize = self.peers.iter().map(bound).sum();
        let queued = self.shard.counters().queue_bytes;
        assert!(queued <= bound as u64, "{queued} bytes are queued");
        for peer in &self.peers {
            peer.check_answered();
        }
    }

    /// One wake-up; whether there was anything to do.
    fn batch(&mut self) -> bool {
        let (mut sends, mut endings, mut is_busy) = (Vec::new(), Vec::new(), false);
        loop {
            is_busy |= self.take_outputs();
            let Some(action) = self.shard.poll_action() else {
                break;
            };
            is_busy = true;
            match action {
                Action::Post(message) => self.hub.handle_shard(message, self.now),
                Action::Send { link, payload } => sends.push((link, payload)),
                Action::Shutdown { link } => endings.push((link, Life::ShutDown)),
                Action::Close { link } => endings.push((link, Life::Gone)),
            }
        }
        let mut full = HashSet::new();
        for (link, payload) in sends {
            if !self.send(link, &payload) {
                full.insert(link);
            }
        }
        for (link, life) in endings {
            // A half-close behind a send that was cut short comes again.
            if life == Life::Gone || !full.contains(&link) {
                self.set_life(link, life);
            }
        }
        self.shard.end_batch();
        is_busy
    }

    fn take_outputs(&mut self) -> bool {
        let mut is_busy = false;
        while let Some(output) = self.hub.poll_output() {
            is_busy = true;
            match output {
                Output::ToShard(message) => self.shard.message(message, self.now.instant),
                Output::Admin(ticket, reply) => {
                    assert!(self.unanswered.remove(&ticket), "a second reply");
                    match reply {
                        Ok(AdminReply::Status(status)) => self.status = Some(*status),
                        Ok(AdminReply::SimCalls(calls)) => {
                            let chains = calls.iter().filter_map(|call| call.chainid.parse().ok());
                            self.chains = chains.map(ChainId).collect();
                        }
                        _ => {}
                    }
                }
                Output::Drained => self.drained += 1,
                Output::Crm(_)
                | Output::CrmNews(_)
                | Output::Relinked
                | Output::FormRefused { .. } => panic!("there is no CRM"),
                Output::File(_) => panic!("nobody keeps files"),
                Output::Run(run) => {
                    let end = Ok(run.input.into_bytes());
                    self.hub.handle_program(run.id, end, self.now);
                }
            }
        }
        is_busy
    }

    /// Whether the socket took all of it.
    fn send(&mut self, link: LinkId, payload: &Payload) -> bool {
        let peer = self.peers.iter_mut().find(|peer| peer.link == link);
        let peer = peer.expect("a link that was opened");
        if peer.life == Life::Gone {
            // The driver ignores actions for a connection that the peer has closed.
            return true;
        }
        assert_eq!(peer.life, Life::Open, "a send behind the half-close");
        let bytes = self.shard.payload(payload);
        assert!(!bytes.is_empty(), "an empty send");
        let taken = if peer.is_blocked {
            0
        } else {
            bytes.len().min(peer.room)
        };
        if peer.room != usize::MAX {
            peer.room -= taken;
        }
        peer.read(&bytes[..taken], self.now.instant);
        let unsent = bytes.len() - taken;
        if unsent > 0 {
            peer.is_blocked = true;
            peer.unsent_max = peer.unsent_max.max(unsent);
            self.shard.unsent(link, payload, taken);
        }
        unsent == 0
    }

    fn set_life(&mut self, link: LinkId, life: Life) {
        let peer = self.peers.iter_mut().find(|peer| peer.link == link);
        let peer = peer.expect("a link that was opened");
        if peer.life != Life::Gone {
            peer.life = life;
        }
    }
}

fn shard_config(choice: u8) -> shard::Config {
    let mut config = shard::Config::default();
    config.limits.queue_bytes_max = QUEUE_BYTES_MAX;
    config.limits.long_answer_bytes_max = LONG_ANSWER_BYTES_MAX;
    config.limits.multipart_over_bytes = if choice & 1 == 0 { 64 << 10 } else { 400 };
    if choice & 2 != 0 {
        config.origins = vec!["http://crm.example".to_owned()];
    }
    if choice & 4 != 0 {
        config.limits.frames.message_bytes_max = 300;
        config.limits.session.held_bytes_max = 100;
    }
    config
}

fn user_id(index: usize) -> UserId {
    UserId(Guid::from_bits(0xA000 + index as u128))
}

fn hub_config(choice: u8) -> hub::Config {
    let hashes = password_hashes("password").expect("a plain password");
    let number = |index: usize| Arc::from((100 + index).to_string());
    let user = |index: usize| User {
        id: user_id(index),
        login: format!("user{index}").into(),
        name: format!("Name of {index}").into(),
        numbers: vec![(
            NumberId(Guid::from_bits(0xB000 + index as u128)),
            number(index),
        )],
        password_md5: Some(hashes.as_typed),
        password_lower_md5: Some(hashes.lower_cased),
        is_operator: index == 1,
        supervises: if index == 1 {
            (2..=USERS).map(user_id).collect()
        } else {
            Vec::new()
        },
        department: None,
        waiting: Duration::ZERO,
    };
    hub::Config {
        directory: Directory {
            users: (1..=USERS).map(user).collect(),
            groups: vec![Group {
                number: (NumberId(Guid::from_bits(0xC001)), "201".into()),
                name: "All".into(),
                users: (1..=USERS).map(user_id).collect(),
                rule: HuntRule::All,
                ring: Duration::from_secs(5),
                wait: Duration::from_secs(20),
                line_max: 2,
                is_queue: false,
            }],
            ivrs: vec![IvrMenu {
                number: (NumberId(Guid::from_bits(0xC002)), "301".into()),
                name: "Welcome".into(),
                then: Some((Duration::from_secs(1), "201".into())),
            }],
            ..Directory::default()
        },
        switchboard: hub::SwitchboardLimits {
            calls_max: if choice & 8 == 0 { 4096 } else { 2 },
            ..hub::SwitchboardLimits::default()
        },
        sessions: hub::SessionLimits {
            tabs_per_user: 3,
            ..hub::SessionLimits::default()
        },
        pbx: SimConfig {
            phones: (1..USERS).map(number).collect(),
            busy_numbers: vec!["555".into()],
            no_answer_numbers: vec!["777".into()],
            ivr_numbers: vec!["301".into()],
            delay: Duration::from_millis(if choice & 16 == 0 { 0 } else { 60 }),
            reject_share: if choice & 32 == 0 { 0.0 } else { 0.2 },
            drop_share: if choice & 32 == 0 { 0.0 } else { 0.1 },
            ..SimConfig::default()
        },
        desk: desk_config(),
        ..hub::Config::default()
    }
}

/// A procedure whose program prints what it reads, which is no data set.
fn desk_config() -> DeskConfig {
    let program = ProcedureSource::Program {
        target: hub::RunTarget::Command(vec!["program".to_owned()].into()),
        timeout: Duration::from_secs(10),
        output_bytes_max: 1024,
    };
    let procedure = |kind, source| Procedure {
        kind,
        name: "p".into(),
        source,
    };
    DeskConfig {
        procedures: vec![
            procedure(ProcedureKind::Procedure, program),
            procedure(ProcedureKind::Script, ProcedureSource::Value("1".into())),
        ],
        has_web: true,
        ..DeskConfig::default()
    }
}
