//! A small company, its switchboard and its simulated switch.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::checker::Checker;
use crate::base::{ChainId, CommandId, Guid, Instant, LegId, NumberId, UserId};
use crate::pbx::sim::{SimConfig, SimulatedPbx};
use crate::pbx::{Command, EndCause, PbxEvent};
use crate::protocol::{
    BreakReason, CallRequest, ConferenceInfo, ConferenceRequest, Event, Fields, Phase, Sequence,
    SetUserState, StateId, write_message,
};
use crate::switchboard::{
    CallFact, Directory, Group, HuntRule, IvrMenu, Limits, Output, Switchboard, User,
};

/// Everybody who works here; numbers 101, 102, … in this order.
pub(super) const PEOPLE: [&str; 6] = ["anna", "boris", "clara", "david", "elena", "fedor"];

pub(super) struct World {
    pub(super) switchboard: Switchboard,
    pub(super) sim: SimulatedPbx,
    pub(super) now: Instant,
    pub(super) checker: Checker,
    /// Outside callers are routed as soon as they arrive, with this name.
    pub(super) routes_at_once: bool,
    pub(super) crm_name: Option<Arc<str>>,
    /// Commands reach the simulated switch; else the test answers them.
    pub(super) has_switch: bool,
    pub(super) arrived: VecDeque<ChainId>,
    pub(super) commands: Vec<(CommandId, Command)>,
    /// What the journal was told.
    pub(super) facts: Vec<CallFact>,
    /// Whether the story is written down; it takes time.
    pub(super) is_told: bool,
    story: String,
    names: BTreeMap<String, String>,
    /// Whose line was shown last as what.
    lines: BTreeMap<UserId, String>,
}

pub(super) fn user(login: &str) -> UserId {
    let index = PEOPLE
        .iter()
        .position(|it| *it == login)
        .expect("works here");
    UserId(Guid::from_bits(0x100 + index as u128))
}

pub(super) fn number_of(login: &str) -> Arc<str> {
    let index = PEOPLE
        .iter()
        .position(|it| *it == login)
        .expect("works here");
    (101 + index).to_string().into()
}

pub(super) fn directory() -> Directory {
    let person = |(index, login): (usize, &&str)| User {
        id: user(login),
        login: (*login).into(),
        name: login.to_uppercase().into(),
        numbers: vec![(
            NumberId(Guid::from_bits(0x200 + index as u128)),
            number_of(login),
        )],
        password_md5: None,
        password_lower_md5: None,
        is_operator: index == 0,
        supervises: if index == 0 {
            PEOPLE[1..4].iter().map(|login| user(login)).collect()
        } else {
            Vec::new()
        },
        department: None,
        waiting: if *login == "fedor" {
            Duration::from_secs(90)
        } else {
            Duration::ZERO
        },
    };
    let rules = [HuntRule::All, HuntRule::LongestIdle, HuntRule::RoundRobin];
    let group = |(index, rule): (usize, HuntRule)| Group {
        number: (
            NumberId(Guid::from_bits(0x300 + index as u128)),
            (201 + index).to_string().into(),
        ),
        name: format!("Group {}", index + 1).into(),
        users: PEOPLE[3 - index..]
            .iter()
            .map(|login| user(login))
            .collect(),
        rule,
        ring: Duration::from_secs(10),
        wait: Duration::from_secs(120),
        line_max: 3,
        is_queue: index == 1,
    };
    let ivr = |number: &str, then| IvrMenu {
        number: (NumberId(Guid::from_bits(0x400)), number.into()),
        name: "Welcome".into(),
        then,
    };
    Directory {
        users: PEOPLE.iter().enumerate().map(person).collect(),
        departments: Vec::new(),
        groups: rules.into_iter().enumerate().map(group).collect(),
        ivrs: vec![
            ivr("301", None),
            ivr("302", Some((Duration::from_secs(3), "102".into()))),
        ],
        break_reasons: vec![BreakReason {
            id: 4,
            name: "tea".into(),
        }],
    }
}

pub(super) fn sim_config() -> SimConfig {
    SimConfig {
        phones: PEOPLE.iter().map(|login| number_of(login)).collect(),
        busy_numbers: vec!["555".into()],
        no_answer_numbers: vec!["777".into()],
        ivr_numbers: vec!["301".into(), "302".into()],
        ..SimConfig::default()
    }
}

pub(super) fn call_to(number: &str, sequence: Sequence) -> CallRequest {
    CallRequest::AutoCallStart {
        number: number.into(),
        sequence,
        intercom: false,
    }
}

/// A test that fails tells how it came to that.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.story);
        }
    }
}

impl World {
    /// Everybody is present and the switch is connected.
    pub(super) fn new() -> Self {
        Self::with(sim_config(), Limits::default(), 1)
    }

    pub(super) fn with(config: SimConfig, limits: Limits, seed: u64) -> Self {
        let mut world = Self {
            switchboard: Switchboard::new(&directory(), limits, seed),
            sim: SimulatedPbx::new(config),
            now: Instant::from_micros(1),
            checker: Checker::default(),
            routes_at_once: true,
            crm_name: None,
            has_switch: true,
            arrived: VecDeque::new(),
            commands: Vec::new(),
            facts: Vec::new(),
            is_told: true,
            story: String::new(),
            names: BTreeMap::new(),
            lines: BTreeMap::new(),
        };
        world.run();
        for login in PEOPLE {
            world
                .switchboard
                .user_present(user(login), world.now)
                .expect("a known user");
            world.outputs();
        }
        world.story.clear();
        world
    }

    /// Lets everything happen that can happen without time.
    pub(super) fn run(&mut self) {
        while let Some(event) = self.sim.poll_event() {
            self.handle(event);
        }
    }

    /// The switch reports this, whatever the simulated one says.
    pub(super) fn handle(&mut self, event: PbxEvent) {
        self.switchboard.handle_pbx(event, self.now);
        self.outputs();
    }

    /// Takes the outputs of one step and does what they say.
    pub(super) fn outputs(&mut self) {
        let mut routable = Vec::new();
        let mut commands = Vec::new();
        while let Some(output) = self.switchboard.poll_output() {
            match output {
                Output::Pbx(id, command) => commands.push((id, command)),
                Output::Event(event) => {
                    self.checker.event(&event);
                    if self.is_told {
                        self.tell_event(&event);
                    }
                }
                Output::Numbers(changes) => {
                    let changes: Vec<_> = changes.into_iter().map(|(_, it)| it).collect();
                    self.checker.numbers(&changes);
                }
                Output::Fact(fact) => {
                    let begun = Instant::default() < fact.started && fact.started <= self.now;
                    assert!(begun, "a call that began when nothing did: {fact:?}");
                    self.facts.push(*fact);
                }
                Output::Arrived(arrival) if self.routes_at_once => routable.push(arrival.chain),
                Output::Arrived(arrival) => self.arrived.push_back(arrival.chain),
            }
        }
        if self.is_told {
            self.show_lines();
        }
        self.checker.step_is_over(&mut self.switchboard, self.now);
        self.commands.extend(commands.iter().cloned());
        for (id, command) in commands.into_iter().filter(|_| self.has_switch) {
            self.sim.handle_command(id, command, self.now);
        }
        for chain in routable {
            self.switchboard
                .route(chain, self.crm_name.clone(), None, self.now);
            self.outputs();
        }
    }

    fn tell_event(&mut self, event: &Event) {
        let user = event.user.as_ref().expect("a user's event");
        let text = fields(event.what.kind().name(), &event.what);
        let text = self.named(&text);
        writeln!(self.story, "  {}: {text}", user.login).expect("a string");
    }

    fn show_lines(&mut self) {
        for login in PEOPLE {
            let line = self.switchboard.line_info(user(login), self.now);
            let mut line = line.expect("a known user");
            line.version = 0;
            line.talk = Duration::ZERO;
            let text = fields("line", &line);
            let text = self.named(&text);
            let before = self.lines.insert(user(login), text.clone());
            if before.is_some_and(|before| before != text) {
                writeln!(self.story, "    {login}'s {text}").expect("a string");
            }
        }
    }

    /// Chains and talks by the order in which they appear.
    fn named(&mut self, text: &str) -> String {
        let mut named = text.to_owned();
        for word in text.split(|it: char| !it.is_ascii_hexdigit() && it != '-') {
            if word.len() == 36 && !word.starts_with("00000000") {
                let next = format!("<{}>", self.names.len() + 1);
                let name = self.names.entry(word.to_owned()).or_insert(next);
                named = named.replace(word, name);
            }
        }
        named
    }

    /// A world whose switch is the test itself.
    pub(super) fn by_hand() -> Self {
        let mut world = Self::new();
        world.has_switch = false;
        world
    }

    /// The last command and its id.
    pub(super) fn last_command(&self) -> (CommandId, Command) {
        self.commands.last().cloned().expect("a command")
    }

    /// Accepts the last command, which must be to dial, and returns its leg.
    pub(super) fn accept_dial(&mut self, wanted: &str) -> LegId {
        let (id, command) = self.last_command();
        let Command::Dial { leg, number, .. } = command else {
            panic!("not dialled: {command:?}");
        };
        assert_eq!(&*number, wanted);
        self.handle(PbxEvent::Accepted(id));
        leg
    }

    /// The phase of a user's line.
    pub(super) fn phase(&self, login: &str) -> Phase {
        let line = self.switchboard.line_info(user(login), self.now);
        line.expect("a known user").abonent.phase
    }

    /// The effective state of a user.
    pub(super) fn state(&self, login: &str) -> StateId {
        let state = self.switchboard.user_state(user(login));
        state.expect("a known user").id
    }

    /// Why the switch was told to end legs, so far.
    pub(super) fn hang_ups(&self) -> impl Iterator<Item = EndCause> + '_ {
        self.commands
            .iter()
            .filter_map(|(_, command)| match command {
                Command::HangUp { cause, .. } => Some(*cause),
                _ => None,
            })
    }

    /// Says in the story what happens next.
    pub(super) fn tell(&mut self, what: &str) {
        writeln!(self.story, "{what}").expect("a string");
    }

    pub(super) fn story(&self) -> &str {
        &self.story
    }

    /// A user asks for something; the answer goes into the story if it is no.
    /// As [`World::ask`], of a conference or of supervision.
    pub(super) fn confer(&mut self, login: &str, request: ConferenceRequest) {
        let answer = self
            .switchboard
            .handle_conference(user(login), request, self.now);
        if let (Err(fault), true) = (&answer, self.is_told) {
            writeln!(self.story, "  {login} is told: {fault}").expect("a string");
        }
        self.outputs();
        self.run();
    }

    /// The conference that a user is in.
    pub(super) fn conference_of(&self, login: &str) -> Option<ConferenceInfo> {
        let line = self.switchboard.line_info(user(login), self.now).ok()?;
        line.abonent.conference?;
        self.switchboard.conference_of(user(login))
    }

    pub(super) fn ask(&mut self, login: &str, request: CallRequest) {
        let answer = self.switchboard.handle_call(user(login), request, self.now);
        if let Err(fault) = answer {
            self.tell(&format!("  {login} is told: {fault}"));
        }
        self.outputs();
        self.run();
    }

    pub(super) fn set_state(&mut self, login: &str, state: StateId) {
        let wanted = SetUserState {
            state: Some(state),
            ..SetUserState::default()
        };
        let answer = self
            .switchboard
            .set_user_state(user(login), wanted, self.now);
        answer.expect("a state that may be set");
        self.outputs();
        self.run();
    }

    pub(super) fn outside_call(&mut self, from: &str, to: &str) -> LegId {
        let from = Some(from.into());
        let to = to.into();
        let leg = self.sim.outside_call(from, &to, None, None, None, self.now);
        self.run();
        leg.expect("there is room for a leg")
    }

    /// The leg at the end of which this number is.
    pub(super) fn leg_of(&self, number: &str) -> LegId {
        let legs = self.sim.legs();
        let leg = legs.iter().find(|leg| &*leg.number == number);
        leg.unwrap_or_else(|| panic!("{number} has no leg")).leg
    }

    pub(super) fn pick_up(&mut self, number: &str) {
        let leg = self.leg_of(number);
        assert!(self.sim.answer(leg, self.now), "{number} does not ring");
        self.run();
    }

    pub(super) fn hang_up(&mut self, number: &str) {
        let leg = self.leg_of(number);
        assert!(self.sim.hang_up(leg, self.now));
        self.run();
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let deadlines = [self.sim.next_timeout(), self.switchboard.next_timeout()];
            let next = deadlines.into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.sim.handle_timeout(self.now);
            self.run();
            self.switchboard.handle_timeout(self.now);
            self.outputs();
            self.run();
        }
        self.now = end;
    }

    pub(super) fn assert_line_is_idle(&self, login: &str) {
        let line = self.switchboard.line_info(user(login), self.now);
        assert_eq!(line.expect("a known user").chain, None, "{login}");
    }

    /// Nothing is left behind: no call, no leg, nobody in a call.
    pub(super) fn assert_all_is_over(&self) {
        assert_eq!(self.sim.legs(), [], "the switch has legs left");
        self.switchboard.assert_nothing_left();
    }
}

/// `name {fields}` without what is false, empty or zero.
fn fields(name: &str, fields: &impl Fields) -> String {
    let mut bytes = Vec::new();
    write_message(&mut bytes, name, |writer| fields.write(writer));
    let (name, mut value): (String, Value) = serde_json::from_slice(&bytes).expect("JSON");
    if name != "flashstatechanged" {
        prune(&mut value);
    }
    format!("{name} {value}")
}

fn prune(value: &mut Value) {
    const ECHOES: [&str; 9] = [
        "callerid",
        "simplename",
        "caption",
        "extline",
        "isextline",
        "userid",
        "username",
        "userstatestr",
        "userstate",
    ];
    let Value::Object(object) = value else {
        return;
    };
    let has_number = object.contains_key("number") || object.contains_key("userstateid");
    object.retain(|key, value| {
        prune(value);
        let is_echo = has_number && ECHOES.contains(&key.as_str());
        let is_empty = *value == Value::Bool(false)
            || value.is_null()
            || value
                .as_str()
                .is_some_and(|it| it.is_empty() || it.starts_with("00000000-0000"))
            || value.as_i64() == Some(0) && key != "userstateid";
        !is_echo && !is_empty
    });
}
