//! Owns what a simulated CRM answers, whatever way messages reach it (protocol 4, 5, 8): sans-IO, its chances drawn from a
//! seed.
//!
//! A message comes in, a [`Reaction`] goes out: what is to be sent and after which time, and which run is over. It keeps no
//! clock and sends nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use super::behaviour::{Answer, AnswerKind, Form, KnownBy, Method, Packets, Parameter};
use super::options::{CrmOptions, Introduce};
use crate::message::{Message, guid};

/// What follows from a message.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reaction {
    /// What is to be sent, in order.
    pub(super) replies: Vec<Reply>,
    /// The run whose answer need not be sent any more.
    pub(super) cancelled: Option<String>,
}

/// A message that is to be sent.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) message: Message,
    /// How long after what it answers.
    pub(super) after: Duration,
    /// Whether it goes in packets.
    pub(super) packets: Packets,
    /// The run that it ends, which may be cancelled.
    pub(super) run: Option<String>,
}

impl Reply {
    fn now(message: Message) -> Self {
        Self {
            message,
            after: Duration::ZERO,
            packets: Packets::Auto,
            run: None,
        }
    }
}

/// The CRM's mind.
#[derive(Debug)]
pub(super) struct Mind {
    methods: Vec<Method>,
    forms: Vec<Form>,
    callers: HashMap<String, String>,
    introduce: Introduce,
    method_delay: Duration,
    is_catalogue_packed: bool,
    /// Whether it can only answer.
    is_http: bool,
    /// The CRM's own ids by login.
    active: BTreeMap<String, String>,
    random: ChaCha8Rng,
}

impl Mind {
    pub(super) fn new(options: &CrmOptions) -> Self {
        let behaviour = &options.behaviour;
        let users = options.active_users.iter().chain(&behaviour.active_users);
        Self {
            methods: behaviour.methods(),
            forms: behaviour.forms(),
            callers: options.callers.clone(),
            introduce: behaviour.introduce.unwrap_or(options.introduce),
            method_delay: options.method_delay,
            is_catalogue_packed: options.multipart_catalogue,
            is_http: options.mode.is_http(),
            active: users
                .map(|user| (user.login.clone(), user.id.clone()))
                .collect(),
            random: ChaCha8Rng::seed_from_u64(options.seed),
        }
    }

    /// What it says as soon as a permanent link is up.
    pub(super) fn greeting(&self, link: u64) -> Option<Message> {
        let question = || about_itself("whoareyou", &Value::from(guid()), link);
        (self.introduce == Introduce::First).then(question)
    }

    /// Whether a user of this login is active in the CRM.
    pub(super) fn is_active(&self, login: &str) -> bool {
        self.active.contains_key(login)
    }

    /// A user is active in the CRM from now on.
    pub(super) fn log_in(&mut self, login: &str, id: &str) {
        self.active.insert(login.to_owned(), id.to_owned());
    }

    /// A user is no longer active in the CRM.
    pub(super) fn log_out(&mut self, login: &str) {
        self.active.remove(login);
    }

    /// What follows from a message that came over this link.
    pub(super) fn react(&mut self, message: &Message, link: u64) -> Reaction {
        let qid = message.field("qid");
        let catalogue = |name: &str, key: &str, entries: Vec<Value>| Reply {
            packets: if self.is_catalogue_packed {
                Packets::Always
            } else {
                Packets::Auto
            },
            ..Reply::now(Message::new(name, json!({"qid": qid, key: entries})))
        };
        let reply = match message.name.as_str() {
            "ping" => Reply::now(Message {
                name: "pong".into(),
                fields: message.fields.clone(),
            }),
            // Protocol 2.1-i: who cannot ask by itself may answer with the question.
            "whoareyou" if self.introduce == Introduce::First && self.is_http => {
                Reply::now(about_itself("whoareyou", qid, link))
            }
            "whoareyou" if self.introduce != Introduce::Never => {
                Reply::now(about_itself("iam", qid, link))
            }
            // Protocol 4-c: some CRMs ask for the numbers after each introduction.
            "iam" if self.introduce == Introduce::First && !self.is_http => {
                Reply::now(Message::new(
                    "getpbxnumbers",
                    json!({"qid": guid(), "mode": "full", "userlogin": "", "userid": ""}),
                ))
            }
            "getavailablemethods" => catalogue("availablemethods", "methods", self.method_list()),
            "getavailableforms" => catalogue("availableforms", "forms", self.form_list()),
            "getactiveusers" => Reply::now(self.active_users(qid)),
            "executemethod" => return self.run(message),
            "showform" => return self.fill_in(message),
            "cancelmethod" => {
                return Reaction {
                    cancelled: message.text("executionid").map(str::to_owned),
                    ..Reaction::default()
                };
            }
            _ => return Reaction::default(),
        };
        Reaction {
            replies: vec![reply],
            cancelled: None,
        }
    }

    fn active_users(&self, qid: &Value) -> Message {
        let users: Vec<Value> = self
            .active
            .iter()
            .map(|(login, id)| json!({"userlogin": login, "userid": id, "type": "ws-server"}))
            .collect();
        Message::new("activeusers", json!({"qid": qid, "users": users}))
    }

    fn run(&mut self, request: &Message) -> Reaction {
        let key = request.text("methodkey").unwrap_or_default();
        let method = self.methods.iter().find(|method| method.key == key);
        let answer = match method {
            Some(method) => method.answer.clone(),
            None => Answer {
                kind: AnswerKind::Fail,
                error: 404,
                errormsg: format!("no method {key:?}"),
                ..Answer::default()
            },
        };
        let mut reaction = Reaction::default();
        let Some(mut fields) = self.outcome(&answer, request.field("inputparameters")) else {
            return reaction;
        };
        let is_known_by = |what| answer.known_by == KnownBy::Both || answer.known_by == what;
        for (field, known_by) in [("qid", KnownBy::Qid), ("executionid", KnownBy::ExecutionId)] {
            if is_known_by(known_by) {
                fields.insert(field.into(), request.field(field).clone());
            }
        }
        let message = Message {
            name: "methodresult".into(),
            fields,
        };
        let after = self.delay(key, &answer);
        for _ in 0..answer.times {
            reaction.replies.push(Reply {
                message: message.clone(),
                after,
                packets: answer.packets,
                run: request.text("executionid").map(str::to_owned),
            });
        }
        reaction
    }

    /// The fields of a result but what it is known by; `None`: the CRM keeps silent.
    fn outcome(&self, answer: &Answer, inputs: &Value) -> Option<Map<String, Value>> {
        let outputs = match answer.kind {
            AnswerKind::Echo => inputs.clone(),
            AnswerKind::Fixed => Value::Object(answer.outputparameters.clone()),
            AnswerKind::Bytes => json!({"text": "x".repeat(answer.bytes)}),
            AnswerKind::Caller => {
                let caller = match &inputs["callerid"] {
                    Value::String(number) => number.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => String::new(),
                };
                json!({"name": self.callers.get(&caller).map_or("", String::as_str)})
            }
            AnswerKind::Fail => {
                let failure =
                    json!({"result": 0, "error": answer.error, "errormsg": answer.errormsg});
                return failure.as_object().cloned();
            }
            AnswerKind::Silent => return None,
        };
        Some(Map::from_iter([("outputparameters".to_owned(), outputs)]))
    }

    fn delay(&mut self, key: &str, answer: &Answer) -> Duration {
        let delay = match answer.delay_ms {
            Some(delay) => Duration::from_millis(delay),
            None if key == "slow" => self.method_delay,
            None => Duration::ZERO,
        };
        let jitter = self.random.random_range(0..=answer.jitter_ms);
        delay + Duration::from_millis(jitter)
    }

    /// Fills a form in, if it is told to (protocol 8-n).
    fn fill_in(&mut self, request: &Message) -> Reaction {
        let key = request.text("formkey").unwrap_or_default();
        let form = self.forms.iter().find(|form| form.key == key);
        let filled = form.and_then(|form| Some((form.outputparameters.as_ref()?, form.after_ms)));
        let Some((outputs, after_ms)) = filled else {
            return Reaction::default();
        };
        let fields = json!({
            "qid": guid(),
            "windowid": request.field("windowid"),
            "userlogin": request.field("userlogin"),
            "userid": request.field("userid"),
            "outputparameters": outputs,
        });
        let reply = Reply {
            after: Duration::from_millis(after_ms),
            ..Reply::now(Message::new("methodresult", fields))
        };
        Reaction {
            replies: vec![reply],
            cancelled: None,
        }
    }

    fn method_list(&self) -> Vec<Value> {
        let entry = |method: &Method| {
            json!({
                "key": method.key,
                "name": named(&method.name, &method.key),
                "description": method.description,
                "allowcancel": method.allowcancel,
                "defineuser": method.defineuser,
                "connectiontype": method.connectiontype,
                "inputparams": parameters(&method.inputparams),
                "outputparams": parameters(&method.outputparams),
            })
        };
        let mut list: Vec<Value> = self.methods.iter().map(entry).collect();
        // Protocol 8-b: catalogues of the field may hold a stray null.
        list.insert(list.len() / 2, Value::Null);
        list
    }

    fn form_list(&self) -> Vec<Value> {
        let entry = |form: &Form| {
            json!({
                "key": form.key,
                "name": named(&form.name, &form.key),
                "description": form.description,
                "allowcancel": true,
                "defineuser": true,
                "connectiontype": "websocket",
                "inputparams": parameters(&form.inputparams),
                "outputparams": parameters(&form.outputparams),
            })
        };
        self.forms.iter().map(entry).collect()
    }
}

fn about_itself(name: &str, qid: &Value, link: u64) -> Message {
    Message::new(
        name,
        json!({
            "qid": qid,
            "type": "ws-server",
            "name": "okgate-harness simulated CRM",
            "version": env!("CARGO_PKG_VERSION"),
            "build": link.to_string(),
        }),
    )
}

fn parameters(parameters: &[Parameter]) -> Vec<Value> {
    let entry = |parameter: &Parameter| {
        json!({
            "key": parameter.key,
            "name": named(&parameter.name, &parameter.key),
            "description": parameter.description,
            "type": parameter.kind,
            "items": parameter.items,
        })
    };
    parameters.iter().map(entry).collect()
}

fn named<'a>(name: &'a str, key: &'a str) -> &'a str {
    if name.is_empty() { key } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::behaviour::Behaviour;

    fn mind(behaviour: Behaviour) -> Mind {
        let mut options = CrmOptions::on_loopback().caller("101", "Ann");
        options.behaviour = behaviour;
        Mind::new(&options)
    }

    fn run(mind: &mut Mind, key: &str, inputs: &Value) -> Vec<Reply> {
        let request =
            json!({"qid": "q", "executionid": "e", "methodkey": key, "inputparameters": inputs});
        mind.react(&Message::new("executemethod", request), 1)
            .replies
    }

    fn with(answer: Answer) -> Behaviour {
        Behaviour::default().method(Method::new("m", answer))
    }

    #[test]
    fn a_known_number_has_its_name_and_an_unknown_one_an_empty_name() {
        let mut mind = mind(Behaviour::default());
        for (number, name) in [(json!("101"), "Ann"), (json!(101), "Ann"), (json!("7"), "")] {
            let replies = run(&mut mind, "callername", &json!({"callerid": number}));
            assert_eq!(
                replies[0].message.field("outputparameters"),
                &json!({"name": name})
            );
        }
    }

    #[test]
    fn every_declared_method_runs_and_others_do_not() {
        let mut mind = mind(Behaviour::default());
        let list = mind.method_list();
        assert!(list.contains(&Value::Null));
        for key in list.iter().filter_map(|method| method["key"].as_str()) {
            let replies = run(&mut mind, key, &json!({}));
            assert_ne!(replies[0].message.field("error"), &json!(404), "{key}");
        }
        let replies = run(&mut mind, "unheard-of", &json!({}));
        assert_eq!(replies[0].message.field("error"), &json!(404));
    }

    // protocol 8-e
    #[test]
    fn results_are_known_by_what_was_told_and_come_as_often_as_told() {
        for (known_by, qid, id) in [
            (KnownBy::Both, Some("q"), Some("e")),
            (KnownBy::Qid, Some("q"), None),
            (KnownBy::ExecutionId, None, Some("e")),
            (KnownBy::Nothing, None, None),
        ] {
            let mut mind = mind(with(Answer {
                known_by,
                times: 2,
                ..Answer::default()
            }));
            let replies = run(&mut mind, "m", &json!({"a": 1}));
            assert_eq!(replies.len(), 2);
            let result = &replies[1].message;
            assert_eq!((result.text("qid"), result.text("executionid")), (qid, id));
            assert_eq!(result.field("outputparameters"), &json!({"a": 1}));
        }
    }

    #[test]
    fn delays_are_the_same_for_the_same_seed() {
        let delays = || {
            let mut mind = mind(with(Answer {
                delay_ms: Some(10),
                jitter_ms: 1000,
                ..Answer::default()
            }));
            let mut next = || run(&mut mind, "m", &json!({}))[0].after;
            [next(), next(), next()]
        };
        let first = delays();
        assert_eq!(first, delays());
        assert!(first[0] != first[1] || first[1] != first[2]);
        assert!(
            first
                .iter()
                .all(|delay| *delay >= Duration::from_millis(10))
        );
    }

    #[test]
    fn a_silent_method_says_nothing_and_a_big_one_as_much_as_told() {
        let of = |kind| Answer {
            kind,
            bytes: 5000,
            ..Answer::default()
        };
        assert_eq!(
            run(&mut mind(with(of(AnswerKind::Silent))), "m", &json!({})),
            []
        );
        let replies = run(&mut mind(with(of(AnswerKind::Bytes))), "m", &json!({}));
        let text = replies[0].message.field("outputparameters")["text"].as_str();
        assert_eq!(text.map(str::len), Some(5000));
    }

    // protocol 8-l, 8-n
    #[test]
    fn a_form_is_filled_in_for_its_window() {
        let form = Form {
            key: "card".into(),
            outputparameters: json!({"comment": "x"}).as_object().cloned(),
            after_ms: 20,
            ..Form::default()
        };
        let mut mind = mind(Behaviour::default().form(form));
        let mut open = |key: &str| {
            let request = json!({"formkey": key, "windowid": "w", "userlogin": "anna"});
            mind.react(&Message::new("showform", request), 1).replies
        };
        assert_eq!(open("callercard"), []);
        let replies = open("card");
        assert_eq!(replies[0].after, Duration::from_millis(20));
        assert_eq!(replies[0].message.text("windowid"), Some("w"));
    }
}
