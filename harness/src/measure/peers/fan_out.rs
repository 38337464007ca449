//! Owns the comparison of a fan-out: the same event of about 300 bytes to all connections. The bare loop of sends and the
//! gateway's own events are those of [`super::super::fan_out`].

use tokio::time::sleep;

use super::super::fan_out::{Audience, Stage};
use super::super::servers::Server;
use super::super::{TABS_PER_USER, quiet_tabs, reference_tabs};
use super::contenders::{Contender, Running};
use super::{Comparison, Field};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::tab::{Frame, Tab};

pub(super) async fn measure(
    field: &Field<'_, impl Fn(&str)>,
    running: &[Running],
    comparison: &mut Comparison,
) -> Result<()> {
    let users = field.options.users();
    let gateway = running.iter().find_map(Running::gateway);
    let gateway = gateway.ok_or_else(|| Error::Usage("no gateway is compared".into()))?;
    let mut audiences = Vec::new();
    for server in running {
        server.until_quiet().await?;
        let tabs = match server.contender() {
            Contender::Okgate => quiet_tabs(server.address(), 1..users + 1),
            _ => reference_tabs(server.address(), 1..users + 1),
        };
        let audience = Audience::open(field.options, tabs).await?;
        let speaker = match server.contender() {
            Contender::Okgate => None,
            _ => Some(Tab::connect(server.address(), Some("json")).await?),
        };
        audiences.push((audience, speaker));
    }
    let mut stage = Stage::open(gateway, users).await?;
    sleep(field.settling()).await;
    for (audience, _) in &mut audiences {
        audience.forget().await?;
    }
    // What the others say that speak before the gateway.
    let mut events = stage.act().await?;
    for (place, server) in running.iter().enumerate() {
        if server.contender() == Contender::Okgate {
            audiences[place].0.has_heard(events.len()).await?;
        }
    }
    let mut cpu_us: Vec<Vec<f64>> = vec![Vec::new(); running.len()];
    for round in 0..field.options.rounds_or(ROUNDS) {
        for place in field.order(round) {
            let server = &running[place];
            let (audience, speaker) = &mut audiences[place];
            let before = server.cpu()?;
            if let Some(speaker) = speaker {
                for event in &events {
                    tell(server.contender(), speaker, event).await?;
                    // One by one, as the gateway tells them: together they could go out in one send to each.
                    audience.has_heard(1).await?;
                }
            } else {
                events = stage.act().await?;
                audience.has_heard(events.len()).await?;
            }
            let cpu = server.cpu()?.saturating_sub(before);
            cpu_us[place].push(audience.cost(cpu, events.len()));
        }
        (field.progress)(&format!("fan-out: turn {}", round + 1));
    }
    let servers = running.iter().zip(&cpu_us);
    let figures: Vec<_> = servers
        .map(|(server, turns)| (server.name(), turns.as_slice()))
        .collect();
    comparison.less_is_better(FIGURE, "µs", &figures);
    let bytes: Vec<String> = events.iter().map(|event| event.len().to_string()).collect();
    comparison.note(format!(
        "fan-out: events of {} bytes, one after the other, to {} connections",
        bytes.join(" and "),
        users * TABS_PER_USER
    ));
    for (audience, _) in audiences {
        audience.stop().await;
    }
    Ok(())
}

/// Has a server tell everybody else of this event.
async fn tell(contender: Contender, speaker: &mut Tab, event: &str) -> Result<()> {
    let frame = if contender == Contender::Echo {
        Frame::binary(event.to_owned().into_bytes())
    } else {
        let request = Message::new("broadcast", serde_json::json!({"text": event}));
        Frame::text(request.to_text())
    };
    speaker.send_frame(frame).await
}

/// The name of the figure.
pub(super) const FIGURE: &str = "fan-out, CPU time a connection told";
/// How many turns there are unless told otherwise.
const ROUNDS: usize = 15;
