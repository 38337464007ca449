//! What the CRM can do: its dynamic methods and forms (protocol 8).

use std::collections::HashMap;
use std::sync::Arc;

use crate::protocol::{Body, BodyReader, Fault};

/// A list of methods or forms as the CRM declared it.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// The text of a JSON array, without the stray nulls.
    pub(super) text: Arc<str>,
    /// Whether the CRM has declared one at all.
    pub(super) is_known: bool,
    declared: HashMap<Box<str>, Declared>,
}

/// What the gateway must know of a method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// `name`.
    pub(super) name: Arc<str>,
    /// `inputparams` as the CRM wrote them, without stray nulls: the text of a JSON array.
    pub(super) input_text: Arc<str>,
    /// `outputparams`, likewise.
    pub(super) output_text: Arc<str>,
    /// `inputparams`; `None` if the CRM does not say.
    inputs: Option<Vec<Parameter>>,
    /// `allowcancel`.
    pub(super) allow_cancel: bool,
    /// `defineuser`.
    pub(super) define_user: bool,
    /// `connectiontype` is `http`.
    pub(super) by_http: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    key: Box<str>,
    kind: ParameterKind,
}

/// `type` of a parameter, as far as values can be held against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParameterKind {
    Number,
    Boolean,
    /// `string`, `datetime` and `list` (the id of an item).
    Text,
    /// A type of the CRM's own.
    Other,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            text: "[]".into(),
            is_known: false,
            declared: HashMap::new(),
        }
    }
}

impl Catalogue {
    /// Reads the list in this field of a message. Nulls and entries without a key
    /// are left out, and what is beyond `declared_max`.
    pub(super) fn read(body: &Body<'_>, field: &str, declared_max: usize) -> Result<Self, Fault> {
        let (mut text, mut declared) = (String::from("["), HashMap::new());
        for entry in body.objects(field)? {
            if declared.len() >= declared_max {
                break;
            }
            let Ok(Some(key)) = entry.text("key") else {
                continue;
            };
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&entry.to_json());
            declared.insert(Box::from(key.as_ref()), Declared::read(&entry));
        }
        text.push(']');
        Ok(Self {
            text: text.into(),
            is_known: true,
            declared,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.declared.len()
    }

    pub(super) fn named(&self, key: &str) -> Option<&Declared> {
        self.declared.get(key)
    }
}

impl Declared {
    /// What is declared in a way that cannot be read counts as not declared.
    fn read(entry: &Body<'_>) -> Self {
        let flag = |field| entry.boolean(field).ok().flatten().unwrap_or(false);
        let kind = entry.text("connectiontype").ok().flatten();
        let says_inputs = entry.keys().any(|key| key == "inputparams");
        let inputs = says_inputs.then(|| entry.objects("inputparams").ok());
        let list = |field| {
            let entries = entry.objects(field).unwrap_or_default();
            let texts: Vec<String> = entries.iter().map(Body::to_json).collect();
            Arc::from(format!("[{}]", texts.join(",")))
        };
        let name = entry.text("name").ok().flatten().unwrap_or_default();
        Self {
            name: name.into(),
            input_text: list("inputparams"),
            output_text: list("outputparams"),
            inputs: inputs
                .flatten()
                .map(|inputs| inputs.iter().filter_map(Parameter::read).collect()),
            allow_cancel: flag("allowcancel"),
            define_user: flag("defineuser"),
            by_http: kind.is_some_and(|kind| kind.eq_ignore_ascii_case("http")),
        }
    }

    /// Checks the text of an input object: every parameter is a declared one, of
    /// the declared type. Says what is wrong. What is missing is the CRM's to judge:
    /// a declaration does not say what is optional.
    pub(super) fn check(&self, input: &str, reader: &mut BodyReader) -> Result<(), String> {
        let mut text = input.as_bytes().to_vec();
        let outcome = reader.read(&mut text, |input| {
            let Some(inputs) = &self.inputs else {
                return Ok(());
            };
            for key in input.all_keys() {
                let Some(parameter) = inputs.iter().find(|it| *it.key == *key) else {
                    return Err(format!("the input parameter `{key}` is not declared"));
                };
                if !parameter.kind.admits(&input, key) {
                    let words = parameter.kind.words();
                    return Err(format!("the input parameter `{key}` is not {words}"));
                }
            }
            Ok(())
        });
        outcome.unwrap_or_else(|fault| Err(format!("the input is no object: {}", fault.text)))
    }
}

impl Parameter {
    fn read(declared: &Body<'_>) -> Option<Self> {
        let kind = declared.text("type").ok().flatten();
        Some(Self {
            key: declared.text("key").ok().flatten()?.into(),
            kind: match kind.as_deref() {
                Some("number") => ParameterKind::Number,
                Some("boolean") => ParameterKind::Boolean,
                Some("string" | "datetime" | "list") => ParameterKind::Text,
                _ => ParameterKind::Other,
            },
        })
    }
}

impl ParameterKind {
    /// Whether this field of the input, if it is there at all, is of this type.
    fn admits(self, input: &Body<'_>, key: &str) -> bool {
        let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
        match self {
            Self::Number => input
                .text(key)
                .is_ok_and(|text| text.is_none_or(|text| is_number(text.trim()))),
            Self::Boolean => input.boolean(key).is_ok(),
            Self::Text => input.text(key).is_ok() || input.boolean(key).is_ok(),
            Self::Other => true,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Text => "a text",
            Self::Other => "a value",
        }
    }
}
