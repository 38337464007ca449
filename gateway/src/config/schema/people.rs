//! `[[users]]`, `[[departments]]` and `[[break_reasons]]`.

use super::{Fallback, Key, Kind, Section, integer};

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
