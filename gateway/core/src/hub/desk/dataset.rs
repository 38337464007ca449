//! What a program printed, as the answer to the method that ran it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::{DeskAnswer, ErrorNumber, Fault, ProcedureKind};

/// The answer in what a program printed: JSON, either the tables or the value alone,
/// or an object with `dataset` or `returnvalue`, or with a non-zero `errorcode` and
/// `errormsg`.
pub(super) fn read(kind: ProcedureKind, output: &[u8]) -> Result<DeskAnswer, Fault> {
    let text = std::str::from_utf8(output).map_err(|_| garbage("it is not UTF-8"))?;
    let text = text.trim();
    if !text.starts_with('{') {
        return value(kind, text);
    }
    let printed: Printed<'_> =
        serde_json::from_str(text).map_err(|error| garbage(&error.to_string()))?;
    if let Some(code) = printed.errorcode.filter(|code| *code != 0) {
        let words = printed.errormsg.unwrap_or_default();
        let words: String = words.chars().take(MESSAGE_CHARACTERS_MAX).collect();
        let text = format!("the procedure failed with {code}: {words}");
        return Err(Fault::new(ErrorNumber::NotAvailable, text));
    }
    let field = match kind {
        ProcedureKind::Procedure => printed.dataset,
        ProcedureKind::Script => printed.returnvalue,
    };
    let missing = match kind {
        ProcedureKind::Procedure => "there is no dataset in it",
        ProcedureKind::Script => "there is no returnvalue in it",
    };
    value(kind, field.ok_or_else(|| garbage(missing))?.get())
}

/// Whether this text is a data set: tables of rows of cells, each row as long as the
/// first one, which names the columns.
pub(super) fn check(text: &str) -> Result<(), String> {
    let tables: Vec<Vec<Vec<&RawValue>>> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    for table in &tables {
        let Some(columns) = table.first() else {
            return Err("a table has no row that names its columns".to_owned());
        };
        if table.iter().any(|row| row.len() != columns.len()) {
            return Err("a row is not as long as the one that names the columns".to_owned());
        }
    }
    Ok(())
}

fn value(kind: ProcedureKind, text: &str) -> Result<DeskAnswer, Fault> {
    match kind {
        ProcedureKind::Procedure => {
            check(text).map_err(|words| garbage(&words))?;
            Ok(DeskAnswer::Dataset(text.into()))
        }
        ProcedureKind::Script => {
            let scalar: serde_json::Value =
                serde_json::from_str(text).map_err(|error| garbage(&error.to_string()))?;
            let text: Arc<str> = match scalar {
                serde_json::Value::String(text) => text.into(),
                serde_json::Value::Null => "".into(),
                serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                    return Err(garbage("the return value is no single value"));
                }
                scalar => scalar.to_string().into(),
            };
            Ok(DeskAnswer::ReturnValue(text))
        }
    }
}

fn garbage(words: &str) -> Fault {
    let text = format!("the procedure's program printed what cannot be read: {words}");
    Fault::new(ErrorNumber::NotAvailable, text)
}

#[derive(Deserialize)]
struct Printed<'p> {
    #[serde(default)]
    errorcode: Option<i64>,
    #[serde(default)]
    errormsg: Option<String>,
    #[serde(borrow, default)]
    dataset: Option<&'p RawValue>,
    #[serde(borrow, default)]
    returnvalue: Option<&'p RawValue>,
}

/// How much of a program's own words is passed on.
const MESSAGE_CHARACTERS_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(kind: ProcedureKind, text: &str) -> Result<DeskAnswer, ErrorNumber> {
        read(kind, text.as_bytes()).map_err(|fault| fault.number)
    }

    #[test]
    fn tables_are_taken_alone_or_in_an_object() {
        let tables = r#"[[["id","name"],[1,"Анна"],[2,null]],[["n"]]]"#;
        let answer = Ok(DeskAnswer::Dataset(tables.into()));
        for text in [
            tables.to_owned(),
            format!(" {tables}\n"),
            format!(r#"{{"errorcode":0,"dataset":{tables},"more":1}}"#),
        ] {
            assert_eq!(read_text(ProcedureKind::Procedure, &text), answer, "{text}");
        }
        let empty = Ok(DeskAnswer::Dataset("[]".into()));
        assert_eq!(read_text(ProcedureKind::Procedure, "[]"), empty);
    }

    #[test]
    fn a_value_is_taken_as_a_text_whatever_it_is() {
        for (text, value) in [
            (r#""да""#, "да"),
            ("5", "5"),
            ("true", "true"),
            ("null", ""),
            (r#"{"returnvalue":"x"}"#, "x"),
        ] {
            let answer = Ok(DeskAnswer::ReturnValue(value.into()));
            assert_eq!(read_text(ProcedureKind::Script, text), answer, "{text}");
        }
    }

    #[test]
    fn garbage_and_failures_are_faults() {
        for text in [
            "",
            "hello",
            "[[1]]",
            "[[]]",
            r#"[[["a"],[1,2]]]"#,
            "{}",
            "[1",
            "{\"dataset\":5}",
            r#"{"errorcode":7,"errormsg":"no"}"#,
            "5",
        ] {
            let fault = read_text(ProcedureKind::Procedure, text);
            assert_eq!(fault, Err(ErrorNumber::NotAvailable), "{text}");
        }
        for text in ["", "[1]", "{}", r#"{"returnvalue":[1]}"#, "yes"] {
            let fault = read_text(ProcedureKind::Script, text);
            assert_eq!(fault, Err(ErrorNumber::NotAvailable), "{text}");
        }
        assert!(read(ProcedureKind::Script, b"\"\xFF\"").is_err());
    }

    #[test]
    fn a_programs_own_words_are_passed_on() {
        let text = r#"{"errorcode":7,"errormsg":"no such client"}"#;
        let fault = read(ProcedureKind::Procedure, text.as_bytes()).expect_err("a failure");
        assert_eq!(fault.text, "the procedure failed with 7: no such client");
    }
}
