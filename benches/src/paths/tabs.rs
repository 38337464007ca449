//! Messages through a whole shard and the hub: bytes in, bytes out, without sockets.

use std::sync::Arc;

use okgate_core::base::{ChainId, Guid};
use okgate_core::protocol::{Event, LineState, Occurrence, RingStarted};

use super::{Amount, BATCH, HotPath, PING, Reads, Repeats, Step};
use crate::gateway::{Gateway, OPENING, frames, login_frame, user};

pub(super) const PATHS: &[HotPath] = &[
    path("tab/ping", 1, || answer(&[PING])),
    path("tab/ping_batch_16", BATCH, || answer(&[PING; BATCH])),
    path("tab/getuserstate", 1, || {
        answer(&[r#"["getuserstate",{"qid":"1"}]"#])
    }),
    path("tab/getextendedlineinfo", 1, || {
        answer(&[r#"["getextendedlineinfo",{"qid":"1"}]"#])
    }),
    path("tab/opening", OPENING.len(), || answer(&OPENING)),
    HotPath {
        repeats: Repeats::Once,
        ..path("tab/connect", 1, connect)
    },
    HotPath {
        repeats: Repeats::Once,
        ..path("tab/login", 1, login)
    },
    path("event/linestatechanged", 1, || {
        event(Occurrence::LineStateChanged {
            state: LineState::Commutated,
            version: 0,
        })
    }),
    path("event/phoneevent_ringstarted", 1, || event(ring_started())),
    path("event/state_to_1000_tabs_and_back", 2 * TABS, fan_out),
];

/// Users of the gateway.
const USERS: u32 = 100;

/// Each of a user's tabs gets the events of the user's state.
const TABS: usize = 1000;

const fn path(name: &'static str, elements: usize, set_up: fn() -> Step) -> HotPath {
    HotPath {
        name,
        amount: Amount::Elements(elements as u64),
        repeats: Repeats::Always,
        set_up,
    }
}

/// A tab sends these messages in one read.
fn answer(messages: &[&str]) -> Step {
    let mut gateway = Gateway::new(USERS);
    let link = gateway.tab("user1");
    let mut reads = Reads::of(frames(messages));
    let sent = gateway.receive(link, reads.next());
    assert!(sent > messages.len() * 30, "only {sent} bytes went out");
    Box::new(move || gateway.receive(link, reads.next()))
}

fn connect() -> Step {
    let mut gateway = Gateway::new(USERS);
    Box::new(move || {
        gateway.connect();
        gateway.sent()
    })
}

fn login() -> Step {
    let mut gateway = Gateway::new(USERS);
    let link = gateway.connect();
    let mut login = login_frame("user1");
    Box::new(move || gateway.receive(link, &mut login))
}

/// The shard hears of an event for a user with one tab.
fn event(what: Occurrence) -> Step {
    let mut gateway = Gateway::new(USERS);
    let link = gateway.tab("user1");
    let subscribe = r#"["subscribeevent",{"qid":"1","eventmethod":"phoneevent"}]"#;
    gateway.receive(link, &mut frames(&[subscribe]));
    let event = Arc::new(Event {
        qid: Guid::from_bits(7),
        user: Some(user(1)),
        what,
    });
    Box::new(move || gateway.tell(&event))
}

fn ring_started() -> Occurrence {
    Occurrence::RingStarted(Box::new(RingStarted {
        chain: ChainId(Guid::from_bits(7)),
        caller: Some("89274513158".into()),
        caller_name: Some("Иванов Иван".into()),
        by_exchange: false,
        caller_info: None,
        comment: None,
        is_outside: true,
        is_conference: false,
    }))
}

/// A user with many tabs takes a break and comes back; the request's answer and the
/// events of each change go out in one batch.
fn fan_out() -> Step {
    let mut gateway = Gateway::new(USERS);
    let link = gateway.tab("user1");
    for _ in 1..TABS {
        gateway.tab("user1");
    }
    let mut turns = [3, 1].map(|state| {
        let request = format!(r#"["setuserstate",{{"qid":"1","userstateid":{state}}}]"#);
        Reads::of(frames(&[&request]))
    });
    Box::new(move || {
        let sent = turns
            .iter_mut()
            .map(|turn| gateway.receive(link, turn.next()));
        let sent = sent.sum();
        assert!(sent > 2 * TABS * 100, "only {sent} bytes went out");
        sent
    })
}
