//! `[forms]` and `[[form_rules]]`.

use std::sync::Arc;
use std::time::Duration;

use okgate_core::hub::{
    Condition, FormClose, FormLimits, FormRule, FormsConfig, RuleEvent, RuleMethod, Template,
};

use toml::de::DeValue;

use super::file::File;
use super::view::{Located, View};

/// Reads both sections; faults are noted, faulty entries are left out. So many methods
/// may run at users' pages as may run at the CRM.
pub(super) fn forms(file: &File<'_>, runs_max: Option<usize>) -> FormsConfig {
    let view = file.view("forms");
    let size = |key| view.limit_size(key).unwrap_or(usize::MAX);
    let limits = FormLimits {
        windows_max: size("windows_max"),
        windows_per_user: size("windows_per_user"),
        window_life: Duration::from_secs(view.integer("window_life_s")),
        result_life: Duration::from_secs(view.integer("result_life_s")),
        values_bytes_max: size("values_bytes_max"),
        tab_runs_max: runs_max.unwrap_or(usize::MAX),
    };
    let views = file.views("form_rules");
    let rules = views
        .iter()
        .filter_map(|view| rule(view, file))
        .map(Arc::new);
    FormsConfig {
        rules: rules.collect(),
        limits,
    }
}

fn rule(view: &View<'_>, file: &File<'_>) -> Option<FormRule> {
    if file.view("crm").choice("mode") == Some("off") {
        view.fault(
            "form",
            "without a CRM there are no forms: crm.mode is \"off\"",
        );
    }
    let event = view.choice("event").and_then(RuleEvent::named);
    let form = view.text("form");
    let key = view.text("method");
    let wait = view.milliseconds("method_wait_ms");
    let close = match view.choice("close") {
        Some("talk_end") => FormClose::TalkEnd,
        Some("never") => FormClose::Never,
        _ => FormClose::CallEnd,
    };
    if key.is_none() {
        for key in ["method_parameters", "method_wait_ms"] {
            if view.has(key) {
                view.fault(key, "does nothing without method");
            }
        }
    }
    // Without the event nothing can be said about its fields.
    let event = event?;
    let method = key.map(|key| RuleMethod {
        key: key.into(),
        parameters: templates(view, "method_parameters", event, false),
        wait,
    });
    Some(FormRule {
        event,
        when: conditions(view, event),
        parameters: templates(view, "parameters", event, method.is_some()),
        form: form?.into(),
        close,
        method,
    })
}

fn conditions(view: &View<'_>, event: RuleEvent) -> Vec<Condition> {
    let texts = view.texts("when").into_iter();
    let read = texts.filter_map(|text| {
        let read = Condition::parse(&text.value, event);
        read.map_err(|fault| view.fault_at(text.at, "when", fault.to_string()))
            .ok()
    });
    read.collect()
}

fn templates(
    view: &View<'_>,
    key: &str,
    event: RuleEvent,
    with_method: bool,
) -> Vec<(Box<str>, Template)> {
    let texts = text_table(view, key).into_iter();
    let read = texts.filter_map(|(name, text)| {
        let read = Template::parse(&text.value, event, with_method);
        let read = read.map_err(|fault| {
            view.fault_at(text.at, key, format!("{name}: {fault}"));
        });
        Some((name.into_boxed_str(), read.ok()?))
    });
    read.collect()
}

/// A table of texts by name, each with its place; entries that are no text are faults and
/// left out.
fn text_table(view: &View<'_>, key: &str) -> Vec<(String, Located<String>)> {
    let table = match view.raw(key) {
        None => return Vec::new(),
        Some(DeValue::Table(table)) => table,
        Some(_) => {
            view.fault(key, "is no table of texts");
            return Vec::new();
        }
    };
    let mut texts = Vec::new();
    for (name, item) in table {
        let (name, at) = (name.get_ref().as_ref().to_owned(), item.span().start);
        if let DeValue::String(text) = item.get_ref() {
            let value = text.as_ref().to_owned();
            texts.push((name, Located { value, at }));
        } else {
            view.fault_at(at, key, format!("{name} is no text"));
        }
    }
    texts
}
