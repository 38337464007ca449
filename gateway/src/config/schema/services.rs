//! `[web]`, `[admin]`, `[pbx]` and `[pbx.sim]`.

use super::{Fallback, Key, Kind, Section, choice, integer, limit};

pub(super) static WEB: Section = Section {
    name: "web",
    repeated: false,
    about: "The operator page, uploads and photos, and the HTTP interface for CRMs (gateway/HTTP.md).",
    planned: &["tls_listen"],
    keys: &[
        Key::new(
            "listen",
            Kind::Addresses,
            Fallback::Texts(&["127.0.0.1:4055"]),
            "Where all of this is served with http://; an empty list serves none.",
        ),
        Key::new(
            "users",
            Kind::Texts,
            Fallback::Texts(&[]),
            "Logins of the users with the right to the HTTP interface, which acts in everybody's name: others are answered with 403 there. Give a CRM a user of its own.",
        ),
        Key::new(
            "failures_per_address_per_s",
            limit(1, 1000),
            Fallback::Integer(1),
            "Requests with wrong credentials for the HTTP interface that may come a second from one address for long, and ten times as many at once; then all of that address's are answered with 429, whatever they carry, until it has waited.",
        ),
        Key::new(
            "form_bytes_max",
            integer(1024, 1 << 20),
            Fallback::Integer(64 << 10),
            "The longest form that is posted to the HTTP interface; a longer one is answered with 413. A query is bounded by the request's head, which is 64 KiB at most.",
        ),
    ],
};

pub(super) static ADMIN: Section = Section {
    name: "admin",
    repeated: false,
    about: "Health, metrics, the scenario API and the status page.",
    planned: &[],
    keys: &[
        Key::new(
            "listen",
            Kind::Address,
            Fallback::Text("127.0.0.1:4056"),
            "Where it is served; an address that other machines reach needs a token.",
        ),
        Key::new(
            "token_file",
            Kind::File,
            Fallback::Absent("none; then only this machine may ask"),
            "The file whose text every request under /api/v1 must carry as bearer token; at least 16 characters, spaces around it are ignored.",
        )
        .like("\"admin.token\""),
        Key::new(
            "token",
            Kind::Secret,
            Fallback::Absent("none; then only this machine may ask"),
            "The token itself, best from the environment.",
        )
        .like("\"env:OKGATE_ADMIN_TOKEN\""),
    ],
};

pub(super) static PBX: Section = Section {
    name: "pbx",
    repeated: false,
    about: "The telephone switch.",
    planned: &[],
    keys: &[Key::new(
        "driver",
        choice(&["sim"], &["asterisk"]),
        Fallback::Text("sim"),
        "Which switch is behind the gateway: a simulated one.",
    )],
};

pub(super) static SIM: Section = Section {
    name: "pbx.sim",
    repeated: false,
    about: "The simulated switch. Its accidents come from the seed, so that a run can be repeated.",
    planned: &[],
    keys: &[
        Key::new(
            "answer_after_ms",
            integer(0, 3_600_000),
            Fallback::Integer(3000),
            "An outside party that is called picks up after this time.",
        ),
        Key::new(
            "ring_timeout_ms",
            integer(100, 3_600_000),
            Fallback::Integer(30_000),
            "A phone that nobody picks up stops ringing after this time.",
        ),
        Key::new(
            "busy_numbers",
            Kind::Texts,
            Fallback::Texts(&[]),
            "Outside numbers that are always busy.",
        ),
        Key::new(
            "no_answer_numbers",
            Kind::Texts,
            Fallback::Texts(&[]),
            "Outside numbers that ring and never pick up.",
        ),
        Key::new(
            "seed",
            integer(0, i64::MAX as u64),
            Fallback::Integer(1),
            "Where the simulated accidents start from.",
        ),
        Key::new(
            "reject_share",
            Kind::Share,
            Fallback::Hundredths(0),
            "The share of commands that the switch refuses, as real ones do.",
        ),
        Key::new(
            "delay_ms",
            integer(0, 60_000),
            Fallback::Integer(0),
            "The greatest delay before the switch answers a command; each takes a random part of it.",
        ),
    ],
};
