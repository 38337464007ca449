//! Forms that are open, and what became of those that are not any more.
//!
//! It keeps windows within bounds of number and time, and the ends of windows for who
//! asks later. It sends nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::FormLimits;
use crate::base::{AdminTicket, ChainId, Instant, UserId, WindowId};
use crate::protocol::DynamicEvent;

/// One form that is open at a user.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) user: UserId,
    pub(super) key: Arc<str>,
    /// `showuserform`, shared by all tabs that are told.
    pub(super) event: Arc<DynamicEvent>,
    /// The call that it ends with.
    pub(super) bound: Option<Bound>,
    /// The CRM shows it, too.
    pub(super) is_at_crm: bool,
    until: Instant,
}

/// The call that a window ends with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) chain: ChainId,
    /// It ends with the user's talk already.
    pub(super) with_talk: bool,
    /// The user has been in the call: the window ends when that is no longer so, else
    /// when the call is over for everybody.
    pub(super) was_in: bool,
}

/// How a form is, as scenarios are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormState {
    /// The window.
    pub window: WindowId,
    /// At whom.
    pub user: UserId,
    /// The form's key.
    pub key: Arc<str>,
    /// Its end; `None` while it is open.
    pub end: Option<FormEnd>,
}

/// How a form ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormEnd {
    /// With these `outputparameters`, the text of a JSON object.
    Answered(Arc<str>),
    /// The place that showed it said that it failed.
    Failed(Arc<str>),
    /// Without values.
    Closed(FormClosed),
}

/// Why a form was closed without values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormClosed {
    /// A scenario closed it.
    Scenario,
    /// The user, or the CRM, closed it.
    User,
    /// The user's call or talk was over.
    CallEnd,
    /// The user had too many open: it was the oldest.
    Crowded,
    /// It was open for too long.
    Expired,
}

impl FormClosed {
    /// The word in the admin interface.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::User => "user",
            Self::CallEnd => "call_end",
            Self::Crowded => "crowded",
            Self::Expired => "expired",
        }
    }
}

/// All windows.
#[derive(Debug, Default)]
pub(super) struct Windows {
    open: HashMap<WindowId, Window>,
    /// Each user's windows, the oldest first.
    by_user: HashMap<UserId, Vec<WindowId>>,
    deadlines: BTreeSet<(Instant, WindowId)>,
    ended: HashMap<WindowId, FormState>,
    /// When each end is forgotten, the oldest first.
    forget: VecDeque<(Instant, WindowId)>,
    /// Who waits for the end of a window.
    waiting: BTreeMap<(Instant, AdminTicket), WindowId>,
    /// Windows that end with a call in which their users have not been yet.
    unseen: usize,
}

impl Windows {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn get(&self, window: WindowId) -> Option<&Window> {
        self.open.get(&window)
    }

    /// A user's windows, the oldest first.
    pub(super) fn of_user(&self, user: UserId) -> &[WindowId] {
        self.by_user.get(&user).map_or(&[], Vec::as_slice)
    }

    /// Whether a window waits for a call that its user has not been in.
    pub(super) const fn has_unseen(&self) -> bool {
        self.unseen > 0
    }

    /// The windows that end with a call, with their users, in the order of their ends.
    pub(super) fn unseen(&self) -> Vec<(WindowId, ChainId)> {
        let windows = self.deadlines.iter().filter_map(|(_, id)| {
            let bound = self.open.get(id)?.bound.filter(|bound| !bound.was_in)?;
            Some((*id, bound.chain))
        });
        windows.collect()
    }

    pub(super) fn insert(
        &mut self,
        id: WindowId,
        mut window: Window,
        limits: &FormLimits,
        now: Instant,
    ) {
        window.until = now + limits.window_life;
        self.unseen += usize::from(window.bound.is_some_and(|bound| !bound.was_in));
        self.deadlines.insert((window.until, id));
        self.by_user.entry(window.user).or_default().push(id);
        self.open.insert(id, window);
    }

    /// The user of a window takes part in its call now.
    pub(super) fn saw_call(&mut self, window: WindowId) {
        let window = self.open.get_mut(&window);
        if let Some(bound) = window.and_then(|window| window.bound.as_mut())
            && !std::mem::replace(&mut bound.was_in, true)
        {
            self.unseen -= 1;
        }
    }

    /// Notes whether the CRM shows a window.
    pub(super) fn at_crm(&mut self, window: WindowId, is_shown: bool) {
        if let Some(window) = self.open.get_mut(&window) {
            window.is_at_crm = is_shown;
        }
    }

    /// The CRM's link is gone: it shows nothing any more.
    pub(super) fn crm_is_gone(&mut self) {
        for window in self.open.values_mut() {
            window.is_at_crm = false;
        }
    }

    /// Takes a window out and keeps its end for a while.
    pub(super) fn end(
        &mut self,
        id: WindowId,
        end: FormEnd,
        limits: &FormLimits,
        now: Instant,
    ) -> Option<Window> {
        let window = self.open.remove(&id)?;
        self.unseen -= usize::from(window.bound.is_some_and(|bound| !bound.was_in));
        self.deadlines.remove(&(window.until, id));
        if let Some(windows) = self.by_user.get_mut(&window.user) {
            windows.retain(|other| *other != id);
            if windows.is_empty() {
                self.by_user.remove(&window.user);
            }
        }
        if self.forget.len() >= limits.windows_max.max(1)
            && let Some((_, oldest)) = self.forget.pop_front()
        {
            self.ended.remove(&oldest);
        }
        let state = FormState {
            window: id,
            user: window.user,
            key: Arc::clone(&window.key),
            end: Some(end),
        };
        self.ended.insert(id, state);
        self.forget.push_back((now + limits.result_life, id));
        Some(window)
    }

    /// How a window is, if it is open or its end is still known.
    pub(super) fn state(&self, id: WindowId) -> Option<FormState> {
        if let Some(window) = self.open.get(&id) {
            return Some(FormState {
                window: id,
                user: window.user,
                key: Arc::clone(&window.key),
                end: None,
            });
        }
        self.ended.get(&id).cloned()
    }

    /// Somebody waits for the end of a window until then; `false` if too many do.
    pub(super) fn wait(&mut self, ticket: AdminTicket, id: WindowId, until: Instant) -> bool {
        let has_room = self.waiting.len() < WAITING_MAX;
        if has_room {
            self.waiting.insert((until, ticket), id);
        }
        has_room
    }

    /// Takes out who waits for this window.
    pub(super) fn take_waiting(&mut self, id: WindowId) -> Vec<AdminTicket> {
        let mut tickets = Vec::new();
        self.waiting.retain(|(_, ticket), window| {
            let is_it = *window == id;
            if is_it {
                tickets.push(*ticket);
            }
            !is_it
        });
        tickets
    }

    /// Takes out who has waited long enough, with the windows.
    pub(super) fn take_tired(&mut self, now: Instant) -> Vec<(AdminTicket, WindowId)> {
        let mut tired = Vec::new();
        while let Some(((until, ticket), window)) = self.waiting.pop_first() {
            if until > now {
                self.waiting.insert((until, ticket), window);
                break;
            }
            tired.push((ticket, window));
        }
        tired
    }

    /// The window that has been open for too long, if there is one.
    pub(super) fn expired(&self, now: Instant) -> Option<WindowId> {
        let (until, window) = self.deadlines.first()?;
        (*until <= now).then_some(*window)
    }

    /// Forgets ends that nobody asked for in time.
    pub(super) fn forget(&mut self, now: Instant) {
        while let Some((until, window)) = self.forget.front().copied()
            && until <= now
        {
            self.forget.pop_front();
            self.ended.remove(&window);
        }
    }

    /// When something of this has to be looked at next.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let window = self.deadlines.first().map(|(until, _)| *until);
        let waiting = self.waiting.first_key_value().map(|((until, _), _)| *until);
        let forget = self.forget.front().map(|(until, _)| *until);
        [window, waiting, forget].into_iter().flatten().min()
    }
}

impl Window {
    pub(super) fn new(
        user: UserId,
        key: Arc<str>,
        event: Arc<DynamicEvent>,
        bound: Option<Bound>,
    ) -> Self {
        Self {
            user,
            key,
            event,
            bound,
            is_at_crm: false,
            until: Instant::default(),
        }
    }
}

/// Requests that may wait for the ends of windows at a time.
const WAITING_MAX: usize = 1000;
