//! Whose turn it is to get a long list.
//!
//! When thousands of tabs come at once, each asks for lists of megabytes. They get
//! them a few at a time, in the order in which they asked, rather than all at once
//! and each little by little: so the bytes on their way stay few, all who get their
//! turn in one wake-up get the same list, and a login does not stand behind
//! gigabytes. Who reads slowly holds nobody up: a turn ends after a while, whatever
//! has been read. Without a crowd nobody waits.

use std::collections::VecDeque;
use std::time::Duration;

use super::link::Stage;
use super::{Shard, Waiting};
use crate::base::{Instant, LinkId, RequestId, UserId};
use crate::protocol::{Method, UserRequest};

/// The requests that wait for their turn, and the turns that go on.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: VecDeque<Asking>,
    turns: Vec<Turn>,
    /// A turn began, or went on, in this batch: it may end with it.
    is_moving: bool,
}

/// A request for a list that has not been handed to the hub.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) waiting: Waiting,
    pub(super) user: UserId,
    pub(super) what: UserRequest,
}

#[derive(Debug)]
struct Turn {
    since: Instant,
    step: Step,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The hub has been asked.
    Asked(RequestId),
    /// The link is being sent it.
    Sent(LinkId),
}

impl Line {
    /// When there is something to do: at once if somebody's turn may have come.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        if self.is_moving || self.turns.len() < TURNS_MAX {
            return Some(now);
        }
        let begun = self.turns.iter().map(|turn| turn.since).min();
        begun.map(|since| since + TURN_MAX)
    }

    /// Takes in the request, unless it is this one's turn already, or too many wait.
    fn stand(&mut self, asking: Asking) -> Result<(), Asking> {
        let is_free = self.waiting.is_empty() && self.turns.len() < TURNS_MAX;
        if is_free || self.waiting.len() >= WAITING_MAX {
            return Err(asking);
        }
        self.waiting.push_back(asking);
        Ok(())
    }

    fn begin(&mut self, request: RequestId, now: Instant) {
        if self.turns.len() < TURNS_MAX {
            self.turns.push(Turn {
                since: now,
                step: Step::Asked(request),
            });
        }
    }

    /// The hub has answered; `is_long` if the link has something to read now.
    pub(super) fn answered(&mut self, request: RequestId, link: LinkId, is_long: bool) {
        let is_this = |turn: &Turn| turn.step == Step::Asked(request);
        let Some(index) = self.turns.iter().position(is_this) else {
            return;
        };
        if is_long {
            self.turns[index].step = Step::Sent(link);
            self.is_moving = true;
        } else {
            self.turns.swap_remove(index);
        }
    }

    /// A socket takes bytes again.
    pub(super) const fn moves(&mut self) {
        self.is_moving = true;
    }

    /// Whether anybody waits for a turn.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn next_in_turn(&mut self, now: Instant) -> Option<Asking> {
        if self.turns.len() >= TURNS_MAX {
            self.turns.retain(|turn| now.since(turn.since) < TURN_MAX);
        }
        if self.turns.len() >= TURNS_MAX {
            return None;
        }
        self.waiting.pop_front()
    }
}

impl Shard {
    /// Asks the hub for a list when it is the link's turn.
    pub(super) fn ask_in_turn(&mut self, asking: Asking) {
        if let Err(asking) = self.line.stand(asking) {
            self.begin_turn(asking);
        }
    }

    /// Lets as many have their turn as there are free.
    pub(super) fn let_line_on(&mut self) {
        while let Some(asking) = self.line.next_in_turn(self.now) {
            let link = self.links.get_mut(asking.waiting.link);
            if link.is_some_and(|link| matches!(link.stage, Stage::Open)) {
                self.begin_turn(asking);
            }
        }
    }

    /// A link that logs out is answered before that what it asked before that.
    pub(super) fn let_out_of_line(&mut self, id: LinkId) {
        let is_its = |asking: &Asking| asking.waiting.link == id;
        if !self.line.waiting.iter().any(is_its) {
            return;
        }
        let all = std::mem::take(&mut self.line.waiting);
        let (its, others): (VecDeque<_>, _) = all.into_iter().partition(is_its);
        self.line.waiting = others;
        for asking in its {
            self.begin_turn(asking);
        }
    }

    /// What was sent of long lists in this batch has been taken, or waits.
    pub(super) fn end_turns(&mut self) {
        self.line.is_moving = false;
        if self.line.turns.is_empty() {
            return;
        }
        let links = &mut self.links;
        self.line.turns.retain(|turn| match turn.step {
            Step::Asked(_) => true,
            Step::Sent(id) => links
                .get_mut(id)
                .is_some_and(|link| link.outbox.is_blocked()),
        });
    }

    fn begin_turn(&mut self, asking: Asking) {
        let Asking {
            waiting,
            user,
            what,
        } = asking;
        let request = self.ask_user_request(waiting, user, what);
        self.line.begin(request, self.now);
    }
}

/// Whether this asks for a list that may be long.
pub(super) const fn is_for_list(method: Method) -> bool {
    matches!(method, Method::PbxNumbers | Method::AllUserNumbers)
}

/// Lists on their way at a time: enough to keep the links busy that read as fast as
/// they can, few enough that what the kernel holds for them stays in the caches.
const TURNS_MAX: usize = 32;
/// How long one of them keeps others from their turn.
const TURN_MAX: Duration = Duration::from_millis(100);
/// Requests that wait; beyond these it is everybody's turn.
const WAITING_MAX: usize = 64 << 10;
