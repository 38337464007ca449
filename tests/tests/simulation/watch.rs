//! Owns what must be true of the CRM's link, as one who stands between the hub and the CRM sees it.
//!
//! In come what the hub wants done, what the CRM says when the hub is told of it, and what the hub says about the link;
//! it checks that the hub keeps the protocol's rules with the CRM. It never speaks to either.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use okgate_core::base::{Guid, Instant};
use okgate_core::crm::{CrmConnectionId, CrmEvent, CrmInput, Limits};

use okgate_core::wire::form::read_post_body;
use serde_json::Value;

use crate::crm::{Named, Said};
use crate::line::{Line, Mode};
use crate::linked::{Counts, Linked, Subject};
use crate::people::{EXCHANGES_MAX, PEOPLE};
use crate::tap::{Heard, read_message};

pub(crate) struct Watch {
    limits: Limits,
    line: Line,
    link: Option<Linked>,
    /// Connections that CRMs opened and that are not the link, with when they asked to be.
    candidates: BTreeMap<CrmConnectionId, Option<Instant>>,
    /// Exchanges that the hub waits for.
    exchanges: BTreeSet<CrmConnectionId>,
    /// The link was ready at some time of this input, whatever became of it then.
    pub(crate) was_ready: bool,
    /// One has just failed.
    pub(crate) exchange_failed: bool,
    /// The settings are about to change.
    pub(crate) is_relinking: bool,
    /// When the hub must try again.
    next_try: Option<Instant>,
    /// Who is active in the CRM, as the hub has heard.
    pub(crate) active: BTreeMap<String, Named>,
    /// The hub knows the CRM's methods.
    pub(crate) is_declared: bool,
    /// The last tab is gone, and the hub is about to say that it has ended.
    pub(crate) is_ending: bool,
    /// The hub said that it has ended.
    pub(crate) is_over: bool,
    /// Results that the hub hears now, of runs that it asked for over this link.
    pub(crate) results: Vec<(Subject, bool)>,
    pub(crate) counts: Counts,
}

impl Watch {
    pub(crate) fn new(limits: Limits, line: Line) -> Self {
        Self {
            limits,
            line,
            link: None,
            candidates: BTreeMap::new(),
            exchanges: BTreeSet::new(),
            was_ready: false,
            exchange_failed: false,
            is_relinking: false,
            next_try: None,
            active: BTreeMap::new(),
            is_declared: false,
            is_ending: false,
            is_over: false,
            results: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// The link that was is closed, and another one begins.
    pub(crate) fn relinked(&mut self, limits: Limits, line: Line) {
        assert!(self.link.is_none(), "a connection is left");
        assert!(self.candidates.is_empty(), "a candidate is left");
        assert!(self.exchanges.is_empty(), "an exchange is left");
        (self.limits, self.line) = (limits, line);
        self.next_try = None;
        self.is_declared = false;
        if line.mode == Mode::Http {
            // Nobody says who is active there.
            self.active.clear();
        }
        // Who is too many is the last by the login as the CRM types it.
        let mut users: Vec<Named> = self.active.values().cloned().collect();
        users.sort_unstable();
        for named in users.into_iter().skip(self.limits.users_max) {
            self.active.remove(&named.login.to_lowercase());
        }
        self.counts.relinks += 1;
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_ready)
    }

    /// Whether the person is active in the CRM.
    pub(crate) fn is_active(&self, person: usize) -> bool {
        self.active.contains_key(&PEOPLE[person].to_lowercase())
    }

    /// Whether the CRM has been shown this form since it is linked.
    pub(crate) fn has_shown(&self, window: &str) -> bool {
        let link = self.link.as_ref();
        link.is_some_and(|link| link.shown.contains_key(window))
    }

    /// Nobody is turned away.
    pub(crate) const fn admits_everybody(&self) -> bool {
        self.limits.users_max > 100
    }

    /// Runs that were asked for over this link.
    pub(crate) fn executions(&self) -> Vec<(String, Subject)> {
        let runs = self.link.iter().flat_map(|link| &link.runs);
        let runs = runs.map(|(execution, run)| (execution.clone(), run.subject.clone()));
        let mut runs: Vec<(String, Subject)> = runs.collect();
        runs.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        runs
    }

    /// The hub is about to hear this of a connection.
    pub(crate) fn reported(
        &mut self,
        id: CrmConnectionId,
        what: &CrmInput,
        said: Vec<Said>,
        now: Instant,
    ) {
        self.results.clear();
        self.exchange_failed = false;
        self.was_ready = self.is_ready();
        if let CrmInput::Posted(outcome) = what {
            if !self.exchanges.remove(&id) {
                return;
            }
            let is_good = matches!(outcome, Ok(answer) if answer.status == 200);
            self.exchange_failed = !is_good || said.is_empty();
        } else if let Some(link) = self.link.as_mut().filter(|link| link.id == id) {
            match what {
                CrmInput::Closed(_) | CrmInput::ConnectFailed(_) => self.link = None,
                CrmInput::Sent => link.in_flight = false,
                CrmInput::Connected | CrmInput::Bytes(_) => {}
                CrmInput::Accepted(_) | CrmInput::Posted(_) => unreachable!("it is the link"),
            }
        } else {
            return self.reported_of_candidate(id, what, now);
        }
        for said in said {
            self.hear(said, now);
        }
    }

    fn reported_of_candidate(&mut self, id: CrmConnectionId, what: &CrmInput, now: Instant) {
        match what {
            CrmInput::Accepted(_) => {
                let known = self.candidates.insert(id, None);
                assert_eq!((known, self.line.mode), (None, Mode::In));
            }
            CrmInput::Closed(_) => {
                self.candidates.remove(&id);
            }
            CrmInput::Bytes(_) => {
                if let Some(asked) = self.candidates.get_mut(&id) {
                    asked.get_or_insert(now);
                }
            }
            _ => {}
        }
    }

    fn hear(&mut self, said: Said, now: Instant) {
        let Some(link) = &mut self.link else {
            return;
        };
        match said {
            Said::Opened => {
                link.opened = Some(now);
                self.counts.links += 1;
            }
            Said::Introduced => link.is_introduced = true,
            Said::Asked { qid, answer, login } => {
                link.is_introduced = true;
                link.open.insert(qid, (answer, login));
            }
            Said::LoggedIn(named) => {
                let key = named.login.to_lowercase();
                *link.appearances.entry(key.clone()).or_default() += 1;
                let was_active = self.active.contains_key(&key);
                self.add(named, was_active);
            }
            Said::LoggedOut(login) => {
                let key = login.to_lowercase();
                self.active.remove(&key);
                link.states.remove(&key);
            }
            Said::Active(users) => {
                for named in &users {
                    let key = named.login.to_lowercase();
                    *link.appearances.entry(key).or_default() += 1;
                }
                let before = std::mem::take(&mut self.active);
                for named in users {
                    let was_active = before.contains_key(&named.login.to_lowercase());
                    self.add(named, was_active);
                }
                if let Some(link) = &mut self.link {
                    link.states.retain(|key, _| self.active.contains_key(key));
                }
            }
            Said::Declared => self.is_declared = true,
            Said::Result { execution, is_good } => {
                let run = link.runs.get_mut(&execution).expect("a run of this link");
                run.results += 1;
                self.results.push((run.subject.clone(), is_good));
            }
        }
    }

    fn add(&mut self, named: Named, was_active: bool) {
        let key = named.login.to_lowercase();
        if self.active.len() >= self.limits.users_max && !self.active.contains_key(&key) {
            return;
        }
        if let Some(link) = &mut self.link {
            link.recent.insert(named.clone());
            if !was_active {
                link.states.remove(&key);
                if link.in_flight {
                    link.unsure.insert(key.clone());
                }
            }
        }
        self.active.insert(key, named);
    }

    /// An event left the hub: the CRM must get it if the user is active there.
    pub(crate) fn said(&mut self, person: usize, qid: Guid) {
        let is_active = self.is_active(person);
        if let Some(link) = self.link.as_mut().filter(|link| link.is_ready && is_active) {
            // It is said once for each shard.
            let expected = link.expected.entry(person).or_default();
            if !expected.contains(&qid) {
                expected.push_back(qid);
            }
        }
    }

    // protocol 4-d and 4-e: ready is the link once the CRM has introduced itself or asked, or been silent for 5 s.
    pub(crate) fn news(&mut self, news: &CrmEvent, now: Instant) {
        match news {
            CrmEvent::Ready { .. } => {
                let link = self.link.as_mut().expect("a link that is ready lives");
                let opened = link.opened.expect("it came through the handshake");
                let has_waited = now.since(opened) >= self.limits.introduction_wait;
                assert!(link.is_introduced || has_waited, "ready too early");
                link.is_ready = true;
                self.was_ready = true;
            }
            CrmEvent::Lost {
                was_ready,
                retry_in,
                reason,
            } => {
                // protocol 2-g and 2-h
                assert_eq!(retry_in.is_none(), self.line.mode == Mode::In);
                assert!(retry_in.is_none_or(|it| it <= self.limits.pause_max));
                self.next_try = retry_in.map(|it| now + it);
                if reason.contains("does not answer a ping") {
                    self.check_contest(now);
                }
                self.counts.losses += usize::from(*was_ready);
                self.counts.failures += usize::from(!was_ready);
                if let Some(link) = &mut self.link {
                    link.is_ready = false;
                    link.expected.clear();
                    link.open.clear();
                }
                if self.line.mode == Mode::Http {
                    self.link = None;
                }
            }
            CrmEvent::TurnedAway { .. } => assert_eq!(self.line.mode, Mode::In),
            CrmEvent::ExchangeFailed { .. } => assert!(self.exchange_failed, "{news:?}"),
            other => panic!("no news: {other:?}"),
        }
    }

    // protocol 2-j: it was given its time.
    fn check_contest(&mut self, now: Instant) {
        let asked = self.candidates.values().flatten();
        let is_over = asked
            .clone()
            .any(|since| now.since(*since) >= self.limits.contest);
        assert!(is_over || asked.count() == 0, "replaced too early");
        self.counts.contests += 1;
    }

    // protocol 2-g: the gateway restores the link, after its pause and not before.
    pub(crate) fn connects(&mut self, id: CrmConnectionId, now: Instant) {
        assert!(!self.is_over, "the hub has ended");
        let at_start = self.next_try.is_none();
        assert!(at_start || self.next_try == Some(now), "at {now:?}");
        self.next_try = None;
        let recent = self.active.values().cloned().collect();
        self.link = Some(Linked::new(id, self.line, recent));
    }

    // protocol 2-i and 2-j: one link at a time, and everybody is answered.
    fn let_in(&mut self, id: CrmConnectionId, answer: &[u8], now: Instant) {
        assert!(self.link.is_none(), "there is a link");
        assert!(self.candidates.remove(&id).is_some(), "nobody asked");
        assert!(
            answer.starts_with(b"HTTP/1.1 101 "),
            "a send to one who waits"
        );
        let recent = self.active.values().cloned().collect();
        let mut link = Linked::new(id, self.line, recent);
        link.opened = Some(now);
        self.link = Some(link);
        self.counts.links += 1;
    }

    /// A message is posted: its name and fields.
    pub(crate) fn posts(
        &mut self,
        id: CrmConnectionId,
        body: &[u8],
        now: Instant,
    ) -> (String, Value) {
        let (text, format) = read_post_body(body).expect("a form with a message");
        assert_eq!((self.line.mode, self.line.format), (Mode::Http, format));
        assert!(
            self.exchanges.insert(id),
            "an exchange has an id of its own"
        );
        assert!(self.exchanges.len() <= EXCHANGES_MAX);
        let (name, fields) = read_message(&text, format);
        if name == "whoareyou" && self.link.is_none() {
            let mut link = Linked::new(CrmConnectionId::default(), self.line, BTreeSet::new());
            (link.opened, link.is_introduced) = (Some(now), true);
            link.has_asked_users = true;
            self.link = Some(link);
        }
        let link = self.link.as_mut().expect("an introduction comes first");
        link.check(&name, &fields, &mut self.counts);
        self.counts.exchanges += 1;
        (name, fields)
    }

    pub(crate) fn abandons(&mut self, id: CrmConnectionId) {
        assert!(self.exchanges.remove(&id), "{id:?} is not under way");
    }

    pub(crate) fn sends(
        &mut self,
        id: CrmConnectionId,
        bytes: Vec<u8>,
        now: Instant,
    ) -> Vec<Heard> {
        assert!(!self.is_over, "the hub has ended");
        if self.line.mode == Mode::In && self.link.as_ref().is_none_or(|link| link.id != id) {
            self.let_in(id, &bytes, now);
        }
        let link = self.link.as_mut().expect("a connection to send over");
        assert!(!link.in_flight, "one send at a time");
        assert_eq!(link.id, id);
        link.in_flight = true;
        let heard = link.tap.take(bytes);
        for heard in &heard {
            if let Heard::Message(name, fields) = heard {
                let is_run = name == "executemethod";
                assert!(
                    self.is_declared || !is_run,
                    "which methods there are is not known"
                );
                link.check(name, fields, &mut self.counts);
            }
        }
        if let Some(link) = &mut self.link {
            link.recent = self.active.values().cloned().collect();
            link.unsure.clear();
        }
        heard
    }

    pub(crate) fn closes(&mut self, id: CrmConnectionId, last: Vec<u8>) -> Vec<Heard> {
        assert!(!self.is_over, "the hub has ended");
        if self.candidates.remove(&id).is_some() {
            // Who is turned away is told why.
            assert!(last.starts_with(b"HTTP/1.1 ") && !last.starts_with(b"HTTP/1.1 101"));
            self.counts.turned_away += 1;
            return Vec::new();
        }
        let mut link = self.link.take().expect("a connection to close");
        assert_eq!(link.id, id);
        let heard = link.tap.take(last);
        if self.is_ending && link.opened.is_some() {
            // protocol 9-l
            let code = (!self.line.is_old()).then_some(1001);
            let is_goodbye = matches!(heard.last(), Some(Heard::Close(said)) if *said == code);
            assert!(is_goodbye, "{heard:?}");
            self.counts.goodbyes += 1;
        }
        heard
    }

    pub(crate) fn ended(&mut self) {
        assert!(
            self.link.is_none(),
            "the link is closed when the hub has ended"
        );
        self.is_over = true;
    }

    /// What one input led to has been done, up to now.
    pub(crate) fn settled(&mut self, now: Instant) {
        (self.exchange_failed, self.was_ready) = (false, false);
        if let Some(at) = self.next_try.filter(|_| self.line.mode == Mode::Out) {
            assert!(at >= now || self.is_over, "a try was due at {at:?}");
        }
        let Some(link) = &self.link else {
            return;
        };
        if !link.in_flight {
            assert_eq!(link.owed(), 0, "events that the CRM should have got");
            // protocol 3.1-c
            assert!(link.open.is_empty(), "unanswered: {:?}", link.open);
        }
    }

    /// How long it may take at most until a CRM that is well is linked, if letters take so long.
    pub(crate) fn recovery(&self, letter: Duration) -> Duration {
        let limits = &self.limits;
        let hangs = limits.connect_timeout.max(limits.handshake_timeout) + limits.contest;
        // An exchange that nobody answers, and a CRM's own pause.
        let hangs = hangs + Duration::from_secs(20 + 3);
        hangs + limits.pause_max + limits.introduction_wait + 8 * letter
    }

    /// At the day's end, with a link that lives: what the CRM has been told is true.
    pub(crate) fn assert_settled(
        &self,
        numbers: &HashMap<String, i64>,
        states: impl Fn(usize) -> i64,
    ) {
        let link = self.link.as_ref().expect("a link");
        // Nothing waits but the keep-alive at most.
        assert_eq!((link.open.len(), link.owed()), (0, 0), "{:?}", link.open);
        if let Some(known) = &link.numbers {
            // protocol 5-k
            assert_eq!(known, numbers);
        }
        for (person, login) in PEOPLE.iter().enumerate() {
            let known = link.states.get(&login.to_lowercase());
            if let Some(known) = known.filter(|_| self.is_active(person)) {
                assert_eq!(*known, states(person), "{login}");
            }
        }
        for (execution, run) in &link.runs {
            let unanswered = run.results - run.answers;
            assert!(unanswered <= 1, "{execution}: {unanswered} results");
        }
    }
}
