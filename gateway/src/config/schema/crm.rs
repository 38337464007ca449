//! `[crm]` and `[crm.caller_name]`: the one CRM server.

use super::{Fallback, Key, Kind, Section, choice, integer, limit};

const LINKED: &[&str] = &["ws-out"];

pub(super) static CRM: Section = Section {
    name: "crm",
    repeated: false,
    about: "The one CRM server.",
    planned: &[
        "url",
        "listen",
        "auth",
        "allow_hixie",
        "credentials",
        "credentials_file",
        "trust_roots",
        "client_certificate",
        "client_key",
        "client_roots",
    ],
    keys: &[
        Key::new(
            "mode",
            choice(
                &["off", "ws-out"],
                &["http-out", "https-out", "wss-out", "ws-in", "wss-in"],
            ),
            Fallback::Required,
            "How the CRM is linked: not at all, or by a WebSocket that the gateway opens and restores.",
        )
        .like("\"off\""),
        Key::new(
            "address",
            Kind::HostAndPort,
            Fallback::Absent("required in mode ws-out"),
            "Where the CRM listens.",
        )
        .like("\"crm.example:8045\"")
        .only_in(LINKED),
        Key::new(
            "path",
            Kind::Text,
            Fallback::Text("/"),
            "The path of the WebSocket request.",
        )
        .only_in(LINKED),
        Key::new(
            "websocket_version",
            Kind::NumberChoice {
                numbers: &[13, 8, 7],
                planned: &[0],
            },
            Fallback::Integer(13),
            "The WebSocket version to ask for: 13 is RFC 6455, 8 and 7 are the drafts before it.",
        )
        .only_in(LINKED),
        Key::new(
            "format",
            choice(&["json"], &["xml"]),
            Fallback::Text("json"),
            "The format of messages.",
        )
        .only_in(LINKED),
        Key::new(
            "message_bytes_max",
            limit(4096, 1 << 30),
            Fallback::Integer(16 << 20),
            "The greatest message from the CRM, catalogues included; a longer one closes the link with 1009. 0 means none.",
        )
        .only_in(LINKED),
        Key::new(
            "queue_bytes_max",
            limit(4096, 1 << 30),
            Fallback::Integer(16 << 20),
            "What may wait to be sent to the CRM while it reads slowly; beyond it the link is closed and made again. 0 means none.",
        )
        .only_in(LINKED),
        Key::new(
            "method_runs_max",
            limit(1, 1_000_000),
            Fallback::Integer(10_000),
            "Dynamic methods that may wait for the CRM's result at a time; one more fails at once. 0 means none.",
        )
        .only_in(LINKED),
    ],
};

pub(super) static CALLER_NAME: Section = Section {
    name: "crm.caller_name",
    repeated: false,
    about: "Before an outside call rings, the CRM is asked for the caller's name with one of\nits dynamic methods. Without this section it is not asked.",
    planned: &[],
    keys: &[
        Key::new(
            "method",
            Kind::Text,
            Fallback::Required,
            "The key of the dynamic method.",
        )
        .like("\"getcallername\""),
        Key::new(
            "input",
            Kind::Text,
            Fallback::Text("callerid"),
            "The input parameter that gets the caller's number.",
        ),
        Key::new(
            "output",
            Kind::Text,
            Fallback::Text("name"),
            "The output parameter that holds the name.",
        ),
        Key::new(
            "wait_ms",
            integer(1, 10_000),
            Fallback::Integer(300),
            "A call rings after this time at the latest, with or without a name: nobody waits for a slow CRM.",
        ),
    ],
};
