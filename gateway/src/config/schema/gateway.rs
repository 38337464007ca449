//! `[gateway]`: the process as a whole.

use super::{Fallback, Key, Kind, Section, choice, integer};

pub(super) static GATEWAY: Section = Section {
    name: "gateway",
    repeated: false,
    about: "The process as a whole.",
    planned: &[],
    keys: &[
        Key::new(
            "data_dir",
            Kind::File,
            Fallback::Absent("uploads and photos are gone at the end"),
            "The directory for what outlives the gateway: uploads and photos. It is made if it is not there, and only the gateway's user may read it.",
        )
        .like("\"/var/lib/okgate\""),
        Key::new(
            "cores",
            integer(0, 1024),
            Fallback::Integer(0),
            "How many cores serve links, each with a thread pinned to it; 0 means all that the process may use.",
        ),
        Key::new(
            "log",
            Kind::Text,
            Fallback::Text("info"),
            "What is logged to standard error: error, warn, info, debug or trace, also by module: \"info,okgate::admin=debug\".",
        ),
        Key::new(
            "log_format",
            choice(&["text", "json"], &[]),
            Fallback::Text("text"),
            "Lines for people, or one JSON object a line for log collectors.",
        ),
        Key::new(
            "drain_s",
            integer(0, 3600),
            Fallback::Integer(20),
            "On SIGTERM the tabs' connections are closed spread over this time, so that they do not all come back to another gateway at once.",
        ),
        Key::new(
            "number_states_interval_ms",
            integer(20, 60_000),
            Fallback::Integer(300),
            "Changes of numbers' states are collected for this long and sent to all tabs together: the one event that everybody gets would else flood them.",
        ),
    ],
};
