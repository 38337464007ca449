//! What the parts of the hub say to each other, and to the shards.

use std::sync::Arc;

use super::{Downward, Hub, Output, ToShard};
use crate::base::{NumberId, ShardId, UserId};
use crate::pbx::PbxEvent;
use crate::protocol::{Event, NumberChange};
use crate::switchboard::Output as SwitchboardOutput;

impl Hub {
    /// Moves everything between the switchboard, the telephone switch and the
    /// CRM's link until all of them are quiet; forms open and close behind the events
    /// that they follow.
    pub(super) fn pump(&mut self) {
        self.store_files();
        loop {
            if let Some(output) = self.switchboard.poll_output() {
                self.take_switchboard(output);
            } else if let Some(event) = self.pbx.poll_event() {
                self.take_pbx(event);
            } else if !self.pump_crm() && !self.pump_forms() {
                return;
            }
        }
    }

    fn take_pbx(&mut self, event: PbxEvent) {
        let caller = match &event {
            PbxEvent::Incoming { leg, .. } => Some(*leg),
            _ => None,
        };
        self.switchboard.handle_pbx(event, self.now.instant);
        if let Some(leg) = caller {
            self.answer_sim_call(leg);
        }
    }

    fn take_switchboard(&mut self, output: SwitchboardOutput) {
        match output {
            SwitchboardOutput::Pbx(id, command) => {
                self.pbx.handle_command(id, command, self.now.instant);
            }
            SwitchboardOutput::Event(event) => self.tell_user(event),
            SwitchboardOutput::Numbers(changes) => self.tell_numbers(changes),
            SwitchboardOutput::Arrived(arrival) => self.name_caller(arrival),
            SwitchboardOutput::Fact(fact) => self.journal.note(&fact, self.now),
        }
    }

    /// Gives a user's event to the shards where the user has links, and to the CRM.
    pub(super) fn tell_user(&mut self, event: Event) {
        let Some(user) = event.user.as_ref().map(|user| user.id) else {
            return;
        };
        self.events += 1;
        let event = Arc::new(event);
        if let Some(crm) = &mut self.crm {
            crm.send_event(&event, self.now.instant);
        }
        for shard in self.sessions.shards_of(user) {
            self.outputs.push_back(Output::ToShard(ToShard {
                shard,
                what: Downward::Event(Arc::clone(&event)),
            }));
        }
        self.forms.note(&event, user);
    }

    fn tell_numbers(&mut self, changes: Vec<(NumberId, NumberChange)>) {
        self.events += 1;
        self.tell_crm_numbers(&changes);
        let version = self.switchboard.numbers_version();
        self.tell_all_shards(&Downward::Numbers {
            version,
            changes: changes.into(),
        });
    }

    pub(super) fn tell_all_shards(&mut self, what: &Downward) {
        for shard in (0..self.shards).map(ShardId) {
            let what = what.clone();
            self.outputs
                .push_back(Output::ToShard(ToShard { shard, what }));
        }
    }

    /// A user's last link is gone, or the user is no longer active in the CRM.
    pub(super) fn user_left(&mut self, user: UserId) {
        if !self.sessions.is_present(user) && !self.crm_users.contains(&user) {
            // A user who is not in the directory was never present.
            let _unknown = self.switchboard.user_absent(user, self.now.instant);
        }
    }
}
