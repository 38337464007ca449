//! Owns the list of everything that a run measures: names as thresholds and results have them, what kind each is, and one line
//! that explains it. Nothing here measures.

use serde::{Deserialize, Serialize};

use super::fields::allowed;
use super::method::Method;

/// A measure, or a family of them.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureName {
    /// Its name.
    pub name: String,
    /// What it is measured in.
    pub kind: MeasureKind,
    /// One line for people.
    pub explanation: String,
}

/// What a measure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureKind {
    /// Times: percentiles.
    Latency,
    /// A number of things.
    Count,
    /// An amount of this unit.
    Gauge(Unit),
}

/// What an amount is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Microseconds.
    Microseconds,
    /// Things a second.
    PerSecond,
    /// A share or a ratio: 1 is all, or no change.
    Share,
    /// Just a number.
    Number,
}

impl Unit {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Microseconds => "us",
            Self::PerSecond => "1/s",
            Self::Share => "share",
            Self::Number => "",
        }
    }
}

/// In which way something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// No connection.
    Connect,
    /// A login was refused or not answered.
    Login,
    /// An opening was refused or not answered.
    Opening,
    /// A link that the server ended.
    Closed,
    /// Something that the protocol does not know.
    Protocol,
    /// A refused request.
    Refused,
    /// A request without an answer.
    NoAnswer,
    /// Something that was due and could not be done.
    NotSent,
    /// A call that the gateway did not take.
    CallRefused,
    /// A call that rang nobody.
    CallNotRung,
    /// An event that some tab did not get.
    EventLost,
    /// An event that some tab got twice.
    EventDoubled,
    /// An event that some tab got too late, behind its followers.
    EventOutOfOrder,
    /// An event that is no step of a call.
    BrokenLadder,
    /// Another user's event.
    WrongUser,
    /// A number's state that is not the last one.
    NumberState,
    /// A worker process that ended.
    Worker,
    /// The server's process ended, or did not answer.
    Server,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Connect,
        Self::Login,
        Self::Opening,
        Self::Closed,
        Self::Protocol,
        Self::Refused,
        Self::NoAnswer,
        Self::NotSent,
        Self::CallRefused,
        Self::CallNotRung,
        Self::EventLost,
        Self::EventDoubled,
        Self::EventOutOfOrder,
        Self::BrokenLadder,
        Self::WrongUser,
        Self::NumberState,
        Self::Worker,
        Self::Server,
    ];

    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Login => "login",
            Self::Opening => "opening",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
            Self::NotSent => "not_sent",
            Self::CallRefused => "call_refused",
            Self::CallNotRung => "call_not_rung",
            Self::EventLost => "event_lost",
            Self::EventDoubled => "event_doubled",
            Self::EventOutOfOrder => "event_out_of_order",
            Self::BrokenLadder => "broken_ladder",
            Self::WrongUser => "wrong_user",
            Self::NumberState => "number_state",
            Self::Worker => "worker",
            Self::Server => "server",
        }
    }

    /// One line for people.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Connect => {
                "TCP connections that failed, and handshakes that were refused or not answered"
            }
            Self::Login => "logins that were refused or not answered",
            Self::Opening => "other requests of an opening that were refused or not answered",
            Self::Closed => "links that the server ended, but those of slow readers",
            Self::Protocol => "messages that cannot be read, and `error` messages",
            Self::Refused => "requests of open tabs that were answered with result 0",
            Self::NoAnswer => "requests of open tabs that were not answered in time",
            Self::NotSent => {
                "tabs, calls and requests that were due while too many before them were not done, or nobody was there to do them"
            }
            Self::CallRefused => {
                "calls that the gateway did not begin, or did not end when the caller hung up"
            }
            Self::CallNotRung => {
                "calls that began and rang none of the user's tabs, and rings without a call"
            }
            Self::EventLost => "events of a user that one tab did not get and another did",
            Self::EventDoubled => "events that a tab got twice",
            Self::EventOutOfOrder => {
                "events that a tab got behind events that the user's other tabs got after them"
            }
            Self::BrokenLadder => {
                "tabs, once for each time that an event is no next step of a call, and lines in a call at the end"
            }
            Self::WrongUser => "events that name another user than the tab's own",
            Self::NumberState => {
                "tabs whose last told states of numbers are not those that a new tab reads at the end"
            }
            Self::Worker => "worker processes of the harness that ended too early",
            Self::Server => {
                "ends of the server's process, and figures of it that could not be read"
            }
        }
    }
}

/// The events whose latency is measured: those of a call's steps, and what is told of numbers.
const TIMED_EVENTS: [&str; 7] = [
    "userstatechanged",
    "phoneevent_ringstarted",
    "phoneevent_ringstopped",
    "phoneevent_commstarted",
    "phoneevent_commstopped",
    "linestatechanged",
    "pbxnumberstatechanged",
];

/// Every measure, families written out.
pub fn all() -> Vec<MeasureName> {
    let mut all: Vec<MeasureName> = PLAIN
        .iter()
        .map(|(name, kind, explanation)| MeasureName {
            name: (*name).to_owned(),
            kind: *kind,
            explanation: (*explanation).to_owned(),
        })
        .collect();
    all.extend(Method::all().map(|method| MeasureName {
        name: format!("round_trip.{}", method.name()),
        kind: MeasureKind::Latency,
        explanation: format!("from a request `{}` to its answer", method.name()),
    }));
    all.extend(TIMED_EVENTS.map(|event| MeasureName {
        name: format!("event_latency.{event}"),
        kind: MeasureKind::Latency,
        explanation: match event {
            "pbxnumberstatechanged" => {
                "from an outside call's beginning to the news that its number is busy, in each tab that is told of numbers' states; the gateway gathers such news on purpose".to_owned()
            }
            _ => format!("from a call's planned step to its `{event}` in each of the user's tabs"),
        },
    }));
    all.extend(FailureKind::ALL.map(|kind| MeasureName {
        name: format!("errors.{}", kind.name()),
        kind: MeasureKind::Count,
        explanation: kind.explanation().to_owned(),
    }));
    all
}

/// The measure of this name.
pub fn find(name: &str) -> Option<MeasureName> {
    all().into_iter().find(|measure| measure.name == name)
}

/// What to say of a name that is no measure's.
pub(super) fn unknown(name: &str) -> String {
    let all = all();
    let (family, detail) = name.split_once('.').unwrap_or((name, ""));
    let names: Vec<&str> = if detail.is_empty() {
        PLAIN.iter().map(|(name, ..)| *name).collect()
    } else {
        let family = format!("{family}.");
        let members = all.iter().map(|measure| measure.name.as_str());
        let members: Vec<&str> = members.filter(|name| name.starts_with(&family)).collect();
        if members.is_empty() {
            all.iter().map(|measure| measure.name.as_str()).collect()
        } else {
            members
        }
    };
    let more = "; `okgate-harness load --list-measures` explains them";
    format!(
        "there is no measure `{name}`; {}{more}",
        allowed(name, &names)
    )
}

/// Those that have no family.
const PLAIN: &[(&str, MeasureKind, &str)] = {
    use MeasureKind::{Count, Gauge, Latency};
    &[
        (
            "connect",
            Latency,
            "from the beginning of a TCP connection to the end of the WebSocket handshake",
        ),
        ("login", Latency, "from the request `login` to its answer"),
        (
            "opening",
            Latency,
            "from the beginning of a TCP connection to the last answer that a tab asks before it is usable",
        ),
        (
            "come_back",
            Latency,
            "from the first try of a tab that lost or left its link to its last answer, with its old session",
        ),
        (
            "round_trip",
            Latency,
            "from a request to its answer, all methods of open tabs together",
        ),
        (
            "ring_to_popup",
            Latency,
            "from an outside call's beginning to `phoneevent_ringstarted` in each of the called user's tabs",
        ),
        (
            "fan_out",
            Latency,
            "from an event in the first of a user's tabs to the same event in the last",
        ),
        (
            "harness_lag",
            Latency,
            "how late the timers of the harness's workers were: its own part of every other time",
        ),
        (
            "tabs_opened",
            Count,
            "tabs that came through their opening, each time that they did",
        ),
        (
            "reconnections",
            Count,
            "those of them that came back with their session",
        ),
        (
            "slow_reader_closes",
            Count,
            "links of slow readers that the server ended, as it should",
        ),
        ("calls", Count, "outside calls that the gateway began"),
        (
            "requests",
            Count,
            "requests of open tabs that were answered well",
        ),
        ("events", Count, "events that tabs got"),
        ("messages", Count, "messages of any kind that tabs got"),
        (
            "errors",
            Count,
            "everything that went wrong, in every phase, the warm-up too",
        ),
        (
            "tabs",
            Gauge(Unit::Number),
            "the most tabs that were held at a time",
        ),
        (
            "calls_per_s",
            Gauge(Unit::PerSecond),
            "calls in a second of measured time",
        ),
        (
            "requests_per_s",
            Gauge(Unit::PerSecond),
            "answered requests in a second of measured time",
        ),
        (
            "events_per_s",
            Gauge(Unit::PerSecond),
            "events in a second of measured time",
        ),
        (
            "messages_per_s",
            Gauge(Unit::PerSecond),
            "messages in a second of measured time",
        ),
        (
            "server_rss",
            Gauge(Unit::Bytes),
            "the server's most resident memory in measured time",
        ),
        (
            "server_rss_per_tab",
            Gauge(Unit::Bytes),
            "what the server's memory has grown by since before the first tab, divided by the tabs, when there are most",
        ),
        (
            "server_rss_growth",
            Gauge(Unit::Share),
            "the server's memory at the end of the last phase of kind `soak` or `hold`, divided by that at its beginning",
        ),
        (
            "server_cpu",
            Gauge(Unit::Share),
            "the processors that the server kept busy in measured time, on average",
        ),
        (
            "server_cpu_per_message",
            Gauge(Unit::Microseconds),
            "the server's CPU time in measured time, divided by the messages that tabs got",
        ),
        (
            "server_descriptors",
            Gauge(Unit::Number),
            "the most file descriptors that the server had open in measured time",
        ),
        (
            "server_threads",
            Gauge(Unit::Number),
            "the most threads that the server had in measured time",
        ),
        (
            "harness_cpu",
            Gauge(Unit::Share),
            "the share of a processor that the busiest process of the harness used in the measured phase where it used most",
        ),
        (
            "harness_rss_per_tab",
            Gauge(Unit::Bytes),
            "what the workers' memory has grown by since before the first tab, divided by the tabs, when there are most",
        ),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_each_is_explained_in_one_line() {
        let all = all();
        for (place, measure) in all.iter().enumerate() {
            assert!(!measure.explanation.contains('\n') && measure.explanation.len() > 10);
            let others = &all[place + 1..];
            assert!(
                others.iter().all(|other| other.name != measure.name),
                "{measure:?}"
            );
        }
    }

    #[test]
    fn a_misspelled_name_leads_to_the_one_that_was_meant() {
        for (wrong, meant) in [
            ("ring_to_pop_up", "ring_to_popup"),
            ("round_trip.getuserstat", "round_trip.getuserstate"),
            ("server_rss_pertab", "server_rss_per_tab"),
            ("errors.event_lots", "errors.event_lost"),
        ] {
            let said = unknown(wrong);
            assert!(said.contains(&format!("did you mean `{meant}`?")), "{said}");
        }
    }
}
