//! What people and networks do on a simulated day, and how the day ends.

use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::ChainId;
use okgate_core::hub::{AdminReply, AdminRequest, SimCall, SimCallRequest, Status};
use okgate_core::protocol::{LineState, Phase};
use okgate_harness::password::PasswordHashes;
use serde_json::{Value, json};

use crate::Totals;
use crate::crm::Crm;
use crate::office::Office;
use crate::people::{PEOPLE, number_of};
use crate::tab::Stage;

/// Acts of one day.
const ACTS: usize = 170;

/// One day from the first tab to the last link's end.
pub(crate) fn day(seed: u64) -> Totals {
    let mut office = Office::new(seed);
    for _ in 0..ACTS {
        office.act_somehow();
        office.check_callers();
        office.check_presence();
    }
    office.everybody_reads();
    office.crm_recovers();
    office.calm_down();
    office.perhaps_everybody_logs_out();
    office.check_everything();
    office.go_home();
    office.totals()
}

impl Office {
    fn act_somehow(&mut self) {
        let person = self.pick(PEOPLE.len());
        match self.pick(130) {
            100.. => self.act_at_crm(person),
            0..14 => self.connect(person),
            14..34 => self.use_the_phone(person),
            34..44 => self.call_from_outside(person),
            44..56 => self.somebody_at_the_switch_acts(),
            56..60 => self.choose_a_state(person),
            60..65 => self.say_something_odd(person),
            65..72 => self.a_tab_leaves(),
            72..78 => self.a_socket_is_slow(),
            _ => {
                let spans = [0, 1, 40, 300, 2_000, 12_000];
                let span = spans[self.pick(spans.len())];
                self.pass(Duration::from_millis(span));
            }
        }
    }

    /// A new tab logs in: mostly well, by password or by a session that it heard of.
    pub(crate) fn log_in(&mut self, index: usize) {
        let person = self.tabs[index].person;
        let login = PEOPLE[person];
        let typed = if self.chance(50) {
            login.to_uppercase()
        } else {
            login.to_owned()
        };
        let known = self
            .tabs
            .iter()
            .rev()
            .find(|tab| tab.person == person && tab.session.is_some());
        let known = known.and_then(|tab| tab.session.clone());
        let fields = match known {
            Some(session) if self.chance(30) => json!({"userlogin": typed, "sessionid": session}),
            _ => {
                let password = if self.chance(10) { "wrong" } else { "password" };
                json!({"userlogin": typed, "password": PasswordHashes::of(password).lower_case})
            }
        };
        let mut fields = fields;
        if self.has_short_sessions {
            fields["expires"] = 2.into();
        }
        self.ask_for(index, "login", fields);
        if self.chance(20) {
            // Comes before the login is decided, and waits for it.
            self.ask_for(index, "getuserstate", json!({}));
        }
    }

    fn ask_for(&mut self, index: usize, name: &str, fields: Value) {
        let text = self.tabs[index].request(name, fields);
        self.send(index, &text);
    }

    fn any_tab(&mut self, person: Option<usize>) -> Option<usize> {
        let tabs = self.tabs.iter().enumerate();
        let fit = tabs.filter(|(_, tab)| {
            tab.stage == Stage::LoggedIn && person.is_none_or(|person| tab.person == person)
        });
        let fit: Vec<usize> = fit.map(|(index, _)| index).collect();
        (!fit.is_empty()).then(|| fit[self.pick(fit.len())])
    }

    fn use_the_phone(&mut self, person: usize) {
        let Some(index) = self.any_tab(Some(person)) else {
            return self.connect(person);
        };
        let (name, fields) = match self.pick(20) {
            12..15 => ("pbxmaketransfer", json!({"transferto": self.any_number()})),
            15.. => self.about_conferences(),
            0..4 => {
                let number = self.any_number();
                let sequence = if self.chance(50) { "user" } else { "abonent" };
                let intercom = self.chance(10);
                (
                    "pbxautocallstart",
                    json!({"number": number, "sequence": sequence, "intercom": intercom}),
                )
            }
            4..7 => ("pbxanswercall", json!({})),
            7 => ("pbxabortcall", json!({})),
            8 => ("pbxdeclinecall", json!({})),
            9 => ("pbxautocallabort", json!({})),
            10 => ("pbxmakeflash", json!({"mode": "switch"})),
            _ => (
                "pbxmakeflash",
                json!({"mode": if self.chance(30) { "abort" } else { "next" }}),
            ),
        };
        self.ask_for(index, name, fields);
    }

    fn about_conferences(&mut self) -> (&'static str, Value) {
        let (one, two) = (self.any_number(), self.any_number());
        let competitors = json!([{"number": one}, {"number": two}]);
        match self.pick(9) {
            0 | 1 => ("buildconferencefromcommutation", json!({})),
            2 => (
                "createnewconference",
                json!({"conference": {"name": "Monday"}, "competitors": competitors}),
            ),
            3 => ("invitetoconference", json!({"competitors": competitors})),
            4 => (
                "confhandleevent",
                json!({"eventtype": "competitors", "handle": true}),
            ),
            5 => ("connecttogathertoconference", json!({})),
            6 => ("exitconference", json!({})),
            7 => ("getconferencecompetitors", json!({})),
            _ => ("attachasghost", json!({"ghostedid": one})),
        }
    }

    pub(crate) fn any_number(&mut self) -> String {
        match self.pick(10) {
            0 => "555".to_owned(),
            1 => "777".to_owned(),
            2 => "89031112233".to_owned(),
            3 => ["201", "301"][self.pick(2)].to_owned(),
            _ => number_of(self.pick(PEOPLE.len())),
        }
    }

    fn call_from_outside(&mut self, person: usize) {
        let answer_after = self.chance(50).then(|| Duration::from_millis(700));
        let name = self.chance(50).then(|| Arc::from("Ivan"));
        let number = self.callers.add(name.clone());
        let call = SimCallRequest {
            from: Arc::clone(&number),
            to: match self.pick(6) {
                0 => "201".into(),
                1 => "301".into(),
                _ => number_of(person).into(),
            },
            name,
            answer_after,
            talk: self.chance(50).then(|| Duration::from_secs(4)),
        };
        self.calling.insert(self.next_ticket(), number);
        self.ask(AdminRequest::SimCall(call));
    }

    pub(crate) fn sim_calls(&mut self) -> Vec<SimCall> {
        let ticket = self.ask(AdminRequest::SimCalls);
        match self.reply_to(ticket) {
            Some(Ok(AdminReply::SimCalls(calls))) => calls,
            other => panic!("calls were asked for: {other:?}"),
        }
    }

    fn somebody_at_the_switch_acts(&mut self) {
        let calls = self.sim_calls();
        if calls.is_empty() {
            return;
        }
        let chain = calls[self.pick(calls.len())].chainid.parse().map(ChainId);
        let chain = chain.expect("chains are GUIDs");
        let request = if self.chance(60) {
            AdminRequest::SimAnswer(chain)
        } else {
            AdminRequest::SimHangUp(chain)
        };
        self.ask(request);
    }

    fn choose_a_state(&mut self, person: usize) {
        if let Some(index) = self.any_tab(Some(person)) {
            let state = [1, 2, 3, 5][self.pick(4)];
            self.ask_for(
                index,
                "setuserstate",
                json!({"userstateid": state, "lunchreasonid": 1}),
            );
        }
    }

    fn say_something_odd(&mut self, person: usize) {
        let Some(index) = self.any_tab(None) else {
            return;
        };
        match self.pick(7) {
            0 => self.send(index, "no message"),
            1 => self.send(index, "[]"),
            2 => self.ask_for(index, "getuserstate", json!({"userlogin": PEOPLE[person]})),
            3 => self.ask_for(index, "nosuchmethod", json!({})),
            4 => self.send(index, r#"["pong",{"qid":"1"}]"#),
            5 => self.ask_for(index, "getcurrentqueue", json!({})),
            _ => self.ask_for(index, "ping", json!({"a": [1, {"qid": "inner"}]})),
        }
    }

    fn a_tab_leaves(&mut self) {
        let present = self.tabs.iter().enumerate();
        let present = present.filter(|(_, tab)| tab.is_open() || tab.stage == Stage::Handshake);
        let present: Vec<usize> = present.map(|(index, _)| index).collect();
        if present.is_empty() {
            return;
        }
        let index = present[self.pick(present.len())];
        match self.pick(4) {
            0 | 1 => self.cut(index),
            2 if self.tabs[index].is_open() => self.close(index),
            _ if self.tabs[index].is_open() => self.ask_for(index, "logout", json!({})),
            _ => {}
        }
    }

    fn a_socket_is_slow(&mut self) {
        if let Some(index) = self.any_tab(None) {
            let room = [0, 1, 700, usize::MAX][self.pick(4)];
            self.set_room(index, room);
        }
    }

    fn everybody_reads(&mut self) {
        for index in 0..self.tabs.len() {
            self.set_room(index, usize::MAX);
        }
    }

    /// Everybody hangs up.
    fn calm_down(&mut self) {
        for _ in 0..60 {
            self.pass(Duration::from_secs(10));
            let calls = self.sim_calls();
            for call in &calls {
                let chain = call.chainid.parse().expect("chains are GUIDs");
                self.ask(AdminRequest::SimHangUp(ChainId(chain)));
            }
            if calls.is_empty() {
                break;
            }
        }
        let left = self.sim_calls();
        assert!(left.is_empty(), "every call ends: {left:?}");
        self.pass(Duration::from_secs(10));
    }

    fn perhaps_everybody_logs_out(&mut self) {
        if !self.chance(15) {
            return;
        }
        for index in 0..self.tabs.len() {
            if self.tabs[index].stage == Stage::LoggedIn {
                self.ask_for(index, "logout", json!({}));
            }
        }
        self.pass(Duration::from_secs(20));
    }

    fn check_everything(&mut self) {
        for person in 0..PEOPLE.len() {
            let line = self.line(person);
            let idle = if person + 1 < PEOPLE.len() {
                LineState::HookDown
            } else {
                LineState::Disconnected
            };
            assert_eq!(
                (line.state, line.abonent.phase, line.chain),
                (idle, Phase::Idle, None)
            );
        }
        let status = self.status();
        let tabs = self.tabs.iter().filter(|tab| tab.stage == Stage::LoggedIn);
        assert_eq!((status.tabs, status.calls), (tabs.count(), 0));
        let numbers = self.numbers();
        for tab in self.tabs.iter().filter(|tab| tab.is_open()) {
            tab.assert_settled(&numbers);
        }
        self.check_settled_presence();
        self.check_crm();
        self.check_forms();
        self.assert_all_answered();
    }

    fn totals(&self) -> Totals {
        let crm = self.watch.as_ref().map(|watch| watch.counts);
        let mut totals = Totals {
            crm: crm.unwrap_or_default(),
            named: self.callers.named,
            rings: self.callers.rings,
            runs: self.runs.ends.clone(),
            fingerprint: self.fingerprint.finish(),
            ..Totals::default()
        };
        for tab in &self.tabs {
            totals.answers += tab.counts.answers;
            totals.refusals += tab.counts.refusals;
            totals.events += tab.counts.events;
            totals.lines += tab.counts.lines;
            totals.dropped += usize::from(tab.close_code == Some(1013));
        }
        totals
    }

    /// protocol 9-l: the gateway goes down, and every link ends with 1001.
    fn go_home(&mut self) {
        let open: Vec<usize> = (0..self.tabs.len())
            .filter(|index| self.tabs[*index].stage == Stage::LoggedIn)
            .collect();
        if self.chance(20) {
            self.with_crm(Crm::gets_stuck);
        }
        self.drain();
        self.pass(Duration::from_secs(20));
        // What is asked for now is answered all the same.
        (0..3).for_each(|person| self.run_a_method(person));
        self.pass(Duration::from_secs(20));
        self.assert_all_answered();
        for index in open {
            assert_eq!(self.tabs[index].close_code, Some(1001));
            assert_eq!(self.tabs[index].stage, Stage::Gone);
        }
        assert!(self.is_drained, "the hub hears of the last link's end");
        self.assert_empty();
        let status = self.status();
        assert_eq!((status.tabs, status.users_online, status.calls), (0, 0, 0));
    }

    pub(crate) fn status(&mut self) -> Status {
        let ticket = self.ask(AdminRequest::Status);
        match self.reply_to(ticket) {
            Some(Ok(AdminReply::Status(status))) => *status,
            other => panic!("the status was asked for: {other:?}"),
        }
    }
}
