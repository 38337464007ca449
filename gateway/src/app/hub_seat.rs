//! The hub's place beside shard 0's ring: messages in, outputs to where they go.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use okgate_core::base::{AdminTicket, Instant, Now, ShardId};
use okgate_core::crm::{CrmAction, CrmEvent, CrmReport};
use okgate_core::hub::{
    AdminFault, AdminReply, CrmSetup, FromShard, Hub, Output, ProgramFailure, ProgramId,
    ProgramRun, RunTarget, ToShard,
};

use super::programs::Programs;
use crate::admin::HubQuestion;
use crate::log::RateLimited;
use crate::runtime::{Clock, Inbox, LocalMailbox, Mailbox, MailboxError, Outside, ShardHandle};
use crate::store::Store;

/// What other threads and tasks tell the hub.
#[derive(Debug)]
pub(super) enum HubMessage {
    /// A shard's link wants something.
    Shard(FromShard),
    /// The admin interface asks.
    Admin(HubQuestion),
    /// A program of a procedure ended.
    Program(ProgramId, Result<Vec<u8>, ProgramFailure>),
    /// Link the CRM anew.
    Relink(Box<Relink>),
    /// Close all links, spread over this time, and end.
    Drain(Duration),
}

/// How the CRM is linked from now on.
#[derive(Debug)]
pub(super) struct Relink {
    pub(super) setup: CrmSetup,
    pub(super) ends: Option<CrmEnds>,
}

/// The hub and its ways out.
pub(super) struct HubSeat {
    hub: Box<Hub>,
    clock: Clock,
    /// The time of the wake-up, read once for all of its messages.
    now: Now,
    inbox: Inbox<HubMessage>,
    /// To shard 0, which runs on the same thread.
    local: LocalMailbox<ToShard>,
    shards: Arc<[ShardHandle<ToShard>]>,
    /// What did not fit a shard's mailbox, by shard; sent before anything newer.
    backlogs: Vec<VecDeque<ToShard>>,
    crm: Option<CrmEnds>,
    /// For the link that the hub is about to make.
    next_crm: Option<CrmEnds>,
    helpers: Helpers,
    /// Who waits for an answer of the hub.
    asking: HashMap<AdminTicket, Sender<Result<AdminReply, AdminFault>>>,
    last_ticket: u64,
}

/// Those who do for the hub what no shard must wait for.
#[derive(Debug)]
pub(super) struct Helpers {
    pub(super) programs: Programs,
    /// Runs whose answer a URL has.
    pub(super) urls: Mailbox<ProgramRun>,
    /// Only with `gateway.data_dir`.
    pub(super) store: Option<Store>,
}

impl Helpers {
    /// Has something run; whether that is still possible.
    fn run(&self, run: ProgramRun) -> bool {
        match run.target {
            RunTarget::Command(_) => self.programs.run(run).is_ok(),
            RunTarget::Url(_) => self.urls.send(run).is_ok(),
        }
    }
}

/// The hub's ends of the ways to and from the one who holds the CRM's connection.
#[derive(Debug)]
pub(super) struct CrmEnds {
    pub(super) actions: Mailbox<CrmAction>,
    pub(super) reports: Inbox<CrmReport>,
}

impl HubSeat {
    pub(super) fn new(
        hub: Hub,
        clock: Clock,
        inbox: Inbox<HubMessage>,
        local: LocalMailbox<ToShard>,
        shards: Arc<[ShardHandle<ToShard>]>,
        crm: Option<CrmEnds>,
        helpers: Helpers,
    ) -> Self {
        let mut seat = Self {
            hub: Box::new(hub),
            now: clock.now(),
            clock,
            inbox,
            local,
            backlogs: shards.iter().map(|_| VecDeque::new()).collect(),
            shards,
            crm,
            next_crm: None,
            helpers,
            asking: HashMap::new(),
            last_ticket: 0,
        };
        // What the hub wants done first must not wait until somebody asks for something.
        seat.hub.handle_timeout(seat.now);
        seat.settle();
        seat
    }

    /// Both clocks at this point of the monotonic one.
    fn now(&mut self, instant: Instant) -> Now {
        if self.now.instant != instant {
            let wall = self.clock.now().wall;
            self.now = Now { instant, wall };
        }
        self.now
    }

    fn take(&mut self, message: HubMessage, now: Now) {
        match message {
            HubMessage::Shard(message) => self.hub.handle_shard(message, now),
            HubMessage::Admin((request, answer)) => {
                self.last_ticket += 1;
                let ticket = AdminTicket(self.last_ticket);
                self.asking.insert(ticket, answer);
                self.hub.handle_admin(ticket, request, now);
            }
            HubMessage::Program(id, end) => self.hub.handle_program(id, end, now),
            HubMessage::Relink(relink) => {
                self.next_crm = relink.ends;
                self.hub.relink(relink.setup, now);
            }
            HubMessage::Drain(spread) => {
                for shard in self.shards.iter() {
                    shard.stop_accepting();
                }
                self.hub.drain(spread, now);
            }
        }
        self.settle();
    }

    /// Gives every output to where it goes.
    fn settle(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::ToShard(message) => self.tell_shard(message),
                Output::Admin(ticket, answer) => {
                    if let Some(asking) = self.asking.remove(&ticket) {
                        // The asker may have broken off meanwhile.
                        let _gone = asking.try_send(answer);
                    }
                }
                Output::Crm(action) => self.tell_crm(action),
                Output::Relinked => self.crm = self.next_crm.take(),
                Output::CrmNews(news) => log_news(&news, self.now.instant),
                Output::FormRefused {
                    event,
                    form,
                    reason,
                } => log_refused_form(event, &form, &reason, self.now.instant),
                Output::Run(run) => {
                    let id = run.id;
                    if !self.helpers.run(run) {
                        let end = Err(ProgramFailure::NotStarted);
                        self.hub.handle_program(id, end, self.now);
                    }
                }
                Output::File(change) => {
                    if let Some(store) = &self.helpers.store {
                        store.take(change);
                    }
                }
                Output::Drained => {
                    self.helpers.programs.stop();
                    for shard in self.shards.iter() {
                        shard.stop();
                    }
                }
            }
        }
    }

    fn tell_crm(&self, action: CrmAction) {
        let crm = self.crm.as_ref();
        // It has room: the link wants one thing done at a time.
        if crm.is_none_or(|crm| crm.actions.send(action).is_err()) {
            tracing::error!("the CRM's link has nobody who holds its connection");
        }
    }

    fn take_crm_reports(&mut self, now: Now) {
        while let Some(report) = self.crm.as_ref().and_then(|crm| crm.reports.take()) {
            self.hub.handle_crm(report, now);
            self.settle();
        }
    }

    fn tell_shard(&mut self, message: ToShard) {
        if message.shard == ShardId(0) {
            return self.local.send(message);
        }
        let index = usize::from(message.shard.0);
        if let Some(backlog) = self.backlogs.get_mut(index) {
            backlog.push_back(message);
            send_backlog(&self.shards[index], backlog);
        }
    }
}

impl Outside<FromShard> for HubSeat {
    fn post(&mut self, message: FromShard, now: Instant) {
        let now = self.now(now);
        self.take(HubMessage::Shard(message), now);
    }

    fn turn(&mut self, now: Instant) {
        let now = self.now(now);
        for (shard, backlog) in self.shards.iter().zip(&mut self.backlogs) {
            send_backlog(shard, backlog);
        }
        for _ in 0..MESSAGES_PER_TURN {
            let Some(message) = self.inbox.take() else {
                break;
            };
            self.take(message, now);
        }
        self.take_crm_reports(now);
        if self.hub.next_timeout().is_some_and(|at| at <= now.instant) {
            self.hub.handle_timeout(now);
            self.settle();
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let is_waiting = |backlog: &VecDeque<ToShard>| !backlog.is_empty();
        let is_reported = |crm: &CrmEnds| !crm.reports.is_empty();
        let retry = !self.inbox.is_empty()
            || self.crm.as_ref().is_some_and(is_reported)
            || self.backlogs.iter().any(is_waiting);
        let retry = retry.then(|| self.clock.instant() + RETRY);
        [self.hub.next_timeout(), retry].into_iter().flatten().min()
    }
}

fn log_news(news: &CrmEvent, now: Instant) {
    static TURNED_AWAY: RateLimited = RateLimited::new(LOG_PERIOD);
    static FAILED: RateLimited = RateLimited::new(LOG_PERIOD);
    match news {
        CrmEvent::Ready { peer } => {
            tracing::info!(peer = peer.as_deref(), "the CRM is linked");
        }
        CrmEvent::TurnedAway { peer, reason } => {
            if let Some(not_logged) = TURNED_AWAY.admit(1, now) {
                tracing::warn!(%peer, %reason, not_logged, "a connection to the CRM's address is turned away");
            }
        }
        CrmEvent::ExchangeFailed { reason } => {
            if let Some(not_logged) = FAILED.admit(1, now) {
                tracing::warn!(%reason, not_logged, "a message posted to the CRM came to nothing");
            }
        }
        CrmEvent::Lost {
            reason,
            was_ready,
            retry_in,
        } => {
            let retry_in_ms = retry_in.map(|pause| pause.as_millis());
            if *was_ready {
                tracing::warn!(%reason, retry_in_ms, "the CRM's link is lost");
            } else {
                tracing::warn!(%reason, retry_in_ms, "the CRM cannot be linked");
            }
        }
        _ => {}
    }
}

fn log_refused_form(event: &str, form: &str, reason: &str, now: Instant) {
    static BRAKE: RateLimited = RateLimited::new(Duration::from_secs(10));
    if let Some(more) = BRAKE.admit(1, now) {
        tracing::warn!(
            event,
            form,
            reason,
            more,
            "a form rule cannot open its form"
        );
    }
}

/// Where the posts of a shard without the hub go. A message that does not fit
/// the hub's mailbox waits here, before anything newer.
pub(super) struct Forward {
    hub: Mailbox<HubMessage>,
    backlog: VecDeque<HubMessage>,
    clock: Clock,
}

impl Forward {
    pub(super) fn new(hub: Mailbox<HubMessage>, clock: Clock) -> Self {
        Self {
            hub,
            backlog: VecDeque::new(),
            clock,
        }
    }

    fn send(&mut self) {
        while let Some(message) = self.backlog.pop_front() {
            if let Err(MailboxError::Full(message)) = self.hub.send(message) {
                self.backlog.push_front(message);
                return;
            }
        }
    }
}

impl Outside<FromShard> for Forward {
    fn post(&mut self, message: FromShard, _now: Instant) {
        self.backlog.push_back(HubMessage::Shard(message));
        self.send();
    }

    fn turn(&mut self, _now: Instant) {
        self.send();
    }

    fn next_timeout(&self) -> Option<Instant> {
        (!self.backlog.is_empty()).then(|| self.clock.instant() + RETRY)
    }
}

/// Sends what a shard's mailbox takes; a shard that has ended takes nothing more.
fn send_backlog(shard: &ShardHandle<ToShard>, backlog: &mut VecDeque<ToShard>) {
    while let Some(message) = backlog.pop_front() {
        if let Err(MailboxError::Full(message)) = shard.send(message) {
            backlog.push_front(message);
            return;
        }
    }
}

/// Of what others cause, at most one line a kind within this time.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// When a full mailbox is tried again.
const RETRY: Duration = Duration::from_millis(1);

/// Messages that the hub takes before shard 0's links have their turn.
const MESSAGES_PER_TURN: usize = 1024;
