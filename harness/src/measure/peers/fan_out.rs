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
    let mut halls = Vec::new();
    for server in running {
        halls.push(Hall::open(field, server).await?);
    }
    let mut stage = Stage::open(gateway, users).await?;
    sleep(field.settling()).await;
    let mut events = Vec::new();
    for hall in &mut halls {
        hall.audience.forget().await?;
        // The gateway's turn that does not count: what the others tell that speak before it.
        if hall.speaker.is_none() {
            hall.hear(&mut stage, &mut events).await?;
            hall.cpu_us.clear();
        }
    }
    for round in 0..field.options.rounds_or(ROUNDS) {
        for place in field.order(round) {
            halls[place].hear(&mut stage, &mut events).await?;
        }
        (field.progress)(&format!("fan-out: turn {}", round + 1));
    }
    let figures: Vec<_> = halls
        .iter()
        .map(|hall| (hall.server.name(), hall.cpu_us.as_slice()))
        .collect();
    comparison.less_is_better(FIGURE, "µs", &figures);
    let bytes: Vec<String> = events.iter().map(|event| event.len().to_string()).collect();
    comparison.note(format!(
        "fan-out: events of {} bytes, one after the other, to {} connections",
        bytes.join(" and "),
        users * TABS_PER_USER
    ));
    for hall in halls {
        hall.audience.stop().await;
    }
    Ok(())
}

/// A server with all that hear it.
struct Hall<'r> {
    server: &'r Running,
    audience: Audience,
    /// Who has the server tell everybody else; the gateway tells by itself.
    speaker: Option<Tab>,
    /// Turn by turn.
    cpu_us: Vec<f64>,
}

impl<'r> Hall<'r> {
    async fn open(field: &Field<'_, impl Fn(&str)>, server: &'r Running) -> Result<Self> {
        let users = 1..field.options.users() + 1;
        let address = server.address();
        server.until_quiet().await?;
        let (tabs, speaker) = if server.contender() == Contender::Okgate {
            (quiet_tabs(address, users), None)
        } else {
            let speaker = Tab::connect(address, Some("json")).await?;
            (reference_tabs(address, users), Some(speaker))
        };
        Ok(Self {
            server,
            audience: Audience::open(field.options, tabs).await?,
            speaker,
            cpu_us: Vec::new(),
        })
    }

    /// Tells everybody of these events, or, at the gateway, of new ones, which replace them.
    async fn hear(&mut self, stage: &mut Stage<'_>, events: &mut Vec<String>) -> Result<()> {
        let before = self.server.cpu()?;
        if let Some(speaker) = &mut self.speaker {
            for event in events.iter() {
                tell(self.server.contender(), speaker, event).await?;
                // One by one, as the gateway tells them: together they could go out in one send to each.
                self.audience.has_heard(1).await?;
            }
        } else {
            *events = stage.act().await?;
            self.audience.has_heard(events.len()).await?;
        }
        let cpu = self.server.cpu()?.saturating_sub(before);
        self.cpu_us.push(self.audience.cost(cpu, events.len()));
        Ok(())
    }
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
