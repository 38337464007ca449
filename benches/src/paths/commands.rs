//! What users ask most, in an exchange of few and of very many users: the same steps, whose costs must not differ.
//!
//! All users are logged in, those who act are the last ones of the directory, and every step ends where it began. What
//! `scripts/check-counts` holds the two sizes to is the ratio of their counts.

use okgate_core::base::LinkId;

use super::{Amount, HotPath, Reads, Repeats, Step};
use crate::gateway::{Gateway, frames, login_frame};

/// The paths in an exchange of so many users.
macro_rules! paths {
    ($users:literal: $($command:ident)*) => {
        &[$(HotPath {
            name: concat!("users_", $users, "/", stringify!($command)),
            amount: Amount::Elements(1),
            repeats: Repeats::Always,
            set_up: || $command(Office::new($users)),
        }),*]
    };
}

/// The paths, in the order of the list.
macro_rules! commands {
    ($users:literal) => {
        paths!($users:
            getuserstate setuserstate getmyuserinfo getextendedlineinfo getcurrentqueue getpbxcalljournal saveredirectrules
            sendusertextmessage triggercustomevent pbxautocallstart pbxanswercall outside_call pbxmakeflash_hold
            pbxmakeflash_swap pbxmaketransfer buildconferencefromcommutation exitconference login_and_logout)
    };
}

pub(super) const FEW: &[HotPath] = commands!(10);
pub(super) const MANY: &[HotPath] = commands!(10000);

/// Users with a tab each, of whom a few act.
struct Office {
    gateway: Gateway,
    tabs: Vec<LinkId>,
}

/// Something that happens.
#[derive(Clone, Copy)]
enum Deed {
    /// This one of [`ACTORS`] sends a request.
    Asks(usize, &'static str),
    /// Somebody outside calls the first one.
    Rings,
}

use Deed::{Asks, Rings};

/// The users who act: `user1` and on.
const ACTORS: usize = 3;

const SUBSCRIPTIONS: [&str; 2] = [
    r#"["subscribeevent",{"qid":"1","event":"phoneevent"}]"#,
    r#"["subscribeevent",{"qid":"2","eventmethod":["userstatechanged","linestatechanged","flashstatechanged","pbxnumberstatechanged","customevent","usertextmessagereceived"]}]"#,
];

const ANSWER: &str = r#"["pbxanswercall",{"qid":"1"}]"#;
const ABORT: &str = r#"["pbxabortcall",{"qid":"1"}]"#;
const FLASH: &str = r#"["pbxmakeflash",{"qid":"1","mode":"switch"}]"#;
const CALL_SECOND: &str = r#"["pbxautocallstart",{"qid":"1","number":"1002","sequence":"user"}]"#;
const CALL_THIRD: &str = r#"["pbxautocallstart",{"qid":"1","number":"1003","sequence":"user"}]"#;

/// The first one talks with the second one.
const TALK: [Deed; 3] = [Asks(0, CALL_SECOND), Asks(0, ANSWER), Asks(1, ANSWER)];

/// The first one, in a talk, talks with the third one and holds the second one.
const CONSULT: [Deed; 2] = [Asks(0, CALL_THIRD), Asks(2, ANSWER)];

/// The second one and the third one talk, and end it.
const END: [Deed; 1] = [Asks(1, ABORT)];

impl Office {
    fn new(users: u32) -> Self {
        let mut gateway = Gateway::new(users);
        let tabs = (1..=users).map(|user| gateway.logged_in(&format!("user{user}")));
        let tabs: Vec<_> = tabs.take(users as usize).collect();
        for tab in &tabs[..ACTORS] {
            gateway.receive(*tab, &mut frames(&SUBSCRIPTIONS));
        }
        Self { gateway, tabs }
    }

    /// These things happen before the step.
    fn after(mut self, deeds: &[Deed]) -> Self {
        for deed in deeds {
            self.act(*deed);
        }
        self
    }

    fn act(&mut self, deed: Deed) -> usize {
        match deed {
            Asks(who, message) => {
                let link = self.tabs[who];
                self.gateway.receive(link, &mut frames(&[message]))
            }
            Rings => self.gateway.outside_call("1001"),
        }
    }

    /// A step of these things, one after the other.
    fn step(mut self, deeds: &[Deed]) -> Step {
        let mut reads: Vec<_> = deeds
            .iter()
            .map(|deed| match deed {
                Asks(who, message) => Some((self.tabs[*who], Reads::of(frames(&[message])))),
                Rings => None,
            })
            .collect();
        Box::new(move || {
            let deeds = reads.iter_mut().map(|read| match read {
                Some((link, reads)) => self.gateway.receive(*link, reads.next()),
                None => self.gateway.outside_call("1001"),
            });
            deeds.sum()
        })
    }
}

fn getuserstate(office: Office) -> Step {
    office.step(&[Asks(0, r#"["getuserstate",{"qid":"1"}]"#)])
}

/// A break and back; the numbers' states change with it.
fn setuserstate(office: Office) -> Step {
    office.step(&[
        Asks(0, r#"["setuserstate",{"qid":"1","userstateid":3}]"#),
        Asks(0, r#"["setuserstate",{"qid":"1","userstateid":1}]"#),
    ])
}

fn getmyuserinfo(office: Office) -> Step {
    office.step(&[Asks(0, r#"["getmyuserinfo",{"qid":"1"}]"#)])
}

/// In a talk.
fn getextendedlineinfo(office: Office) -> Step {
    let office = office.after(&TALK);
    office.step(&[Asks(0, r#"["getextendedlineinfo",{"qid":"1"}]"#)])
}

fn getcurrentqueue(office: Office) -> Step {
    office.step(&[Asks(0, r#"["getcurrentqueue",{"qid":"1"}]"#)])
}

/// A whole page of calls.
fn getpbxcalljournal(office: Office) -> Step {
    const CALLS: usize = 60;
    let calls = [Rings, Asks(0, ABORT)].repeat(CALLS);
    let office = office.after(&calls);
    office.step(&[Asks(0, r#"["getpbxcalljournal",{"qid":"1","filter":{}}]"#)])
}

/// A rule is kept, then there is none.
fn saveredirectrules(office: Office) -> Step {
    office.step(&[
        Asks(
            0,
            r#"["saveredirectrules",{"qid":"1","redirectrule":{"id":"a7","caption":"away","priority":1,"isenabled":0,"destinationnumber":"1002"}}]"#,
        ),
        Asks(0, r#"["deleteredirectrules",{"qid":"1","ids":["a7"]}]"#),
    ])
}

fn sendusertextmessage(office: Office) -> Step {
    office.step(&[Asks(
        0,
        r#"["sendusertextmessage",{"qid":"1","text":"a word","recipients":["user2"]}]"#,
    )])
}

fn triggercustomevent(office: Office) -> Step {
    office.step(&[Asks(
        0,
        r#"["triggercustomevent",{"qid":"1","eventname":"e","eventparam":"p","recipients":["user2"],"sendback":0}]"#,
    )])
}

/// The own phone rings, then the call is given up.
fn pbxautocallstart(office: Office) -> Step {
    office.step(&[
        Asks(0, CALL_SECOND),
        Asks(0, r#"["pbxautocallabort",{"qid":"1"}]"#),
    ])
}

/// A whole call between two users.
fn pbxanswercall(office: Office) -> Step {
    let [call, own, other] = TALK;
    office.step(&[call, own, other, Asks(0, ABORT)])
}

/// A whole call from outside.
fn outside_call(office: Office) -> Step {
    office.step(&[Rings, Asks(0, ANSWER), Asks(0, ABORT)])
}

/// In a talk: the other one is held and taken back.
fn pbxmakeflash_hold(office: Office) -> Step {
    office.after(&TALK).step(&[Asks(0, FLASH), Asks(0, FLASH)])
}

/// With one held and one heard: they are swapped, and swapped again.
fn pbxmakeflash_swap(office: Office) -> Step {
    let office = office.after(&TALK).after(&CONSULT);
    office.step(&[Asks(0, FLASH), Asks(0, FLASH)])
}

/// A whole call, which is passed on to a third user.
fn pbxmaketransfer(office: Office) -> Step {
    let transfer = Asks(0, r#"["pbxmaketransfer",{"qid":"1","transferto":"1003"}]"#);
    let deeds = [&TALK[..], &[transfer, Asks(2, ANSWER)], &END].concat();
    office.step(&deeds)
}

/// A whole call, which becomes a conference of three and ends.
fn buildconferencefromcommutation(office: Office) -> Step {
    let build = Asks(0, r#"["buildconferencefromcommutation",{"qid":"1"}]"#);
    let exits = [0, 1].map(|who| Asks(who, ABORT));
    let deeds = [&TALK[..], &CONSULT, &[build], &exits].concat();
    office.step(&deeds)
}

/// A whole call, which becomes a conference of two that one leaves.
fn exitconference(office: Office) -> Step {
    let build = Asks(0, r#"["buildconferencefromcommutation",{"qid":"1"}]"#);
    let exit = Asks(0, r#"["exitconference",{"qid":"1"}]"#);
    let deeds = [&TALK[..], &[build, exit]].concat();
    office.step(&deeds)
}

/// A tab comes, logs in, logs out and goes.
fn login_and_logout(mut office: Office) -> Step {
    let mut login = Reads::of(login_frame("user1"));
    let mut logout = Reads::of(frames(&[r#"["logout",{"qid":"1"}]"#]));
    Box::new(move || {
        let gateway = &mut office.gateway;
        let before = gateway.sent();
        let link = gateway.connect();
        gateway.receive(link, login.next());
        gateway.receive(link, logout.next());
        gateway.disconnect(link);
        gateway.sent() - before
    })
}
