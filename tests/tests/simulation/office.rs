//! Owns the whole core in memory: one hub, two shards, the tabs' sockets, and the mail between them, which takes its time.
//!
//! In come people's acts and the time; what the hub and the shards want done is done as a runtime would do it. Each of
//! the four ways between hub and shards keeps its order; between them everything overtakes everything.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::{
    Action, AdminTicket, Engine, Guid, Instant, LinkId, LinkRef, Now, NumberId, Payload, Peer,
    Random, RequestId, ShardId, UserId, WallTime,
};
use okgate_core::hub::{
    self, AdminFault, AdminReply, AdminRequest, Downward, FromShard, Hub, Output, ToShard, Upward,
};
use okgate_core::pbx::sim::SimConfig;
use okgate_core::protocol::{
    Answer, BreakReason, LineInfo, UserRequest, VersionInfo, parse_md5_hex,
};
use okgate_core::shard::{self, Shard};
use okgate_core::switchboard::{Directory, User};
use okgate_core::wire::frame::{CloseCode, append_close, append_pong, append_text};
use okgate_harness::password::PasswordHashes;

use crate::ledger::Ledger;
use crate::tab::{HEAD, Stage, Tab, Wish};

pub(crate) struct Office {
    pub(crate) now: Instant,
    pub(crate) random: Random,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) ledger: Ledger,
    pub(crate) is_drained: bool,
    hub: Hub,
    shards: Vec<Shard>,
    by_link: HashMap<LinkRef, usize>,
    mail: BTreeMap<(Instant, u64), Letter>,
    posted: u64,
    /// When the last letter of each way arrives: to the hub, then to the shards.
    last_arrivals: [Instant; 2 * SHARDS],
    delay_max_us: u64,
    admin: HashMap<u64, Result<AdminReply, AdminFault>>,
    tickets: u64,
}

/// A message on its way.
enum Letter {
    ToHub(FromShard),
    ToShard(ToShard),
}

/// How many shards have links.
pub(crate) const SHARDS: usize = 2;
/// A shard without links that asks the hub what tabs are to be told.
const ORACLE: ShardId = ShardId(2);
/// Who works here; the numbers are 101 to 105, the last one has no phone.
pub(crate) const PEOPLE: [&str; 6] = ["anna", "Boris", "вера", "gleb", "dina", "egor"];

pub(crate) fn user_of(person: usize) -> UserId {
    UserId(Guid::from_bits(0xA000 + person as u128))
}

pub(crate) fn number_of(person: usize) -> String {
    (101 + person).to_string()
}

impl Office {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::from_number(seed);
        let now = Instant::from_micros(1_000_000);
        let mut config = shard::Config::default();
        // What floods are answered is a test of its own; here every request is to be served.
        config.limits.session.messages = None;
        config.limits.queue_bytes_max = 2 << 10;
        let config = Arc::new(config);
        let shards = [ShardId(0), ShardId(1)]
            .map(|id| Shard::new(id, Arc::clone(&config), random.split(), now));
        let delays = [0, 50, 2_000, 40_000, 1_500_000];
        let delay_max_us = delays[pick(&mut random, delays.len())];
        let hub = Hub::new(hub_config(&mut random), random.split(), clock(now));
        let mut office = Self {
            now,
            tabs: Vec::new(),
            ledger: Ledger::default(),
            is_drained: false,
            hub,
            shards: shards.into(),
            by_link: HashMap::new(),
            mail: BTreeMap::new(),
            posted: 0,
            last_arrivals: [now; 2 * SHARDS],
            delay_max_us,
            admin: HashMap::new(),
            tickets: 0,
            random,
        };
        office.settle_hub();
        office
    }

    /// A number below the bound.
    pub(crate) fn pick(&mut self, bound: usize) -> usize {
        pick(&mut self.random, bound)
    }

    /// True with this chance in a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    /// A new tab, whose request may come in two pieces.
    pub(crate) fn connect(&mut self, person: usize) {
        let shard = self.pick(SHARDS);
        let peer = Peer {
            address: ([127, 0, 0, 1], 1).into(),
            listener: 0,
        };
        let link = self.shards[shard].open(peer, self.now);
        let link = link.expect("there is room for every link");
        let index = self.tabs.len();
        self.tabs
            .push(Tab::new(shard, link, person, user_of(person)));
        self.by_link.insert(reference(shard, link), index);
        self.send_bytes(index, HEAD.as_bytes());
    }

    /// Sends a message of a tab.
    pub(crate) fn send(&mut self, index: usize, text: &str) {
        let mut frame = Vec::new();
        let mask = self.random.number().to_le_bytes();
        append_text(&mut frame, text, Some([mask[0], mask[1], mask[2], mask[3]]));
        self.send_bytes(index, &frame);
        let tab = &mut self.tabs[index];
        if text.starts_with(r#"["subscribeevent""#) && tab.stage == Stage::LoggedIn {
            tab.is_subscribed = true;
        }
    }

    /// The tab's connection breaks.
    pub(crate) fn cut(&mut self, index: usize) {
        let (shard, link) = self.address(index);
        self.tabs[index].stage = Stage::Gone;
        self.by_link.remove(&reference(shard, link));
        self.shards[shard].closed(link, self.now);
        self.settle_shard(shard);
    }

    /// The tab sends a close frame.
    pub(crate) fn close(&mut self, index: usize) {
        self.tabs[index].stage = Stage::Closing;
        let mut frame = Vec::new();
        append_close(&mut frame, Some(CloseCode::Normal), "", Some([1, 2, 3, 4]));
        self.send_bytes(index, &frame);
    }

    /// From now on the tab's socket takes so many bytes.
    pub(crate) fn set_room(&mut self, index: usize, room: usize) {
        let (shard, link) = self.address(index);
        let was_full = std::mem::replace(&mut self.tabs[index].room, room) == 0;
        if was_full && room > 0 && self.tabs[index].stage != Stage::Gone {
            self.shards[shard].writable(link, self.now);
            self.settle_shard(shard);
        }
    }

    /// Asks the hub as the admin interface does; its reply may come later.
    pub(crate) fn ask(&mut self, request: AdminRequest) -> u64 {
        self.tickets += 1;
        let ticket = AdminTicket(self.tickets);
        self.hub.handle_admin(ticket, request, clock(self.now));
        self.settle_hub();
        self.tickets
    }

    pub(crate) fn reply_to(&mut self, ticket: u64) -> Option<Result<AdminReply, AdminFault>> {
        self.admin.remove(&ticket)
    }

    pub(crate) fn drain(&mut self) {
        self.hub.drain(Duration::from_secs(1), clock(self.now));
        self.settle_hub();
    }

    /// Lets time pass: letters arrive and deadlines come, in their order.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let letter = self.mail.first_key_value().map(|((at, _), _)| *at);
            let hub = self.hub.next_timeout();
            let shards = self
                .shards
                .iter()
                .map(Shard::next_timeout)
                .min_by_key(|at| at.unwrap_or(Instant::from_micros(u64::MAX)));
            let next = [letter, hub, shards.flatten()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if letter.is_some_and(|at| at <= self.now) {
                if let Some((_, letter)) = self.mail.pop_first() {
                    self.deliver(letter);
                }
                continue;
            }
            if hub.is_some_and(|at| at <= self.now) {
                self.hub.handle_timeout(clock(self.now));
                self.settle_hub();
            }
            for shard in 0..SHARDS {
                if self.shards[shard]
                    .next_timeout()
                    .is_some_and(|at| at <= self.now)
                {
                    self.shards[shard].timeout(self.now);
                    self.settle_shard(shard);
                }
            }
        }
        self.now = end;
    }

    /// The states of all numbers as the hub knows them.
    pub(crate) fn numbers(&mut self) -> HashMap<String, i64> {
        match self.consult(user_of(0), UserRequest::PbxNumbers) {
            Answer::PbxNumbers { numbers, .. } => numbers
                .iter()
                .map(|it| (it.number.to_string(), it.state.number()))
                .collect(),
            other => panic!("numbers were asked for: {other:?}"),
        }
    }

    /// The line of a person as the hub knows it.
    pub(crate) fn line(&mut self, person: usize) -> LineInfo {
        match self.consult(user_of(person), UserRequest::ExtendedLineInfo) {
            Answer::LineInfo(line) => *line,
            other => panic!("a line was asked for: {other:?}"),
        }
    }

    /// Nothing of any link is left.
    pub(crate) fn assert_empty(&self) {
        for shard in &self.shards {
            assert_eq!(shard.links(), 0);
            let counters = shard.counters();
            assert_eq!(
                (counters.links, counters.tabs, counters.queue_bytes),
                (0, 0, 0)
            );
        }
    }

    fn consult(&mut self, user: UserId, what: UserRequest) -> Answer {
        let link = reference_of(
            ORACLE,
            LinkId {
                slot: 0,
                generation: 0,
            },
        );
        let request = RequestId(0);
        let what = Upward::Request {
            request,
            user,
            what,
        };
        let message = FromShard::Link { link, what };
        self.hub.handle_shard(message, clock(self.now));
        let output = self.hub.poll_output();
        assert!(
            self.hub.poll_output().is_none(),
            "a question changes nothing"
        );
        match output {
            Some(Output::ToShard(ToShard {
                what: Downward::Reply {
                    reply: Ok(answer), ..
                },
                ..
            })) => answer,
            other => panic!("a question is answered: {other:?}"),
        }
    }

    fn address(&self, index: usize) -> (usize, LinkId) {
        (self.tabs[index].shard, self.tabs[index].link)
    }

    /// Gives bytes to the tab's shard, cut at one random place.
    fn send_bytes(&mut self, index: usize, bytes: &[u8]) {
        let (shard, link) = self.address(index);
        let cut = self.pick(bytes.len() * 2).min(bytes.len());
        for part in [&bytes[..cut], &bytes[cut..]] {
            if self.tabs[index].stage == Stage::Gone || part.is_empty() {
                continue;
            }
            self.shards[shard].receive(link, &mut part.to_vec(), self.now);
            self.settle_shard(shard);
        }
    }

    fn deliver(&mut self, letter: Letter) {
        match letter {
            Letter::ToHub(message) => {
                self.hub.handle_shard(message, clock(self.now));
                self.settle_hub();
            }
            Letter::ToShard(message) => {
                self.expect(&message);
                let shard = usize::from(message.shard.0);
                self.shards[shard].message(message, self.now);
                self.settle_shard(shard);
            }
        }
    }

    /// Notes what tabs must see because of this message.
    fn expect(&mut self, message: &ToShard) {
        match &message.what {
            Downward::Reply {
                link,
                reply: Ok(Answer::LineInfo(line)),
                ..
            } => {
                if let Some(tab) = self.by_link.get(link) {
                    self.tabs[*tab].line_versions.push_back(line.version);
                }
            }
            Downward::Event(event) => {
                let user = event.user.as_ref().map(|user| user.id);
                let shard = usize::from(message.shard.0);
                let told = self.tabs.iter_mut().filter(|tab| {
                    tab.shard == shard
                        && Some(tab.user) == user
                        && tab.is_subscribed
                        && tab.is_open()
                });
                for tab in told {
                    tab.expected.push_back(event.qid);
                }
            }
            _ => {}
        }
    }

    fn settle_hub(&mut self) {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.hub.poll_output()).collect();
        let mut touched = Vec::new();
        for output in &outputs {
            match output {
                Output::ToShard(ToShard {
                    what: Downward::Event(event),
                    ..
                }) => {
                    self.ledger.note(event);
                    touched.extend(event.user.as_ref().map(|user| user.id));
                }
                Output::ToShard(ToShard {
                    what:
                        Downward::Reply {
                            link,
                            reply: Ok(Answer::LineInfo(line)),
                            ..
                        },
                    ..
                }) => {
                    if let Some(tab) = self.by_link.get(link) {
                        self.ledger.picture(self.tabs[*tab].user, line);
                    }
                }
                _ => {}
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for user in touched {
            match self.consult(user, UserRequest::ExtendedLineInfo) {
                Answer::LineInfo(line) => self.ledger.end_of_input(user, &line),
                other => panic!("a line was asked for: {other:?}"),
            }
        }
        for output in outputs {
            self.act(output);
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::ToShard(message) if message.shard == ORACLE => {
                if let Downward::Drain { .. } = message.what {
                    self.post(Letter::ToHub(FromShard::Drained(ORACLE)), 0);
                }
            }
            Output::ToShard(message) => {
                let way = SHARDS + usize::from(message.shard.0);
                self.post(Letter::ToShard(message), way);
            }
            Output::Admin(ticket, reply) => {
                let before = self.admin.insert(ticket.0, reply);
                assert!(before.is_none(), "a request of the admin is answered once");
            }
            Output::Crm(_) | Output::CrmNews(_) => panic!("there is no CRM: {output:?}"),
            Output::Drained => self.is_drained = true,
        }
    }

    fn post(&mut self, letter: Letter, way: usize) {
        let delay = Duration::from_micros(self.random.below(self.delay_max_us + 1));
        let at = self.last_arrivals[way].max(self.now + delay);
        self.last_arrivals[way] = at;
        self.posted += 1;
        self.mail.insert((at, self.posted), letter);
    }

    /// Does what the shard wants done, as a runtime would, and lets its tabs read.
    fn settle_shard(&mut self, shard: usize) {
        let mut sends: Vec<(LinkId, Payload)> = Vec::new();
        let mut endings = Vec::new();
        while let Some(action) = self.shards[shard].poll_action() {
            match action {
                Action::Send { link, payload } => sends.push((link, payload)),
                Action::Post(message) => self.post(Letter::ToHub(message), shard),
                ending => endings.push(ending),
            }
        }
        let mut readers = Vec::new();
        let mut full = Vec::new();
        for (link, payload) in sends {
            let Some(&index) = self.by_link.get(&reference(shard, link)) else {
                continue;
            };
            let bytes = self.shards[shard].payload(&payload);
            let tab = &mut self.tabs[index];
            let sent = bytes.len().min(tab.room);
            tab.room = tab
                .room
                .saturating_sub(if tab.room == usize::MAX { 0 } else { sent });
            tab.got.extend_from_slice(&bytes[..sent]);
            let is_cut = sent < bytes.len();
            readers.push(index);
            if is_cut {
                full.push(link);
                self.shards[shard].unsent(link, &payload, sent);
            }
        }
        for ending in endings {
            match ending {
                Action::Shutdown { link } if full.contains(&link) => {}
                Action::Shutdown { link } => readers.extend(self.ended(shard, link)),
                Action::Close { link } => {
                    if let Some(index) = self.by_link.remove(&reference(shard, link)) {
                        self.tabs[index].stage = Stage::Gone;
                    }
                }
                Action::Send { .. } | Action::Post(_) => unreachable!("taken above"),
            }
        }
        self.shards[shard].end_batch();
        for index in readers {
            self.read(index);
        }
    }

    /// The shard half-closed: the tab reads the end and closes its side.
    fn ended(&mut self, shard: usize, link: LinkId) -> Option<usize> {
        let index = *self.by_link.get(&reference(shard, link))?;
        self.tabs[index].ends = true;
        Some(index)
    }

    fn read(&mut self, index: usize) {
        if self.tabs[index].stage == Stage::Gone {
            return;
        }
        let was_shaking_hands = self.tabs[index].stage == Stage::Handshake;
        let wishes = self.tabs[index].read(&self.ledger);
        if was_shaking_hands && self.tabs[index].stage == Stage::Open {
            self.log_in(index);
        }
        for wish in wishes {
            let mut frame = Vec::new();
            match wish {
                _ if self.tabs[index].stage == Stage::Gone => {}
                Wish::Text(text) if self.tabs[index].is_open() => self.send(index, &text),
                Wish::Pong(payload) => {
                    append_pong(&mut frame, &payload, Some([4, 3, 2, 1]));
                    self.send_bytes(index, &frame);
                }
                Wish::Close(code) if self.tabs[index].is_open() => {
                    self.tabs[index].stage = Stage::Closing;
                    append_close(
                        &mut frame,
                        code.map(CloseCode::from),
                        "",
                        Some([4, 3, 2, 1]),
                    );
                    self.send_bytes(index, &frame);
                }
                Wish::Text(_) | Wish::Close(_) => {}
            }
        }
        if self.tabs[index].ends && self.tabs[index].stage != Stage::Gone {
            self.cut(index);
        }
    }
}

fn reference(shard: usize, link: LinkId) -> LinkRef {
    reference_of(ShardId(u16::try_from(shard).expect("two shards")), link)
}

fn reference_of(shard: ShardId, link: LinkId) -> LinkRef {
    LinkRef { shard, link }
}

fn pick(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).expect("below a usize")
}

fn clock(instant: Instant) -> Now {
    let wall = WallTime::from_unix_millis(1_700_000_000_000 + instant.as_micros() / 1000);
    Now { instant, wall }
}

fn hub_config(random: &mut Random) -> hub::Config {
    let hashes = PasswordHashes::of("password");
    let users = PEOPLE.iter().enumerate().map(|(person, login)| {
        let number = (
            NumberId(Guid::from_bits(0xB000 + person as u128)),
            number_of(person).into(),
        );
        User {
            id: user_of(person),
            login: (*login).into(),
            name: login.to_uppercase().into(),
            numbers: (person + 1 < PEOPLE.len())
                .then_some(number)
                .into_iter()
                .collect(),
            password_md5: parse_md5_hex(&hashes.as_typed),
            password_lower_md5: parse_md5_hex(&hashes.lower_case),
            is_operator: false,
            supervises: Vec::new(),
            department: None,
        }
    });
    let share = [0.0, 0.0, 0.1, 0.25][pick(random, 4)];
    let delay = [0, 0, 3, 60, 700][pick(random, 5)];
    hub::Config {
        shards: 3,
        directory: Directory {
            users: users.collect(),
            departments: Vec::new(),
            break_reasons: vec![BreakReason {
                id: 1,
                name: "Lunch".into(),
            }],
        },
        switchboard: hub::SwitchboardLimits {
            calls_max: 6,
            ..hub::SwitchboardLimits::default()
        },
        sessions: hub::SessionLimits {
            tabs_per_user: 5,
            ..hub::SessionLimits::default()
        },
        token: None,
        version: VersionInfo {
            dated: 160_101,
            build: "2.13.0.160101".into(),
            web_server_port: 4055,
            procedures: Vec::new(),
        },
        crm: None,
        caller_name: None,
        pbx: SimConfig {
            phones: (0..PEOPLE.len() - 1)
                .map(|it| number_of(it).into())
                .collect(),
            busy_numbers: vec!["555".into()],
            no_answer_numbers: vec!["777".into()],
            reject_share: share,
            drop_share: share / 2.0,
            delay: Duration::from_millis(delay),
            seed: random.number(),
            ..SimConfig::default()
        },
    }
}
