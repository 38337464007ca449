//! `okgate crm test`: tries the CRM's link once and says step by step what happens.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures_lite::future::or;
use okgate_core::base::Random;
use okgate_core::crm::{CrmAction, CrmConfig, CrmEvent, CrmLink, CrmReport};

use super::Outcome;
use super::check::error_lines;
use super::crm::{self, CrmTasks, PrepareError, Prepared};
use super::hub_seat::CrmEnds;
use super::wiring::crm_setup;
use crate::config::{self, CrmMode, Settings};
use crate::runtime::{self, Clock, ExecutorSettings, RingWaker, ShardMain, StartError, sleep};

/// Tries the link that this file describes.
pub(super) fn probe(path: &Path, out: &mut impl Write) -> Outcome {
    let settings = match config::load(path) {
        Ok(settings) => settings,
        Err(error) => {
            eprint!("{}", error_lines(path, &error));
            return Outcome::Usage;
        }
    };
    if settings.crm.mode == CrmMode::Off {
        eprintln!(
            "{}: crm.mode is \"off\": there is no link to try",
            path.display()
        );
        return Outcome::Usage;
    }
    let (lines, said) = async_channel::unbounded();
    let executors = match start(settings, Lines(lines)) {
        Ok(executors) => executors,
        Err(error) => {
            eprintln!("okgate: cannot start: {error}");
            return Outcome::CouldNotStart;
        }
    };
    let mut outcome = Outcome::Failed;
    while let Ok(line) = said.recv_blocking() {
        let text = match line {
            Line::Step(text) => text,
            Line::Fine => {
                outcome = Outcome::Fine;
                "fine".to_owned()
            }
            Line::Failed(reason) => format!("failed: {reason}"),
        };
        // Nobody is left to be told.
        let _ = writeln!(out, "{text}");
    }
    if let Err(failure) = executors.join() {
        eprintln!("okgate: {failure}");
        return Outcome::Failed;
    }
    outcome
}

/// What the link's shard says.
enum Line {
    Step(String),
    Fine,
    Failed(String),
}

#[derive(Clone)]
struct Lines(async_channel::Sender<Line>);

impl Lines {
    fn say(&self, line: Line) {
        // The one who prints lives as long as this.
        let _ = self.0.try_send(line);
    }

    fn step(&self, text: impl Into<String>) {
        self.say(Line::Step(text.into()));
    }
}

fn start(settings: Settings, lines: Lines) -> Result<runtime::Executors, PrepareError> {
    runtime::prepare()?;
    let cores = runtime::cores(1)?;
    let waker = RingWaker::new().map_err(StartError::Limits)?;
    let mode = settings.crm.mode.name();
    lines.step(format!("mode {mode}"));
    let prepared = Prepared::new(&settings.crm.mode)?;
    if let Some(address) = crm::listens_on(&settings.crm.mode) {
        let wait = WAIT_FOR_CRM.as_secs();
        lines.step(format!(
            "waiting {wait} s for the CRM to connect to {address}"
        ));
    }
    let setup = crm_setup(&settings);
    let main: ShardMain = Box::new(move |seat| {
        Box::pin(async move {
            let link = crm::link(&settings.crm.mode, prepared, &waker, seat.clock());
            let (Some(config), Some((ends, driver))) = (setup.crm, link) else {
                return Ok(());
            };
            let tasks = CrmTasks::default();
            tasks.start(driver);
            let probe = Probe::new(config, ends, seat.clock(), lines.clone());
            lines.say(match probe.run().await {
                Ok(()) => Line::Fine,
                Err(reason) => Line::Failed(reason),
            });
            tasks.end(END_WAIT).await;
            Ok(())
        })
    });
    let settings = ExecutorSettings::new(Clock::start());
    Ok(runtime::start(settings, &cores, vec![main])?)
}

/// A link that is tried.
struct Probe {
    link: CrmLink,
    ends: CrmEnds,
    clock: Clock,
    lines: Lines,
    state: &'static str,
    catalogues: usize,
    is_ready: bool,
}

impl Probe {
    fn new(config: CrmConfig, ends: CrmEnds, clock: Clock, lines: Lines) -> Self {
        let mut seed = [0; 32];
        // Only keys of handshakes are made with it.
        let _ = getrandom::fill(&mut seed);
        Self {
            link: CrmLink::new(config, Random::from_seed(seed), clock.instant()),
            ends,
            clock,
            lines,
            state: "",
            catalogues: 0,
            is_ready: false,
        }
    }

    async fn run(mut self) -> Result<(), String> {
        let end = self.clock.instant() + self.patience();
        let ended = loop {
            let outcome = self.settle();
            if outcome.is_err() || (self.is_ready && self.catalogues >= 2) {
                break outcome;
            }
            if self.clock.instant() >= end {
                break self.too_late();
            }
            self.wait().await;
        };
        self.tell_result();
        self.link
            .shut_down("the test is over", self.clock.instant());
        self.settle_actions();
        ended
    }

    fn patience(&self) -> Duration {
        match self.link.status().state {
            "listening" => WAIT_FOR_CRM,
            _ => WAIT_FOR_ANSWERS,
        }
    }

    /// Waits for a report, or until the link wants the time.
    async fn wait(&mut self) {
        let pause = self.link.next_timeout();
        let pause = pause.map_or(LOOK_AGAIN, |at| at.since(self.clock.instant()));
        let reports = &self.ends.reports;
        let report = or(async { reports.receive().await }, async {
            sleep(pause.min(LOOK_AGAIN)).await;
            None
        });
        match report.await {
            Some(report) => self.take(report),
            None => self.link.handle_timeout(self.clock.instant()),
        }
    }

    fn take(&mut self, report: CrmReport) {
        self.link.handle_report(report, self.clock.instant());
    }

    fn settle_actions(&mut self) {
        while let Some(action) = self.link.poll_action() {
            match &action {
                CrmAction::Connect(_) => self.lines.step("connecting"),
                CrmAction::Post(..) => self.lines.step("posting a message"),
                CrmAction::Send(..) | CrmAction::Close(..) | CrmAction::Abandon(_) => {}
            }
            // The driver lives until the probe is over.
            let _ = self.ends.actions.send(action);
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        self.settle_actions();
        let state = self.link.status().state;
        if state != self.state {
            self.state = state;
            match state {
                "introducing" => self.lines.step("connected: the gateway introduces itself"),
                "ready" => self.lines.step("introduced: asking for methods and forms"),
                _ => {}
            }
        }
        while let Some(event) = self.link.poll_event() {
            match event {
                CrmEvent::Lost { reason, .. } | CrmEvent::ExchangeFailed { reason } => {
                    return Err(reason.to_string());
                }
                CrmEvent::TurnedAway { peer, reason } => {
                    self.lines.step(format!("{peer} was turned away: {reason}"));
                }
                CrmEvent::Ready { .. } => self.is_ready = true,
                CrmEvent::CatalogueChanged => self.catalogues += 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn too_late(&self) -> Result<(), String> {
        if self.is_ready {
            self.lines
                .step("the CRM does not say what it can do: no scenario can use it");
            return Ok(());
        }
        Err(match self.state {
            "listening" => "no CRM connected".to_owned(),
            state => format!("it takes too long: the link is still {state}"),
        })
    }

    fn tell_result(&self) {
        let status = self.link.status();
        if !self.is_ready {
            return;
        }
        let name = status.name.as_deref().unwrap_or("one without a name");
        self.lines.step(format!("the CRM is {name:?}"));
        let (methods, forms, users) = (status.methods, status.forms, status.active_users);
        self.lines.step(format!(
            "it declares {methods} method(s) and {forms} form(s); {users} user(s) are active there"
        ));
    }
}

/// How long a CRM that has to connect is waited for.
const WAIT_FOR_CRM: Duration = Duration::from_secs(60);

/// How long everything may take where the gateway connects.
const WAIT_FOR_ANSWERS: Duration = Duration::from_secs(15);

/// How often the time is looked at while nothing comes.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How long the last bytes to the CRM may take.
const END_WAIT: Duration = Duration::from_secs(2);
