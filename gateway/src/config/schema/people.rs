//! `[[users]]`, `[[departments]]`, `[[break_reasons]]`, `[[groups]]` and `[[voice_menus]]`.

use super::{Fallback, Key, Kind, Section, integer, limit};

pub(super) static USERS: Section = Section {
    name: "users",
    repeated: true,
    about: "One user; at least one is needed. `okgate passwd LOGIN` prints an entry.",
    planned: &[],
    keys: &[
        Key::new(
            "login",
            Kind::Text,
            Fallback::Required,
            "What the user logs in as; unique without regard to case.",
        )
        .like("\"anna\""),
        Key::new(
            "id",
            Kind::Guid,
            Fallback::Absent("made from the login"),
            "The user's id; give one if the login may change.",
        )
        .like("\"5f1b3b0e-6a53-4f0c-9a7e-0f2f3a1d7c01\""),
        Key::new(
            "name",
            Kind::Text,
            Fallback::Absent("the login"),
            "The name that colleagues see.",
        )
        .like("\"Anna Ivanova\""),
        Key::new(
            "number",
            Kind::Text,
            Fallback::Absent("no phone"),
            "The user's main number; unique.",
        )
        .like("\"101\""),
        Key::new(
            "numbers",
            Kind::Texts,
            Fallback::Texts(&[]),
            "More numbers of the user; they need a main one.",
        ),
        Key::new(
            "password_md5",
            Kind::Md5,
            Fallback::Absent("no login with this kind of hash"),
            "MD5 of the password as typed, over the bytes that browser libraries hash.",
        )
        .like("\"5ebe2294ecd0e0f08eab7690d2a6ee69\""),
        Key::new(
            "password_lower_md5",
            Kind::Md5,
            Fallback::Absent("no login with this kind of hash"),
            "MD5 of the password in lower case, over the same kind of bytes.",
        )
        .like("\"5ebe2294ecd0e0f08eab7690d2a6ee69\""),
        Key::new(
            "operator",
            Kind::Boolean,
            Fallback::Boolean(false),
            "Whether the user serves the call centre.",
        ),
        Key::new(
            "supervises",
            Kind::Texts,
            Fallback::Texts(&[]),
            "Logins of the users whom this one may listen to, help and join.",
        ),
        Key::new(
            "waiting_s",
            limit(1, 86_400),
            Fallback::Integer(0),
            "An outside caller who finds the user in a call waits for this time at most; with 0 it is busy.",
        ),
    ],
};

pub(super) static DEPARTMENTS: Section = Section {
    name: "departments",
    repeated: true,
    about: "One department.",
    planned: &[],
    keys: &[
        Key::new("name", Kind::Text, Fallback::Required, "Its name; unique.").like("\"Sales\""),
        Key::new(
            "id",
            Kind::Guid,
            Fallback::Absent("made from the name"),
            "Its id; give one if the name may change. Not all zeros, which means \"none\".",
        )
        .like("\"8d2f6b55-0c1c-4d0e-8f53-9a1b2c3d4e01\""),
        Key::new(
            "users",
            Kind::Texts,
            Fallback::Texts(&[]),
            "Logins of its users; each user is in one department at most.",
        ),
    ],
};

pub(super) static BREAK_REASONS: Section = Section {
    name: "break_reasons",
    repeated: true,
    about: "One reason that a break can have.",
    planned: &[],
    keys: &[
        Key::new(
            "id",
            integer(1, i32::MAX as u64),
            Fallback::Required,
            "Its number; unique.",
        )
        .like("1"),
        Key::new(
            "name",
            Kind::Text,
            Fallback::Required,
            "What operators see.",
        )
        .like("\"Lunch\""),
    ],
};

pub(super) static GROUPS: Section = Section {
    name: "groups",
    repeated: true,
    about: "One number that rings several users by a rule, while its callers wait in a line.",
    planned: &[],
    keys: &[
        Key::new(
            "number",
            Kind::Text,
            Fallback::Required,
            "The number that is dialled; unique among all numbers.",
        )
        .like("\"200\""),
        Key::new(
            "name",
            Kind::Text,
            Fallback::Absent("the number"),
            "What users see of it.",
        )
        .like("\"Sales\""),
        Key::new(
            "users",
            Kind::Texts,
            Fallback::Texts(&[]),
            "Logins of the users whose phones ring, in their order.",
        ),
        Key::new(
            "rule",
            Kind::Choice {
                words: &["all", "longest_idle", "round_robin"],
                planned: &[],
            },
            Fallback::Text("all"),
            "Whom a call rings: all who are free, the one without a call for longest, or one after the other.",
        ),
        Key::new(
            "kind",
            Kind::Choice {
                words: &["group", "queue"],
                planned: &[],
            },
            Fallback::Text("group"),
            "How the list of numbers shows it: as a group, or as a queue of the call centre.",
        ),
        Key::new(
            "ring_s",
            integer(1, 3600),
            Fallback::Integer(20),
            "A phone of the group that nobody picks up stops ringing after this time, and others ring.",
        ),
        Key::new(
            "wait_s",
            limit(1, 86_400),
            Fallback::Integer(600),
            "A caller waits for this time at most.",
        ),
        Key::new(
            "line_max",
            integer(1, 1000),
            Fallback::Integer(50),
            "So many callers wait at a time; one more finds it busy.",
        ),
    ],
};

pub(super) static VOICE_MENUS: Section = Section {
    name: "voice_menus",
    repeated: true,
    about: "One number that a voice menu of the switch answers.",
    planned: &[],
    keys: &[
        Key::new(
            "number",
            Kind::Text,
            Fallback::Required,
            "The number that is dialled; unique among all numbers.",
        )
        .like("\"300\""),
        Key::new(
            "name",
            Kind::Text,
            Fallback::Absent("the number"),
            "What users see of it.",
        )
        .like("\"Welcome\""),
        Key::new(
            "then",
            Kind::Text,
            Fallback::Absent("the caller stays in it"),
            "It passes its callers on to this number of a user or a group.",
        )
        .like("\"200\""),
        Key::new(
            "then_after_ms",
            integer(100, 3_600_000),
            Fallback::Integer(5000),
            "It passes them on after this time.",
        ),
    ],
};
