//! The one table of all settings: what a key is called, which values it takes,
//! what holds without it and why.

mod clients;
mod crm;
mod desk;
mod forms;
mod gateway;
mod people;
mod services;

/// Every section that this version knows, in the order of the sample file.
pub const SECTIONS: &[&Section] = &[
    &gateway::GATEWAY,
    &clients::CLIENTS,
    &clients::TOKEN,
    &crm::CRM,
    &crm::CALLER_NAME,
    &crm::TLS,
    &forms::FORMS,
    &forms::FORM_RULES,
    &services::WEB,
    &services::ADMIN,
    &services::PBX,
    &services::SIM,
    &desk::DESK,
    &desk::PROCEDURES,
    &people::USERS,
    &people::DEPARTMENTS,
    &people::BREAK_REASONS,
    &people::GROUPS,
    &people::VOICE_MENUS,
];

/// Sections that later versions will know: naming them is a fault with its own
/// words, so that nobody believes that they do something.
pub const PLANNED_SECTIONS: &[&str] = &[];

/// One section of the file.
#[derive(Debug)]
pub struct Section {
    /// Its name with dots, such as `clients.token`.
    pub name: &'static str,
    /// Whether it may be there many times (`[[users]]`).
    pub repeated: bool,
    /// What it is for; several lines are allowed.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Keys that later versions will know.
    pub planned: &'static [&'static str],
}

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// What holds when it is not there.
    pub default: Fallback,
    /// What it does and why its default is what it is; units are in the name.
    pub reason: &'static str,
    /// A value as it would be written, for keys without a default.
    pub example: &'static str,
    /// The only `[crm] mode` values that it fits; empty means all.
    pub modes: &'static [&'static str],
}

/// Which values a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number within these bounds.
    Integer {
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// The same, where 0 means that there is no limit.
    Limit {
        /// The least value but 0.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// A share between 0 and 1.
    Share,
    /// Any text but the empty one.
    Text,
    /// One of these words.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// Words that later versions will take.
        planned: &'static [&'static str],
    },
    /// One of these numbers.
    NumberChoice {
        /// The numbers.
        numbers: &'static [u64],
        /// Numbers that later versions will take.
        planned: &'static [u64],
    },
    /// A list of texts.
    Texts,
    /// A table of texts.
    TextTable,
    /// A list of rows, each a list of texts, numbers and booleans.
    Rows,
    /// `+HH:MM` or `-HH:MM`.
    UtcOffset,
    /// A list of IP addresses and networks such as `10.0.0.0/8`.
    Networks,
    /// `IP:port`, where port 0 lets the system choose.
    Address,
    /// A list of the same.
    Addresses,
    /// `host:port`, the host by name or number.
    HostAndPort,
    /// `http://host:port/path` or `https://…`.
    Url,
    /// `login:password`, not shown again; `"env:NAME"` takes it from the environment.
    Credentials,
    /// `"system"`, or a path as of [`Kind::File`].
    Roots,
    /// A path, from the settings file's directory on if it is relative.
    File,
    /// A text that is not shown again; `"env:NAME"` takes it from the environment.
    Secret,
    /// A GUID.
    Guid,
    /// 32 hexadecimal digits; `"env:NAME"` takes them from the environment.
    Md5,
}

/// What holds when a key is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Its absence is a fault.
    Required,
    /// Nothing: the words say what happens then.
    Absent(&'static str),
    /// This.
    Boolean(bool),
    /// This.
    Integer(u64),
    /// This, in hundredths.
    Hundredths(u8),
    /// This.
    Text(&'static str),
    /// These.
    Texts(&'static [&'static str]),
}

impl Section {
    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    const fn new(name: &'static str, kind: Kind, default: Fallback, reason: &'static str) -> Self {
        let (example, modes) = ("", &[] as &[&str]);
        Self {
            name,
            kind,
            default,
            reason,
            example,
            modes,
        }
    }

    const fn like(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    const fn only_in(self, modes: &'static [&'static str]) -> Self {
        Self { modes, ..self }
    }

    /// Its value in the sample file: the default, or the example of a key that
    /// has none.
    #[must_use]
    pub fn sample_value(&self) -> String {
        match self.default {
            Fallback::Required | Fallback::Absent(_) => self.example.to_owned(),
            default => default.toml(),
        }
    }
}

impl Fallback {
    /// As it is written in a settings file; for [`Fallback::Absent`] the words.
    #[must_use]
    pub fn toml(self) -> String {
        match self {
            Self::Required => "required".to_owned(),
            Self::Absent(words) => words.to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Hundredths(value) => format!("{}.{:02}", value / 100, value % 100),
            Self::Text(value) => format!("{value:?}"),
            Self::Texts(values) => format!("{values:?}"),
        }
    }
}

impl Kind {
    /// The values that it takes, in words.
    pub fn range(self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min, max } => format!("{min} to {max}"),
            Self::Limit { min, max } => format!("0 (none), or {min} to {max}"),
            Self::Share => "0.0 to 1.0".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Choice { words, .. } => words
                .iter()
                .map(|word| format!("{word:?}"))
                .collect::<Vec<_>>()
                .join(", "),
            Self::NumberChoice { numbers, .. } => numbers
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            Self::Texts => "a list of texts".to_owned(),
            Self::TextTable => "a table of texts".to_owned(),
            Self::Rows => {
                "a list of rows, each a list of texts, numbers, true and false".to_owned()
            }
            Self::UtcOffset => "\"+HH:MM\" or \"-HH:MM\", within 14 hours".to_owned(),
            Self::Networks => "a list of \"IP\" and \"IP/bits\"".to_owned(),
            Self::Address => "\"IP:port\"; port 0 lets the system choose".to_owned(),
            Self::Addresses => "a list of \"IP:port\"; port 0 lets the system choose".to_owned(),
            Self::HostAndPort => "\"host:port\"".to_owned(),
            Self::Url => "\"http://host:port/path\" or \"https://…\"".to_owned(),
            Self::Credentials => "\"login:password\", or \"env:NAME\"".to_owned(),
            Self::Roots => {
                "\"system\", or a path of a PEM file; a relative one starts at the settings file"
                    .to_owned()
            }
            Self::File => "a path; a relative one starts at the settings file".to_owned(),
            Self::Secret => "a text, or \"env:NAME\"".to_owned(),
            Self::Guid => "a GUID".to_owned(),
            Self::Md5 => "32 hexadecimal digits, or \"env:NAME\"".to_owned(),
        }
    }
}

const fn integer(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

const fn limit(min: u64, max: u64) -> Kind {
    Kind::Limit { min, max }
}

const fn choice(words: &'static [&'static str], planned: &'static [&'static str]) -> Kind {
    Kind::Choice { words, planned }
}
