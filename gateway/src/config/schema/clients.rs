//! `[clients]` and `[clients.token]`: operators' browser tabs.

use super::{Fallback, Key, Kind, Section, choice, integer, limit};

pub(super) static CLIENTS: Section = Section {
    name: "clients",
    repeated: false,
    about: "Operators' browser tabs. A limit of 0 means none.",
    planned: &["tls_listen", "require_tls"],
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
            "Connections at a time of the whole process, on all cores together, tabs not yet logged in included; one more is answered with 503. The process's limit of file descriptors bounds them anyway.",
        ),
        Key::new(
            "connections_per_address",
            limit(1, 1_000_000),
            Fallback::Integer(0),
            "Connections at a time from one address (of IPv6: one /64 network), on all cores together; one more is answered with 503. None by default: the tabs of a whole call centre often come from one address behind NAT. For tabs from the internet take twice the tabs of the greatest office.",
        ),
        Key::new(
            "handshakes_per_address_per_s",
            limit(1, 1_000_000),
            Fallback::Integer(0),
            "New connections a second that one address (of IPv6: one /64 network) may make for long, on all cores together; one more is answered with 429. None by default, for the same reason.",
        ),
        Key::new(
            "handshakes_per_address_burst",
            limit(1, 1_000_000),
            Fallback::Integer(1000),
            "New connections that one address may make at once; at least handshakes_per_address_per_s. After a restart all tabs of an office come back at once.",
        ),
        Key::new(
            "trusted_proxies",
            Kind::Networks,
            Fallback::Texts(&[]),
            "The reverse proxies before the gateway. What they say in forwarded_header is believed: limits per address, log and status then go by the browser's address. The header is ignored from everybody else.",
        ),
        Key::new(
            "forwarded_header",
            choice(&["x-forwarded-for", "forwarded"], &[]),
            Fallback::Text("x-forwarded-for"),
            "The header in which trusted_proxies append whom they speak for. Only this one is read, for a proxy passes the other one on as the browser sent it.",
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
            "login_held_bytes_max",
            limit(1024, 1 << 30),
            Fallback::Integer(64 << 10),
            "What a tab may send while its login is decided; messages beyond it are answered with error 429.",
        ),
        Key::new(
            "formatless_s",
            limit(1, 3600),
            Fallback::Integer(10),
            "A tab that named no format (subprotocol) in its handshake is closed with 1008 after this time.",
        ),
        Key::new(
            "formatless_messages_max",
            limit(1, 1_000_000),
            Fallback::Integer(10),
            "With this message, refused as all before it, a tab that named no format is closed with 1008.",
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
            "messages_refused_max",
            limit(1, 1_000_000),
            Fallback::Integer(400),
            "Messages in a row that are answered with error 429 before the link is closed with 1008.",
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
        Key::new(
            "closing_s",
            limit(1, 3600),
            Fallback::Integer(5),
            "A peer that has not ended its connection this long after the close frame or the refusal is cut off.",
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
