//! Owns what must be true of the CRM's link, as one who stands between the hub and the CRM sees it.
//!
//! In come what the hub wants done, what the CRM says when the hub is told of it, and what the hub says about the link;
//! it checks that the hub keeps the protocol's rules with the CRM. It never speaks to either.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use okgate_core::base::{Guid, Instant};
use okgate_core::crm::{CrmConnectionId, CrmEvent, CrmInput, Limits};
use serde_json::Value;

use crate::crm::{Named, Said};
use crate::methods::CALLER_NAME;
use crate::people::{PEOPLE, user_of};
use crate::tap::{Heard, Tap};

pub(crate) struct Watch {
    limits: Limits,
    link: Option<Linked>,
    /// When the hub must try again.
    next_try: Option<Instant>,
    /// Who is active in the CRM, as the hub has heard.
    pub(crate) active: BTreeMap<String, Named>,
    /// The hub knows the CRM's methods.
    pub(crate) is_declared: bool,
    /// The hub said that it has ended.
    pub(crate) is_over: bool,
    /// Results that the hub hears now, of runs that it asked for over this link.
    pub(crate) results: Vec<(Subject, bool)>,
    pub(crate) counts: Counts,
}

/// What happened on the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) links: usize,
    pub(crate) failures: usize,
    pub(crate) losses: usize,
    pub(crate) events: usize,
    pub(crate) number_events: usize,
    pub(crate) answers: usize,
    pub(crate) refusals: usize,
    pub(crate) late_results: usize,
    pub(crate) errors: usize,
}

/// What a method is run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A request of the admin interface.
    Ticket(u64),
    /// An outside caller of this number.
    Number(String),
}

/// A connection that lives as far as the hub knows.
struct Linked {
    id: CrmConnectionId,
    tap: Tap,
    /// When the hub heard that the handshake is answered.
    opened: Option<Instant>,
    is_introduced: bool,
    is_ready: bool,
    /// A send is not confirmed.
    in_flight: bool,
    /// The CRM was asked who is active.
    has_asked_users: bool,
    /// Open requests of the CRM: the answer's name by `qid`.
    open: HashMap<String, String>,
    /// Events that were said of users who are active, and that the CRM has not got.
    expected: BTreeMap<usize, VecDeque<Guid>>,
    seen: HashSet<String>,
    /// Everybody who was active at some time since the last send.
    recent: BTreeSet<Named>,
    runs: HashMap<String, Run>,
    numbers: Option<HashMap<String, i64>>,
    states: HashMap<String, i64>,
}

/// A method that was asked for over the link.
struct Run {
    subject: Subject,
    may_cancel: bool,
    results: usize,
    answers: usize,
    is_aborted: bool,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.links += other.links;
        self.failures += other.failures;
        self.losses += other.losses;
        self.events += other.events;
        self.number_events += other.number_events;
        self.answers += other.answers;
        self.refusals += other.refusals;
        self.late_results += other.late_results;
        self.errors += other.errors;
    }
}

impl Watch {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            link: None,
            next_try: None,
            active: BTreeMap::new(),
            is_declared: false,
            is_over: false,
            results: Vec::new(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_ready)
    }

    /// Whether the person is active in the CRM.
    pub(crate) fn is_active(&self, person: usize) -> bool {
        self.active.contains_key(&PEOPLE[person].to_lowercase())
    }

    /// Nobody is turned away.
    pub(crate) const fn admits_everybody(&self) -> bool {
        self.limits.users_max > 100
    }

    /// Runs that were asked for over this link.
    pub(crate) fn executions(&self) -> Vec<String> {
        let runs = self.link.iter().flat_map(|link| link.runs.keys());
        let mut executions: Vec<String> = runs.cloned().collect();
        executions.sort_unstable();
        executions
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
        let Some(link) = self.link.as_mut().filter(|link| link.id == id) else {
            return;
        };
        match what {
            CrmInput::Closed(_) | CrmInput::ConnectFailed(_) => self.link = None,
            CrmInput::Sent => link.in_flight = false,
            CrmInput::Connected | CrmInput::Bytes(_) => {}
        }
        for said in said {
            self.hear(said, now);
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
            Said::Asked { qid, answer } => {
                link.is_introduced = true;
                link.open.insert(qid, answer);
            }
            Said::LoggedIn(named) => self.add(named),
            Said::LoggedOut(login) => {
                let key = login.to_lowercase();
                self.active.remove(&key);
                link.states.remove(&key);
            }
            Said::Active(users) => {
                self.active.clear();
                users.into_iter().for_each(|named| self.add(named));
            }
            Said::Declared => self.is_declared = true,
            Said::Result { execution, is_good } => {
                let run = link.runs.get_mut(&execution).expect("a run of this link");
                run.results += 1;
                self.results.push((run.subject.clone(), is_good));
            }
        }
    }

    fn add(&mut self, named: Named) {
        let key = named.login.to_lowercase();
        if self.active.len() < self.limits.users_max || self.active.contains_key(&key) {
            if let Some(link) = &mut self.link {
                link.recent.insert(named.clone());
            }
            self.active.insert(key, named);
        }
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
            CrmEvent::Ready => {
                let link = self.link.as_mut().expect("a link that is ready lives");
                let opened = link.opened.expect("it came through the handshake");
                let has_waited = now.since(opened) >= self.limits.introduction_wait;
                assert!(link.is_introduced || has_waited, "ready too early");
                link.is_ready = true;
            }
            CrmEvent::Lost {
                was_ready,
                retry_in,
                ..
            } => {
                // protocol 2-h
                assert!(*retry_in <= self.limits.pause_max);
                self.next_try = Some(now + *retry_in);
                self.counts.losses += usize::from(*was_ready);
                self.counts.failures += usize::from(!was_ready);
                if let Some(link) = &mut self.link {
                    link.is_ready = false;
                    link.expected.clear();
                    link.open.clear();
                }
            }
            other => panic!("no news: {other:?}"),
        }
    }

    // protocol 2-g: the gateway restores the link, after its pause and not before.
    pub(crate) fn connects(&mut self, id: CrmConnectionId, now: Instant) {
        assert!(!self.is_over, "the hub has ended");
        let at_start = self.next_try.is_none();
        assert!(at_start || self.next_try == Some(now), "at {now:?}");
        self.next_try = None;
        self.link = Some(Linked {
            id,
            tap: Tap::new(),
            opened: None,
            is_introduced: false,
            is_ready: false,
            in_flight: false,
            has_asked_users: false,
            open: HashMap::new(),
            expected: BTreeMap::new(),
            seen: HashSet::new(),
            recent: self.active.values().cloned().collect(),
            runs: HashMap::new(),
            numbers: None,
            states: HashMap::new(),
        });
    }

    pub(crate) fn sends(&mut self, bytes: Vec<u8>) -> Vec<Heard> {
        assert!(!self.is_over, "the hub has ended");
        let link = self.link.as_mut().expect("a connection to send over");
        assert!(!link.in_flight, "one send at a time");
        link.in_flight = true;
        let heard = link.tap.take(bytes);
        for heard in &heard {
            if let Heard::Message(name, fields) = heard {
                self.check(name, fields);
            }
        }
        if let Some(link) = &mut self.link {
            link.recent = self.active.values().cloned().collect();
        }
        heard
    }

    pub(crate) fn closes(&mut self, last: Vec<u8>) -> Vec<Heard> {
        assert!(!self.is_over, "the hub has ended");
        let mut link = self.link.take().expect("a connection to close");
        let heard = link.tap.take(last);
        if link.in_flight {
            assert!(heard.is_empty(), "a send is under way");
        }
        heard
    }

    /// What one input led to has been done, up to now.
    pub(crate) fn settled(&mut self, now: Instant) {
        if let Some(at) = self.next_try {
            assert!(at >= now || self.is_over, "a try was due at {at:?}");
        }
        let Some(link) = &self.link else {
            return;
        };
        if !link.in_flight {
            let owed = link.expected.values().map(VecDeque::len).sum::<usize>();
            assert_eq!(owed, 0, "events that the CRM should have got");
            // protocol 3.1-c
            assert!(link.open.is_empty(), "unanswered: {:?}", link.open);
        }
    }

    /// How long it may take at most until a CRM that is well is linked, if letters take so long.
    pub(crate) fn recovery(&self, letter: Duration) -> Duration {
        let limits = &self.limits;
        let hangs = limits.connect_timeout.max(limits.handshake_timeout);
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
        let owed = link.expected.values().map(VecDeque::len).sum::<usize>();
        assert_eq!((link.open.len(), owed), (0, 0), "{:?}", link.open);
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

    fn check(&mut self, name: &str, fields: &Value) {
        let Some(link) = &mut self.link else {
            return;
        };
        match name {
            "whoareyou" => {
                assert_eq!(fields["type"], "commserver");
            }
            "getactiveusers" => link.has_asked_users = true,
            "getavailablemethods" | "getavailableforms" => {}
            "error" => {
                assert_eq!(fields["result"], 0, "{fields}");
                self.counts.errors += 1;
            }
            "executemethod" => self.check_run(fields),
            "cancelmethod" => {
                let run = link.run(fields);
                assert!(run.may_cancel, "protocol 8-j: {fields}");
            }
            "executemethodwaitaborted" => {
                let was_aborted = std::mem::replace(&mut link.run(fields).is_aborted, true);
                assert!(!was_aborted, "a run times out once");
            }
            "iam" | "pong" => self.check_answer(name, fields),
            "methodresultresult" => {
                let execution = fields["qid"].as_str().unwrap_or_default();
                let run = link.runs.get_mut(execution).expect("a run of this link");
                run.answers += 1;
                assert!(run.answers <= run.results, "one answer for a result");
                self.counts.late_results += 1;
            }
            name if name.ends_with("result") => self.check_answer(name, fields),
            "pbxnumberstatechanged" => self.check_numbers(fields),
            name => self.check_event(name, fields),
        }
    }

    // protocol 3.1-c, 5-f and 5-i
    fn check_answer(&mut self, name: &str, fields: &Value) {
        let Some(link) = &mut self.link else {
            return;
        };
        let qid = fields["qid"].as_str().expect("answers carry the qid");
        let wanted = link.open.remove(qid);
        assert_eq!(wanted.as_deref(), Some(name), "an answer nobody asked for");
        self.counts.answers += 1;
        if name != "iam" && name != "pong" && fields["result"] != 1 {
            assert_eq!(fields["result"], 0, "{name} {fields}");
            assert!(fields["error"].is_u64() && fields["errormsg"].is_string());
            self.counts.refusals += 1;
            return;
        }
        match name {
            "getpbxnumbersresult" => {
                let entries = fields["numbers"].as_array().expect("numbers");
                let entries = entries.iter().map(|it| state(it, "number", "state"));
                link.numbers = Some(entries.collect());
            }
            "getuserstateresult" | "setuserstateresult" => link.note_state(fields),
            _ => {}
        }
    }

    // protocol 4-f, 5-g, 5-i and 7-v
    fn check_event(&mut self, name: &str, fields: &Value) {
        let Some(link) = &mut self.link else {
            return;
        };
        assert!(link.has_asked_users, "{name} before the introduction's end");
        let qid = fields["qid"].as_str().expect("events carry a qid");
        assert!(link.seen.insert(qid.to_owned()), "{name} twice: {fields}");
        let login = fields["userlogin"].as_str().expect("a user's event");
        let person = PEOPLE.iter().position(|it| it.to_lowercase() == login.to_lowercase());
        let person = person.unwrap_or_else(|| panic!("{name} {fields}: no user of ours"));
        let own = Value::from(user_of(person).to_string());
        let id = fields["userid"].clone();
        let named = Named {
            login: login.to_owned(),
            id: (id != own).then(|| id.to_string()),
        };
        assert!(
            link.recent.contains(&named),
            "{name} of {named:?}, active are {:?}",
            link.recent
        );
        let qid: Guid = qid.parse().expect("a GUID");
        let expected = link.expected.entry(person).or_default();
        if let Some(place) = expected.iter().position(|it| *it == qid) {
            assert_eq!(place, 0, "{name} {fields} comes before another");
            expected.pop_front();
        }
        if name == "userstatechanged" {
            link.note_state(fields);
        }
        self.counts.events += 1;
    }

    // protocol 5-k: once per change.
    fn check_numbers(&mut self, fields: &Value) {
        let Some(link) = &mut self.link else {
            return;
        };
        assert!(link.has_asked_users, "before the introduction's end");
        assert_eq!(fields.get("userid"), None, "{fields}");
        self.counts.number_events += 1;
        let changes = fields["numbers"].as_array().expect("numbers");
        for change in changes {
            let (number, state) = state(change, "num", "numstateid");
            if let Some(numbers) = &mut link.numbers {
                let before = numbers.insert(number, state);
                assert_ne!(before, Some(state), "no change: {change}");
            }
        }
    }

    // protocol 8-d
    fn check_run(&mut self, fields: &Value) {
        let Some(link) = &mut self.link else {
            return;
        };
        assert!(link.has_asked_users && self.is_declared, "{fields}");
        let execution = fields["executionid"].as_str().expect("an executionid");
        let input = &fields["inputparameters"];
        let subject = match fields["methodkey"].as_str() {
            Some(CALLER_NAME) => {
                Subject::Number(input["number"].as_str().expect("a number").to_owned())
            }
            _ => Subject::Ticket(input["ticket"].as_u64().expect("a ticket")),
        };
        let run = Run {
            subject,
            may_cancel: fields["methodkey"] == "sum",
            results: 0,
            answers: 0,
            is_aborted: false,
        };
        let before = link.runs.insert(execution.to_owned(), run);
        assert!(before.is_none(), "asked for once over one link: {fields}");
    }
}

impl Linked {
    fn run(&mut self, fields: &Value) -> &mut Run {
        let execution = fields["executionid"].as_str().unwrap_or_default();
        self.runs.get_mut(execution).expect("a run of this link")
    }

    fn note_state(&mut self, fields: &Value) {
        let login = fields["userlogin"].as_str().expect("a login");
        let state = fields["userstateid"].as_i64().expect("a number");
        self.states.insert(login.to_lowercase(), state);
    }
}

fn state(entry: &Value, number: &str, state: &str) -> (String, i64) {
    let number = entry[number].as_str().expect("a number");
    (number.to_owned(), entry[state].as_i64().expect("a state"))
}
