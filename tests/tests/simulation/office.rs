//! Owns the whole core in memory: one hub, two shards, the tabs' sockets, and the mail between them, which takes its time.
//!
//! In come people's acts and the time; what the hub and the shards want done is done as a runtime would do it. Each of
//! the four ways between hub and shards keeps its order; between them everything overtakes everything.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _};
use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::{
    AdminTicket, Engine as _, Instant, LinkId, LinkRef, Now, Random, RequestId, ShardId, UserId,
    WallTime, WindowId,
};
use okgate_core::crm::{CrmAction, Limits};
use okgate_core::hub::{
    AdminFault, AdminReply, AdminRequest, CallerName, CrmSetup, Downward, FromShard, Hub, Output,
    ToShard, Upward,
};
use okgate_core::protocol::{Answer, LineInfo, Occurrence, UserRequest};
use okgate_core::shard::{self, Shard};

use crate::callers::Callers;
use crate::crm::{Crm, Errand, Post};
use crate::ledger::Ledger;
use crate::line::Line;
use crate::mail::{Letter, Mail, Way};
use crate::people::{PEOPLE, SHARDS, crm_config, hub_config, pick, user_of};
use crate::runs::Runs;
use crate::tab::Tab;
use crate::watch::Watch;

pub(crate) struct Office {
    pub(crate) now: Instant,
    pub(crate) random: Random,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) ledger: Ledger,
    pub(crate) is_drained: bool,
    /// Sessions do not outlive their tabs for long.
    pub(crate) has_short_sessions: bool,
    /// The CRM, if there is one, and what must be true of its link.
    pub(crate) crm: Option<Crm>,
    pub(crate) watch: Option<Watch>,
    pub(crate) runs: Runs,
    /// Windows of forms that were opened, with their users.
    pub(crate) forms: Vec<(WindowId, usize)>,
    pub(crate) callers: Callers,
    pub(crate) shards: Vec<Shard>,
    pub(crate) by_link: HashMap<LinkRef, usize>,
    pub(crate) mail: Mail,
    hub: Hub,
    /// What the settings say of callers' names.
    caller_name: Option<CallerName>,
    /// How the CRM is linked once the old link has ended.
    next_link: Option<(Limits, Line)>,
    /// Requests of the admin interface that have no reply yet, and replies.
    unanswered: BTreeSet<u64>,
    replies: HashMap<u64, Result<AdminReply, AdminFault>>,
    /// Numbers of outside callers whose chains are asked for.
    pub(crate) calling: HashMap<u64, Arc<str>>,
    /// Of all bytes that left the gateway, with their times.
    pub(crate) fingerprint: DefaultHasher,
    tickets: u64,
}

/// A shard without links that asks the hub what tabs are to be told.
const ORACLE: ShardId = ShardId(2);

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
        let delay_max = Duration::from_micros(delays[pick(&mut random, delays.len())]);
        let config = hub_config(&mut random);
        let crm = config.crm.crm.as_ref();
        let linked = crm.map(|crm| (crm.limits.clone(), Line::of(crm, &mut random)));
        let caller_name = config.crm.caller_name.clone();
        let wait = caller_name.as_ref().map(|question| question.wait);
        let hub = Hub::new(config, random.split(), clock(now));
        let mut office = Self {
            now,
            tabs: Vec::new(),
            ledger: Ledger::default(),
            is_drained: false,
            has_short_sessions: pick(&mut random, 2) == 0,
            crm: linked
                .as_ref()
                .map(|(limits, line)| Crm::new(random.split(), *line, joins_messages(limits), now)),
            watch: linked.map(|(limits, line)| Watch::new(limits, line)),
            caller_name,
            next_link: None,
            runs: Runs::default(),
            forms: Vec::new(),
            callers: Callers::new(wait),
            shards: shards.into(),
            by_link: HashMap::new(),
            mail: Mail::new(delay_max, now),
            hub,
            unanswered: BTreeSet::new(),
            replies: HashMap::new(),
            calling: HashMap::new(),
            fingerprint: DefaultHasher::new(),
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

    /// Asks the hub as the admin interface does; its reply may come later.
    pub(crate) fn ask(&mut self, request: AdminRequest) -> u64 {
        let ticket = self.next_ticket();
        self.unanswered.insert(ticket);
        self.tickets = ticket;
        self.hub
            .handle_admin(AdminTicket(ticket), request, clock(self.now));
        self.settle_hub();
        ticket
    }

    /// SIGHUP: the settings link the CRM in another way.
    pub(crate) fn relink(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        watch.is_relinking = true;
        watch.results.clear();
        let config = crm_config(&mut self.random);
        let line = Line::of(&config, &mut self.random);
        self.next_link = Some((config.limits.clone(), line));
        let setup = CrmSetup {
            crm: Some(config),
            caller_name: self.caller_name.clone(),
        };
        self.hub.relink(setup, clock(self.now));
        self.settle_hub();
        if let Some(watch) = &mut self.watch {
            watch.is_relinking = false;
        }
    }

    /// The old link has ended.
    fn relinked(&mut self) {
        let (limits, line) = self.next_link.take().expect("new settings");
        self.mail.forget_crm();
        let (now, joins) = (self.now, joins_messages(&limits));
        if let Some(watch) = &mut self.watch {
            watch.relinked(limits, line);
        }
        self.with_crm(|crm| crm.relinked(line, joins, now));
    }

    /// The ticket of the request that is asked next.
    pub(crate) const fn next_ticket(&self) -> u64 {
        self.tickets + 1
    }

    pub(crate) fn reply_to(&mut self, ticket: u64) -> Option<Result<AdminReply, AdminFault>> {
        self.replies.remove(&ticket)
    }

    pub(crate) fn assert_all_answered(&self) {
        assert!(self.unanswered.is_empty(), "{:?}", self.unanswered);
    }

    pub(crate) fn drain(&mut self) {
        self.hub.drain(Duration::from_secs(1), clock(self.now));
        self.settle_hub();
    }

    /// Lets time pass: letters arrive and deadlines come, in their order.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= self.now);
            if is_due(self.mail.next()) {
                if let Some(letter) = self.mail.take() {
                    self.deliver(letter);
                }
                continue;
            }
            if is_due(self.crm.as_ref().and_then(Crm::next_timeout)) {
                let now = self.now;
                self.with_crm(|crm| crm.handle_timeout(now));
                continue;
            }
            if is_due(self.hub.next_timeout()) {
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

    fn next_timeout(&self) -> Option<Instant> {
        let shards = self.shards.iter().filter_map(Shard::next_timeout);
        let others = [
            self.mail.next(),
            self.hub.next_timeout(),
            self.crm.as_ref().and_then(Crm::next_timeout),
        ];
        shards.chain(others.into_iter().flatten()).min()
    }

    /// Lets the CRM do something, and posts what it has to say.
    pub(crate) fn with_crm<T>(&mut self, act: impl FnOnce(&mut Crm) -> T) -> Option<T> {
        let crm = self.crm.as_mut()?;
        let done = act(crm);
        for post in crm.take_posts() {
            self.post(Letter::FromCrm(post), Way::FromCrm);
        }
        Some(done)
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

    /// The state of a person as the hub knows it.
    pub(crate) fn user_state(&mut self, person: usize) -> i64 {
        match self.consult(user_of(person), UserRequest::UserState) {
            Answer::UserState(_, state) => state.id.number(),
            other => panic!("a state was asked for: {other:?}"),
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
            Letter::ToCrm(errand) => {
                let now = self.now;
                self.with_crm(|crm| crm.take(errand, now));
            }
            Letter::FromCrm(Post { report, said }) => {
                let watch = self.watch.as_mut().expect("a CRM");
                if watch.is_over {
                    return;
                }
                watch.reported(report.connection, &report.what, said, self.now);
                self.callers.hear(&watch.results, self.now);
                self.hub.handle_crm(report, clock(self.now));
                self.settle_hub();
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

    pub(crate) fn settle_hub(&mut self) {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.hub.poll_output()).collect();
        let mut touched = BTreeSet::new();
        for output in &outputs {
            match output {
                Output::ToShard(message) => touched.extend(self.note(&message.what)),
                Output::Drained => {
                    if let Some(watch) = &mut self.watch {
                        watch.is_ending = true;
                    }
                }
                Output::CrmNews(news) => {
                    let watch = self.watch.as_mut().expect("a CRM");
                    watch.news(news, self.now);
                }
                _ => {}
            }
        }
        for output in &outputs {
            // Only now it is known whether the link is ready.
            if let Output::ToShard(message) = output {
                self.owe_to_crm(&message.what);
            }
        }
        for user in touched {
            match self.consult(user, UserRequest::ExtendedLineInfo) {
                Answer::LineInfo(line) => self.ledger.end_of_input(user, &line),
                other => panic!("a line was asked for: {other:?}"),
            }
        }
        for output in outputs {
            self.act(output);
        }
        if let Some(watch) = &mut self.watch {
            watch.settled(self.now);
        }
        self.runs.settled(self.watch.as_ref(), self.now);
        if let Some(watch) = &mut self.watch {
            watch.results.clear();
        }
    }

    /// Notes what the hub says to a shard; gives the user whose line may be another now.
    fn note(&mut self, what: &Downward) -> Option<UserId> {
        match what {
            Downward::Event(event) => {
                let user = event.user.as_ref()?.id;
                if self.ledger.note(event)
                    && let Occurrence::RingStarted(ring) = &event.what
                {
                    self.callers.rings(ring);
                }
                Some(user)
            }
            Downward::Reply {
                link,
                reply: Ok(Answer::LineInfo(line)),
                ..
            } => {
                if let Some(tab) = self.by_link.get(link) {
                    self.ledger.picture(self.tabs[*tab].user, line);
                }
                None
            }
            _ => None,
        }
    }

    /// protocol 5-g: what a user's tabs are told, the CRM is told too.
    fn owe_to_crm(&mut self, what: &Downward) {
        let (Some(watch), Downward::Event(event)) = (&mut self.watch, what) else {
            return;
        };
        let user = event.user.as_ref().map(|user| user.id);
        let person = (0..PEOPLE.len()).find(|person| Some(user_of(*person)) == user);
        watch.said(person.expect("one of ours"), event.qid);
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::ToShard(message) if message.shard == ORACLE => {
                if let Downward::Drain { .. } = message.what {
                    self.post(Letter::ToHub(FromShard::Drained(ORACLE)), Way::Up(0));
                }
            }
            Output::ToShard(message) => {
                let way = Way::Down(usize::from(message.shard.0));
                self.post(Letter::ToShard(message), way);
            }
            Output::Admin(ticket, reply) => self.take_reply(ticket.0, reply),
            Output::Crm(action) => {
                let (watch, now) = (self.watch.as_mut().expect("a CRM"), self.now);
                let errand = match action {
                    CrmAction::Connect(id) => {
                        watch.connects(id, self.now);
                        Errand::Connect(id)
                    }
                    CrmAction::Send(id, bytes) => {
                        (now, &bytes).hash(&mut self.fingerprint);
                        Errand::Send(id, watch.sends(id, bytes, now))
                    }
                    CrmAction::Close(id, last) => Errand::Close(id, watch.closes(id, last)),
                    CrmAction::Post(id, post) => {
                        (now, &post.body).hash(&mut self.fingerprint);
                        let (name, fields) = watch.posts(id, &post.body, now);
                        Errand::Post(id, name, fields)
                    }
                    CrmAction::Abandon(id) => {
                        watch.abandons(id);
                        Errand::Abandon(id)
                    }
                };
                self.post(Letter::ToCrm(errand), Way::ToCrm);
            }
            Output::CrmNews(_) => {}
            Output::Relinked => self.relinked(),
            Output::Run(_) | Output::File(_) | Output::FormRefused { .. } => {
                unreachable!("there are no procedures, files and form rules")
            }
            Output::Drained => {
                self.is_drained = true;
                if let Some(watch) = &mut self.watch {
                    watch.ended();
                }
            }
        }
    }

    fn take_reply(&mut self, ticket: u64, reply: Result<AdminReply, AdminFault>) {
        assert!(
            self.unanswered.remove(&ticket),
            "a request of the admin is answered once: {reply:?}"
        );
        if self.runs.is_open(ticket) {
            return self.runs.end(ticket, &reply, self.watch.as_ref(), self.now);
        }
        if let Some(number) = self.calling.remove(&ticket)
            && let Ok(AdminReply::SimCallStarted(_)) = &reply
        {
            self.callers.arrived(&number, self.now);
        }
        self.replies.insert(ticket, reply);
    }

    pub(crate) fn post(&mut self, letter: Letter, way: Way) {
        self.mail.post(letter, way, &mut self.random, self.now);
    }
}

/// Short queues hold no two messages for sure.
fn joins_messages(limits: &Limits) -> bool {
    limits.queue_bytes_max > 1 << 20
}

pub(crate) fn reference(shard: usize, link: LinkId) -> LinkRef {
    reference_of(ShardId(u16::try_from(shard).expect("two shards")), link)
}

fn reference_of(shard: ShardId, link: LinkId) -> LinkRef {
    LinkRef { shard, link }
}

fn clock(instant: Instant) -> Now {
    let wall = WallTime::from_unix_millis(1_700_000_000_000 + instant.as_micros() / 1000);
    Now { instant, wall }
}
