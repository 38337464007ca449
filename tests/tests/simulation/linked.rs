//! Owns one connection to the CRM that lives as far as the hub knows: what was asked and told over it.
//!
//! In comes each message of the hub; it is checked against what the CRM asked, who is active there and which events the
//! hub gave out.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use okgate_core::base::{Guid, Instant};
use okgate_core::crm::CrmConnectionId;
use serde_json::Value;

use crate::crm::Named;
use crate::line::{Line, Mode};
use crate::methods::CALLER_NAME;
use crate::people::{PEOPLE, user_of};
use crate::tap::Tap;

/// A connection that lives as far as the hub knows.
pub(crate) struct Linked {
    pub(crate) id: CrmConnectionId,
    line: Line,
    pub(crate) tap: Tap,
    /// When the hub heard that the handshake is answered.
    pub(crate) opened: Option<Instant>,
    pub(crate) is_introduced: bool,
    pub(crate) is_ready: bool,
    /// A send is not confirmed.
    pub(crate) in_flight: bool,
    /// The CRM was asked who is active.
    pub(crate) has_asked_users: bool,
    /// Open requests of the CRM: the answer's name, and in whose name it asked, by `qid`.
    pub(crate) open: HashMap<String, (String, Option<String>)>,
    /// Events that were said of users who are active, and that the CRM has not got.
    pub(crate) expected: BTreeMap<usize, VecDeque<Guid>>,
    pub(crate) seen: HashSet<String>,
    /// Everybody who was active at some time since the last send.
    pub(crate) recent: BTreeSet<Named>,
    pub(crate) runs: HashMap<String, Run>,
    /// Forms that were shown: how often, by window.
    pub(crate) shown: HashMap<String, usize>,
    /// How often it was said of users that they are active or not, by login.
    pub(crate) appearances: HashMap<String, usize>,
    pub(crate) numbers: Option<HashMap<String, i64>>,
    /// Users' states as the CRM knows them, since they are active.
    pub(crate) states: HashMap<String, i64>,
    /// Users who became active while older words about them may wait to be sent.
    pub(crate) unsure: HashSet<String>,
}

/// A method that was asked for over the link.
pub(crate) struct Run {
    pub(crate) subject: Subject,
    pub(crate) may_cancel: bool,
    pub(crate) results: usize,
    pub(crate) answers: usize,
    pub(crate) is_aborted: bool,
    /// A result was accepted after the time-out.
    pub(crate) was_accepted: bool,
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
    /// Of these, how many were accepted.
    pub(crate) late_accepted: usize,
    pub(crate) errors: usize,
    /// Links that the gateway closed with 1001 in the end.
    pub(crate) goodbyes: usize,
    /// Links whose place another connection took.
    pub(crate) contests: usize,
    /// Connections that were not let in.
    pub(crate) turned_away: usize,
    pub(crate) exchanges: usize,
    /// Forms that the CRM was shown.
    pub(crate) forms: usize,
    /// Changes of the settings.
    pub(crate) relinks: usize,
}

/// What a method is run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A request of the admin interface.
    Ticket(u64),
    /// An outside caller of this number.
    Number(String),
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
        self.late_accepted += other.late_accepted;
        self.errors += other.errors;
        self.goodbyes += other.goodbyes;
        self.contests += other.contests;
        self.turned_away += other.turned_away;
        self.exchanges += other.exchanges;
        self.forms += other.forms;
        self.relinks += other.relinks;
    }
}

impl Linked {
    /// A connection that is about to be made.
    pub(crate) fn new(id: CrmConnectionId, line: Line, recent: BTreeSet<Named>) -> Self {
        Self {
            id,
            line,
            tap: Tap::new(line),
            opened: None,
            is_introduced: false,
            is_ready: false,
            in_flight: false,
            has_asked_users: false,
            open: HashMap::new(),
            expected: BTreeMap::new(),
            seen: HashSet::new(),
            recent,
            runs: HashMap::new(),
            shown: HashMap::new(),
            appearances: HashMap::new(),
            numbers: None,
            states: HashMap::new(),
            unsure: HashSet::new(),
        }
    }

    /// Events that the CRM has not got.
    pub(crate) fn owed(&self) -> usize {
        self.expected.values().map(VecDeque::len).sum()
    }

    pub(crate) fn check(&mut self, name: &str, fields: &Value, counts: &mut Counts) {
        match name {
            "whoareyou" => {
                assert_eq!(fields["type"], "commserver");
            }
            "getactiveusers" => self.has_asked_users = true,
            // Version 0 has no pings of its own.
            "getavailablemethods" | "getavailableforms" | "ping" => {}
            // Nobody asked over a connection.
            "iam" if self.line.mode == Mode::Http => {}
            "error" => {
                assert_eq!(fields["result"], 0, "{fields}");
                counts.errors += 1;
            }
            "executemethod" => self.check_run(fields),
            "cancelmethod" => {
                let run = self.run(fields);
                assert!(run.may_cancel, "protocol 8-j: {fields}");
            }
            "executemethodwaitaborted" => {
                let was_aborted = std::mem::replace(&mut self.run(fields).is_aborted, true);
                assert!(!was_aborted, "a run times out once");
            }
            "iam" | "pong" => self.check_answer(name, fields, counts),
            "showform" => self.check_form(fields, counts),
            "closeform" => {
                let window = fields["windowid"].as_str().expect("a window");
                assert!(self.shown.contains_key(window), "not shown: {fields}");
            }
            "methodresultresult" if self.answers(fields) => self.check_answer(name, fields, counts),
            "methodresultresult" => {
                let execution = fields["qid"].as_str().unwrap_or_default();
                let run = self.runs.get_mut(execution).expect("a run of this link");
                run.answers += 1;
                assert!(run.answers <= run.results, "one answer for a result");
                counts.late_results += 1;
                if fields["result"] == 1 {
                    // protocol 8-i: accepted, though not delivered; a second one is not.
                    assert!(!std::mem::replace(&mut run.was_accepted, true), "{fields}");
                    counts.late_accepted += 1;
                }
            }
            name if name.ends_with("result") => self.check_answer(name, fields, counts),
            "pbxnumberstatechanged" => self.check_numbers(fields, counts),
            name => self.check_event(name, fields, counts),
        }
    }

    // protocol 3.1-c, 5-f and 5-i
    fn check_answer(&mut self, name: &str, fields: &Value, counts: &mut Counts) {
        let qid = fields["qid"].as_str().expect("answers carry the qid");
        let wanted = self.open.remove(qid);
        let (wanted, login) = wanted.unwrap_or_else(|| panic!("nobody asked for {name} {qid}"));
        assert_eq!(wanted, name, "the answer's name");
        if let Some(login) = login.filter(|_| name.ends_with("result")) {
            assert_eq!(fields["userlogin"], login, "logins are echoed as typed");
        }
        counts.answers += 1;
        if name != "iam" && name != "pong" && fields["result"] != 1 {
            assert_eq!(fields["result"], 0, "{name} {fields}");
            assert!(fields["error"].is_u64() && fields["errormsg"].is_string());
            counts.refusals += 1;
            return;
        }
        match name {
            "getpbxnumbersresult" => {
                let entries = fields["numbers"].as_array().expect("numbers");
                let entries = entries.iter().map(|it| state(it, "number", "state"));
                self.numbers = Some(entries.collect());
            }
            "getuserstateresult" | "setuserstateresult" => self.note_state(fields),
            _ => {}
        }
    }

    // protocol 4-f, 5-g, 5-i and 7-v
    fn check_event(&mut self, name: &str, fields: &Value, counts: &mut Counts) {
        assert!(self.has_asked_users, "{name} before the introduction's end");
        let qid = fields["qid"].as_str().expect("events carry a qid");
        assert!(self.seen.insert(qid.to_owned()), "{name} twice: {fields}");
        let login = fields["userlogin"].as_str().expect("a user's event");
        let person = PEOPLE
            .iter()
            .position(|it| it.to_lowercase() == login.to_lowercase());
        let person = person.unwrap_or_else(|| panic!("{name} {fields}: no user of ours"));
        let own = Value::from(user_of(person).to_string());
        let id = fields["userid"].clone();
        let named = Named {
            login: login.to_owned(),
            id: (id != own).then(|| id.to_string()),
        };
        assert!(
            self.recent.contains(&named),
            "{name} of {named:?}, active are {:?}",
            self.recent
        );
        let qid: Guid = qid.parse().expect("a GUID");
        let expected = self.expected.entry(person).or_default();
        if let Some(place) = expected.iter().position(|it| *it == qid) {
            assert_eq!(place, 0, "{name} {fields} comes before another");
            expected.pop_front();
        }
        if name == "userstatechanged" {
            self.note_state(fields);
        }
        counts.events += 1;
    }

    // protocol 5-k: once per change.
    fn check_numbers(&mut self, fields: &Value, counts: &mut Counts) {
        assert!(self.has_asked_users, "before the introduction's end");
        assert_eq!(fields.get("userid"), None, "{fields}");
        counts.number_events += 1;
        let changes = fields["numbers"].as_array().expect("numbers");
        for change in changes {
            let (number, state) = state(change, "num", "numstateid");
            if let Some(numbers) = &mut self.numbers {
                let before = numbers.insert(number, state);
                assert_ne!(before, Some(state), "no change: {change}");
            }
        }
    }

    fn answers(&self, fields: &Value) -> bool {
        let qid = fields["qid"].as_str().unwrap_or_default();
        self.open.contains_key(qid)
    }

    // protocol 8-l, 8-p and 8-r: once, and again when the user appears again.
    fn check_form(&mut self, fields: &Value, counts: &mut Counts) {
        let window = fields["windowid"].as_str().expect("a window");
        let login = fields["userlogin"].as_str().expect("a login");
        let login = login.to_lowercase();
        let is_active = |named: &Named| named.login.to_lowercase() == login;
        assert!(
            self.line.mode == Mode::Http || self.recent.iter().any(is_active),
            "{login} is not active there: {fields}"
        );
        let times = self.shown.entry(window.to_owned()).or_default();
        *times += 1;
        let appearances = self.appearances.get(&login).copied();
        assert!(*times <= 1 + appearances.unwrap_or_default(), "{fields}");
        counts.forms += 1;
    }

    // protocol 8-d
    fn check_run(&mut self, fields: &Value) {
        assert!(self.has_asked_users, "{fields}");
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
            was_accepted: false,
        };
        let before = self.runs.insert(execution.to_owned(), run);
        assert!(before.is_none(), "asked for once over one link: {fields}");
    }

    fn run(&mut self, fields: &Value) -> &mut Run {
        let execution = fields["executionid"].as_str().unwrap_or_default();
        self.runs.get_mut(execution).expect("a run of this link")
    }

    fn note_state(&mut self, fields: &Value) {
        let login = fields["userlogin"].as_str().expect("a login");
        let state = fields["userstateid"].as_i64().expect("a number");
        let key = login.to_lowercase();
        if !self.unsure.contains(&key) {
            self.states.insert(key, state);
        }
    }
}

fn state(entry: &Value, number: &str, state: &str) -> (String, i64) {
    let number = entry[number].as_str().expect("a number");
    (number.to_owned(), entry[state].as_i64().expect("a state"))
}
