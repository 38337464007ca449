//! Owns what the simulated CRM can do (protocol 8): the declared methods and forms, and how each method runs.
//!
//! A method's key and inputs come in, an [`Outcome`] goes out. It keeps no time and sends nothing.

use std::collections::HashMap;

use serde_json::{Value, json};

/// How a run of a method ends.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// With these outputs, at once.
    Now(Value),
    /// With these outputs, after the set delay.
    Later(Value),
    /// With this error number and text.
    Failed(i64, String),
}

/// Runs the method.
pub(super) fn run(key: &str, inputs: &Value, callers: &HashMap<String, String>) -> Outcome {
    match key {
        "callername" => {
            let caller = match &inputs["callerid"] {
                Value::String(number) => number.clone(),
                Value::Number(number) => number.to_string(),
                _ => String::new(),
            };
            let name = callers.get(&caller).map_or("", String::as_str);
            Outcome::Now(json!({"name": name}))
        }
        "echo" => Outcome::Now(inputs.clone()),
        "slow" => Outcome::Later(inputs.clone()),
        "fail" => Outcome::Failed(500, "the method fails on purpose".into()),
        _ => Outcome::Failed(404, format!("no method {key:?}")),
    }
}

/// The field `methods` of `availablemethods`.
pub(super) fn methods() -> Value {
    json!([
        method(
            "callername",
            "The caller's name",
            "Finds the name that belongs to a telephone number; an unknown number has an empty name",
            false,
            &[parameter("callerid", "Telephone number", "string")],
            &[parameter("name", "Name", "string")],
        ),
        method(
            "echo",
            "Echo",
            "Gives its inputs back",
            false,
            &every_type_of_parameter(),
            &every_type_of_parameter(),
        ),
        method("fail", "Failure", "Fails every time", false, &[], &[]),
        // Protocol 8: catalogues of the field may hold a stray null.
        null,
        method(
            "slow",
            "Slow echo",
            "Gives its inputs back after a while; may be cancelled",
            true,
            &[parameter("text", "Text", "string")],
            &[parameter("text", "Text", "string")],
        ),
    ])
}

/// The field `forms` of `availableforms`.
pub(super) fn forms() -> Value {
    let mut card = method(
        "callercard",
        "The caller's card",
        "Shows who calls and takes a comment",
        true,
        &[
            parameter("callerid", "Telephone number", "string"),
            parameter("name", "Name", "string"),
            parameter("chainid", "Call", "string"),
        ],
        &[parameter("comment", "Comment", "string")],
    );
    card["defineuser"] = json!(true);
    json!([card])
}

fn method(
    key: &str,
    name: &str,
    description: &str,
    allow_cancel: bool,
    inputs: &[Value],
    outputs: &[Value],
) -> Value {
    json!({
        "key": key,
        "name": name,
        "description": description,
        "allowcancel": allow_cancel,
        "defineuser": false,
        "connectiontype": "websocket",
        "inputparams": inputs,
        "outputparams": outputs,
    })
}

fn parameter(key: &str, name: &str, kind: &str) -> Value {
    json!({"key": key, "name": name, "description": name, "type": kind, "items": []})
}

fn every_type_of_parameter() -> Vec<Value> {
    let mut choice = parameter("choice", "Choice", "list");
    choice["items"] = json!([{"id": "1", "name": "One"}, {"id": "2", "name": "Two"}]);
    vec![
        parameter("text", "Text", "string"),
        parameter("number", "Number", "number"),
        parameter("flag", "Flag", "boolean"),
        parameter("moment", "Moment", "datetime"),
        choice,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_number_has_its_name_and_an_unknown_one_an_empty_name() {
        let callers = HashMap::from([("101".to_owned(), "Ann".to_owned())]);
        for (number, name) in [(json!("101"), "Ann"), (json!(101), "Ann"), (json!("7"), "")] {
            let outcome = run("callername", &json!({"callerid": number}), &callers);
            assert_eq!(outcome, Outcome::Now(json!({"name": name})));
        }
    }

    #[test]
    fn every_declared_method_runs() {
        for method in methods().as_array().unwrap() {
            if let Some(key) = method["key"].as_str() {
                let outcome = run(key, &json!({}), &HashMap::new());
                assert!(!matches!(outcome, Outcome::Failed(404, _)), "{key}");
            }
        }
        assert!(matches!(
            run("unheard-of", &json!({}), &HashMap::new()),
            Outcome::Failed(404, _)
        ));
    }
}
