//! The dynamic methods of the simulated CRM, and how it answers them.

use std::time::Duration;

use okgate_core::base::Random;
use serde_json::{Value, json};

use crate::crm::Said;

/// Answers: after how long, the fields, and what they say.
pub(crate) type Reaction = Vec<(Duration, Value, Said)>;

/// The method that is asked who is calling.
pub(crate) const CALLER_NAME: &str = "callername";

/// What the CRM declares.
pub(crate) fn catalogue() -> Value {
    json!([
        null,
        {"key": CALLER_NAME, "inputparams": [{"key": "number", "type": "string"}]},
        {"key": "sum", "allowcancel": true, "inputparams": [{"key": "ticket", "type": "number"}]},
        {"key": "personal", "defineuser": 1, "inputparams": [{"key": "ticket", "type": "number"}]},
        {"key": "posted", "connectiontype": "http"},
    ])
}

/// The name that the CRM gives for a number.
pub(crate) fn name_for(number: &str) -> String {
    format!("Клиент {number}")
}

/// At once, late, with a failure, twice, or never.
pub(crate) fn react(fields: &Value, random: &mut Random) -> Reaction {
    let execution = fields["executionid"].as_str().expect("an executionid");
    let input = &fields["inputparameters"];
    let output = match input["number"].as_str() {
        Some(number) => json!({"name": name_for(number)}),
        None => json!({"ticket": input["ticket"]}),
    };
    let result = |is_good: bool, names_execution: bool| {
        let mut fields = if is_good {
            json!({"qid": execution, "outputparameters": output})
        } else {
            json!({"qid": execution, "result": 0, "errormsg": "no such client"})
        };
        if names_execution {
            fields["executionid"] = execution.into();
        }
        let said = Said::Result {
            execution: execution.to_owned(),
            is_good,
        };
        (fields, said)
    };
    // Old CRMs echo only the qid.
    let names_execution = random.below(4) > 0;
    let good = result(true, names_execution);
    let after = |ms: u64, (fields, said)| (Duration::from_millis(ms), fields, said);
    match random.below(10) {
        0..4 => vec![after(0, good)],
        4..6 => vec![after(1 + random.below(8000), good)],
        6 => vec![after(0, result(false, names_execution))],
        7 => vec![after(0, good.clone()), after(random.below(2000), good)],
        8 => vec![after(4000 + random.below(60_000), good)],
        _ => Vec::new(),
    }
}
