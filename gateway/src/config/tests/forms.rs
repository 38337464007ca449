//! `[forms]` and `[[form_rules]]`.

use okgate_core::hub::{FormClose, RuleEvent};

use super::*;
use crate::config::schema::{Kind, SECTIONS};

const CRM: &str = "[crm]\nmode = \"ws-out\"\naddress = \"127.0.0.1:8045\"\n";

#[test]
fn a_form_rule_has_an_event_conditions_texts_and_a_method() {
    let text = format!(
        "{CRM}{USER}[forms]\nwindows_per_user = 0\n\
         [[form_rules]]\nevent = \"phoneevent_ringstarted\"\nform = \"card\"\n\
         when = [\"isextline = true\", \"callerid starts 7495, 7499\"]\n\
         method = \"getcustomer\"\nmethod_parameters = {{ callerid = \"{{callerid}}\" }}\n\
         close = \"talk_end\"\n\
         [form_rules.parameters]\nname = \"{{method.name}}\"\ntitle = \"Call of {{callername}}\"\n"
    );
    let forms = good(&text).forms;
    assert_eq!(forms.limits.windows_per_user, usize::MAX);
    let rule = &forms.rules[0];
    assert_eq!(
        (&*rule.form, rule.when.len(), rule.parameters.len()),
        ("card", 2, 2)
    );
    assert_eq!(rule.close, FormClose::TalkEnd);
    let method = rule.method.as_ref().expect("a method");
    assert_eq!(
        (&*method.key, method.wait.as_millis()),
        ("getcustomer", 300)
    );
}

#[test]
fn faults_of_form_rules_name_the_line_the_key_and_what_is_wrong() {
    let text = format!(
        "{CRM}[[form_rules]]\nevent = \"phoneevent_commstopped\"\nform = \"card\"\n\
         when = [\n\"callerid = 1\",\n\"username like x\"]\n\
         parameters = {{ a = \"{{caller}}\", b = \"{{method.x}}\", c = \"{{\", d = 1 }}\n\
         method_wait_ms = 5\n\
         [[form_rules]]\nevent = \"ring\"\n{USER}"
    );
    let faults = faults(&text).join("\n");
    for expected in [
        "8: form_rules[1].when: {callerid} is no field of this event; it has commutationid, ",
        "9: form_rules[1].when: \"username like x\" is no condition: ",
        "10: form_rules[1].parameters: a: {caller} is no field of this event",
        "10: form_rules[1].parameters: b: {method.x} needs the key method",
        "10: form_rules[1].parameters: c: a brace without its other half",
        "10: form_rules[1].parameters: d is no text",
        "11: form_rules[1].method_wait_ms: does nothing without method",
        "13: form_rules[2].event: \"ring\" is not one of ",
        "12: form_rules[2].form: is missing",
    ] {
        assert!(faults.contains(expected), "{expected}\n{faults}");
    }
    let without = "[crm]\nmode = \"off\"\n[[form_rules]]\nevent = \"customevent\"\nform = \"x\"\n";
    let faults = self::faults(&format!("{without}{USER}"));
    assert_eq!(
        faults,
        ["5: form_rules[1].form: without a CRM there are no forms: crm.mode is \"off\""]
    );
}

#[test]
fn rules_can_be_about_the_events_that_the_schema_lists() {
    let key = SECTIONS.iter().find(|section| section.name == "form_rules");
    let kind = key
        .and_then(|section| section.key("event"))
        .map(|key| key.kind);
    let Some(Kind::Choice { words, .. }) = kind else {
        panic!("the events are a choice");
    };
    let known: Vec<&str> = RuleEvent::ALL
        .iter()
        .map(|event| event.kind.name())
        .collect();
    assert_eq!(words, known);
}
