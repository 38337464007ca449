//! `[clients]` and `[clients.token]`: operators' browser tabs.

use super::{Fallback, Key, Kind, Section, choice, integer, limit};

pub(super) static CLIENTS: Section = Section {
    name: "clients",
    repeated: false,
    about: "Operators' browser tabs. A limit of 0 means none.",
    planned: &["tls_listen", "require_tls", "trusted_proxies"],
    keys: &[
        Key::new(
            "listen",
            Kind::Addresses,
            Fallback::Texts(&["127.0.0.1:4066"]),
            "Where tabs connect with ws://. Only this machine by default: name an outside address on purpose.",
        ),
        Key::new(
            "origins",
            Kind::Texts,
            Fallback::Texts(&[]),
            "The pages that may connect, such as \"https://crm.example\"; an empty list lets every page in.",
        ),
        Key::new(
            "backlog",
            integer(1, 65_535),
            Fallback::Integer(4096),
            "Connections that the system holds until they are accepted: enough for all tabs to come back at once. net.core.somaxconn bounds it.",
        ),
        Key::new(
            "connections_max",
            limit(1, 10_000_000),
            Fallback::Integer(0),
            "Connections at a time, tabs not yet logged in included. The process's limit of file descriptors bounds them anyway.",
        ),
        Key::new(
            "users_max",
            limit(1, 1_000_000),
            Fallback::Integer(0),
            "Users logged in at a time; one more is answered with error 50025.",
        ),
        Key::new(
            "tabs_per_user",
            limit(1, 10_000),
            Fallback::Integer(20),
            "Tabs of one user at a time; one more is answered with error 50025. A page that reconnects in a loop meets it.",
        ),
        Key::new(
            "handshake_bytes_max",
            limit(512, 1 << 20),
            Fallback::Integer(8192),
            "The greatest request head; a longer one is answered with 431. Browsers with many cookies stay below it.",
        ),
        Key::new(
            "handshake_s",
            limit(1, 3600),
            Fallback::Integer(10),
            "A connection that has not finished its handshake by then is closed.",
        ),
        Key::new(
            "unauthenticated_s",
            limit(1, 3600),
            Fallback::Integer(30),
            "A tab that has not logged in by then is closed.",
        ),
        Key::new(
            "frame_bytes_max",
            limit(125, 1 << 30),
            Fallback::Integer(1 << 20),
            "The greatest frame from a tab; a longer one closes the link with 1009.",
        ),
        Key::new(
            "message_bytes_max",
            limit(125, 1 << 30),
            Fallback::Integer(1 << 20),
            "The greatest message from a tab, all its fragments together; a longer one closes the link with 1009.",
        ),
        Key::new(
            "messages_per_s",
            limit(1, 1_000_000),
            Fallback::Integer(200),
            "Messages a second that a tab may send for long; beyond it they are answered with error 429, then the link is closed with 1008.",
        ),
        Key::new(
            "messages_burst",
            limit(1, 1_000_000),
            Fallback::Integer(400),
            "Messages that a tab may send at once; at least messages_per_s.",
        ),
        Key::new(
            "queue_bytes_max",
            limit(4096, 1 << 30),
            Fallback::Integer(256 << 10),
            "What may wait to be sent to one tab; a tab that reads too slowly for it is closed with 1013 and never holds up others.",
        ),
        Key::new(
            "long_answer_bytes_max",
            limit(64 << 10, 1 << 30),
            Fallback::Integer(16 << 20),
            "What may wait to be sent to one tab of answers in pieces, which it asked for itself; not counted in queue_bytes_max.",
        ),
        Key::new(
            "multipart_over_bytes",
            limit(2048, 1 << 30),
            Fallback::Integer(64 << 10),
            "An answer longer than this is sent in pieces (multipart), which browser libraries put together.",
        ),
        Key::new(
            "idle_sessions_per_user",
            limit(1, 100_000),
            Fallback::Integer(40),
            "Sessions without a tab that are kept for one user; the oldest goes first.",
        ),
        Key::new(
            "session_life_max_s",
            limit(60, 31_536_000),
            Fallback::Integer(2_592_000),
            "The longest life of a session without a tab that a login may ask for.",
        ),
        Key::new(
            "silence_ping_s",
            limit(1, 3600),
            Fallback::Integer(20),
            "A link that was silent for this long is sent a WebSocket PING.",
        ),
        Key::new(
            "silence_close_s",
            limit(2, 86_400),
            Fallback::Integer(60),
            "A link that was silent for this long is closed; more than silence_ping_s.",
        ),
    ],
};

pub(super) static TOKEN: Section = Section {
    name: "clients.token",
    repeated: false,
    about: "Login with a short-lived signed token (JWT) that the CRM hands to its page.\nWithout this section no tokens are accepted.",
    planned: &[],
    keys: &[
        Key::new(
            "algorithm",
            choice(&["HS256", "RS256", "EdDSA"], &[]),
            Fallback::Required,
            "How tokens are signed. Exactly this one is accepted, whatever a token says of itself.",
        )
        .like("\"HS256\""),
        Key::new(
            "key_file",
            Kind::File,
            Fallback::Absent("none; then key is needed"),
            "The file with the key: the shared secret for HS256 (at least 32 bytes), the public key as PEM for RS256 and EdDSA.",
        )
        .like("\"token.key\""),
        Key::new(
            "key",
            Kind::Secret,
            Fallback::Absent("none; then key_file is needed"),
            "The key itself, best from the environment.",
        )
        .like("\"env:OKGATE_TOKEN_KEY\""),
        Key::new(
            "issuer",
            Kind::Text,
            Fallback::Absent("any issuer"),
            "What a token's `iss` must be.",
        )
        .like("\"crm.example\""),
        Key::new(
            "lifetime_max_s",
            limit(1, 31_536_000),
            Fallback::Integer(3600),
            "A token that ends later than this from now on is refused: a leaked one must not work for years.",
        ),
    ],
};
