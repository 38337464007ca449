//! Owns what a simulated CRM can do and how it misbehaves (protocol 8, 2.1, 3.3): methods, forms, faults of its link and of its
//! HTTP answers, and users who speak through the tunnel. All of it can be told in a TOML file.
//!
//! Texts come in, checked values go out; `mind` acts by them.

mod standard;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::options::{ActiveUser, Introduce};
use crate::error::{Error, Result};

/// All of it; the default is the standard catalogue without faults.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Who introduces itself first, in place of the option.
    pub introduce: Option<Introduce>,
    /// More users who are active in the CRM.
    pub active_users: Vec<ActiveUser>,
    /// Its methods; none told: the standard ones.
    pub methods: Option<Vec<Method>>,
    /// Its forms; none told: the standard one.
    pub forms: Option<Vec<Form>>,
    /// How it treats a permanent link.
    pub link: LinkBehaviour,
    /// How it answers posts.
    pub http: HttpBehaviour,
    /// Users who speak through the tunnel.
    pub users: Option<Users>,
}

/// A method of the catalogue and how its runs are answered.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Method {
    /// What the catalogue says.
    pub key: String,
    /// What the catalogue says; none: the key.
    pub name: String,
    /// What the catalogue says.
    pub description: String,
    /// Whether runs may be cancelled.
    pub allowcancel: bool,
    /// Whether a run is for a user.
    pub defineuser: bool,
    /// How runs reach the CRM.
    pub connectiontype: ConnectionType,
    /// The inputs.
    pub inputparams: Vec<Parameter>,
    /// The outputs.
    pub outputparams: Vec<Parameter>,
    /// How runs are answered.
    pub answer: Answer,
}

/// A form of the catalogue and how it is filled in.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Form {
    /// What the catalogue says.
    pub key: String,
    /// What the catalogue says; none: the key.
    pub name: String,
    /// What the catalogue says.
    pub description: String,
    /// The inputs.
    pub inputparams: Vec<Parameter>,
    /// The outputs.
    pub outputparams: Vec<Parameter>,
    /// What a window that was opened answers with; none: nothing.
    pub outputparameters: Option<Map<String, Value>>,
    /// How long after the opening it answers.
    pub after_ms: u64,
}

/// How runs of a method reach the CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionType {
    /// Over the link.
    #[default]
    Websocket,
    /// By a post.
    Http,
}

/// A parameter of a method or a form.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameter {
    /// Its key among the values.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// What it means.
    pub description: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// The values of a list.
    pub items: Vec<Item>,
}

/// What a parameter's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// A text.
    #[default]
    String,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A moment.
    Datetime,
    /// One of the items.
    List,
}

/// One value of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The value.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// How runs of a method are answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// With what.
    pub kind: AnswerKind,
    /// `fixed`: the outputs.
    pub outputparameters: Map<String, Value>,
    /// `bytes`: how long the one output `text` is.
    pub bytes: usize,
    /// `fail`: the error number.
    pub error: i64,
    /// `fail`: the error text.
    pub errormsg: String,
    /// How long a run takes; none told: no time, and the option's time for the standard method `slow`.
    pub delay_ms: Option<u64>,
    /// How much longer at most, drawn anew each time.
    pub jitter_ms: u64,
    /// How often it is answered.
    pub times: u32,
    /// What the answer is known by.
    pub known_by: KnownBy,
    /// Whether it goes in packets.
    pub packets: Packets,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            kind: AnswerKind::Echo,
            outputparameters: Map::new(),
            bytes: 0,
            error: 500,
            errormsg: "the method fails on purpose".into(),
            delay_ms: None,
            jitter_ms: 0,
            times: 1,
            known_by: KnownBy::Both,
            packets: Packets::Auto,
        }
    }
}

/// What a run is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerKind {
    /// Its inputs.
    #[default]
    Echo,
    /// Always the same outputs.
    Fixed,
    /// The output `name`: the name of the input `callerid`.
    Caller,
    /// The output `text` of a set length.
    Bytes,
    /// A failure.
    Fail,
    /// Nothing.
    Silent,
}

/// What a `methodresult` is known by (protocol 8-e).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KnownBy {
    /// By both.
    #[default]
    Both,
    /// By `qid` alone, as old CRMs have it.
    Qid,
    /// By `executionid` alone.
    ExecutionId,
    /// By neither: nobody can tell whose result it is.
    Nothing,
}

/// Whether messages go in packets (protocol 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packets {
    /// If they are long.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a permanent link is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkBehaviour {
    /// What it does with what comes.
    pub reads: Reads,
    /// After how many messages that becomes so; until then it answers.
    pub silent_after: u64,
    /// Whether messages go in packets.
    pub packets: Packets,
    /// After how many messages it drops a link without a word; 0: never.
    pub drop_every: u64,
}

/// What a CRM does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// It reads and answers.
    #[default]
    AndAnswers,
    /// It reads and never answers.
    Silently,
    /// It does not even read.
    Nothing,
}

/// How posts are answered (protocol 2.1).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpBehaviour {
    /// With what.
    pub answer: HttpAnswer,
    /// `status`: which.
    pub status: u16,
    /// `redirect`: whither.
    pub location: String,
    /// The messages to which that applies; none told: all. Others are answered with messages.
    pub only: Vec<String>,
    /// In chunks and without a length.
    pub chunked: bool,
    /// Whether connections stay open.
    pub keep_alive: bool,
    /// Messages that are added to each answer.
    pub also: Vec<(String, Map<String, Value>)>,
}

impl Default for HttpBehaviour {
    fn default() -> Self {
        Self {
            answer: HttpAnswer::Messages,
            status: 500,
            location: "/elsewhere".into(),
            only: Vec::new(),
            chunked: false,
            keep_alive: true,
            also: Vec::new(),
        }
    }
}

/// What a post is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpAnswer {
    /// The messages that answer it.
    #[default]
    Messages,
    /// A page for people.
    Html,
    /// The messages as base64, which is wrong.
    Base64,
    /// An empty body.
    Empty,
    /// A status that is an error.
    Status,
    /// A redirect.
    Redirect,
    /// Half of what its head says, and then the connection's end.
    Half,
    /// Nothing at all.
    Silent,
}

/// Users who speak through the tunnel (protocol 5).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Users {
    /// How many.
    pub count: usize,
    /// What their logins begin with; a number follows.
    pub prefix: String,
    /// The first number.
    pub first: usize,
    /// What the CRM's own ids of them begin with; the same number follows.
    pub id_prefix: String,
    /// How many requests a second they send together.
    pub rate: f64,
    /// What they ask.
    pub methods: Vec<String>,
    /// How many of them a second log out and in again.
    pub churn: f64,
}

impl Default for Users {
    fn default() -> Self {
        Self {
            count: 10,
            prefix: "user".into(),
            first: 1,
            id_prefix: "crm-".into(),
            rate: 0.0,
            methods: vec!["getuserstate".into()],
            churn: 0.0,
        }
    }
}

impl Behaviour {
    /// Reads a TOML text.
    pub fn from_toml(text: &str) -> Result<Self> {
        let behaviour: Self = toml::from_str(text)
            .map_err(|error| Error::Usage(format!("the behaviour: {error}")))?;
        behaviour.check()?;
        Ok(behaviour)
    }

    /// Its methods.
    pub fn methods(&self) -> Vec<Method> {
        self.methods.clone().unwrap_or_else(standard::methods)
    }

    /// Its forms.
    pub fn forms(&self) -> Vec<Form> {
        self.forms.clone().unwrap_or_else(standard::forms)
    }

    /// Adds a method to those that there are.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.methods
            .get_or_insert_with(standard::methods)
            .push(method);
        self
    }

    /// Adds a form to those that there are.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.forms.get_or_insert_with(standard::forms).push(form);
        self
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Usage(format!("the behaviour: {what}")));
        let methods = self.methods.iter().flatten();
        for method in methods {
            let answer = &method.answer;
            if answer.bytes > ANSWER_BYTES_MAX {
                return wrong(format!(
                    "{}: more than {ANSWER_BYTES_MAX} bytes",
                    method.key
                ));
            }
            if answer.times > ANSWERS_MAX {
                return wrong(format!("{}: more than {ANSWERS_MAX} answers", method.key));
            }
        }
        let keys = self.methods.iter().flatten().map(|method| &method.key);
        let forms = self.forms.iter().flatten().map(|form| &form.key);
        if keys.chain(forms).any(String::is_empty) {
            return wrong("a method or a form without a key".into());
        }
        if !(100..=999).contains(&self.http.status) {
            return wrong(format!("{} is no status", self.http.status));
        }
        match &self.users {
            Some(users) if users.count == 0 || users.methods.is_empty() => {
                wrong("users without a user or without a method".into())
            }
            Some(users) if !is_rate(users.rate) || !is_rate(users.churn) => {
                wrong(format!("a rate is from 0 to {RATE_MAX} a second"))
            }
            _ => Ok(()),
        }
    }
}

impl Method {
    /// A method without parameters that is answered so.
    pub fn new(key: &str, answer: Answer) -> Self {
        Self {
            key: key.to_owned(),
            name: key.to_owned(),
            answer,
            ..Self::default()
        }
    }
}

fn is_rate(rate: f64) -> bool {
    (0.0..=RATE_MAX).contains(&rate)
}

/// How long an answer may be.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// How often a run may be answered.
const ANSWERS_MAX: u32 = 100;
/// How many requests a second there may be.
const RATE_MAX: f64 = 1e6;
