//! What the CRM and its users do on a simulated day, what scenarios want of it, and how things stand at the day's end.

use okgate_core::base::ExecutionId;
use okgate_core::hub::{AdminReply, AdminRequest, MethodRun};
use okgate_core::wire::frame::{CloseCode, append_binary, append_close};
use okgate_core::wire::hixie;
use serde_json::json;

use crate::crm::{Crm, Named, Said};
use crate::line::Mode;
use crate::office::Office;
use crate::people::PEOPLE;
use crate::runs::{Run, TIMEOUTS};
use crate::tab::{Stage, Tab};
use crate::watch::Watch;

impl Office {
    /// Something happens at the CRM, or is wanted of it.
    pub(crate) fn act_at_crm(&mut self, person: usize) {
        if self.crm.is_none() && self.chance(80) {
            return;
        }
        match self.pick(34) {
            30.. => self.act_with_forms(person),
            0..8 => self.run_a_method(person),
            8 => self.cancel_a_run(),
            9..15 => drop(self.with_crm(|crm| crm.somebody_comes_or_goes(person))),
            15..24 => self.crm_asks(person),
            24 => drop(self.with_crm(Crm::says_something_odd)),
            25 => drop(self.with_crm(Crm::breaks_its_link)),
            26 | 27 => drop(self.with_crm(Crm::changes_its_pace)),
            28 if self.chance(30) => self.relink(),
            28 => drop(self.with_crm(|crm| crm.declare(None))),
            _ => drop(self.with_crm(|crm| {
                crm.trouble = [0, 0, 30, 90][crm.pick(4)];
            })),
        }
    }

    pub(crate) fn run_a_method(&mut self, person: usize) {
        let ticket = self.next_ticket();
        let keys = ["sum", "sum", "sum", "sum", "personal", "nosuch", "posted"];
        let key = keys[self.pick(keys.len())];
        let is_fit = self.chance(90) || key == "posted";
        let user_login = (key == "personal").then(|| PEOPLE[person].into());
        let input = if is_fit {
            json!({"ticket": ticket})
        } else {
            json!({"undeclared": ticket})
        };
        let timeout = TIMEOUTS[self.pick(TIMEOUTS.len())];
        let run = MethodRun {
            key: key.into(),
            input: input.to_string().into(),
            user_login,
            timeout,
            wait_for_link: self.chance(50),
        };
        let begun = Run {
            key,
            deadline: self.now + timeout,
            waits_for_link: run.wait_for_link,
            is_fit,
        };
        self.runs.begin(ticket, begun);
        let asked = self.ask(AdminRequest::RunMethod(run));
        assert_eq!(asked, ticket);
    }

    fn cancel_a_run(&mut self) {
        let known = self.watch.as_ref().map(Watch::executions);
        let known = known.unwrap_or_default();
        if known.is_empty() {
            return;
        }
        let (execution, subject) = &known[self.pick(known.len())];
        let execution = ExecutionId(execution.parse().expect("a GUID"));
        self.runs.is_cancelling = true;
        let ticket = self.ask(AdminRequest::CancelRun(execution));
        self.runs.is_cancelling = false;
        if self.reply_to(ticket) == Some(Ok(AdminReply::Done)) {
            self.callers.cancelled(subject);
        }
    }

    fn crm_asks(&mut self, person: usize) {
        let number = self.any_number();
        self.with_crm(|crm| crm.asks(person, &number));
    }

    /// Calls wait for their names, but not for long.
    pub(crate) fn check_callers(&mut self) {
        for call in self.sim_calls() {
            if call.state == "arrived" {
                self.callers.assert_may_wait(&call.from, self.now);
            }
        }
    }

    // protocol 5-a and 6.3: who is active in the CRM is present.
    pub(crate) fn check_presence(&mut self) {
        for (person, login) in PEOPLE.iter().enumerate() {
            let state = self.user_state(person);
            let is_active = self.watch.as_ref().is_some_and(|it| it.is_active(person));
            if is_active {
                assert_ne!(state, 0, "{login} is active in the CRM");
            } else if !self.tabs.iter().any(|tab| tab.person == person) {
                // protocol 6.6: a phone that is in a call makes its user busy, absent or not.
                let in_call = self.line(person).chain.is_some();
                let absent = if in_call { 5 } else { 0 };
                assert_eq!(state, absent, "{login} is nowhere");
            }
        }
    }

    // protocol 5-a and 6.1: present is who is active in the CRM or has a tab, and nobody else.
    pub(crate) fn check_settled_presence(&mut self) {
        for (person, login) in PEOPLE.iter().enumerate() {
            let has_tab = |tab: &Tab| tab.person == person && tab.stage == Stage::LoggedIn;
            let is_active = self.watch.as_ref().is_some_and(|it| it.is_active(person));
            let is_present = is_active || self.tabs.iter().any(has_tab);
            let state = self.user_state(person);
            assert_eq!(state != 0, is_present, "{login}: {state}");
        }
    }

    /// The CRM is well from now on: the link must come back.
    pub(crate) fn crm_recovers(&mut self) {
        let now = self.now;
        self.with_crm(|crm| crm.recover(now));
        if let Some(watch) = &self.watch {
            let span = watch.recovery(self.mail.delay_max);
            self.pass(span);
            // protocol 2-g
            let is_ready = self.watch.as_ref().is_some_and(Watch::is_ready);
            assert!(is_ready, "{:?}", self.status().crm);
        }
    }

    /// With everything delivered: the CRM knows what is true.
    pub(crate) fn check_crm(&mut self) {
        let numbers = self.numbers();
        let states: Vec<i64> = (0..PEOPLE.len()).map(|it| self.user_state(it)).collect();
        let (Some(watch), Some(crm)) = (&self.watch, &self.crm) else {
            return;
        };
        watch.assert_settled(&numbers, |person| states[person]);
        if watch.admits_everybody() && crm.line.mode != Mode::Http {
            assert_eq!(watch.active, crm.active, "the CRM's list counts");
        }
    }
}

impl Crm {
    /// A user logs in at the CRM, or out, whether there is a link or not.
    fn somebody_comes_or_goes(&mut self, person: usize) {
        // Some are nobody here.
        let login = if self.chance(10) {
            "zoe"
        } else {
            PEOPLE[person]
        };
        let typed = if self.chance(40) {
            login.to_uppercase()
        } else {
            login.to_owned()
        };
        let key = login.to_lowercase();
        if self.active.contains_key(&key) && self.chance(60) {
            self.active.remove(&key);
            let fields = json!({"userlogin": typed});
            return self.ask("logout", fields, vec![Said::LoggedOut(typed)]);
        }
        let id = match self.pick(4) {
            0 => None,
            1 => Some(json!(person + 17)),
            2 => Some(json!("")),
            _ => Some(json!(format!("crm-user-{person}"))),
        };
        let mut fields = json!({"userlogin": typed});
        if let Some(id) = &id {
            fields["userid"] = id.clone();
        }
        let named = Named {
            login: typed,
            id: id.filter(|id| id != "").map(|id| id.to_string()),
        };
        self.active.insert(key, named.clone());
        self.ask("login", fields, vec![Said::LoggedIn(named)]);
    }

    /// A request in a user's name, or in its own.
    fn asks(&mut self, person: usize, number: &str) {
        let mut fields = json!({"userlogin": PEOPLE[person]});
        let name = match self.pick(14) {
            0..3 => "getuserstate",
            3 => "getextendedlineinfo",
            4 => {
                fields["userstateid"] = [1, 3][self.pick(2)].into();
                "setuserstate"
            }
            5 => {
                fields["number"] = number.into();
                "pbxautocallstart"
            }
            6 => "pbxanswercall",
            7 => "pbxabortcall",
            8 => {
                fields = json!({"userlogin": "", "userid": ""});
                "getpbxnumbers"
            }
            9 => {
                fields = json!({"userlogin": "nobody"});
                "getuserstate"
            }
            10 => "nosuchmethod",
            11 => "ping",
            12 => "whoareyou",
            _ => "getcurrentqueue",
        };
        self.ask(name, fields, Vec::new());
    }

    /// Nothing of this is answered as a request, and some of it costs the link.
    fn says_something_odd(&mut self) {
        self.flush();
        match self.pick(8) {
            0 => self.write_text("no message", Vec::new()),
            1 => self.write_text("[]", Vec::new()),
            2 => self.write_text(
                r#"["getuserstateresult",{"qid":"1","result":0}]"#,
                Vec::new(),
            ),
            3 => self.write_text(r#"["error",{"error":400}]"#, Vec::new()),
            4 => {
                let packet = r#"["multipart",{"message-id":"m","packetcount":2,"packetnumber":0,"content":"WyJh"}]"#;
                self.write_text(packet, Vec::new());
            }
            5 => self.write_text(r#"["activeusers",{"users":7}]"#, Vec::new()),
            6 => {
                let mut frame = Vec::new();
                append_binary(&mut frame, b"x", self.line.mask());
                self.write_bytes(&frame, Vec::new());
            }
            // A reserved bit.
            _ => self.write_bytes(&[0xF1, 0], Vec::new()),
        }
        self.flush();
    }

    fn breaks_its_link(&mut self) {
        if self.line.mode == Mode::In && self.chance(60) {
            // It has not heard of its link's end, or has two programs.
            if let Some(socket) = &mut self.socket {
                socket.is_mute |= self.random.below(2) == 0;
            }
            return self.knock();
        }
        if self.chance(60) {
            return self.break_off();
        }
        self.flush();
        let mut frame = Vec::new();
        let code = [None, Some(CloseCode::Normal), Some(CloseCode::Away)][self.pick(3)];
        if self.line.is_old() {
            hixie::append_close(&mut frame);
        } else {
            append_close(&mut frame, code, "", self.line.mask());
        }
        self.write_bytes(&frame, Vec::new());
        self.flush();
    }

    pub(crate) fn gets_stuck(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.is_stuck = true;
        }
    }

    /// It stops to read for a while, or its sends get stuck, or it reads on.
    fn changes_its_pace(&mut self) {
        let choice = self.pick(4);
        if let Some(socket) = &mut self.socket {
            match choice {
                0 => socket.is_stuck = true,
                1 => socket.is_mute = true,
                _ => {
                    self.unstick();
                    self.read_on();
                }
            }
        }
    }
}
