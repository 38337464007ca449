//! Owns how a tab comes in: connection, handshake, login with a password or a session, and what a browser library asks then.

use std::rc::Rc;
use std::time::Instant;

use serde_json::json;

use super::agenda::Agenda;
use super::desk::Desk;
use super::{Coming, Tab};
use crate::error::{Error, Result};
use crate::ledger::Joining;
use crate::message::peek_text;
use crate::play::present::Handle;
use crate::play::tally::{Counted, Timing};
use crate::play::worker::Shared;
use crate::raw_link::RawLink;
use crate::scenario::{Behaviour, BehaviourKind, FailureKind};
use crate::swarm;
use crate::tab::connect::{self, ConnectOptions, Connected};
use crate::tab::opening;

/// Brings a tab in; gives it, or in which way it failed.
pub(super) async fn come_in(
    handle: &Rc<Handle>,
    coming: &mut Coming,
    shared: &Shared,
) -> std::result::Result<Tab, (FailureKind, Error)> {
    let begun = Instant::now();
    let phase = shared.phase_of(coming.due.map_or(begun, tokio::time::Instant::into_std));
    let since_due = |now: Instant| {
        let due = coming.due.map(tokio::time::Instant::into_std);
        due.map(|due| now.saturating_duration_since(due))
    };
    let time = |timing, from: Instant| {
        let now = Instant::now();
        let service = now.saturating_duration_since(from);
        shared
            .tally
            .borrow_mut()
            .time(phase, timing, service, since_due(now));
    };
    let behaviour = shared.behaviour(handle);
    let connected = connect(handle, behaviour, shared).await;
    let connected = connected.map_err(|error| (FailureKind::Connect, error))?;
    time(Timing::Connect, begun);
    let agenda = Agenda::new(behaviour, handle.is_first, &mut shared.random.borrow_mut());
    let mut tab = Tab {
        link: RawLink::new(connected),
        desk: Desk::new(Rc::clone(handle), agenda),
    };
    let login = shared.login_of(handle.user);
    let sequence = sequence(&login, coming.session.as_deref(), behaviour, shared);
    let last = sequence.len();
    for (place, (method, fields)) in (1..).zip(sequence) {
        let asked_at = Instant::now();
        let qid = handle.requests.borrow_mut().take_qid();
        let desk = &mut tab.desk;
        let mut session = None;
        let take = |text: &[u8], is_answer: bool| {
            desk.take_beside(text, Instant::now(), shared);
            if is_answer && method == "login" {
                session = peek_text(text, "\"sessionid\"").map(<[u8]>::to_vec);
            }
            // From the last subscription on everything is to come.
            if is_answer && place == last && desk.key.is_none() {
                desk.key = join(handle, behaviour, shared);
            }
        };
        let (link, input) = (&mut tab.link, &shared.input);
        let within = shared.job.play.bounds.answer_max;
        let asking = swarm::ask(link, input, qid, (method, fields), within, take);
        let outcome = asking.await;
        if let Err(error) = outcome {
            tab.forget(shared);
            return Err(failed(method, &login, &error, coming));
        }
        if method == "login" {
            time(Timing::Login, asked_at);
            coming.session = session.map(|id| String::from_utf8_lossy(&id).into_owned());
        }
    }
    time(Timing::Opening, begun);
    shared
        .tally
        .borrow_mut()
        .count(phase, Counted::TabsOpened, 1);
    Ok(tab)
}

/// A failed opening in words; who was refused by its session tries its password next.
fn failed(method: &str, login: &str, error: &Error, coming: &mut Coming) -> (FailureKind, Error) {
    let is_login = method == "login";
    if is_login {
        coming.session = None;
    }
    let kind = if is_login {
        FailureKind::Login
    } else {
        FailureKind::Opening
    };
    let error = Error::WrongAnswer {
        method: method.to_owned(),
        answer: format!("{login}: {error}"),
    };
    (kind, error)
}

/// Connects, from another loopback address if there are no more ports.
async fn connect(handle: &Handle, behaviour: &Behaviour, shared: &Shared) -> Result<Connected> {
    let mut options = ConnectOptions::subprotocol(Some("json"));
    if let BehaviourKind::SlowReader {
        receive_buffer_bytes,
        ..
    } = behaviour.kind
    {
        options.receive_buffer_bytes = Some(receive_buffer_bytes);
    }
    for _ in 0..SOURCES_MAX {
        options.source = shared.source(handle.place);
        match connect::connect(shared.job.address, &options).await {
            Err(Error::Connect { source, .. })
                if matches!(
                    source.kind(),
                    std::io::ErrorKind::AddrNotAvailable | std::io::ErrorKind::AddrInUse
                ) =>
            {
                shared.next_source();
            }
            other => return other,
        }
    }
    connect::connect(shared.job.address, &options).await
}

/// What a tab asks before it is usable.
fn sequence(
    login: &str,
    session: Option<&str>,
    behaviour: &Behaviour,
    shared: &Shared,
) -> Vec<(&'static str, serde_json::Value)> {
    let password = &shared.job.play.users.password;
    let mut sequence = if behaviour.full_opening {
        let mut all = opening::sequence(login, password);
        if !behaviour.number_states {
            let unwanted = json!({"eventmethod": ["pbxnumberstatechanged"]});
            all.retain(|(_, fields)| *fields != unwanted);
        }
        all
    } else {
        opening::short_sequence(login, password, behaviour.number_states)
    };
    if let Some(session) = session {
        log_in_by(session, login, &mut sequence);
    }
    sequence
}

/// Puts a session in the place of the password.
fn log_in_by(session: &str, login: &str, sequence: &mut [(&'static str, serde_json::Value)]) {
    for (method, fields) in sequence {
        if *method == "login" {
            *fields = json!({"userlogin": login, "sessionid": session, "showid": 1});
        }
    }
}

/// From now on what the tab gets is judged; not that of one that reads too slowly to get everything.
fn join(handle: &Handle, behaviour: &Behaviour, shared: &Shared) -> Option<crate::ledger::TabKey> {
    if shared.is_slow(handle) {
        return None;
    }
    let now = Instant::now();
    let login = shared.login_of(handle.user);
    let joining = Joining {
        is_told_numbers: behaviour.number_states,
        is_from_start: shared.is_before_calls(now),
        sets_states: shared.sets_states(handle.user),
    };
    let mut ledger = shared.ledger.borrow_mut();
    Some(ledger.join(handle.user, &login, now, joining))
}

/// How many loopback addresses are tried.
const SOURCES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_session_needs_no_password() {
        let mut sequence = opening::sequence("user1", "secret");
        let count = sequence.len();
        log_in_by("s", "user1", &mut sequence);
        assert_eq!(sequence.len(), count);
        let text = format!("{sequence:?}");
        assert!(text.contains(r#""sessionid": String("s")"#), "{text}");
        assert!(!text.to_lowercase().contains("password"), "{text}");
    }
}
