//! Owns the way from a file's sections to a [`Scenario`].

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::fields::{Document, Fault, Fields, allowed, number_of};
use super::threshold::Threshold;
use super::{
    Arrival, Behaviour, BehaviourKind, Bounds, Calls, Method, Overrides, Phase, PhaseKind, Play,
    Scenario, Server, Start, Target, Users, check,
};

/// Reads a text and checks it as a whole.
pub(super) fn read(
    text: &str,
    directory: &Path,
    overrides: &Overrides,
) -> Result<Scenario, Vec<Fault>> {
    let document = Document::new(text);
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            document.fault(at, "", format!("is no TOML: {}", error.message()));
            return Err(document.into_faults());
        }
    };
    let top = Fields::new(&document, "", String::new(), 0, root.get_ref());
    let scenario = read_top(&top, text, directory, overrides);
    if !document.has_faults() {
        check::check(&top, &scenario);
    }
    drop(top);
    match document.into_faults() {
        faults if faults.is_empty() => Ok(scenario),
        faults => Err(faults),
    }
}

fn read_top(top: &Fields<'_>, text: &str, directory: &Path, overrides: &Overrides) -> Scenario {
    let section = |name: &str| {
        let found = top.inner(name, name);
        found.unwrap_or_else(|| Fields::absent(top.document, name))
    };
    for key in ["users", "phases"] {
        if !top.has(key) {
            top.fault(key, "is missing: no scenario is without it");
        }
    }
    let users = if top.has("users") {
        read_users(&section("users"))
    } else {
        no_users()
    };
    Scenario {
        name: top.text("name").unwrap_or_default(),
        description: top.text("description").unwrap_or_default(),
        seed: overrides.seed.or(top.whole("seed")).unwrap_or(1),
        server: read_server(top, text, directory, overrides),
        play: Play {
            users,
            requests: read_requests(top),
            behaviours: read_behaviours(top),
            phases: read_phases(top),
            bounds: read_bounds(&section("harness")),
        },
        calls: read_calls(&section("calls")),
        thresholds: read_thresholds(top),
    }
}

/// What stands for users that are missing, which is a fault already.
fn no_users() -> Users {
    Users {
        count: 1,
        tabs_per_user: 1,
        prefix: String::new(),
        first: 1,
        password: String::new(),
        first_number: 1,
    }
}

fn read_server(top: &Fields<'_>, text: &str, directory: &Path, overrides: &Overrides) -> Server {
    let target = top.inner("target", "target");
    let gateway = top.inner("gateway", "gateway");
    if target.is_some() && gateway.is_some() {
        top.fault(
            "gateway",
            "stands beside [target]: a run has one server, which runs already or is started",
        );
    }
    if let Some(address) = overrides.target {
        return Server::Runs(Target {
            address,
            admin: overrides.admin,
            admin_token_file: target.as_ref().and_then(|it| token_file(it, directory)),
            pid: overrides.pid,
        });
    }
    if let (Some(target), None) = (&target, &overrides.program) {
        let admin = target.has("admin").then(|| address(target, "admin"));
        return Server::Runs(Target {
            address: address(target, "address"),
            admin: overrides.admin.or(admin),
            admin_token_file: token_file(target, directory),
            pid: overrides
                .pid
                .or(target.whole("pid").and_then(|pid| u32::try_from(pid).ok())),
        });
    }
    let program = gateway.as_ref().and_then(|gateway| gateway.text("program"));
    let program = program.map(|program| directory.join(program));
    Server::Started(Start {
        program: overrides.program.clone().or(program),
        settings: settings(gateway.as_ref(), text),
    })
}

fn token_file(target: &Fields<'_>, directory: &Path) -> Option<std::path::PathBuf> {
    let file = target.text("admin_token_file")?;
    Some(directory.join(file))
}

/// An address of a section; one that cannot be read is a fault.
fn address(fields: &Fields<'_>, key: &str) -> SocketAddr {
    let none = SocketAddr::from(([127, 0, 0, 1], 0));
    let Some(text) = fields.text(key) else {
        return none;
    };
    text.parse().unwrap_or_else(|_| {
        let problem = format!("{text:?} is no address with a port, such as \"127.0.0.1:4066\"");
        fields.fault(key, problem);
        none
    })
}

/// The gateway's own settings, which only the gateway can judge.
fn settings(gateway: Option<&Fields<'_>>, text: &str) -> toml::Table {
    let Some(gateway) = gateway.filter(|gateway| gateway.has("settings")) else {
        return toml::Table::new();
    };
    let whole: toml::Table = text.parse().unwrap_or_default();
    let settings = whole.get("gateway").and_then(|it| it.get("settings"));
    let Some(settings) = settings.and_then(toml::Value::as_table) else {
        gateway.fault("settings", "must be a table of the gateway's settings");
        return toml::Table::new();
    };
    for taken in ["users", "departments"] {
        if settings.contains_key(taken) {
            gateway.fault(
                "settings",
                format!("holds {taken}: the harness makes users itself, from [users]"),
            );
        }
    }
    settings.clone()
}

fn read_users(fields: &Fields<'_>) -> Users {
    Users {
        count: size(fields.whole("count")),
        tabs_per_user: size(fields.whole("tabs_per_user")),
        prefix: fields.text("prefix").unwrap_or_default(),
        first: size(fields.whole("first")),
        password: fields.text("password").unwrap_or_default(),
        first_number: size(fields.whole("first_number")),
    }
}

fn read_calls(fields: &Fields<'_>) -> Calls {
    Calls {
        ring_ms: fields.times("ring_ms"),
        talk_ms: fields.times("talk_ms"),
        unanswered_share: fields.number("unanswered_share").unwrap_or_default(),
        pause: milliseconds(fields.whole("pause_ms")),
    }
}

fn read_bounds(fields: &Fields<'_>) -> Bounds {
    let lag_ms = fields.number("lag_p99_max_ms").unwrap_or_default();
    Bounds {
        workers: fields.whole("workers").map(|workers| size(Some(workers))),
        lag_p99_max: Duration::from_secs_f64(lag_ms / 1e3),
        cpu_share_max: fields.number("cpu_share_max").unwrap_or_default(),
        answer_max: seconds(fields.number("answer_max_s")),
    }
}

/// Methods with their weights. The section's keys are methods, so it is read without a list of keys.
fn read_requests(top: &Fields<'_>) -> Vec<(Method, f64)> {
    let alike = [Method::USER_STATE, Method::LINE_INFO, Method::QUEUE];
    let Some((_, item)) = top.raw("requests") else {
        return alike.map(|method| (method, 1.0)).to_vec();
    };
    let DeValue::Table(table) = item.get_ref() else {
        top.fault("requests", "must be a section of methods and their weights");
        return Vec::new();
    };
    let mut requests = Vec::new();
    for (key, weight) in table {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        let fault = |problem: String| {
            top.document.fault(at, &format!("requests.{name}"), problem);
        };
        let questions = Method::questions();
        let method = Method::find(name).filter(|method| questions.contains(&method.name()));
        let Some(method) = method else {
            fault(format!(
                "no method that may be asked; {}",
                allowed(name, &questions)
            ));
            continue;
        };
        match number_of(weight.get_ref()) {
            Some(weight) if weight > 0.0 => requests.push((method, weight)),
            _ => fault("its weight must be a number above 0".into()),
        }
    }
    if table.is_empty() {
        top.fault("requests", "names no method");
    }
    requests
}

fn read_behaviours(top: &Fields<'_>) -> Vec<Behaviour> {
    if !top.has("behaviours") {
        let idle = Fields::absent(top.document, "behaviours");
        return vec![behaviour_of(&idle, BehaviourKind::Idle, "idle")];
    }
    let mut names = HashSet::new();
    let mut behaviours = Vec::new();
    for fields in top.entries("behaviours", "behaviours") {
        let kind_name = fields.text("kind").unwrap_or_default();
        for key in fields.present() {
            let owner = OWN_KEYS.iter().find(|(_, keys)| keys.contains(&key));
            if let Some((owner, _)) = owner.filter(|(owner, _)| *owner != kind_name) {
                fields.fault(
                    key,
                    format!("is a key of behaviours of kind \"{owner}\", not of \"{kind_name}\""),
                );
            }
        }
        let behaviour = behaviour_of(&fields, kind_of(&fields, &kind_name), &kind_name);
        unique(&fields, &mut names, &behaviour.name);
        behaviours.push(behaviour);
    }
    if behaviours.iter().all(|behaviour| behaviour.weight <= 0.0) {
        top.fault("behaviours", "none has a weight above 0");
    }
    behaviours
}

fn behaviour_of(fields: &Fields<'_>, kind: BehaviourKind, kind_name: &str) -> Behaviour {
    Behaviour {
        name: fields.text("name").unwrap_or_else(|| kind_name.to_owned()),
        weight: fields.number("weight").unwrap_or_default(),
        ping: seconds(fields.number("ping_s")),
        queue: seconds(fields.number("queue_s")),
        number_states: fields.flag("number_states").unwrap_or_default(),
        full_opening: fields.text("opening").as_deref() != Some("short"),
        back_off: milliseconds(fields.whole("back_off_ms")),
        kind,
    }
}

fn kind_of(fields: &Fields<'_>, name: &str) -> BehaviourKind {
    match name {
        "busy_operator" => BehaviourKind::BusyOperator {
            think: milliseconds(fields.whole("think_ms")),
            follows: fields.flag("follows").unwrap_or_default(),
            answers: fields.flag("answers").unwrap_or_default(),
            break_every: seconds(fields.number("break_every_s")),
        },
        "supervisor" => BehaviourKind::Supervisor {
            refresh: seconds(fields.number("refresh_s")),
        },
        "slow_reader" => BehaviourKind::SlowReader {
            receive_buffer_bytes: fields
                .whole("receive_buffer_bytes")
                .and_then(|bytes| u32::try_from(bytes).ok())
                .unwrap_or_default(),
            read_bytes: size(fields.whole("read_bytes")),
            read_every: milliseconds(fields.whole("read_every_ms")),
        },
        "reloading" => BehaviourKind::Reloading {
            every: seconds(fields.number("reload_every_s")),
            away: milliseconds(fields.whole("away_ms")),
        },
        "flapping" => BehaviourKind::Flapping {
            every: seconds(fields.number("drop_every_s")),
        },
        _ => BehaviourKind::Idle,
    }
}

fn read_phases(top: &Fields<'_>) -> Vec<Phase> {
    let mut names = HashSet::new();
    let mut phases = Vec::new();
    for fields in top.entries("phases", "phases") {
        let kind_name = fields.text("kind").unwrap_or_default();
        let kind = match kind_name.as_str() {
            "warm_up" => PhaseKind::WarmUp,
            "ramp" => PhaseKind::Ramp,
            "spike" => PhaseKind::Spike,
            "soak" => PhaseKind::Soak,
            _ => PhaseKind::Hold,
        };
        let phase = Phase {
            name: fields.text("name").unwrap_or(kind_name),
            kind,
            seconds: fields.number("seconds").unwrap_or(1.0),
            tabs: fields.whole("tabs").map(|tabs| size(Some(tabs))),
            calls_per_s: fields.number("calls_per_s"),
            requests_per_s: fields.number("requests_per_s"),
            arrival: read_arrival(&fields),
            is_measured: fields.flag("measured").unwrap_or(kind != PhaseKind::WarmUp),
        };
        unique(&fields, &mut names, &phase.name);
        phases.push(phase);
    }
    phases
}

fn read_arrival(phase: &Fields<'_>) -> Arrival {
    let absent = || Fields::absent(phase.document, "phases.arrival");
    let (fields, model) = match phase.raw("arrival").map(|(_, item)| item.get_ref()) {
        None => (absent(), Some("open".to_owned())),
        Some(DeValue::String(model)) => (absent(), Some(model.clone().into_owned())),
        Some(_) => {
            let fields = phase
                .inner("arrival", "phases.arrival")
                .unwrap_or_else(absent);
            let model = fields.text("model");
            (fields, model)
        }
    };
    let is_open = match model.as_deref() {
        Some("open") | None => true,
        Some("closed") => false,
        Some(other) => {
            let problem = format!(
                "{other:?} is not known; {}",
                allowed(other, &["open", "closed"])
            );
            phase.fault("arrival", problem);
            true
        }
    };
    let (others, words): (&[&str], _) = if is_open {
        (&CLOSED_KEYS, "closed")
    } else {
        (&OPEN_KEYS, "open")
    };
    for key in fields.present().chain(phase.present()) {
        if others.contains(&key) {
            let owner = if fields.has(key) { &fields } else { phase };
            owner.fault(key, format!("is only for phases with {words} arrivals"));
        }
    }
    if is_open {
        return Arrival::Open {
            is_even: fields.text("spacing").as_deref() == Some("even"),
            in_flight: size(fields.whole("in_flight")),
            outstanding_max: size(fields.whole("outstanding_max")),
        };
    }
    Arrival::Closed {
        opening_at_once: size(fields.whole("opening_at_once")),
        calls_at_once: size(phase.whole("calls_at_once")),
        requests_at_once: size(phase.whole("requests_at_once")),
        think: milliseconds(phase.whole("think_ms")),
    }
}

/// A list of texts, or sections.
fn read_thresholds(top: &Fields<'_>) -> Vec<Threshold> {
    let Some((_, item)) = top.raw("thresholds") else {
        return Vec::new();
    };
    let parse = |at: usize, name: &str, text: &str| match Threshold::parse(text) {
        Ok(mut threshold) => {
            threshold.at = at;
            Some(threshold)
        }
        Err(problem) => {
            top.document.fault(at, name, format!("{text:?}: {problem}"));
            None
        }
    };
    let mut thresholds = Vec::new();
    if let DeValue::Array(entries) = item.get_ref()
        && entries.iter().all(|entry| entry.get_ref().is_str())
    {
        for (place, entry) in (1..).zip(entries.iter()) {
            let text = entry.get_ref().as_str().unwrap_or_default();
            let name = format!("thresholds[{place}]");
            thresholds.extend(parse(entry.span().start, &name, text));
        }
        return thresholds;
    }
    for fields in top.entries("thresholds", "thresholds") {
        let Some(text) = fields.text("expression") else {
            continue;
        };
        let (at, name) = (
            fields.position("expression"),
            fields.full_name("expression"),
        );
        if let Some(mut threshold) = parse(at, &name, &text) {
            threshold.aborts = fields.flag("abort").unwrap_or_default();
            threshold.from_s = fields.number("from_s").unwrap_or_default();
            if fields.has("from_s") && !threshold.aborts {
                fields.fault("from_s", "is only for thresholds with `abort = true`: others are looked at when the run is over");
            }
            thresholds.push(threshold);
        }
    }
    thresholds
}

/// Two of one kind need names of their own.
fn unique(fields: &Fields<'_>, names: &mut HashSet<String>, name: &str) {
    if !names.insert(name.to_owned()) {
        let problem =
            format!("{name:?} is another's name already: give this one a name of its own");
        fields.fault("name", problem);
    }
}

fn size(number: Option<u64>) -> usize {
    usize::try_from(number.unwrap_or_default()).unwrap_or(usize::MAX)
}

fn seconds(number: Option<f64>) -> Duration {
    Duration::from_secs_f64(number.unwrap_or_default())
}

fn milliseconds(number: Option<u64>) -> Duration {
    Duration::from_millis(number.unwrap_or_default())
}

/// Keys that only one kind of behaviours has.
pub(super) const OWN_KEYS: [(&str, &[&str]); 5] = [
    (
        "busy_operator",
        &["think_ms", "follows", "answers", "break_every_s"],
    ),
    ("supervisor", &["refresh_s"]),
    (
        "slow_reader",
        &["receive_buffer_bytes", "read_bytes", "read_every_ms"],
    ),
    ("reloading", &["reload_every_s", "away_ms"]),
    ("flapping", &["drop_every_s"]),
];
/// Keys of phases, and of their arrivals, that only fit open ones.
const OPEN_KEYS: [&str; 5] = [
    "calls_per_s",
    "requests_per_s",
    "spacing",
    "in_flight",
    "outstanding_max",
];
/// Those that only fit closed ones.
const CLOSED_KEYS: [&str; 4] = [
    "calls_at_once",
    "requests_at_once",
    "think_ms",
    "opening_at_once",
];
