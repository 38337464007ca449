//! `[desk]` and `[[procedures]]`.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::{Authority, PathAndQuery};
use okgate_core::base::RateLimit;
use okgate_core::hub::{
    DeskConfig, DeskLimits, Procedure, ProcedureSource, RunTarget, UrlMethod, UrlTarget,
};
use okgate_core::protocol::ProcedureKind;
use toml::de::DeValue;

use super::file::File;
use super::view::View;

/// Reads both sections; faults are noted, faulty entries are left out.
pub(super) fn desk(file: &File<'_>) -> DeskConfig {
    let view = file.view("desk");
    DeskConfig {
        limits: limits(&view),
        procedures: procedures(file),
        utc_offset_min: utc_offset(&view),
        has_web: false,
        stored: None,
    }
}

fn limits(view: &View<'_>) -> DeskLimits {
    let size = |key| view.limit_size(key).unwrap_or(usize::MAX);
    let broadcasts = view.limit_count("broadcasts_per_s");
    DeskLimits {
        text_bytes_max: size("text_bytes_max"),
        recipients_max: size("recipients_max"),
        broadcasts: broadcasts.and_then(|rate| RateLimit::new(rate, rate * BROADCAST_BURST)),
        kept_per_user: size("kept_per_user"),
        kept_bytes_per_user: size("kept_bytes_per_user"),
        kept_bytes_max: size("kept_bytes_max"),
        chats_max: size("chats_max"),
        chats_per_user: size("chats_per_user"),
        chat_members_max: size("chat_members_max"),
        chat_messages_max: size("chat_messages_max"),
        chat_bytes_max: size("chat_bytes_max"),
        programs_max: size("programs_max"),
        upload_bytes_max: size("upload_bytes_max"),
        uploads_per_user: size("uploads_per_user"),
        files_bytes_max: size("files_bytes_max"),
        upload_life: Duration::from_secs(view.integer("upload_life_s")),
        temp_password_life: Duration::from_secs(view.integer("temp_password_s")),
    }
}

fn utc_offset(view: &View<'_>) -> i32 {
    let text = view.text("utc_offset").unwrap_or_default();
    offset_minutes(&text).unwrap_or_else(|| {
        let reason = format!("{text:?} is not \"+HH:MM\" or \"-HH:MM\" within 14 hours");
        view.fault("utc_offset", reason);
        0
    })
}

fn offset_minutes(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i32>().ok().filter(|_| is_number)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= OFFSET_MINUTES_MAX).then_some(sign * all)
}

fn procedures(file: &File<'_>) -> Vec<Procedure> {
    let mut names = HashSet::new();
    let mut procedures = Vec::new();
    for view in file.views("procedures") {
        let kind = match view.choice("kind") {
            Some("script") => ProcedureKind::Script,
            _ => ProcedureKind::Procedure,
        };
        let source = source(&view, kind);
        let Some(name) = view.text("name") else {
            continue;
        };
        let name = name.trim();
        if !names.insert((kind, name.to_lowercase())) {
            view.fault("name", format!("{name:?} is there twice"));
        }
        if let Some(source) = source {
            procedures.push(Procedure {
                kind,
                name: name.into(),
                source,
            });
        }
    }
    procedures
}

/// Where the answer comes from: exactly one of the three.
fn source(view: &View<'_>, kind: ProcedureKind) -> Option<ProcedureSource> {
    let (is_table, is_value) = (view.has("columns") || view.has("rows"), view.has("value"));
    let (program, url) = (program(view), url(view));
    let (table, value) = (table(view), view.text("value"));
    let (is_program, is_url) = (view.has("command"), view.has("url"));
    if [is_table, is_value, is_program, is_url]
        .into_iter()
        .filter(|it| *it)
        .count()
        != 1
    {
        let reason = "exactly one of command, url, columns (with rows) and value is needed";
        view.fault("name", reason);
        return None;
    }
    match kind {
        ProcedureKind::Procedure if is_value => {
            view.fault("value", "a procedure answers with tables: columns and rows");
        }
        ProcedureKind::Script if is_table => {
            let key = if view.has("columns") {
                "columns"
            } else {
                "rows"
            };
            view.fault(key, "a script answers with one value: value");
        }
        _ => {}
    }
    if is_program || is_url {
        return Some(ProcedureSource::Program {
            target: program.or(url)?,
            timeout: Duration::from_secs(view.integer("timeout_s")),
            output_bytes_max: usize::try_from(view.integer("output_bytes_max"))
                .unwrap_or(usize::MAX),
        });
    }
    if is_table {
        return Some(ProcedureSource::Dataset(table?.into()));
    }
    Some(ProcedureSource::Value(value?.into()))
}

fn program(view: &View<'_>) -> Option<RunTarget> {
    let texts = view.texts("command");
    if view.is_empty_list("command") {
        view.fault("command", "the program is missing");
    }
    let mut command: Vec<String> = texts.into_iter().map(|text| text.value).collect();
    let program = command.first_mut()?;
    if program.contains('/') {
        let path = view.document.surroundings.directory.join(&*program);
        if !path.is_file() {
            view.fault("command", format!("{} is no file", path.display()));
        }
        // A relative path must not depend on where the gateway was started.
        let path = std::path::absolute(&path).unwrap_or(path);
        match path.into_os_string().into_string() {
            Ok(path) => *program = path,
            Err(_) => view.fault("command", "the path is not UTF-8"),
        }
    }
    Some(RunTarget::Command(Arc::from(command)))
}

fn url(view: &View<'_>) -> Option<RunTarget> {
    let method = match view.choice("method") {
        Some("GET") => UrlMethod::Get,
        _ => UrlMethod::Post,
    };
    if view.has("method") && !view.has("url") {
        view.fault("method", "is how a url is asked: there is none");
    }
    let text = view.text("url")?;
    match target(&text, method) {
        Ok(target) => Some(RunTarget::Url(Arc::new(target))),
        Err(reason) => {
            // The text may hold a secret.
            view.fault("url", reason);
            None
        }
    }
}

fn target(text: &str, method: UrlMethod) -> Result<UrlTarget, &'static str> {
    let url: Uri = text.parse().map_err(|_| "is no URL")?;
    let is_https = match url.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err("is no URL: it begins with http:// or https://"),
    };
    let host = url.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let authority = url.authority().map_or("", Authority::as_str);
    if host.is_empty() || authority.contains('@') {
        return Err(
            "is no http://host/path or https://host/path, without a login in front of the host",
        );
    }
    let usual_port = if is_https { 443 } else { 80 };
    let path = url.path_and_query().map_or("/", PathAndQuery::as_str);
    Ok(UrlTarget {
        is_https,
        host: host.to_owned(),
        port: url
            .port_u16()
            .filter(|port| *port != 0)
            .unwrap_or(usual_port),
        path: path.to_owned(),
        method,
    })
}

/// One table as the JSON text of a data set.
fn table(view: &View<'_>) -> Option<String> {
    let columns = super::check::values(view.texts("columns"));
    if columns.is_empty() && view.has("rows") {
        view.fault("columns", "is missing; rows need it");
        return None;
    }
    let mut text = String::from("[[");
    text.push_str(&serde_json::Value::from(columns.clone()).to_string());
    let rows: &[_] = match view.raw("rows") {
        None => &[],
        Some(DeValue::Array(rows)) => rows,
        Some(_) => {
            view.fault("rows", "is no list of rows");
            return None;
        }
    };
    for row in rows {
        let at = row.span().start;
        let DeValue::Array(cells) = row.get_ref() else {
            view.fault_at(at, "rows", "an entry is no list of values");
            return None;
        };
        if cells.len() != columns.len() {
            let reason = format!("a row has {} values, not {}", cells.len(), columns.len());
            view.fault_at(at, "rows", reason);
            return None;
        }
        let cells: Option<Vec<_>> = cells.iter().map(|it| cell(it.get_ref())).collect();
        let Some(cells) = cells else {
            view.fault_at(at, "rows", "a value is no text, number, true or false");
            return None;
        };
        let _ = write!(text, ",{}", serde_json::Value::from(cells));
    }
    text.push_str("]]");
    Some(text)
}

fn cell(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str().trim_start_matches('+'), number.radix())
                .ok()?
                .into()
        }
        DeValue::Float(number) => {
            let number = number.as_str().parse::<f64>().ok()?;
            serde_json::Number::from_f64(number)?.into()
        }
        _ => return None,
    })
}

/// How many events to everybody may come at once, in seconds of their rate.
const BROADCAST_BURST: u32 = 4;

/// The time zone that is farthest from Greenwich.
const OFFSET_MINUTES_MAX: i32 = 14 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_signed_hours_and_minutes() {
        for (text, minutes) in [
            ("+00:00", Some(0)),
            ("+03:00", Some(180)),
            ("-09:30", Some(-570)),
            ("+14:00", Some(840)),
            ("+14:01", None),
            ("+03:60", None),
            ("03:00", None),
            ("+3:00", None),
            ("+03", None),
            ("+0a:00", None),
            ("", None),
        ] {
            assert_eq!(offset_minutes(text), minutes, "{text}");
        }
    }

    #[test]
    fn a_url_is_taken_apart_once() {
        let read = |text: &str| {
            let target = target(text, UrlMethod::Get)?;
            Ok((target.host, target.port, target.path))
        };
        for (text, wanted) in [
            ("http://crm.example", Ok(("crm.example", 80, "/"))),
            ("HTTP://crm.example:0/a", Ok(("crm.example", 80, "/a"))),
            (
                "http://[::1]:8080/x.php?key=1#top",
                Ok(("::1", 8080, "/x.php?key=1")),
            ),
            ("https://crm.example/", Ok(("crm.example", 443, "/"))),
            (
                "/scripts/price",
                Err("is no URL: it begins with http:// or https://"),
            ),
            (
                "http://me@crm.example/",
                Err(
                    "is no http://host/path or https://host/path, without a login in front of the host",
                ),
            ),
            ("http://", Err("is no URL")),
            ("http://a b/", Err("is no URL")),
        ] {
            let wanted = wanted.map(|(host, port, path)| (host.to_owned(), port, path.to_owned()));
            assert_eq!(read(text), wanted, "{text}");
        }
    }
}
