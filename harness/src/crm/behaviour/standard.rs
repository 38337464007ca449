//! Owns the standard catalogue of the simulated CRM: what it can do when nothing else was told.

use super::{Answer, AnswerKind, Form, Item, Method, Parameter, ParameterType};

/// A caller's name, an echo, a failure, a slow echo.
pub(super) fn methods() -> Vec<Method> {
    let answered = |kind| Answer {
        kind,
        ..Answer::default()
    };
    vec![
        Method {
            name: "The caller's name".into(),
            description:
                "Finds the name that belongs to a telephone number; an unknown number has an empty name"
                    .into(),
            inputparams: vec![parameter("callerid", "Telephone number", ParameterType::String)],
            outputparams: vec![parameter("name", "Name", ParameterType::String)],
            ..Method::new("callername", answered(AnswerKind::Caller))
        },
        Method {
            name: "Echo".into(),
            description: "Gives its inputs back".into(),
            inputparams: every_type_of_parameter(),
            outputparams: every_type_of_parameter(),
            ..Method::new("echo", answered(AnswerKind::Echo))
        },
        Method {
            name: "Failure".into(),
            description: "Fails every time".into(),
            ..Method::new("fail", answered(AnswerKind::Fail))
        },
        Method {
            name: "Slow echo".into(),
            description: "Gives its inputs back after a while; may be cancelled".into(),
            allowcancel: true,
            inputparams: vec![parameter("text", "Text", ParameterType::String)],
            outputparams: vec![parameter("text", "Text", ParameterType::String)],
            ..Method::new("slow", answered(AnswerKind::Echo))
        },
    ]
}

/// The caller's card.
pub(super) fn forms() -> Vec<Form> {
    vec![Form {
        key: "callercard".into(),
        name: "The caller's card".into(),
        description: "Shows who calls and takes a comment".into(),
        inputparams: vec![
            parameter("callerid", "Telephone number", ParameterType::String),
            parameter("name", "Name", ParameterType::String),
            parameter("chainid", "Call", ParameterType::String),
        ],
        outputparams: vec![parameter("comment", "Comment", ParameterType::String)],
        ..Form::default()
    }]
}

fn parameter(key: &str, name: &str, kind: ParameterType) -> Parameter {
    Parameter {
        key: key.to_owned(),
        name: name.to_owned(),
        description: name.to_owned(),
        kind,
        items: Vec::new(),
    }
}

fn every_type_of_parameter() -> Vec<Parameter> {
    let mut choice = parameter("choice", "Choice", ParameterType::List);
    let item = |id: &str, name: &str| Item {
        id: id.to_owned(),
        name: name.to_owned(),
    };
    choice.items = vec![item("1", "One"), item("2", "Two")];
    vec![
        parameter("text", "Text", ParameterType::String),
        parameter("number", "Number", ParameterType::Number),
        parameter("flag", "Flag", ParameterType::Boolean),
        parameter("moment", "Moment", ParameterType::Datetime),
        choice,
    ]
}
