//! The texts of form rules: conditions such as `callerid starts 8927` and templates such
//! as `Call of {callername}` (protocol 8-o).
//!
//! In come the texts of the settings, checked once against the fields that the rule's
//! event has; out go values. What an event has not said is the empty text.

use serde_json::Value;

use crate::protocol::EventKind;

/// What is wrong with the text of a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// No field of this name can be asked for.
    #[error("{{{0}}} is no field of this event; it has {1}")]
    UnknownField(String, String),
    /// A brace that opens no placeholder or closes none.
    #[error("a brace without its other half; {{field}} is a placeholder, {{{{ and }}}} are braces")]
    Brace,
    /// `{method.…}` without a method.
    #[error("{{{0}}} needs the key method")]
    NoMethod(String),
    /// The text is no condition.
    #[error(
        "{0:?} is no condition: field = value, field != value, field in value, value, or field starts value, value (and not in, not starts)"
    )]
    NoCondition(String),
}

/// An event that rules can be about, and the fields that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleEvent {
    /// The event's kind.
    pub kind: EventKind,
    fields: &'static [&'static str],
}

impl RuleEvent {
    /// Every event that rules can be about.
    pub const ALL: &[Self] = &[
        event(EventKind::RingStarted, RING),
        event(EventKind::RingStopped, &[]),
        event(EventKind::CommStarted, TALK_STARTED),
        event(EventKind::CommStopped, &["commutationid"]),
        event(EventKind::AcmCallStarted, &["number"]),
        event(EventKind::AcmCallStopped, &["number"]),
        event(EventKind::IvrStarted, &["isroutingivr", "ivrname"]),
        event(EventKind::IvrStopped, &["isroutingivr", "ivrname"]),
        event(EventKind::FaxStarted, &[]),
        event(EventKind::FaxStopped, &[]),
        event(EventKind::FaxReceived, &[]),
        event(EventKind::CustomEvent, &["eventname", "eventparam"]),
    ];

    /// The event of this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|event| event.kind.name() == name)
    }

    /// The names of all fields that its rules can ask for.
    pub fn fields(self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().chain(COMMON).copied()
    }

    fn check(self, field: &str, with_method: bool) -> Result<(), RuleFault> {
        if field
            .strip_prefix("method.")
            .is_some_and(|name| !name.is_empty())
        {
            let fault = || RuleFault::NoMethod(field.to_owned());
            return with_method.then_some(()).ok_or_else(fault);
        }
        // The parts of what a custom event carries are known to nobody but its sender.
        let is_part = field
            .strip_prefix("eventparam.")
            .is_some_and(|name| !name.is_empty());
        if is_part && self.kind == EventKind::CustomEvent
            || self.fields().any(|known| known == field)
        {
            return Ok(());
        }
        let known: Vec<&str> = self.fields().collect();
        Err(RuleFault::UnknownField(field.to_owned(), known.join(", ")))
    }
}

const fn event(kind: EventKind, fields: &'static [&'static str]) -> RuleEvent {
    RuleEvent { kind, fields }
}

/// What every event of a user has; `chainid` is that of the user's call.
const COMMON: &[&str] = &[
    "event",
    "chainid",
    "userid",
    "userlogin",
    "username",
    "usernumber",
];

const RING: &[&str] = &[
    "callerid",
    "callername",
    "callerdirection",
    "callerinfo",
    "callerlineid",
    "callerlinenum",
    "callercomment",
    "callerdescription",
    "isextline",
    "isconference",
    "istask",
    "canfax",
    "canvideo",
    "connectionindex",
];

const TALK_STARTED: &[&str] = &[
    "commutationid",
    "callerid",
    "isextline",
    "isconference",
    "confid",
];

/// The values that a rule's texts are filled with.
#[derive(Clone, Debug, Default)]
pub(in crate::hub) struct Facts {
    /// The event's fields and its user's.
    pub(super) event: serde_json::Map<String, Value>,
    /// What the rule's method gave.
    pub(super) method: serde_json::Map<String, Value>,
}

impl Facts {
    fn value(&self, field: &str) -> Option<&Value> {
        if let Some(name) = field.strip_prefix("method.") {
            return self.method.get(name);
        }
        match field.strip_prefix("eventparam.") {
            Some(name) => self.event.get("eventparam")?.as_object()?.get(name),
            None => self.event.get(field),
        }
    }

    fn text(&self, field: &str) -> String {
        match self.value(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// One condition on one field. Texts are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    field: Box<str>,
    test: Test,
    is_negated: bool,
    /// In lower case.
    values: Vec<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    Prefix,
}

impl Condition {
    /// Reads one condition on an event's fields.
    pub fn parse(text: &str, event: RuleEvent) -> Result<Self, RuleFault> {
        let no_condition = || RuleFault::NoCondition(text.to_owned());
        let (field, rest) = split_word(text);
        let (comparison, is_negated, rest, is_list) = operator(rest).ok_or_else(no_condition)?;
        event.check(field, false)?;
        let values: Vec<Box<str>> = if is_list {
            let values = rest.split(',').map(|value| value.trim().to_lowercase());
            values
                .filter(|value| !value.is_empty())
                .map(Into::into)
                .collect()
        } else {
            vec![rest.trim().to_lowercase().into()]
        };
        if values.is_empty() {
            return Err(no_condition());
        }
        Ok(Self {
            field: field.into(),
            test: comparison,
            is_negated,
            values,
        })
    }

    /// Whether it holds.
    pub(super) fn holds(&self, facts: &Facts) -> bool {
        let text = facts.text(&self.field).to_lowercase();
        let fits = |value: &str| match self.test {
            Test::Equal => value == text,
            Test::Prefix => text.starts_with(value),
        };
        self.values.iter().any(|value| fits(value)) != self.is_negated
    }
}

/// The first word, which ends with white space or before a sign, and the rest.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(|letter: char| letter.is_whitespace() || matches!(letter, '=' | '!'));
    text.split_at(end.unwrap_or(text.len()))
}

/// The operator at the beginning: the test, whether it is negated, what follows, and
/// whether that is a list.
fn operator(text: &str) -> Option<(Test, bool, &str, bool)> {
    let text = text.trim_start();
    if let Some(rest) = text.strip_prefix('=') {
        return Some((Test::Equal, false, rest, false));
    }
    if let Some(rest) = text.strip_prefix("!=") {
        return Some((Test::Equal, true, rest, false));
    }
    let (word, rest) = split_word(text);
    let (word, rest, is_negated) = match word {
        "not" => {
            let (word, rest) = split_word(rest);
            (word, rest, true)
        }
        word => (word, rest, false),
    };
    match word {
        "in" => Some((Test::Equal, is_negated, rest, true)),
        "starts" => Some((Test::Prefix, is_negated, rest, true)),
        _ => None,
    }
}

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Field(Box<str>),
}

impl Template {
    /// Reads a text whose placeholders are fields of the event, or, if the rule has a
    /// method, `method.` and one of its output fields.
    pub fn parse(text: &str, event: RuleEvent, with_method: bool) -> Result<Self, RuleFault> {
        let (mut pieces, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(place) = rest.find(['{', '}']) {
            plain.push_str(&rest[..place]);
            rest = &rest[place..];
            if let Some(after) = rest.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else {
                let inner = rest.strip_prefix('{').ok_or(RuleFault::Brace)?;
                let (field, after) = inner.split_once('}').ok_or(RuleFault::Brace)?;
                let field = field.trim();
                event.check(field, with_method)?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
                }
                pieces.push(Piece::Field(field.into()));
                rest = after;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Ok(Self(pieces))
    }

    /// The value: that of the field as it is for a placeholder alone, else a text.
    /// `None` if it says nothing.
    pub(super) fn fill(&self, facts: &Facts) -> Option<Value> {
        let value = match self.0.as_slice() {
            [Piece::Field(field)] => facts.value(field)?.clone(),
            pieces => {
                let texts = pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => text.to_string(),
                    Piece::Field(field) => facts.text(field),
                });
                Value::String(texts.collect())
            }
        };
        let says_nothing = value.is_null() || value.as_str().is_some_and(str::is_empty);
        (!says_nothing).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn ring() -> RuleEvent {
        RuleEvent::named("phoneevent_ringstarted").expect("an event of rules")
    }

    fn facts() -> Facts {
        let event = json!({
            "callerid": "89274513158", "callername": "", "isextline": true, "userlogin": "Anna",
            "eventparam": {"order": 7, "who": "Иван"},
        });
        let method = json!({"name": "Иван Петров", "vip": false});
        let map = |value: Value| value.as_object().cloned().unwrap_or_default();
        Facts {
            event: map(event),
            method: map(method),
        }
    }

    // protocol 8-o
    #[test]
    fn conditions_compare_with_values_sets_and_prefixes() {
        for (text, holds) in [
            ("isextline = true", true),
            ("isextline=false", false),
            ("callerid starts 8927", true),
            ("callerid starts 7495, 8927", true),
            ("callerid not starts 8927", false),
            ("userlogin in anna, boris", true),
            ("userlogin = ANNA", true),
            ("userlogin not in anna, boris", false),
            ("callername =", true),
            ("callername != ", false),
            ("callerinfo = ", true),
        ] {
            let condition = Condition::parse(text, ring()).expect(text);
            assert_eq!(condition.holds(&facts()), holds, "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_said_and_so_is_an_unknown_field() {
        for text in [
            "",
            "callerid",
            "callerid like 8",
            "callerid in",
            "callerid in ,",
            "callerid not = 1",
        ] {
            let fault = Condition::parse(text, ring()).expect_err(text);
            assert!(
                matches!(
                    fault,
                    RuleFault::NoCondition(_) | RuleFault::UnknownField(..)
                ),
                "{text}: {fault}"
            );
        }
        let fault = Condition::parse("caller = 1", ring()).expect_err("no such field");
        assert!(
            fault
                .to_string()
                .starts_with("{caller} is no field of this event; it has callerid, ")
        );
    }

    // protocol 8-o
    #[test]
    fn a_placeholder_alone_keeps_its_type_and_among_words_is_a_text() {
        let fill = |text: &str| {
            Template::parse(text, ring(), true)
                .expect(text)
                .fill(&facts())
        };
        assert_eq!(fill("{isextline}"), Some(json!(true)));
        assert_eq!(
            fill("{ callerid }: {method.name}"),
            Some(json!("89274513158: Иван Петров"))
        );
        assert_eq!(
            fill("{{{callerid}}} ext {isextline}"),
            Some(json!("{89274513158} ext true"))
        );
        assert_eq!(fill("{method.vip}"), Some(json!(false)));
        assert_eq!(fill("{callername}"), None);
        assert_eq!(fill("{method.unknown}"), None);
        assert_eq!(fill(""), None);
        let custom = RuleEvent::named("customevent").expect("an event of rules");
        let part = Template::parse("{eventparam.order}", custom, false).expect("a part");
        assert_eq!(part.fill(&facts()), Some(json!(7)));
    }

    #[test]
    fn faulty_templates_name_what_is_wrong() {
        let fault = |text: &str| Template::parse(text, ring(), false).expect_err(text);
        assert_eq!(fault("{callerid"), RuleFault::Brace);
        assert_eq!(fault("callerid}"), RuleFault::Brace);
        assert_eq!(
            fault("{method.name}"),
            RuleFault::NoMethod("method.name".into())
        );
        assert!(matches!(
            fault("{eventparam.order}"),
            RuleFault::UnknownField(..)
        ));
        assert!(matches!(fault("{}"), RuleFault::UnknownField(..)));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in "[{}a-z =!,.]{0,40}|\\PC{0,40}") {
            let _ = Template::parse(&text, ring(), true);
            let _ = Condition::parse(&text, ring());
        }

        #[test]
        fn a_text_whose_braces_are_doubled_comes_out_as_it_was(text in "\\PC{1,40}") {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            let template = Template::parse(&doubled, ring(), false).expect("no placeholder");
            prop_assert_eq!(template.fill(&Facts::default()), Some(Value::String(text)));
        }
    }
}
