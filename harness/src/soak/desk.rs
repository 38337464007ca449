//! Owns what one tab of a soak knows of its link: which requests are open, and what is wrong with a message that comes.
//!
//! Texts come in; failures go to the gate that they belong to. A message is an answer to an open request, in time and of the
//! right name, or an event that the tab subscribed, of its own user, once and in order.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::World;
use super::calls;
use super::story::Told;
use super::watch::{Gate, Kind};
use crate::ledger::digest;
use crate::message::{Message, answer_name, shortened};
use crate::multipart::Assembler;
use crate::raw_link::request_frame;

/// What a tab knows of its link.
pub(super) struct Desk {
    pub(super) world: Rc<World>,
    /// Which tab, counted from 0; tabs go round the users.
    pub(super) index: usize,
    next_qid: u64,
    open: BTreeMap<u64, Open>,
    assembler: Assembler,
    part: Part,
}

/// What is asked of a tab's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// To live, and to bring everything in time.
    Held,
    /// As long as it lives, to bring everything in order.
    Returning,
    /// The same, but the link has not subscribed to everything yet.
    Opening,
}

/// A request without an answer yet.
struct Open {
    method: &'static str,
    sent_at: Instant,
    kind: Kind,
    /// It was reported as late already.
    is_late: bool,
    /// Who gets the answer and judges whether it is a good one.
    tell: Option<oneshot::Sender<Message>>,
}

impl Desk {
    pub(super) fn new(world: &Rc<World>, index: usize, part: Part) -> Self {
        Self {
            world: Rc::clone(world),
            index,
            next_qid: 0,
            open: BTreeMap::new(),
            assembler: Assembler::default(),
            part,
        }
    }

    pub(super) fn user(&self) -> usize {
        self.index % self.world.options.users
    }

    /// How many requests are open.
    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The link has subscribed to everything: from now on its events follow the user's story.
    pub(super) fn opened(&mut self) {
        self.part = Part::Returning;
        let (index, user) = (self.index, self.user());
        self.world.stories.follow(index, user, false);
    }

    /// A request goes out now; gives its frame.
    pub(super) fn request(
        &mut self,
        method: &'static str,
        fields: Value,
        kind: Kind,
        tell: Option<oneshot::Sender<Message>>,
    ) -> Vec<u8> {
        let qid = self.next_qid;
        self.next_qid += 1;
        let open = Open {
            method,
            sent_at: Instant::now(),
            kind,
            is_late: false,
            tell,
        };
        self.open.insert(qid, open);
        self.world.watch.open_request(1);
        request_frame(method, fields, qid)
    }

    /// When the oldest open request that is not reported as late will have waited for so long.
    pub(super) fn next_late(&self, patience: Duration) -> Option<Instant> {
        let waiting = self.open.values().find(|open| !open.is_late);
        waiting.map(|open| open.sent_at + patience)
    }

    /// Reports what is late.
    pub(super) fn note_late(&mut self) {
        let (stall, now) = (self.world.options.stall, Instant::now());
        for open in self.open.values_mut() {
            if !open.is_late && now.duration_since(open.sent_at) >= stall {
                open.is_late = true;
                let what = format_args!(
                    "tab {} had no answer to {} within {stall:?}",
                    self.index, open.method
                );
                self.world.watch.fail(Gate::Stall, what);
            }
        }
    }

    /// The link is over.
    pub(super) fn close(&mut self) {
        for open in std::mem::take(&mut self.open).into_values() {
            self.world.watch.open_request(-1);
            if self.part == Part::Held {
                let lost = format_args!("tab {} got no answer to {}", self.index, open.method);
                self.world.watch.fail(Gate::Messages, lost);
            }
        }
        self.world.stories.leave(self.index);
    }

    /// Takes a text that came.
    pub(super) fn take(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let wrong = match Message::parse(&text) {
            Ok(message) if message.name == "multipart" => self.take_packet(&message),
            Ok(message) => self.take_message(&message, &text),
            Err(_) => Some("it is no message"),
        };
        if let Some(wrong) = wrong {
            let what = format_args!("tab {}: {wrong}: {}", self.index, shortened(&text));
            self.world.watch.fail(Gate::Messages, what);
        }
    }

    fn take_packet(&mut self, packet: &Message) -> Option<&'static str> {
        match self.assembler.accept(packet) {
            Ok(Some(whole)) => self.take_message(&whole, &whole.to_text()),
            Ok(None) => None,
            Err(_) => Some("it is a wrong packet"),
        }
    }

    /// Says what is wrong with the message.
    fn take_message(&mut self, message: &Message, text: &str) -> Option<&'static str> {
        let qid = message.qid().and_then(|qid| qid.parse::<u64>().ok());
        if let Some(open) = qid.and_then(|qid| self.open.remove(&qid)) {
            return self.take_answer(message, open);
        }
        let name = message.name.as_str();
        if !name.starts_with("phoneevent_") && !EVENTS.contains(&name) {
            return Some("nobody asked for it");
        }
        self.world.watch.count(|counts| counts.events += 1);
        let login = super::login_of(self.user());
        // The one event that everybody gets names no user.
        if name == NUMBERS {
            return (message.text("userlogin").is_some()).then_some("it names a user");
        }
        // protocol 6-b: never another user's events.
        if message.text("userlogin") != Some(&login) {
            return Some("it is another user's event");
        }
        self.follow(message, text);
        None
    }

    /// Holds an event of the user against what the user's other tabs get.
    fn follow(&self, message: &Message, text: &str) {
        let (world, index, user) = (&self.world, self.index, self.user());
        let told = Told {
            digest: digest(text.as_bytes()),
            name: message.name.clone(),
        };
        let wrong: Vec<String> = match self.part {
            Part::Opening => Vec::new(),
            Part::Held if index == user => world.stories.witness(user, told).into_iter().collect(),
            Part::Held | Part::Returning => world.stories.told(index, told),
        };
        for wrong in wrong {
            let what = format_args!("tab {index} of user {user} got {wrong}");
            world.watch.fail(Gate::Events, what);
        }
        if self.part == Part::Held {
            let chain = message.text("chainid");
            calls::seen(world, user, index, &message.name, chain);
        }
    }

    fn take_answer(&mut self, message: &Message, open: Open) -> Option<&'static str> {
        let (watch, time) = (&self.world.watch, open.sent_at.elapsed());
        watch.open_request(-1);
        watch.time(open.kind, time);
        watch.count(|counts| counts.answers += 1);
        if self.part == Part::Held && time > self.world.options.stall {
            let index = self.index;
            let what = format_args!(
                "tab {index} waited {time:?} for the answer to {}",
                open.method
            );
            watch.fail(Gate::Stall, what);
        }
        let is_named = message.name == answer_name(open.method);
        if let Some(tell) = open.tell {
            // Who asked may have given up.
            let _gone = tell.send(message.clone());
            return (!is_named).then_some("it is a wrong answer");
        }
        (!is_named || !message.succeeded()).then_some("it is a wrong answer")
    }
}

/// The one event that everybody gets.
const NUMBERS: &str = "pbxnumberstatechanged";
/// The events that a tab subscribes beside the phone's.
pub(super) const EVENTS: [&str; 4] = [
    "userstatechanged",
    NUMBERS,
    "linestatechanged",
    "flashstatechanged",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::Admin;
    use crate::soak::SoakOptions;

    /// Two users with three tabs each, of which the last two tabs are behind a fault proxy.
    fn world(stall: Duration) -> Rc<World> {
        let nowhere = "127.0.0.1:9".parse().unwrap();
        let options = SoakOptions::of_test(8, 2, stall);
        Rc::new(World::new(options, nowhere, Admin::new(nowhere), None))
    }

    /// The two held tabs of the first user, and one of it behind the proxy; the first one is the witness.
    fn desks(world: &Rc<World>) -> [Desk; 3] {
        let held = [0, 2].map(|index| Desk::new(world, index, Part::Held));
        world.stories.follow(2, 0, true);
        let mut returning = Desk::new(world, 6, Part::Opening);
        returning.opened();
        let [witness, other] = held;
        [witness, other, returning]
    }

    /// The events of a call that rings, is answered and ends, as the first user's tabs get them.
    fn call() -> Vec<String> {
        let states = ["userstatechanged", "linestatechanged"];
        let steps = [
            &[states[0], "phoneevent_ringstarted", states[1]],
            &[
                "phoneevent_ringstopped",
                "phoneevent_commstarted",
                states[1],
            ],
            &[states[0], "phoneevent_commstopped", states[1]],
        ];
        let names = steps.into_iter().flatten().enumerate();
        let event = |(place, name): (usize, &&str)| {
            let mut fields = json!({"qid": place, "userlogin": "user1"});
            if name.starts_with("phone") {
                fields["chainid"] = "c".into();
            }
            Message::new(*name, fields).to_text()
        };
        names.map(event).collect()
    }

    /// Expects the call as its caller does, while the tabs take their texts; gives the gates that failed.
    async fn gates(texts: [Vec<String>; 3]) -> Vec<Gate> {
        let world = world(Duration::from_secs(60));
        let mut desks = desks(&world);
        let mut texts = texts.map(|texts| texts.into_iter().peekable());
        for step in [calls::RINGS, calls::ANSWERED, calls::ENDED] {
            world.calls.expect(0, &[0, 2], step);
            for (desk, texts) in desks.iter_mut().zip(&mut texts) {
                let mut is_over = false;
                while let Some(text) = texts.next_if(|_| !is_over) {
                    is_over = text.contains("linestatechanged") && text.contains("user1");
                    desk.take(text.as_bytes());
                }
            }
            let missing = world.calls.complete(0, Duration::ZERO).await;
            if missing > 0 {
                world.watch.fail(Gate::CallEvents, missing);
            }
        }
        let (wrong, lacking) = world.stories.unsettled(Duration::ZERO);
        for what in wrong.into_iter().chain(lacking) {
            world.watch.fail(Gate::Events, what);
        }
        let failures = world.watch.failures().into_iter();
        failures.map(|failed| failed.gate).collect()
    }

    #[tokio::test]
    async fn a_call_whose_events_come_to_every_tab_once_and_in_order_is_fine() {
        assert_eq!(gates([call(), call(), call()]).await, []);
    }

    #[tokio::test]
    async fn a_lost_doubled_or_swapped_event_fails_whichever_tab_it_is() {
        type Fault = fn(&mut Vec<String>);
        let faults: [(&str, Fault); 4] = [
            ("lost", |texts| drop(texts.remove(4))),
            ("doubled", |texts| texts.insert(4, texts[4].clone())),
            ("swapped", |texts| texts.swap(3, 4)),
            ("lost at the end", |texts| drop(texts.pop())),
        ];
        for (name, fault) in faults {
            for tab in 0..3 {
                let mut texts = [call(), call(), call()];
                fault(&mut texts[tab]);
                let gates = gates(texts).await;
                assert!(
                    gates.contains(&Gate::Events),
                    "{name} in tab {tab}: {gates:?}"
                );
                // A step is not complete in a held tab that lacks one of its events, or got it too early.
                let is_short = name != "doubled" && tab < 2;
                assert_eq!(
                    gates.contains(&Gate::CallEvents),
                    is_short,
                    "{name} in tab {tab}"
                );
            }
        }
    }

    #[tokio::test]
    async fn an_event_of_another_user_an_unasked_answer_and_nonsense_fail_among_the_messages() {
        for strange in [
            r#"["userstatechanged",{"qid":"x","userlogin":"user2"}]"#,
            r#"["phoneevent_ringstarted",{"qid":"x","userlogin":"user2","chainid":"c"}]"#,
            r#"["linestatechanged",{"qid":"x"}]"#,
            r#"["pong",{"qid":"77","result":1}]"#,
            r#"["customevent",{"qid":"x","userlogin":"user1"}]"#,
            r#"["multipart",{"message-id":"m","packetcount":1,"packetnumber":1,"content":""}]"#,
            "nonsense",
        ] {
            for tab in 0..3 {
                let mut texts = [call(), call(), call()];
                texts[tab].insert(1, strange.to_owned());
                assert_eq!(
                    gates(texts).await,
                    [Gate::Messages],
                    "{strange} in tab {tab}"
                );
            }
        }
    }

    #[tokio::test]
    async fn answers_must_come_have_their_name_and_be_good() {
        let world = world(Duration::ZERO);
        let mut desk = Desk::new(&world, 0, Part::Held);
        let mut answered = |text: &str| {
            drop(desk.request("ping", json!({}), Kind::Request, None));
            desk.take(text.as_bytes());
            world.watch.failures().len()
        };
        assert_eq!(
            answered(r#"["pong",{"qid":"0","result":1}]"#),
            1,
            "no time was allowed"
        );
        assert_eq!(answered(r#"["pong",{"qid":"1","result":0}]"#), 2);
        assert_eq!(world.watch.open_requests(), 0);
        drop(desk.request("ping", json!({}), Kind::Request, None));
        desk.close();
        let gates: Vec<(Gate, u64)> = world
            .watch
            .failures()
            .into_iter()
            .map(|failed| (failed.gate, failed.count))
            .collect();
        assert_eq!(gates, [(Gate::Stall, 2), (Gate::Messages, 2)]);
        assert_eq!(world.watch.open_requests(), 0);
    }

    #[tokio::test]
    async fn a_link_that_may_be_lost_owes_no_answers() {
        let world = world(Duration::ZERO);
        let mut desk = Desk::new(&world, 6, Part::Opening);
        drop(desk.request("ping", json!({}), Kind::Returning, None));
        assert!(desk.next_late(Duration::ZERO).is_some());
        desk.close();
        assert_eq!(
            (world.watch.failures(), world.watch.open_requests()),
            (vec![], 0)
        );
    }
}
