//! Owns the measurement of a CRM that is killed again and again (protocol 2-g, 4, 5 and 8): under a load of dynamic methods and
//! with thousands of users who are active in it, whose list is another after each return.

mod crm_process;
mod lists;

use std::ops::Range;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::crm_process::{CrmProcess, Said};
use super::runs::{Runs, RunsOptions, RunsReport};
use super::servers::{Server, until_linked};
use super::table::{Table, Target};
use super::{MeasureOptions, number};
use crate::crm::Mode;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::gateway::{DEFAULT_PASSWORD, Gateway};
use crate::pairing::Pairing;
use crate::tab::Tab;

/// How often a CRM is killed, and under what.
#[derive(Debug, Clone, Copy)]
pub struct StormOptions {
    /// How many users are active in the CRM.
    pub users: usize,
    /// How many runs begin in a second.
    pub rate: f64,
    /// How long each CRM lives after its users' lists agree.
    pub calm: Duration,
}

impl StormOptions {
    fn check(&self) -> Result<()> {
        let is_sound =
            (10..=USERS_MAX).contains(&self.users) && self.rate > 0.0 && self.rate <= RATE_MAX;
        if is_sound {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "a storm needs 10 to {USERS_MAX} users and at most {RATE_MAX} runs a second"
        )))
    }

    /// How many users of one CRM are not active in the next.
    fn shift(&self) -> usize {
        self.users / 10
    }

    /// Who is active in the CRM of this round.
    fn active(&self, round: usize) -> Range<usize> {
        let first = 1 + (round % 2) * self.shift();
        first..first + self.users
    }
}

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let wanted = options.storm;
    wanted.check()?;
    let kills = options.rounds_or(20);
    let mut table = Table::new(format!(
        "Storm: a CRM killed {kills} times under {} runs of a method a second and with {} users active in it, a tenth of them others after each return",
        wanted.rate, wanted.users,
    ));
    for mode in [Mode::WsOut, Mode::WsIn] {
        let mut storm = Storm::start(options, mode).await?;
        for kill in 1..=kills {
            let back = storm.kill(kill).await?;
            progress(&format!("{mode}, kill {kill}: {back}"));
        }
        storm.end(&mut table).await?;
    }
    table.note("back: from the new CRM's first moment, when it listens or begins to connect, to the first answer to a run that was posted since; a gateway that connects pauses longer after each loss, up to 30 s");
    Ok(table)
}

/// A gateway, its CRM, and the load.
struct Storm<'o> {
    options: &'o MeasureOptions,
    mode: Mode,
    link: Pairing,
    gateway: Gateway,
    observer: Tab,
    runs: Runs,
    crm: Option<CrmProcess>,
    said: Said,
    outcome: Outcome,
}

/// The figures, one for each return.
#[derive(Default)]
struct Outcome {
    back_ms: Vec<f64>,
    agreed: u64,
    rss_before: u64,
}

impl<'o> Storm<'o> {
    async fn start(options: &'o MeasureOptions, mode: Mode) -> Result<Self> {
        let wanted = options.storm;
        let link = Pairing::new(mode, Format::Json)?;
        // One more than are ever active: the observer, who comes last.
        let observer = wanted.users + wanted.shift() + 1;
        let settings = options.settings.clone().set("gateway.cores", 1);
        let settings = link.settings(settings.users(observer));
        let gateway = Gateway::start_program(options.gateway.clone(), settings).await?;
        let login = format!("user{observer}");
        let mut observer = Tab::logged_in(gateway.clients(), &login, DEFAULT_PASSWORD).await?;
        observer.set_deadline(ANSWER_MAX);
        let active = wanted.active(0);
        let crm = CrmProcess::start(&options.harness, mode, link.address(), active.clone()).await?;
        until_linked(&gateway).await?;
        lists::agree(&gateway, &mut observer, &active, AGREED_WITHIN).await?;
        let runs = RunsOptions {
            rate: wanted.rate,
            timeout: RUN_MAX,
            input: 40,
            keeps_connections: true,
            waits_every: WAITS_EVERY,
            seed: 1,
        };
        let runs = Runs::start(gateway.addresses().admin, runs);
        runs.first_answered(Instant::now(), RUN_MAX).await?;
        let outcome = Outcome {
            rss_before: gateway.rss_bytes()?,
            ..Outcome::default()
        };
        Ok(Self {
            options,
            mode,
            link,
            gateway,
            observer,
            runs,
            crm: Some(crm),
            said: Said::default(),
            outcome,
        })
    }

    /// Kills the CRM, starts another, and waits until all is as it should be; says how that went.
    async fn kill(&mut self, round: usize) -> Result<String> {
        self.end_crm().await?;
        let active = self.options.storm.active(round);
        let (harness, address) = (&self.options.harness, self.link.address());
        let crm = CrmProcess::start(harness, self.mode, address, active.clone()).await?;
        let since = crm.ready_at;
        self.crm = Some(crm);
        let answered = self.runs.first_answered(since, BACK_WITHIN).await;
        let answered = answered.map_err(|error| self.gateway.failure(error.to_string()))?;
        let agreed = lists::agree(&self.gateway, &mut self.observer, &active, AGREED_WITHIN);
        let agreed = agreed.await?;
        self.outcome.agreed += 1;
        let back = answered - since;
        self.outcome.back_ms.push(back.as_secs_f64() * 1e3);
        sleep(self.options.storm.calm).await;
        let agreed = agreed.saturating_duration_since(answered);
        Ok(format!(
            "a run was answered after {back:.0?}, the lists agreed {agreed:.0?} later"
        ))
    }

    async fn end_crm(&mut self) -> Result<()> {
        if let Some(crm) = self.crm.take() {
            let said = crm.kill().await?;
            self.said.links += said.links;
            self.said.wrong.extend(said.wrong);
        }
        Ok(())
    }

    /// Ends the load while there is a CRM, and puts the figures into the table.
    async fn end(mut self, table: &mut Table) -> Result<()> {
        let report = self.runs.stop().await?;
        let crm = self.gateway.admin().status().await?["crm"].clone();
        let rss = self.gateway.rss_bytes()?;
        if let Some(crm) = self.crm.take() {
            let said = crm.kill().await?;
            self.said.links += said.links;
            self.said.wrong.extend(said.wrong);
        }
        self.gateway.stop().await?;
        let open = crm["method_runs"].as_u64().unwrap_or(u64::MAX);
        put_into(table, self.mode, &self.outcome, &report, &self.said);
        let name = |what: &str| format!("{}, {what}", self.mode);
        table
            .row(name("runs that did not end"), "", &[number(open)], &[])
            .wanted(Target::AtMost(0.0));
        let grown = (number(rss) - number(self.outcome.rss_before)) / MIB;
        table
            .row(name("memory grown by"), "MiB", &[grown], &[])
            .wanted(Target::AtMost(GROWN_MIB_MAX));
        table.note(format!(
            "{}: {report}; {} links",
            self.mode, self.said.links
        ));
        table.notes.extend(self.said.wrong.first().cloned());
        Ok(())
    }
}

fn put_into(table: &mut Table, mode: Mode, outcome: &Outcome, report: &RunsReport, said: &Said) {
    let name = |what: &str| format!("{mode}, {what}");
    let kills = number(outcome.back_ms.len() as u64);
    table.row(name("back"), "ms", &outcome.back_ms, &[]);
    let longest = outcome.back_ms.iter().copied().fold(0.0, f64::max);
    table.row(name("back, longest"), "ms", &[longest], &[]);
    table
        .row(
            name("lists that agreed"),
            "",
            &[number(outcome.agreed)],
            &[],
        )
        .wanted(Target::AtLeast(kills));
    table
        .row(name("runs answered"), "", &[number(report.answered)], &[])
        .wanted(Target::AtLeast(1.0));
    let bad = [number(
        report.bad() + report.posted.abs_diff(report.ended()),
    )];
    table
        .row(name("runs wrong or lost"), "", &bad, &[])
        .wanted(Target::AtMost(0.0));
    let wrong = [number(said.wrong.len() as u64)];
    table
        .row(name("users answered wrongly"), "", &wrong, &[])
        .wanted(Target::AtMost(0.0));
}

/// How many users can be active.
const USERS_MAX: usize = 10_000;
/// How many runs begin in a second at most.
const RATE_MAX: f64 = 5_000.0;
/// How long a run waits for its result.
const RUN_MAX: Duration = Duration::from_secs(10);
/// Every so many runs one waits for the link.
const WAITS_EVERY: u64 = 50;
/// How long the observer waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How long a gateway may take to be back: its longest pause, and some time to make the link.
const BACK_WITHIN: Duration = Duration::from_secs(50);
/// How long the lists may take to agree.
const AGREED_WITHIN: Duration = Duration::from_secs(30);
/// By how much memory may have grown in the end.
const GROWN_MIB_MAX: f64 = 32.0;
/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;
