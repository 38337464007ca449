//! Owns the measurement of the tunnel (protocol 5, way 1): requests that the CRM sends in its users' names, answered by the
//! gateway, beside a bare proxy that takes the same requests and sends as many bytes back.
//!
//! The requests come in an open model, at the same times for both.

use std::time::Duration;

use serde_json::json;

use super::servers::{Reference, Server, until_linked};
use super::table::{Table, Target};
use super::{MeasureOptions, number, us};
use crate::crm::{CrmHandle, CrmOptions, SimulatedCrm, TunnelReport, Users};
use crate::error::{Error, Result};
use crate::gateway::Gateway;
use crate::pairing::Pairing;
use crate::report;

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let mut table = Table::new(
        "Tunnel: getuserstate in the names of users who are active in the CRM, so many a second; CPU time is the server's",
    );
    let (mode, format) = options.link;
    let answer_bytes = answer_bytes(options).await?;
    for rate in RATES {
        let link = Pairing::new(mode, format)?;
        let crm = start_crm(link.crm(), rate).await?;
        let settings = options.settings.clone().set("gateway.cores", 1);
        let settings = link.settings(settings.users(USERS));
        let gateway = Gateway::start_program(options.gateway.clone(), settings).await?;
        until_linked(&gateway).await?;
        let other = start_crm(CrmOptions::on_loopback(), rate).await?;
        let reference = Reference::start_proxy(options, other.address(), answer_bytes).await?;
        tokio::time::sleep(WARM_UP).await;
        let (mut figures, mut references) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds_or(9) {
            // Both are under load all the time; their turns are the same seconds.
            let before = (sample(&gateway, &crm)?, sample(&reference, &other)?);
            tokio::time::sleep(DURATION).await;
            let after = (sample(&gateway, &crm)?, sample(&reference, &other)?);
            figures.push(cost(&before.0, &after.0)?);
            references.push(cost(&before.1, &after.1)?);
        }
        progress(&format!("{rate} requests a second"));
        let name = format!("{rate}/s, CPU time a request");
        table
            .row(name, "µs", &figures, &references)
            .wanted(Target::RatioAtMost(CPU_RATIO_MAX));
        let report = crm.tunnel();
        check(&report)?;
        // The proxy ends with the CRM's link, and would say so.
        drop(reference);
        let p99 = [number(report.latency.p99_us)];
        table.row(format!("{rate}/s, p99"), "µs", &p99, &[]);
        gateway.stop().await?;
        crm.stop().await;
        other.stop().await;
    }
    table.note(format!(
        "the gateway's link: {mode}, {format}; the proxy's: ws-out, json with {answer_bytes} bytes an answer"
    ));
    Ok(table)
}

/// What was used and done so far.
struct Sample {
    cpu: Duration,
    answers: u64,
}

fn sample(server: &impl Server, crm: &CrmHandle) -> Result<Sample> {
    let report = crm.tunnel();
    Ok(Sample {
        cpu: report::process_cpu_time(server.process()?)?,
        // The proxy answers with another name.
        answers: report.answered + report.wrong,
    })
}

fn cost(before: &Sample, after: &Sample) -> Result<f64> {
    let answers = after.answers - before.answers;
    if answers == 0 {
        return Err(Error::Usage(
            "not one request was answered in a turn".into(),
        ));
    }
    Ok(us(after.cpu.saturating_sub(before.cpu)) / number(answers))
}

/// An answer that is missing or wrong ends the measurement.
fn check(report: &TunnelReport) -> Result<()> {
    if report.wrong + report.failed + report.lost + report.unsent > 0 {
        return Err(Error::Usage(format!("the tunnel failed: {report}")));
    }
    Ok(())
}

async fn start_crm(mut options: CrmOptions, rate: f64) -> Result<CrmHandle> {
    options.keeps_record = false;
    options.behaviour.users = Some(Users {
        count: USERS,
        rate,
        ..Users::default()
    });
    SimulatedCrm::start(options).await
}

/// How long the answer to a request is.
async fn answer_bytes(options: &MeasureOptions) -> Result<usize> {
    let crm = CrmOptions::on_loopback().active_user("user1", "crm-1");
    let crm = SimulatedCrm::start(crm).await?;
    let settings = options.settings.clone().users(1).crm_ws_out(crm.address());
    let gateway = Gateway::start_program(options.gateway.clone(), settings).await?;
    until_linked(&gateway).await?;
    let user = json!({"userlogin": "user1", "userid": "crm-1"});
    let answer = crm.request("getuserstate", user, ANSWER_MAX).await?;
    gateway.stop().await?;
    Ok(answer.to_text().len())
}

/// How many times the proxy's CPU time a request may take.
const CPU_RATIO_MAX: f64 = 1.5;
/// How many users speak.
const USERS: usize = 100;
/// How many requests a second they send.
const RATES: [f64; 2] = [500.0, 4000.0];
/// How long a turn is.
const DURATION: Duration = Duration::from_secs(2);
/// How long the load runs before the first turn: the proxy never asks who is active, for which the users wait.
const WARM_UP: Duration = Duration::from_secs(8);
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
