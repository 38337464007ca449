//! Owns the subcommands `conform` and `bend`: options to the library, verdicts as they are known, the table at the end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use okgate_harness::Error;
use okgate_harness::bend::{self, Bend, Bent, Side};
use okgate_harness::conform::{self, Filter, Judged, Place, Subject, Target};
use okgate_harness::crm::Mode;
use okgate_harness::format::Format;

use super::outputs::write_pretty_json;

/// The options of `conform`.
#[derive(Debug, Args)]
pub(super) struct ConformArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    #[command(flatten)]
    filter: FilterArguments,
    /// Print every case with its rule and end
    #[arg(long)]
    list: bool,
    /// Write the verdicts to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What is tried.
#[derive(Debug, Args)]
struct SubjectArguments {
    /// A server that runs: TOML file with its addresses and users
    #[arg(long, value_name = "FILE", conflicts_with = "gateway")]
    target: Option<PathBuf>,
    /// The gateway's program, which is started in every mode of the CRM's link
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
}

/// Which cases are played.
#[derive(Debug, Args)]
struct FilterArguments {
    /// Only cases that cite this rule, e.g. 6.6-b
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Only cases that cite a rule of this section, e.g. 6.5
    #[arg(long, value_name = "SECTION")]
    section: Vec<String>,
    /// Only links of this mode
    #[arg(long, value_enum)]
    mode: Vec<Mode>,
    /// Only links in this format
    #[arg(long, value_enum)]
    format: Vec<Format>,
}

impl SubjectArguments {
    fn subject(self) -> anyhow::Result<Subject> {
        match (self.target, self.gateway) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(&file);
                let text = text.with_context(|| format!("reading {}", file.display()))?;
                let target = Target::from_toml(&text);
                Ok(Subject::Server(target.map_err(|error| {
                    Error::Usage(format!("{}: {error}", file.display()))
                })?))
            }
            (None, Some(program)) => Ok(Subject::Program(program)),
            (None, None) => {
                let what = "what is tried? --target FILE names a server, --gateway FILE a program";
                Err(Error::Usage(what.into()).into())
            }
        }
    }
}

impl FilterArguments {
    fn filter(self) -> Filter {
        Filter {
            rules: self.rule,
            sections: self.section,
            modes: self.mode,
            formats: self.format,
        }
    }
}

/// Plays the cases; the exit code tells whether all that could be played hold.
pub(super) async fn run(arguments: ConformArguments) -> anyhow::Result<ExitCode> {
    let filter = arguments.filter.filter();
    if arguments.list {
        for case in filter.cases()? {
            let place = match case.place {
                Place::Tabs => "tabs",
                Place::Link(_) => "link",
            };
            println!("{:8} {place}  {}", case.rule, case.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let subject = arguments.subject.subject()?;
    let told = |verdict: &conform::Verdict| eprintln!("{verdict}");
    let verdicts = conform::run(&subject, &filter, None, told).await?;
    if let Some(file) = &arguments.json {
        write_pretty_json(file, &verdicts)?;
    }
    let [passed, failed, skipped] = verdicts.counts();
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(ExitCode::from(u8::from(!verdicts.is_good())))
}

/// The options of `bend`.
#[derive(Debug, Args)]
pub(super) struct BendArguments {
    /// Break this rule [default: each that can be broken, one after the other]
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Prove the cases: start this gateway once a bend and say which cases notice it
    #[arg(long, value_name = "FILE", conflicts_with = "connect")]
    gateway: Option<PathBuf>,
    /// With --gateway: play only the cases that cite the broken rule
    #[arg(long, requires = "gateway")]
    own_cases: bool,
    /// Stand before the server at this address, as a proxy for tabs
    #[arg(long, value_name = "ADDR", requires = "rule")]
    connect: Option<SocketAddr>,
    /// Where the proxy listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4068")]
    listen: SocketAddr,
}

/// Bends; the exit code tells whether each bend was noticed by its own cases alone.
pub(super) async fn run_bend(arguments: BendArguments) -> anyhow::Result<ExitCode> {
    let bends: Vec<&'static Bend> = match &arguments.rule {
        Some(rule) => bend::of_rule(rule).collect(),
        None => bend::all().collect(),
    };
    if bends.is_empty() {
        let rule = arguments.rule.unwrap_or_default();
        return Err(Error::Usage(format!("nothing breaks the rule {rule:?}")).into());
    }
    if let Some(program) = arguments.gateway {
        return prove(program, &bends, arguments.own_cases).await;
    }
    let Some(server) = arguments.connect else {
        for bend in bends {
            println!("{:8} {}", bend.rule, bend.what);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let proxy = Bent::start_at(arguments.listen, bends[0], Side::Tabs, server).await?;
    println!("listening on {}", proxy.address());
    super::asked_to_end().await?;
    Ok(ExitCode::SUCCESS)
}

async fn prove(program: PathBuf, bends: &[&'static Bend], own: bool) -> anyhow::Result<ExitCode> {
    let subject = Subject::Program(program);
    let mut bad = 0;
    for bend in bends {
        let filter = Filter {
            rules: if own {
                vec![bend.rule.to_owned()]
            } else {
                Vec::new()
            },
            // What is encrypted cannot be bent, and one mode is as good as another.
            modes: vec![Mode::WsOut],
            ..Filter::default()
        };
        let verdicts = conform::run(&subject, &filter, Some(bend), |verdict| {
            if matches!(verdict.outcome, Judged::Failed { .. }) {
                eprintln!("{verdict}");
            }
        })
        .await?;
        let broken = verdicts.broken_rules();
        let verdict = match broken.as_slice() {
            [] => "NOT NOTICED".to_owned(),
            [one] if *one == bend.rule => "noticed".to_owned(),
            others => format!("ALSO FAILED: {}", others.join(", ")),
        };
        bad += usize::from(verdict != "noticed");
        println!("{:8} {:60} {verdict}", bend.rule, bend.what);
    }
    println!(
        "{} bends, {bad} of them not noticed by their own cases alone",
        bends.len()
    );
    Ok(ExitCode::from(u8::from(bad > 0)))
}
