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
    /// `inputparams`: their keys; `None` if the CRM does not say.
    pub(super) inputs: Option<Vec<Box<str>>>,
    /// `allowcancel`.
    pub(super) allow_cancel: bool,
    /// `defineuser`.
    pub(super) define_user: bool,
    /// `connectiontype` is `http`.
    pub(super) by_http: bool,
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
        let key_of = |input: &Body<'_>| input.text("key").ok().flatten().map(Box::from);
        Self {
            inputs: inputs
                .flatten()
                .map(|inputs| inputs.iter().filter_map(key_of).collect()),
            allow_cancel: flag("allowcancel"),
            define_user: flag("defineuser"),
            by_http: kind.is_some_and(|kind| kind.eq_ignore_ascii_case("http")),
        }
    }

    /// Checks the text of an input object: every declared parameter is there and
    /// no other. Says what is wrong.
    pub(super) fn check(&self, input: &str, reader: &mut BodyReader) -> Result<(), String> {
        let mut text = input.as_bytes().to_vec();
        let outcome = reader.read(&mut text, |input| {
            let Some(inputs) = &self.inputs else {
                return Ok(());
            };
            let given: Vec<&str> = input.all_keys().collect();
            if let Some(missing) = inputs.iter().find(|it| !given.contains(&&***it)) {
                return Err(format!("the input parameter `{missing}` is missing"));
            }
            match given
                .iter()
                .find(|it| !inputs.iter().any(|input| **input == ***it))
            {
                Some(unknown) => Err(format!("the input parameter `{unknown}` is not declared")),
                None => Ok(()),
            }
        });
        outcome.unwrap_or_else(|fault| Err(format!("the input is no object: {}", fault.text)))
    }
}
