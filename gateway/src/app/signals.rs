//! What the process is told by signals.

use std::sync::Arc;
use std::time::Duration;

use okgate_core::hub::ToShard;

use super::hub_seat::HubMessage;
use super::reload::Reloader;
use crate::admin::Readiness;
use crate::runtime::{Inbox, Mailbox, ShardHandle, Signal};

/// SIGTERM and SIGINT drain; the second of them ends at once. SIGHUP reads the settings again.
pub(super) struct SignalHandler {
    pub(super) signals: Inbox<Signal>,
    pub(super) spread: Duration,
    pub(super) hub: Mailbox<HubMessage>,
    pub(super) shards: Arc<[ShardHandle<ToShard>]>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) reloader: Reloader,
}

impl SignalHandler {
    pub(super) async fn handle(mut self) {
        let mut is_draining = false;
        while let Some(signal) = self.signals.receive().await {
            match signal {
                Signal::Terminate | Signal::Interrupt if is_draining => self.stop(),
                Signal::Terminate | Signal::Interrupt => {
                    is_draining = true;
                    self.readiness.draining();
                    let spread_ms = self.spread.as_millis();
                    tracing::info!(spread_ms, "told to end: closing all links");
                    if self.hub.send(HubMessage::Drain(self.spread)).is_err() {
                        self.stop();
                    }
                }
                Signal::Reload if is_draining => {
                    tracing::warn!("the gateway is going down: the settings are not read again");
                }
                Signal::Reload => self.reloader.reload().await,
            }
        }
    }

    fn stop(&self) {
        for shard in self.shards.iter() {
            shard.stop();
        }
    }
}
