//! Owns conformance: cases that hold a server of the protocol against its rules, over the wire alone, as tab and as CRM.
//!
//! A server comes in, by its address or as a program that is started in every mode of the CRM's link; a verdict a case goes out.
//! Each case cites one rule. Cases read what they do not judge with forbearance (`stage`), so that a broken rule fails its own
//! cases alone; that they do fail is proven by [`crate::bend`].

mod case;
mod cases;
mod stage;
mod target;
mod verdict;
mod world;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout};

pub use self::case::{Broken, Case, Need, Place};
pub use self::cases::all;
use self::stage::Stage;
pub use self::target::{CREW, Person, Target};
pub use self::verdict::{Judged, Verdict, Verdicts};
use self::world::World;
use crate::bend::Bend;
use crate::crm::{CrmHandle, Mode};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::pairing::Pairing;

/// What is tried.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A server that runs; cases at the CRM's link are skipped.
    Server(Target),
    /// The gateway's program, which is started as often as the cases need it.
    Program(PathBuf),
}

/// Which cases are played.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these rules only; none: of all.
    pub rules: Vec<String>,
    /// Of these sections only; none: of all.
    pub sections: Vec<String>,
    /// At links of these modes only; none: at all.
    pub modes: Vec<Mode>,
    /// At links in these formats only; none: in both.
    pub formats: Vec<Format>,
}

impl Filter {
    /// The cases that it lets through; a rule or section without a case is wrong usage.
    pub fn cases(&self) -> Result<Vec<&'static Case>> {
        let section = |case: &Case| case.rule.rsplit_once('-').map(|(section, _)| section);
        for rule in &self.rules {
            if !all().any(|case| case.rule == rule) {
                return Err(Error::Usage(format!(
                    "no case cites the rule {rule:?}; --list names them all"
                )));
            }
        }
        for wanted in &self.sections {
            if !all().any(|case| section(case) == Some(wanted)) {
                return Err(Error::Usage(format!(
                    "no case cites a rule of section {wanted:?}; --list names them all"
                )));
            }
        }
        let is_wanted = |case: &Case| {
            (self.rules.is_empty() || self.rules.iter().any(|rule| rule == case.rule))
                && (self.sections.is_empty()
                    || (self.sections.iter()).any(|wanted| section(case) == Some(wanted)))
        };
        Ok(all().filter(|case| is_wanted(case)).collect())
    }

    fn links(&self) -> impl Iterator<Item = (Mode, Format)> {
        Pairing::all().filter(|(mode, format)| {
            (self.modes.is_empty() || self.modes.contains(mode))
                && (self.formats.is_empty() || self.formats.contains(format))
        })
    }
}

/// Plays the cases; `told` gets each verdict as it is known. With a bend, the program's every link goes through it.
pub async fn run(
    subject: &Subject,
    filter: &Filter,
    bend: Option<&'static Bend>,
    mut told: impl FnMut(&Verdict),
) -> Result<Verdicts> {
    let cases = filter.cases()?;
    let mut verdicts = Verdicts::default();
    let mut add = |verdict: Verdict| {
        told(&verdict);
        verdicts.verdicts.push(verdict);
    };
    let (at_tabs, at_links): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .partition(|case| case.place == Place::Tabs);
    match subject {
        Subject::Server(target) => {
            play_at_tabs(target, &at_tabs, &mut add).await;
            for case in at_links {
                let reason = "needs a gateway that is started in each mode (--gateway)".into();
                let outcome = Judged::Skipped { reason };
                add(Verdict::new(case, None, Duration::ZERO, outcome));
            }
        }
        Subject::Program(program) => {
            if !at_tabs.is_empty() {
                let world = World::start(program, None, bend).await?;
                play_at_tabs(&world.target, &at_tabs, &mut add).await;
                world.stop().await?;
            }
            for (mode, format) in filter.links() {
                let here = |case: &&&Case| matches!(case.place, Place::Link(modes) if modes.contains(&mode));
                let here: Vec<_> = at_links.iter().filter(here).copied().collect();
                if !here.is_empty() {
                    let world = World::start(program, Some((mode, format)), bend).await?;
                    play_at_link(world, (mode, format), &here, &mut add).await?;
                }
            }
        }
    }
    Ok(verdicts)
}

/// Several at a time, each with users of its own.
async fn play_at_tabs(target: &Target, cases: &[&'static Case], add: &mut impl FnMut(Verdict)) {
    let mut crews: Vec<Vec<Person>> = target.users.chunks_exact(CREW).map(<[_]>::to_vec).collect();
    let mut waiting: VecDeque<_> = cases.iter().copied().collect();
    let mut playing = FuturesUnordered::new();
    loop {
        while let Some(crew) = crews.pop() {
            let Some(case) = waiting.pop_front() else {
                crews.push(crew);
                break;
            };
            playing.push(play(case, target, crew, None, None));
        }
        let Some((verdict, crew, _)) = playing.next().await else {
            return;
        };
        crews.push(crew);
        add(verdict);
    }
}

/// One after the other: there is one link.
async fn play_at_link(
    mut world: World,
    link: (Mode, Format),
    cases: &[&'static Case],
    add: &mut impl FnMut(Verdict),
) -> Result<()> {
    let crews: Vec<Vec<Person>> = world
        .target
        .users
        .chunks_exact(CREW)
        .map(<[_]>::to_vec)
        .collect();
    let mut crm = world.crm.take();
    for (case, crew) in cases.iter().zip(crews.iter().cycle()) {
        let (verdict, _, back) = play(case, &world.target, crew.clone(), Some(link), crm).await;
        crm = back;
        add(verdict);
    }
    world.stop().await
}

type Crm = Option<(CrmHandle, Format)>;

/// Plays one case; gives back what it was lent.
async fn play(
    case: &'static Case,
    target: &Target,
    crew: Vec<Person>,
    link: Option<(Mode, Format)>,
    crm: Crm,
) -> (Verdict, Vec<Person>, Crm) {
    let begun = Instant::now();
    if let Some(need) = case.needs.iter().find(|need| !target.has(**need)) {
        let reason = need.missing().to_owned();
        let verdict = Verdict::new(case, link, Duration::ZERO, Judged::Skipped { reason });
        return (verdict, crew, crm);
    }
    let mut stage = Stage {
        target: target.clone(),
        crew,
        crm,
    };
    let outcome = match timeout(CASE_MAX, (case.play)(&mut stage)).await {
        Ok(Ok(())) => Judged::Passed,
        Ok(Err(Broken(seen))) => Judged::Failed { seen },
        Err(_) => Judged::Failed {
            seen: format!("it was not over after {CASE_MAX:?}"),
        },
    };
    let verdict = Verdict::new(case, link, begun.elapsed(), outcome);
    (verdict, stage.crew, stage.crm)
}

/// How long a case may take.
const CASE_MAX: Duration = Duration::from_secs(60);
