//! Procedures and scripts of the settings (protocol 6.7-b, 6.7-c, 6.7-m).
//!
//! What runs a program, or asks its URL, is elsewhere: it is given [`ProgramRun`]s and
//! says how each ended. Every request is answered, whatever becomes of its program.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Asker, Outcome, Refusal, answer, dataset};
use crate::base::{Instant, Now, Refused, UserId};
use crate::hub::{Hub, Output};
use crate::protocol::{Answer, DeskAnswer, ErrorNumber, Fault, ProcedureKind, RunProcedure};

/// Something of `[[procedures]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Procedure {
    /// Which method runs it.
    pub kind: ProcedureKind,
    /// What it is called, in any case.
    pub name: Arc<str>,
    /// Where its answer comes from.
    pub source: ProcedureSource,
}

/// Where a procedure's answer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcedureSource {
    /// It is always this data set (JSON text; see [`Procedure::check_dataset`]).
    Dataset(Arc<str>),
    /// It is always this value.
    Value(Arc<str>),
    /// A program prints it, or a URL answers with it.
    Program {
        /// Which.
        target: RunTarget,
        /// It is killed after this time.
        timeout: Duration,
        /// It may print so many bytes.
        output_bytes_max: usize,
    },
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunTarget {
    /// A program and its arguments; never a shell's text.
    Command(Arc<[String]>),
    /// A URL that is asked.
    Url(Arc<UrlTarget>),
}

/// Where and how a URL is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlTarget {
    /// Over TLS.
    pub is_https: bool,
    /// The host, by name or number (an IPv6 one without brackets).
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, with the query if there is one.
    pub path: String,
    /// How the parameters are given.
    pub method: UrlMethod,
}

/// The path may hold a secret.
impl std::fmt::Debug for UrlTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "UrlTarget({}:{})", self.host, self.port)
    }
}

/// How a URL is given the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlMethod {
    /// In the query: `name`, `userid`, `userlogin` and each parameter by its name.
    Get,
    /// As the JSON that a program reads.
    Post,
}

impl Procedure {
    /// Whether a text is a data set; if not, why.
    pub fn check_dataset(text: &str) -> Result<(), String> {
        dataset::check(text)
    }
}

/// One run of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramId(u64);

/// A program to be run, or a URL to be asked; its end is to be told by [`Hub::handle_program`], once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRun {
    /// Which run.
    pub id: ProgramId,
    /// The procedure's name, for the log.
    pub name: Arc<str>,
    /// What is run.
    pub target: RunTarget,
    /// What it reads on its standard input: JSON.
    pub input: String,
    /// It is to be killed after this time.
    pub timeout: Duration,
    /// It is to be killed when it has printed more.
    pub output_bytes_max: usize,
}

/// Why a program gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramFailure {
    /// It could not be started.
    #[error("the procedure's program cannot be started")]
    NotStarted,
    /// It took too long: a program was killed.
    #[error("the procedure took too long")]
    TimedOut,
    /// It gave too much: a program was killed.
    #[error("the procedure's program or URL gave too much")]
    TooMuch,
    /// It ended with a failure.
    #[error("the procedure's program ended with {0}")]
    Ended(String),
    /// The URL gave no answer, or not a good one.
    #[error("the procedure's URL {0}")]
    Url(String),
}

/// What runs and what waits.
#[derive(Debug)]
pub(super) struct Programs {
    known: HashMap<(ProcedureKind, String), Procedure>,
    /// Runs that have been given out; `None` once their asker has been answered.
    running: HashMap<ProgramId, Option<Waiting>>,
    queue: VecDeque<(ProgramRun, Waiting)>,
    last: u64,
}

/// Who waits for a run.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    asker: Asker,
    user: UserId,
    kind: ProcedureKind,
    until: Instant,
}

impl Programs {
    pub(super) fn new(procedures: &[Procedure]) -> Self {
        let keyed = procedures.iter().map(|procedure| {
            let name = procedure.name.to_lowercase();
            ((procedure.kind, name), procedure.clone())
        });
        Self {
            known: keyed.collect(),
            running: HashMap::new(),
            queue: VecDeque::new(),
            last: 0,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let running = self.running.values().flatten();
        let waiting = self.queue.iter().map(|(_, waiting)| waiting);
        running.chain(waiting).map(|waiting| waiting.until).min()
    }

    fn find(&self, run: &RunProcedure) -> Result<&Procedure, Fault> {
        let key = (run.kind, run.name.trim().to_lowercase());
        let unknown = || {
            let shown: String = run.name.chars().take(NAME_SHOWN_MAX).collect();
            let text = format!("no procedure is called {shown:?} in the settings");
            Fault::new(ErrorNumber::NotFound, text)
        };
        self.known.get(&key).ok_or_else(unknown)
    }

    /// Whose time is over, each to be answered now.
    fn overdue(&mut self, now: Instant) -> Vec<Waiting> {
        let mut overdue = Vec::new();
        for waiting in self.running.values_mut() {
            overdue.extend(waiting.take_if(|waiting| waiting.until <= now));
        }
        self.queue.retain(|(_, waiting)| {
            let is_over = waiting.until <= now;
            overdue.extend(is_over.then_some(*waiting));
            !is_over
        });
        overdue
    }
}

impl Hub {
    pub(super) fn run_procedure(
        &mut self,
        asker: Asker,
        user: UserId,
        run: &RunProcedure,
    ) -> Outcome {
        let procedure = self.desk.programs.find(run)?.clone();
        let (target, limit, output_bytes_max) = match procedure.source {
            ProcedureSource::Dataset(tables) => return answer(DeskAnswer::Dataset(tables)),
            ProcedureSource::Value(value) => return answer(DeskAnswer::ReturnValue(value)),
            ProcedureSource::Program {
                target,
                timeout,
                output_bytes_max,
            } => (target, timeout, output_bytes_max),
        };
        let input = self.program_input(user, run, &procedure.name)?;
        let timeout = run.timeout.map_or(limit, |wanted| wanted.min(limit));
        let programs = &mut self.desk.programs;
        programs.last += 1;
        let given = ProgramRun {
            id: ProgramId(programs.last),
            name: procedure.name,
            target,
            input,
            timeout,
            output_bytes_max,
        };
        // Whoever runs it kills it in time; what comes after that is not waited for.
        let until = self.now.instant + timeout + GRACE;
        let waiting = Waiting {
            asker,
            user,
            kind: run.kind,
            until,
        };
        if programs.queue.len() >= QUEUE_MAX {
            let text = "too many procedures wait for desk.programs_max".to_owned();
            return Err(Refusal::limit(
                Refused::ProgramsMax,
                ErrorNumber::TooMany,
                text,
            ));
        }
        programs.queue.push_back((given, waiting));
        self.start_programs();
        Ok(None)
    }

    /// Starts a script whose end nobody waits for.
    pub(in crate::hub) fn start_script(
        &mut self,
        user: UserId,
        run: &RunProcedure,
    ) -> Result<(), Fault> {
        match self.run_procedure(Asker::Nobody, user, run) {
            Ok(_) => Ok(()),
            Err(refusal) => {
                if let Some(limit) = refusal.limit {
                    self.count_refusal(Asker::Nobody, user, limit);
                }
                Err(refusal.fault)
            }
        }
    }

    fn program_input(&self, user: UserId, run: &RunProcedure, name: &str) -> Result<String, Fault> {
        let user = self.user_reference(user)?;
        let text = |text: &str| serde_json::Value::from(text).to_string();
        Ok(format!(
            r#"{{"name":{},"userid":"{}","userlogin":{},"inputparams":{}}}"#,
            text(name),
            user.id,
            text(&user.login),
            run.input
        ))
    }

    /// Gives out as many runs as may go on at a time.
    fn start_programs(&mut self) {
        let programs = &mut self.desk.programs;
        while programs.running.len() < self.desk.config.limits.programs_max.max(1) {
            let Some((run, waiting)) = programs.queue.pop_front() else {
                return;
            };
            programs.running.insert(run.id, Some(waiting));
            self.outputs.push_back(Output::Run(run));
        }
    }

    /// Takes a program's end: what it printed, or why there is nothing.
    pub fn handle_program(
        &mut self,
        id: ProgramId,
        end: Result<Vec<u8>, ProgramFailure>,
        now: Now,
    ) {
        self.now = now;
        if let Some(Some(waiting)) = self.desk.programs.running.remove(&id) {
            let met = match &end {
                Err(ProgramFailure::TimedOut) => Some(Refused::ProgramTimeout),
                Err(ProgramFailure::TooMuch) => Some(Refused::ProgramOutput),
                _ => None,
            };
            if let Some(met) = met {
                self.count_refusal(waiting.asker, waiting.user, met);
            }
            let reply = match end {
                Ok(output) => dataset::read(waiting.kind, &output),
                Err(failure) => Err(fault(&failure)),
            };
            let reply = reply.map(|it| Answer::Desk(Box::new(it)));
            self.answer_asker(waiting.asker, reply);
        }
        self.start_programs();
        self.pump();
    }

    pub(super) fn expire_programs(&mut self) {
        for waiting in self.desk.programs.overdue(self.now.instant) {
            self.count_refusal(waiting.asker, waiting.user, Refused::ProgramTimeout);
            self.answer_asker(waiting.asker, Err(fault(&ProgramFailure::TimedOut)));
        }
    }
}

fn fault(failure: &ProgramFailure) -> Fault {
    let number = match failure {
        ProgramFailure::TimedOut => ErrorNumber::TimedOut,
        ProgramFailure::TooMuch => ErrorNumber::TooBig,
        ProgramFailure::NotStarted | ProgramFailure::Ended(_) | ProgramFailure::Url(_) => {
            ErrorNumber::NotAvailable
        }
    };
    Fault::new(number, failure.to_string())
}

/// How long after a program's time its end may be told.
const GRACE: Duration = Duration::from_secs(5);

/// Runs that may wait for others to end.
const QUEUE_MAX: usize = 256;

/// How much of a wrong name is said back.
const NAME_SHOWN_MAX: usize = 64;
