//! One section of the file, read key by key against the schema.
//!
//! Every getter answers with a usable value in any case: the file's, or the
//! schema's default after noting a fault. So reading goes on and finds all
//! faults in one go.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use okgate_core::base::Guid;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::document::Document;
use super::schema::{Fallback, Key, Kind, Section};
use super::secret::Secret;

type Item<'d> = Spanned<DeValue<'d>>;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub(super) value: T,
    /// The byte of the text that it starts at.
    pub(super) at: usize,
}

/// One section, or one entry of a repeated one.
pub(super) struct View<'d> {
    pub(super) document: &'d Document<'d>,
    section: &'static Section,
    /// The name in faults, such as `users[2]`.
    name: String,
    /// Where the section starts.
    start: usize,
    items: BTreeMap<&'d str, (usize, &'d Item<'d>)>,
}

impl<'d> View<'d> {
    /// A view of this table, or of a section that is not there. `inner` are the
    /// sections directly below this one, which have views of their own.
    pub(super) fn new(
        document: &'d Document<'d>,
        section: &'static Section,
        name: String,
        table: Option<(usize, &'d DeTable<'d>)>,
        inner: &[&str],
    ) -> Self {
        let mut view = Self {
            document,
            section,
            name,
            start: table.map_or(0, |(start, _)| start),
            items: BTreeMap::new(),
        };
        for (key, item) in table.into_iter().flat_map(|(_, table)| table) {
            if !inner.contains(&key.get_ref().as_ref()) {
                view.take(key, item);
            }
        }
        view
    }

    /// Whether the file has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.items.contains_key(key)
    }

    /// Where this key stands, or its section if it is not there.
    pub(super) fn position(&self, key: &str) -> usize {
        self.items.get(key).map_or(self.start, |&(at, _)| at)
    }

    /// Notes a fault of this key.
    pub(super) fn fault(&self, key: &str, reason: impl Into<String>) {
        self.fault_at(self.position(key), key, reason);
    }

    /// Notes a fault of this key at a value inside it.
    pub(super) fn fault_at(&self, at: usize, key: &str, reason: impl Into<String>) {
        let name = format!("{}.{key}", self.name);
        self.document.fault_at(at, &name, reason);
    }

    /// The keys that the file has, with what the schema says of them.
    pub(super) fn present(&self) -> impl Iterator<Item = &'static Key> {
        self.items.keys().filter_map(|name| self.section.key(name))
    }

    /// The value that the file gives this key, as it stands there.
    pub(super) fn raw(&self, key: &str) -> Option<&'d DeValue<'d>> {
        self.items.get(key).map(|(_, item)| item.get_ref())
    }

    pub(super) fn boolean(&self, key: &str) -> bool {
        let fallback = self.schema(key).default == Fallback::Boolean(true);
        match self.items.get(key).map(|(_, item)| item.get_ref()) {
            Some(DeValue::Boolean(value)) => *value,
            Some(other) => {
                self.wrong_type(key, other);
                fallback
            }
            None => fallback,
        }
    }

    /// A whole number within the schema's bounds.
    pub(super) fn integer(&self, key: &str) -> u64 {
        let schema = self.schema(key);
        let fallback = match schema.default {
            Fallback::Integer(value) => value,
            _ => 0,
        };
        let Some((_, item)) = self.items.get(key) else {
            self.missing_if_required(key);
            return fallback;
        };
        let DeValue::Integer(number) = item.get_ref() else {
            self.wrong_type(key, item.get_ref());
            return fallback;
        };
        let digits = number.as_str();
        let value = u64::from_str_radix(digits.trim_start_matches('+'), number.radix());
        match value {
            Ok(value) if is_in_bounds(schema.kind, value) => value,
            _ => {
                let reason = outside(schema.kind, digits, value.ok());
                self.fault(key, reason);
                fallback
            }
        }
    }

    /// A limit: 0 in the file means none.
    pub(super) fn limit(&self, key: &str) -> Option<u64> {
        Some(self.integer(key)).filter(|&value| value != 0)
    }

    /// The same as a count of bytes or things in memory.
    pub(super) fn limit_size(&self, key: &str) -> Option<usize> {
        self.limit(key)
            .map(|value| usize::try_from(value).unwrap_or(usize::MAX))
    }

    /// The same as a count.
    pub(super) fn limit_count(&self, key: &str) -> Option<u32> {
        self.limit(key)
            .map(|value| u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// The same as a time, for keys in seconds.
    pub(super) fn limit_seconds(&self, key: &str) -> Option<Duration> {
        self.limit(key).map(Duration::from_secs)
    }

    /// A time, for keys in milliseconds.
    pub(super) fn milliseconds(&self, key: &str) -> Duration {
        Duration::from_millis(self.integer(key))
    }

    /// A share between 0 and 1; `0` and `1` may be written without a point.
    pub(super) fn share(&self, key: &str) -> f64 {
        let fallback = match self.schema(key).default {
            Fallback::Hundredths(value) => f64::from(value) / 100.0,
            _ => 0.0,
        };
        let text = match self.items.get(key).map(|(_, item)| item.get_ref()) {
            None => return fallback,
            Some(DeValue::Float(number)) => number.as_str(),
            Some(DeValue::Integer(number)) => number.as_str(),
            Some(other) => {
                self.wrong_type(key, other);
                return fallback;
            }
        };
        match text.parse::<f64>() {
            Ok(value) if (0.0..=1.0).contains(&value) => value,
            _ => {
                self.fault(key, format!("{text} is not within 0.0 to 1.0"));
                fallback
            }
        }
    }

    /// A text that is not empty, or the default, or nothing.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let fallback = match self.schema(key).default {
            Fallback::Text(value) => Some(value.to_owned()),
            _ => None,
        };
        let Some((_, item)) = self.items.get(key) else {
            self.missing_if_required(key);
            return fallback;
        };
        match item.get_ref() {
            DeValue::String(text) if text.is_empty() => {
                self.fault(key, "must not be empty");
                fallback
            }
            DeValue::String(text) => Some(text.as_ref().to_owned()),
            other => {
                self.wrong_type(key, other);
                fallback
            }
        }
    }

    /// One of the schema's words.
    pub(super) fn choice(&self, key: &str) -> Option<&'static str> {
        let schema = self.schema(key);
        let Kind::Choice { words, planned } = schema.kind else {
            return None;
        };
        let text = self.text(key)?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let reason = if planned.contains(&text.as_str()) {
                format!("{text:?} is not supported by this version")
            } else {
                let hint = did_you_mean(&text, words.iter().copied());
                format!("{text:?} is not one of {}{hint}", schema.kind.range())
            };
            self.fault(key, reason);
        }
        found
    }

    /// Whether the file gives this key a list without entries.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        let item = self.items.get(key).map(|(_, item)| item.get_ref());
        matches!(item, Some(DeValue::Array(items)) if items.is_empty())
    }

    /// A list of texts, each with its place; entries that are no text or are
    /// empty are faults and left out.
    pub(super) fn texts(&self, key: &str) -> Vec<Located<String>> {
        let fallback = || match self.schema(key).default {
            Fallback::Texts(values) => values,
            _ => &[],
        };
        let items = match self.items.get(key).map(|(_, item)| item.get_ref()) {
            Some(DeValue::Array(items)) => items,
            other => {
                if let Some(other) = other {
                    self.wrong_type(key, other);
                }
                let at = self.position(key);
                let values = fallback().iter().map(|&value| value.to_owned());
                return values.map(|value| Located { value, at }).collect();
            }
        };
        let mut texts = Vec::new();
        for item in items {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::String(text) if !text.is_empty() => texts.push(Located {
                    value: text.as_ref().to_owned(),
                    at,
                }),
                DeValue::String(_) => self.fault_at(at, key, "an entry must not be empty"),
                other => {
                    let reason = format!("an entry is {}, expected a text", article(other));
                    self.fault_at(at, key, reason);
                }
            }
        }
        texts
    }

    /// A socket address.
    pub(super) fn address(&self, key: &str) -> Option<Located<SocketAddr>> {
        let at = self.position(key);
        let value = self.text(key)?;
        self.parse_address(key, Located { value, at })
    }

    /// A list of socket addresses.
    pub(super) fn addresses(&self, key: &str) -> Vec<Located<SocketAddr>> {
        let texts = self.texts(key).into_iter();
        texts
            .filter_map(|text| self.parse_address(key, text))
            .collect()
    }

    /// A list of addresses and networks.
    pub(super) fn networks(&self, key: &str) -> Vec<IpNet> {
        let parse = |text: Located<String>| {
            let Located { value: text, at } = text;
            let network = text.parse::<IpNet>().ok();
            let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            if network.is_none() {
                let reason = format!(
                    "{text:?} is neither an IP address nor a network such as \"10.0.0.0/8\""
                );
                self.fault_at(at, key, reason);
            }
            network
        };
        self.texts(key).into_iter().filter_map(parse).collect()
    }

    /// A path, made absolute or relative to the working directory.
    pub(super) fn file(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        Some(self.document.surroundings.directory.join(text))
    }

    /// The contents of the file that a key names; unreadable is a fault.
    pub(super) fn file_contents(&self, key: &str) -> Option<Secret> {
        let path = self.file(key)?;
        match std::fs::read(&path) {
            Ok(bytes) => Some(Secret::new(bytes)),
            Err(error) => {
                self.fault(key, format!("{} cannot be read: {error}", path.display()));
                None
            }
        }
    }

    /// A text that may come from the environment. Faults never show it.
    pub(super) fn secret(&self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        let Some(name) = text.strip_prefix("env:") else {
            return Some(text);
        };
        let found = self.document.surroundings.environment.get(name);
        if let Some(value) = found.filter(|value| !value.is_empty()) {
            Some(value.clone())
        } else {
            self.fault(
                key,
                format!("the environment variable {name} is not set or is empty"),
            );
            None
        }
    }

    /// 32 hexadecimal digits, possibly from the environment.
    pub(super) fn md5(&self, key: &str) -> Option<[u8; 16]> {
        let text = self.secret(key)?;
        let is_hash = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(&text, 16) {
            Ok(bits) if is_hash => Some(bits.to_be_bytes()),
            _ => {
                let reason = "is not 32 hexadecimal digits; `okgate passwd LOGIN` prints an entry";
                self.fault(key, reason);
                None
            }
        }
    }

    /// A GUID; all zeros means "none" on the wire and is refused.
    pub(super) fn guid(&self, key: &str) -> Option<Guid> {
        let text = self.text(key)?;
        match text.parse::<Guid>() {
            Ok(guid) if !guid.is_zero() => Some(guid),
            Ok(_) => {
                self.fault(key, "must not be all zeros, which means \"none\"");
                None
            }
            Err(error) => {
                self.fault(key, format!("{text:?} is {error}"));
                None
            }
        }
    }

    fn take(&mut self, key: &'d Spanned<DeString<'d>>, item: &'d Item<'d>) {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        if self.section.key(name).is_some() {
            self.items.insert(name, (at, item));
        } else if self.section.planned.contains(&name) {
            self.fault_at(at, name, "not supported by this version");
        } else {
            let hint = did_you_mean(name, self.section.keys.iter().map(|key| key.name));
            self.fault_at(at, name, format!("unknown key{hint}"));
        }
    }

    fn schema(&self, key: &str) -> &'static Key {
        self.section
            .key(key)
            .expect("the reader asks only for keys of the schema, each in every read")
    }

    fn missing_if_required(&self, key: &str) {
        if self.schema(key).default == Fallback::Required {
            self.fault(key, "is missing");
        }
    }

    fn wrong_type(&self, key: &str, found: &DeValue<'_>) {
        let expected = match self.schema(key).kind {
            Kind::Boolean => "true or false",
            Kind::Integer { .. } | Kind::Limit { .. } | Kind::NumberChoice { .. } => {
                "a whole number"
            }
            Kind::Share => "a number",
            Kind::Texts | Kind::Networks | Kind::Addresses => "a list of texts",
            _ => "a text",
        };
        self.fault(key, format!("is {}, expected {expected}", article(found)));
    }

    fn parse_address(&self, key: &str, text: Located<String>) -> Option<Located<SocketAddr>> {
        let Located { value: text, at } = text;
        if let Ok(value) = text.parse::<SocketAddr>() {
            Some(Located { value, at })
        } else {
            let reason =
                format!("{text:?} is not IP:port, such as \"127.0.0.1:4066\" or \"[::1]:4066\"");
            self.fault_at(at, key, reason);
            None
        }
    }
}

/// `; did you mean "…"?` if one of the words is close, else nothing.
pub(super) fn did_you_mean<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> String {
    words
        .map(|word| (distance(text, word), word))
        .filter(|&(distance, word)| distance <= 1 + word.len() / 4)
        .min()
        .map_or_else(String::new, |(_, word)| format!("; did you mean {word:?}?"))
}

/// The number of letters to change, add or leave out (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

fn outside(kind: Kind, digits: &str, value: Option<u64>) -> String {
    let range = kind.range();
    match kind {
        Kind::NumberChoice { planned, .. }
            if value.is_some_and(|value| planned.contains(&value)) =>
        {
            format!("{digits} is not supported by this version")
        }
        Kind::NumberChoice { .. } => format!("{digits} is not one of {range}"),
        _ => format!("{digits} is not within {range}"),
    }
}

fn is_in_bounds(kind: Kind, value: u64) -> bool {
    match kind {
        Kind::Integer { min, max } => (min..=max).contains(&value),
        Kind::Limit { min, max } => value == 0 || (min..=max).contains(&value),
        Kind::NumberChoice { numbers, .. } => numbers.contains(&value),
        _ => false,
    }
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
