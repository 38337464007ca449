//! Custom events, texts and notifications (protocol 5-e, 6.7-a, 6.7-f to 6.7-h).

use std::sync::Arc;

use super::people::no_user;
use super::{Asker, Outcome, Refusal, done};
use crate::base::{Refused, UserId};
use crate::hub::{Downward, Hub};
use crate::protocol::{
    CustomEvent, DeskEvent, ErrorNumber, Event, EventKind, Fault, Occurrence, Stamp, TextMessage,
};

impl Hub {
    /// protocol 6.7-a.
    pub(super) fn trigger_event(
        &mut self,
        asker: Asker,
        sender: UserId,
        event: CustomEvent,
    ) -> Outcome {
        self.desk.check_text("eventparam", event.param.len())?;
        if event.name.len() > EVENT_NAME_BYTES_MAX {
            let expected = format!("at most {EVENT_NAME_BYTES_MAX} bytes");
            return Err(Fault::parameter("eventname", &expected).into());
        }
        let what = Arc::new(DeskEvent::Custom {
            name: event.name,
            param: event.param,
        });
        if event.recipients.is_empty() {
            self.check_broadcasts(sender)?;
            self.tell_everybody(what);
            return done();
        }
        let named = self.users_named(asker, "recipients", &event.recipients)?;
        self.check_many(sender, named.known.len())?;
        if named.known.is_empty() {
            let unknown = named.unknown.first().map_or("", |name| &**name);
            return Err(no_user("recipients", unknown).into());
        }
        let others = named.known.into_iter().filter(|user| *user != sender);
        let own = event.send_back.then_some(sender);
        let all: Vec<UserId> = others.chain(own).collect();
        for user in all {
            self.tell_person(user, Arc::clone(&what));
        }
        done()
    }

    /// protocol 5-e and 6.7-f: either every recipient is told, or nobody is.
    pub(super) fn send_text(
        &mut self,
        asker: Asker,
        sender: UserId,
        text: Box<str>,
        recipients: &[Box<str>],
    ) -> Outcome {
        self.desk.check_text("text", text.len())?;
        let recipients = self.all_users_named(asker, "recipients", recipients)?;
        self.check_many(sender, recipients.len())?;
        let what = Arc::new(DeskEvent::Text(TextMessage {
            id: self.random.guid(),
            text,
            sender: self.desk.people.of(sender)?.clone(),
            at: self.stamp(),
        }));
        for user in self.tell_or_keep(&recipients, &what)? {
            self.count_refusal(asker, user, Refused::KeptPerUser);
        }
        done()
    }

    /// Tells those who are there and keeps it for those who are not; nobody is told
    /// if there is no room to keep it. Gives those of whose kept ones the oldest had
    /// to go.
    pub(super) fn tell_or_keep(
        &mut self,
        users: &[UserId],
        what: &Arc<DeskEvent>,
    ) -> Result<Vec<UserId>, Refusal> {
        let kind = what.kind();
        let (there, absent): (Vec<UserId>, Vec<UserId>) =
            users.iter().partition(|user| self.hears(**user, kind));
        let limits = self.desk.config.limits;
        let bytes = what.bytes().saturating_mul(absent.len());
        if !absent.is_empty() && !self.desk.kept.has_room(bytes, limits.kept_bytes_max) {
            let text = "too much is kept for users who are not there (desk.kept_bytes_max); nothing was sent";
            return Err(Refusal::limit(
                Refused::KeptMax,
                ErrorNumber::TooMany,
                text.to_owned(),
            ));
        }
        for user in there {
            self.tell_person(user, Arc::clone(what));
        }
        let kept = &mut self.desk.kept;
        let bounds = (limits.kept_per_user, limits.kept_bytes_per_user);
        let crowded = |user: &UserId| kept.keep(*user, Arc::clone(what), bounds);
        Ok(absent.into_iter().filter(crowded).collect())
    }

    /// Whether the user gets such an event now: by a link that is subscribed, or
    /// by the CRM's.
    pub(super) fn hears(&self, user: UserId, kind: EventKind) -> bool {
        self.sessions.is_heard(user, kind) || self.is_in_crm(user)
    }

    fn is_in_crm(&self, user: UserId) -> bool {
        let is_ready = self.crm.as_ref().is_some_and(crate::crm::CrmLink::is_ready);
        is_ready && self.crm_users.contains(&user)
    }

    /// Gives a user what was kept, as far as the user gets it now.
    pub(in crate::hub) fn deliver_kept(&mut self, user: UserId) {
        let is_in_crm = self.is_in_crm(user);
        let sessions = &self.sessions;
        let wanted = self
            .desk
            .kept
            .take(user, |kind| is_in_crm || sessions.is_heard(user, kind));
        for what in wanted {
            self.tell_person(user, what);
        }
    }

    /// Tells one user's subscribed tabs, and the CRM if the user is active there.
    pub(super) fn tell_person(&mut self, user: UserId, what: Arc<DeskEvent>) {
        let Some(user) = self.desk.people.reference(user).cloned() else {
            return;
        };
        let event = Event {
            qid: self.random.guid(),
            user: Some(user),
            what: Occurrence::Desk(what),
        };
        self.tell_user(event);
    }

    /// Tells every link that is subscribed, and the CRM.
    fn tell_everybody(&mut self, what: Arc<DeskEvent>) {
        self.events += 1;
        let event = Arc::new(Event {
            qid: self.random.guid(),
            user: None,
            what: Occurrence::Desk(what),
        });
        if let Some(crm) = &mut self.crm {
            crm.send_event(&event, self.now.instant);
        }
        self.tell_all_shards(&Downward::Event(event));
    }

    /// What many users are told costs the hub nearly as much as what all are told, and
    /// counts as such.
    pub(super) fn check_many(&mut self, sender: UserId, users: usize) -> Result<(), Refusal> {
        if users > MANY {
            return self.check_broadcasts(sender);
        }
        Ok(())
    }

    fn check_broadcasts(&mut self, sender: UserId) -> Result<(), Refusal> {
        let Some(limit) = self.desk.config.limits.broadcasts else {
            return Ok(());
        };
        let used = self.desk.broadcasts.entry(sender).or_default();
        if used.allows(limit, self.now.instant) {
            return Ok(());
        }
        let text = "messages to many come too fast (desk.broadcasts_per_s): name fewer users, or slow down";
        Err(Refusal::limit(
            Refused::Broadcasts,
            ErrorNumber::TooMany,
            text.to_owned(),
        ))
    }

    /// The time of a message.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp::new(self.now.wall, self.desk.config.utc_offset_min)
    }
}

/// The longest name of a custom event.
const EVENT_NAME_BYTES_MAX: usize = 256;

/// More users than this are many.
const MANY: usize = 100;
