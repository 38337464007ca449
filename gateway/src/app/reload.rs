//! SIGHUP: reads the settings again, and does what can be done while the gateway runs.
//!
//! The CRM's link is made anew if `[crm]` has changed; no tab notices. What else has changed takes
//! effect at the next start, and the log says so. Settings with faults change nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::check::error_lines;
use super::crm::{self, CrmTasks, Prepared};
use super::hub_seat::{HubMessage, Relink};
use super::wiring::crm_setup;
use crate::config::{self, CrmMode, Settings};
use crate::runtime::{Clock, Mailbox, RingWaker, on_thread};

/// Reads the settings again.
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    /// What is in force.
    pub(super) settings: Settings,
    pub(super) hub: Mailbox<HubMessage>,
    /// Wakes the shard of the hub.
    pub(super) waker: RingWaker,
    pub(super) tasks: CrmTasks,
    pub(super) clock: Clock,
}

impl Reloader {
    pub(super) async fn reload(&mut self) {
        let Some(new) = self.read().await else {
            return;
        };
        let later = self.changed_elsewhere(&new);
        if !later.is_empty() {
            let sections = later.join(", ");
            tracing::warn!(%sections, "these settings have changed; they take effect at the next start");
        }
        if new.crm == self.settings.crm {
            if later.is_empty() {
                tracing::info!("the settings were read again: nothing has changed");
            }
            return;
        }
        self.relink(new).await;
    }

    /// On a thread of its own: reading thousands of users takes a while.
    async fn read(&self) -> Option<Settings> {
        let path = self.path.clone();
        let loading = move || config::load(&path).map_err(|error| error_lines(&path, &error));
        match on_thread("settings", loading).await {
            Ok(Ok(settings)) => return Some(settings),
            Ok(Err(faults)) => {
                for fault in faults.lines() {
                    tracing::error!("{fault}");
                }
                tracing::error!("the settings have faults: everything stays as it was");
            }
            Err(error) => tracing::error!(%error, "the settings cannot be read again"),
        }
        None
    }

    /// The sections whose changes have to wait for the next start.
    fn changed_elsewhere(&self, new: &Settings) -> Vec<&'static str> {
        let old = &self.settings;
        let sections = [
            ("[gateway]", old.gateway != new.gateway),
            ("[clients]", old.clients != new.clients),
            ("[web]", old.web != new.web),
            ("[admin]", old.admin != new.admin),
            ("[pbx]", old.pbx != new.pbx),
            (
                "users, departments and groups",
                old.directory != new.directory,
            ),
            ("[forms] and [[form_rules]]", old.forms != new.forms),
            ("[desk] and [[procedures]]", old.desk != new.desk),
        ];
        let changed = sections.into_iter().filter(|(_, is_changed)| *is_changed);
        changed.map(|(section, _)| section).collect()
    }

    async fn relink(&mut self, new: Settings) {
        let old_address = crm::listens_on(&self.settings.crm.mode);
        let new_address = crm::listens_on(&new.crm.mode);
        if new_address.is_some() && new_address == old_address {
            // The address must be free before it can be listened on again.
            self.settings.crm.mode = CrmMode::Off;
            self.send(None);
            self.tasks.end(END_WAIT).await;
        }
        for warning in new.warnings() {
            tracing::warn!("{warning}");
        }
        let prepared = match Prepared::new(&new.crm.mode) {
            Ok(prepared) => prepared,
            Err(error) => {
                tracing::error!(%error, "the CRM cannot be linked as the settings say now");
                return;
            }
        };
        self.settings.crm = new.crm;
        let mode = self.settings.crm.mode.name();
        tracing::info!(mode, "the settings have changed: the CRM is linked anew");
        self.send(Some(prepared));
    }

    /// Has the hub take the link that the settings in force now say.
    fn send(&self, prepared: Option<Prepared>) {
        let mode = &self.settings.crm.mode;
        let link = prepared.and_then(|it| crm::link(mode, it, &self.waker, self.clock));
        let ends = link.map(|(ends, driver)| {
            self.tasks.start(driver);
            ends
        });
        let setup = crm_setup(&self.settings);
        let relink = Relink { setup, ends };
        if self.hub.send(HubMessage::Relink(Box::new(relink))).is_err() {
            tracing::error!("the hub takes no new link to the CRM: try again");
        }
    }
}

/// How long the end of the old link may hold up the new one.
const END_WAIT: Duration = Duration::from_secs(3);
