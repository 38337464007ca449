//! Owns the comparison of idle connections: what each adds to the server's resident memory. Each server is a new one in each turn.

use super::super::memory::WeighedTabs;
use super::super::servers::Server as _;
use super::super::{MeasureOptions, TABS_PER_USER, quiet_tabs, reference_tabs};
use super::comparison::OKGATE;
use super::contenders::{Contender, Running};
use super::{Comparison, Field};
use crate::error::Result;

pub(super) async fn measure(
    field: &Field<'_, impl Fn(&str)>,
    comparison: &mut Comparison,
) -> Result<()> {
    let mut subjects: Vec<Subject> = Vec::new();
    for contender in &field.contenders {
        if *contender == Contender::Okgate {
            subjects.push(Subject::new(*contender, true));
        }
        subjects.push(Subject::new(*contender, false));
    }
    for round in 0..field.options.rounds_or(ROUNDS) {
        for place in super::order(subjects.len(), round) {
            subjects[place].weigh(field).await?;
        }
        (field.progress)(&format!("idle: turn {}", round + 1));
    }
    let figures = |figure: fn(&Subject) -> &Vec<f64>| -> Vec<(&'static str, &[f64])> {
        let all = subjects.iter();
        all.map(|subject| (subject.name, figure(subject).as_slice()))
            .collect()
    };
    comparison.less_is_better(FIGURE, "bytes", &figures(|subject| &subject.bytes));
    comparison.less_is_better(
        "idle, memory in all",
        "MiB",
        &figures(|subject| &subject.mebibytes),
    );
    let tabs = field.options.users() * TABS_PER_USER;
    comparison.note(format!(
        "idle: {tabs} connections; memory a connection is (resident memory with all − with {}) by those between. \
         {OKGATE} holds tabs that have logged in and subscribed, or, where it says so, connections that only shook hands, as the others do",
        users_few(field.options) * TABS_PER_USER
    ));
    Ok(())
}

/// A server, and the state of its connections.
struct Subject {
    contender: Contender,
    name: &'static str,
    /// Whether tabs log in and subscribe.
    logs_in: bool,
    bytes: Vec<f64>,
    mebibytes: Vec<f64>,
}

impl Subject {
    fn new(contender: Contender, logs_in: bool) -> Self {
        let name = match contender {
            Contender::Okgate if !logs_in => "okgate, only connected",
            _ => contender.name(),
        };
        Self {
            contender,
            name,
            logs_in,
            bytes: Vec::new(),
            mebibytes: Vec::new(),
        }
    }

    async fn weigh(&mut self, field: &Field<'_, impl Fn(&str)>) -> Result<()> {
        let users = field.options.users();
        // Nobody is sent away while others still come.
        let settings = field.options.settings.clone();
        let options = MeasureOptions {
            settings: settings.set("clients.unauthenticated_s", 3600),
            ..field.options.clone()
        };
        let server = Running::start(self.contender, &options, users).await?;
        server.bind(field.cores)?;
        let tabs = if self.logs_in {
            quiet_tabs(server.address(), 1..users + 1)
        } else {
            reference_tabs(server.address(), 1..users + 1)
        };
        let few = users_few(&options);
        let tabs = WeighedTabs::open(&server, &options, tabs, few, field.settling()).await?;
        self.bytes.push(tabs.bytes_per_tab);
        self.mebibytes.push(tabs.mebibytes);
        tabs.stop().await;
        server.stop().await
    }
}

/// How many users have the tabs that are there before memory is looked at for the first time.
fn users_few(options: &MeasureOptions) -> usize {
    options.users() / 10
}

/// The name of the figure.
pub(super) const FIGURE: &str = "idle, memory a connection";
/// How many turns there are unless told otherwise.
const ROUNDS: usize = 3;
