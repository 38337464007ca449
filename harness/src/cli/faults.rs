//! Owns the subcommand `faults`: options to the fault proxy, its records to the standard output, orders from the standard
//! input.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, ValueEnum as _};
use okgate_harness::faults::{Chosen, Direction, FaultOptions, FaultProxy, Kind, Plan};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

use super::ReportForm;

/// The options of `faults`.
#[derive(Debug, Args)]
pub(super) struct FaultsArguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4099")]
    listen: SocketAddr,
    /// Address to pass connections on to
    #[arg(long, value_name = "ADDR", required_unless_present = "print_plan")]
    connect: Option<SocketAddr>,
    /// What the faults are drawn with: the same seed does the same to the same connections
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What may happen: none, light, heavy or a TOML file [default: none]
    #[arg(long, value_name = "PLAN", conflicts_with = "fault")]
    plan: Option<Plan>,
    /// Let each connection have this fault, within its usual bounds; of several that end it, one
    #[arg(long, value_name = "KIND", num_args = 1..)]
    fault: Vec<Kind>,
    /// Tell of each connection that is over, and of what was done to it
    #[arg(long, value_name = "FORM")]
    log: Option<ReportForm>,
    /// Take orders from the standard input, one a line: cut [N…], reset [N…], stall up|down|both [N…], heal (lets everything
    /// through, now and later), arm (ends that), open (lists the connections); N is a connection, none means all
    #[arg(long)]
    control: bool,
    /// Print the plan as TOML, to begin an own one with, and do nothing else
    #[arg(long)]
    print_plan: bool,
}

/// An order of the standard input.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    Cut(Chosen),
    Reset(Chosen),
    Stall(Chosen, Direction),
    Heal,
    Arm,
    Open,
}

/// Passes connections on until the process is asked to end.
pub(super) async fn run(arguments: FaultsArguments) -> anyhow::Result<ExitCode> {
    let plan = match arguments.plan {
        Some(plan) => plan,
        None => Plan::of_kinds(&arguments.fault),
    };
    if arguments.print_plan {
        print!("{}", plan.to_toml());
        return Ok(ExitCode::SUCCESS);
    }
    okgate_harness::report::raise_descriptor_limit();
    let proxy = FaultProxy::start(FaultOptions {
        listen: arguments.listen,
        connect: arguments.connect.context("--connect is missing")?,
        seed: arguments.seed,
        plan,
        is_armed: true,
        keeps_records: arguments.log.is_some(),
    })?;
    println!("listening on {}", proxy.address());
    let input = arguments
        .control
        .then(|| BufReader::new(tokio::io::stdin()).lines());
    tokio::select! {
        ended = super::asked_to_end() => ended?,
        told = tell(&proxy, arguments.log) => told?,
        obeyed = obey(&proxy, input) => obeyed?,
    }
    let counts = proxy.counts();
    eprintln!(
        "{} connections, faults: {:?}",
        counts.connections, counts.faults
    );
    Ok(ExitCode::SUCCESS)
}

/// Writes the records as they come; ends only when the output fails.
async fn tell(proxy: &FaultProxy, form: Option<ReportForm>) -> anyhow::Result<()> {
    let Some(form) = form else {
        return std::future::pending().await;
    };
    let mut records = proxy.records();
    loop {
        if let Some(record) = records.next(AWHILE).await {
            form.print(&*record)?;
        }
    }
}

/// Does as the standard input says, and then waits for ever.
async fn obey(proxy: &FaultProxy, input: Option<Lines<BufReader<Stdin>>>) -> anyhow::Result<()> {
    if let Some(mut lines) = input {
        while let Some(line) = lines.next_line().await.context("reading orders")? {
            match line.parse() {
                Ok(order) => carry_out(proxy, &order),
                Err(problem) => eprintln!("{problem}"),
            }
        }
    }
    std::future::pending().await
}

fn carry_out(proxy: &FaultProxy, order: &Order) {
    match order {
        Order::Cut(chosen) => proxy.cut(chosen),
        Order::Reset(chosen) => proxy.reset(chosen),
        Order::Stall(chosen, direction) => proxy.stall(chosen, *direction),
        Order::Heal => proxy.heal(),
        Order::Arm => proxy.arm(),
        Order::Open => println!("open: {:?}", proxy.open()),
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let direction = (verb == "stall").then(|| words.next().unwrap_or_default());
        let numbers: Result<Vec<u64>, _> = words.map(str::parse).collect();
        let numbers = numbers.map_err(|_| format!("{line:?}: connections are numbers"))?;
        let chosen = if numbers.is_empty() {
            Chosen::All
        } else {
            Chosen::These(numbers)
        };
        match (verb, direction) {
            ("cut", _) => Ok(Self::Cut(chosen)),
            ("reset", _) => Ok(Self::Reset(chosen)),
            ("stall", Some(direction)) => {
                let direction = Direction::from_str(direction, false);
                let direction = direction.map_err(|_| format!("{line:?}: up, down or both?"))?;
                Ok(Self::Stall(chosen, direction))
            }
            ("heal", _) => Ok(Self::Heal),
            ("arm", _) => Ok(Self::Arm),
            ("open", _) => Ok(Self::Open),
            _ => Err(format!(
                "{line:?} is no order: cut, reset, stall, heal, arm or open"
            )),
        }
    }
}

/// A wait for records has to have some length.
const AWHILE: std::time::Duration = std::time::Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_name_connections_or_mean_all() {
        let order = |line: &str| line.parse::<Order>();
        assert_eq!(order("cut"), Ok(Order::Cut(Chosen::All)));
        let these = Chosen::These(vec![3, 7]);
        assert_eq!(order(" reset 3 7 "), Ok(Order::Reset(these.clone())));
        assert_eq!(
            order("stall down 3 7"),
            Ok(Order::Stall(these, Direction::Down))
        );
        assert_eq!(order("heal"), Ok(Order::Heal));
        for wrong in ["", "stall", "stall sideways", "cut x", "break"] {
            assert!(order(wrong).is_err(), "{wrong}");
        }
    }
}
