//! Events that open forms (protocol 8-o).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::text::Facts;
use super::windows::Bound;
use super::{Condition, FormRefusal, Opening, RuleEvent, Template};
use crate::base::{ChainId, ExecutionId};
use crate::crm::MethodRun;
use crate::hub::{Hub, Output, RunOwner};
use crate::protocol::{Event, EventKind, Fields as _, UserRef, write_message};

/// Which event opens which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormRule {
    /// The event.
    pub event: RuleEvent,
    /// All of these must hold.
    pub when: Vec<Condition>,
    /// The form's key.
    pub form: Arc<str>,
    /// The form's parameters; one that comes to nothing is left out.
    pub parameters: Vec<(Box<str>, Template)>,
    /// When the form is closed, unless it is answered before.
    pub close: FormClose,
    /// A dynamic method that is asked first.
    pub method: Option<RuleMethod>,
}

/// A method whose outputs are placeholders of a rule's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleMethod {
    /// The method's key.
    pub key: Arc<str>,
    /// The method's parameters.
    pub parameters: Vec<(Box<str>, Template)>,
    /// The form opens after this time at the latest, with or without the answer.
    pub wait: Duration,
}

/// When a rule's form is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormClose {
    /// When the user is no longer in the call.
    CallEnd,
    /// With the user's next talk that ends, or with the call.
    TalkEnd,
    /// Only when it is answered or closed by hand.
    Never,
}

/// A rule whose method runs.
#[derive(Debug)]
pub(super) struct Pending {
    rule: Arc<FormRule>,
    user: UserRef,
    facts: Facts,
    chain: Option<ChainId>,
    bound: Option<Bound>,
}

/// What a rule's form is closed by.
enum Binding {
    /// A call.
    Call(Bound),
    /// Nothing but its user.
    Nothing,
    /// The call is over already: there is nothing to open.
    Over,
}

impl Hub {
    /// Opens the forms of all rules that this event meets.
    pub(super) fn apply_rules(&mut self, event: &Event, user: &UserRef) {
        let kind = event.what.kind();
        if !self.forms.ruled.contains(kind) {
            return;
        }
        let facts = self.facts(event, user);
        let chain = facts.event.get("chainid").and_then(Value::as_str);
        let chain = chain.and_then(|chain| chain.parse().ok()).map(ChainId);
        let rules = self.forms.config.rules.iter();
        let is_met = |rule: &&Arc<FormRule>| {
            rule.event.kind == kind && rule.when.iter().all(|condition| condition.holds(&facts))
        };
        let met: Vec<Arc<FormRule>> = rules.filter(is_met).map(Arc::clone).collect();
        for rule in met {
            let bound = match self.bind(&rule, user, chain) {
                Binding::Over => continue,
                Binding::Nothing => None,
                Binding::Call(bound) => Some(bound),
            };
            let pending = Pending {
                rule,
                user: user.clone(),
                facts: facts.clone(),
                chain,
                bound,
            };
            self.begin_rule(pending);
        }
    }

    /// What closes the rule's form.
    fn bind(&self, rule: &FormRule, user: &UserRef, chain: Option<ChainId>) -> Binding {
        let with_talk = match rule.close {
            FormClose::Never => return Binding::Nothing,
            FormClose::CallEnd => false,
            FormClose::TalkEnd => true,
        };
        match chain {
            Some(chain) if self.switchboard.call_of(user.id) == Some(chain) => {
                Binding::Call(Bound {
                    chain,
                    with_talk,
                    was_in: true,
                })
            }
            _ if begins_something(rule.event.kind) => Binding::Over,
            // The form of a call's end stays until it is answered.
            _ => Binding::Nothing,
        }
    }

    fn begin_rule(&mut self, pending: Pending) {
        let Some(method) = &pending.rule.method else {
            return self.finish_rule(pending);
        };
        let run = MethodRun {
            key: Arc::clone(&method.key),
            input: filled(&method.parameters, &pending.facts),
            user_login: Some(Arc::clone(&pending.user.login)),
            timeout: method.wait,
            wait_for_link: false,
        };
        let execution = ExecutionId(self.random.guid());
        self.forms.pending.insert(execution, pending);
        self.start_run(execution, RunOwner::FormRule, run);
    }

    /// A rule's method came to its end: the form opens with or without its answer.
    pub(in crate::hub) fn end_rule_method(&mut self, execution: ExecutionId, output: Option<&str>) {
        let Some(mut pending) = self.forms.pending.remove(&execution) else {
            return;
        };
        let output = output.and_then(|output| serde_json::from_str(output).ok());
        if let Some(Value::Object(output)) = output {
            pending.facts.method = output;
        }
        self.finish_rule(pending);
    }

    fn finish_rule(&mut self, pending: Pending) {
        let Pending {
            rule,
            user,
            facts,
            chain,
            bound,
        } = pending;
        let call = self.switchboard.call_of(user.id);
        if bound.is_some_and(|bound| call != Some(bound.chain)) {
            // The call ended while the method ran.
            return;
        }
        let opened = self.open_form(Opening {
            user,
            key: Arc::clone(&rule.form),
            input: filled(&rule.parameters, &facts),
            chain,
            bound,
        });
        if let Err(refusal) = opened {
            self.note_refused_form(&rule, &refusal);
        }
    }

    fn note_refused_form(&mut self, rule: &FormRule, refusal: &FormRefusal) {
        self.forms.counters.forms_refused += 1;
        self.outputs.push_back(Output::FormRefused {
            event: rule.event.kind.name(),
            form: Arc::clone(&rule.form),
            reason: refusal.to_string().into(),
        });
    }

    /// Every field of an event, and those that all events have.
    fn facts(&self, event: &Event, user: &UserRef) -> Facts {
        let mut text = Vec::new();
        write_message(&mut text, "", |writer| event.what.write(writer));
        let read = serde_json::from_slice::<(Value, Map<String, Value>)>(&text);
        let mut fields = read.map(|(_, fields)| fields).unwrap_or_default();
        let info = self.switchboard.my_user_info(user.id).ok();
        let (name, number) = info.map_or_else(Default::default, |info| {
            (
                info.name.to_string(),
                info.main_number.unwrap_or_default().to_string(),
            )
        });
        if !fields.contains_key("chainid") {
            let chain = self.switchboard.call_of(user.id);
            let chain = chain.map_or(String::new(), |chain| chain.to_string());
            fields.insert("chainid".to_owned(), chain.into());
        }
        for (key, value) in [
            ("event", event.what.kind().name().to_owned()),
            ("userid", user.id.to_string()),
            ("userlogin", user.login.to_string()),
            ("username", name),
            ("usernumber", number),
        ] {
            fields.insert(key.to_owned(), value.into());
        }
        Facts {
            event: fields,
            method: Map::new(),
        }
    }
}

/// Parameters as the text of a JSON object.
fn filled(parameters: &[(Box<str>, Template)], facts: &Facts) -> Arc<str> {
    let filled = parameters.iter().filter_map(|(key, template)| {
        let value = template.fill(facts)?;
        Some((key.to_string(), value))
    });
    Value::Object(filled.collect()).to_string().into()
}

/// Whether the user is in a call right after an event of this kind.
const fn begins_something(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::RingStarted
            | EventKind::CommStarted
            | EventKind::AcmCallStarted
            | EventKind::IvrStarted
    )
}
