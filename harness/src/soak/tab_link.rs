//! Owns the link of one tab of a soak together with its desk: questions go out, everything that comes goes to the desk.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::World;
use super::desk::{Desk, Part};
use super::watch::Kind;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::raw_link::{RawLink, append_close};
use crate::tab::connect::{self, ConnectOptions};

/// A tab's link after its handshake.
pub(super) struct TabLink {
    link: RawLink,
    pub(super) desk: Desk,
}

impl TabLink {
    /// Connects to this address.
    pub(super) async fn connect(
        world: &Rc<World>,
        address: SocketAddr,
        index: usize,
        part: Part,
    ) -> Result<Self> {
        let options = ConnectOptions::subprotocol(Some("json"));
        let connected = connect::connect(address, &options).await?;
        Ok(Self {
            link: RawLink::new(connected),
            desk: Desk::new(world, index, part),
        })
    }

    /// Asks; the desk judges the answer.
    pub(super) fn ask(&mut self, method: &'static str, fields: Value, kind: Kind) -> Result<()> {
        let frame = self.desk.request(method, fields, kind, None);
        self.link.write_or_queue(&frame)
    }

    /// Asks; whoever is told judges the answer.
    pub(super) fn ask_for(
        &mut self,
        method: &'static str,
        fields: Value,
        kind: Kind,
        tell: oneshot::Sender<Message>,
    ) -> Result<()> {
        let frame = self.desk.request(method, fields, kind, Some(tell));
        self.link.write_or_queue(&frame)
    }

    /// Asks and waits for the answer, good or not.
    pub(super) async fn request(
        &mut self,
        method: &'static str,
        fields: Value,
        kind: Kind,
        within: Duration,
    ) -> Result<Message> {
        let (tell, mut told) = oneshot::channel();
        self.ask_for(method, fields, kind, tell)?;
        let answered = async {
            loop {
                if let Ok(answer) = told.try_recv() {
                    return Ok(answer);
                }
                self.progress().await?;
            }
        };
        let answered = timeout(within, answered).await;
        answered.unwrap_or_else(|_| Err(Error::unanswered(method, within)))
    }

    /// Waits until something can be read or written, and does it; nothing is lost when the wait is given up. The end of the link
    /// is an error.
    pub(super) async fn progress(&mut self) -> Result<()> {
        tokio::select! {
            readable = self.link.readable() => readable?,
            writable = self.link.writable(), if self.link.has_unsent() => {
                writable?;
                return self.link.flush().await;
            }
        }
        self.read()?;
        self.link.shrink();
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        let world = Rc::clone(&self.desk.world);
        let desk = &mut self.desk;
        let state = self
            .link
            .read(&mut world.input.borrow_mut(), |text| desk.take(text))?;
        let open = self.desk.open_count();
        state.must_be_open(
            "its next message",
            format_args!("{open} requests were open"),
        )
    }

    /// Closes in order; the gateway must end the link in time.
    pub(super) async fn close(&mut self, within: Duration) -> Result<()> {
        let mut frame = Vec::new();
        append_close(&mut frame, NORMAL);
        self.link.write_or_queue(&frame)?;
        let ended = async {
            loop {
                match self.progress().await {
                    Ok(()) => {}
                    Err(Error::Closed { .. }) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        timeout(within, ended).await.unwrap_or_else(|_| {
            Err(Error::Deadline {
                awaited: "the end of a closed tab".into(),
                after: within,
                instead: "nothing".into(),
            })
        })
    }
}

impl Drop for TabLink {
    /// Whatever ends the link, nothing of it is waited for any more.
    fn drop(&mut self) {
        self.desk.close();
    }
}

/// The code of a tab that is closed in order.
const NORMAL: u16 = 1000;
