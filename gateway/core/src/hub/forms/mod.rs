//! Forms at users, and dynamic methods that users' pages run (protocol 8).
//!
//! In come the users' events, what scenarios ask, what pages and the CRM answer, and the
//! time; out go forms to the CRM (way 1) and to the users' subscribed links (way 2), runs
//! to links, and their ends to who asked. What a form may be given is the CRM's
//! declaration to say. All of it is kept in memory, within [`FormLimits`].
//!
//! Links are told one by one rather than through their shards' subscriptions: so a link
//! that subscribes while a form opens gets it exactly once (protocol 8-r).

mod rules;
mod scenario;
mod tab_runs;
mod text;
mod windows;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::desk::Asker;
use super::{Downward, Hub};
use crate::base::{ChainId, ExecutionId, Guid, Instant, LinkRef, UserId, WindowId};
use crate::crm::FormFailure;
use crate::protocol::{
    Answer, DynamicEvent, DynamicRequest, ErrorNumber, Event, EventKind, EventSet, Fault,
    MethodResult, Occurrence, Reply, ShownForm, UserRef,
};
use rules::Pending;
pub use rules::{FormClose, FormRule, RuleMethod};
pub use scenario::{FormOpened, FormOpening};
use tab_runs::TabRuns;
pub use text::{Condition, RuleEvent, RuleFault, Template};
use windows::{Bound, Window, Windows};
pub use windows::{FormClosed, FormEnd, FormState};

/// What the settings say of forms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormsConfig {
    /// The bounds.
    pub limits: FormLimits,
    /// Which events open which forms.
    pub rules: Vec<Arc<FormRule>>,
}

/// The bounds of [`FormsConfig`]; `usize::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormLimits {
    /// Forms that may be open at a time; no more are opened.
    pub windows_max: usize,
    /// Forms of one user that may be open at a time; the oldest goes first.
    pub windows_per_user: usize,
    /// How long a form may be open.
    pub window_life: Duration,
    /// How long the end of a form is kept for who asks.
    pub result_life: Duration,
    /// Bytes of a form's parameters, and of its values.
    pub values_bytes_max: usize,
    /// Dynamic methods that may run at users' pages at a time.
    pub tab_runs_max: usize,
}

impl Default for FormLimits {
    fn default() -> Self {
        Self {
            windows_max: 2000,
            windows_per_user: 20,
            window_life: Duration::from_secs(8 * 3600),
            result_life: Duration::from_secs(600),
            values_bytes_max: 16 << 10,
            tab_runs_max: 10_000,
        }
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FormCounters {
    /// Forms opened.
    pub forms_opened: u64,
    /// Forms that were answered with values.
    pub forms_answered: u64,
    /// Forms that a rule could not open.
    pub forms_refused: u64,
    /// Forms closed since their users had too many.
    pub forms_crowded_out: u64,
    /// Dynamic methods given to users' pages.
    pub tab_runs: u64,
    /// Results of such runs that came after their time-out and were accepted.
    pub tab_results_late: u64,
    /// Results of such runs that nobody waited for.
    pub tab_results_refused: u64,
}

/// The state.
#[derive(Debug)]
pub(super) struct Forms {
    config: FormsConfig,
    /// The kinds of events that rules are about.
    ruled: EventSet,
    windows: Windows,
    /// Events that rules or windows are concerned with, to be looked at when the step
    /// that they belong to has been told.
    seen: VecDeque<Arc<Event>>,
    /// Rules whose methods run.
    pending: HashMap<ExecutionId, Pending>,
    tab_runs: TabRuns,
    /// When the calls of windows are looked at whose users have not been in them.
    watch_at: Option<Instant>,
    /// `sessionid` of runs at users' pages.
    session: Guid,
    pub(super) counters: FormCounters,
}

/// Why a form was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormRefusal {
    #[error(transparent)]
    Crm(#[from] FormFailure),
    #[error("the form's parameters are longer than forms.values_bytes_max")]
    TooBig,
    #[error("too many forms are open (forms.windows_max)")]
    TooMany,
}

/// What is to be opened.
pub(super) struct Opening {
    user: UserRef,
    key: Arc<str>,
    /// The text of a JSON object.
    input: Arc<str>,
    chain: Option<ChainId>,
    bound: Option<Bound>,
}

impl Forms {
    pub(super) fn new(config: FormsConfig, session: Guid) -> Self {
        Self {
            ruled: config.rules.iter().map(|rule| rule.event.kind).collect(),
            config,
            windows: Windows::default(),
            seen: VecDeque::new(),
            pending: HashMap::new(),
            tab_runs: TabRuns::default(),
            watch_at: None,
            session,
            counters: FormCounters::default(),
        }
    }

    /// When [`Hub::forms_timeout`] has something to do next.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let next = [
            self.windows.next_timeout(),
            self.tab_runs.next_timeout(),
            self.watch_at,
        ];
        next.into_iter().flatten().min()
    }

    /// Forms that are open.
    pub(super) fn windows_open(&self) -> usize {
        self.windows.len()
    }

    /// A user was told of an event: notes it if it concerns a rule or a window.
    pub(super) fn note(&mut self, event: &Arc<Event>, user: UserId) {
        let kind = event.what.kind();
        let is_ruled = self.ruled.contains(kind);
        let ends_calls = self.windows.len() > 0 && is_of_calls(kind);
        if is_ruled || ends_calls && !self.windows.of_user(user).is_empty() {
            self.seen.push_back(Arc::clone(event));
        }
    }
}

impl Hub {
    /// Looks at one event that was told; whether there was any.
    pub(super) fn pump_forms(&mut self) -> bool {
        let Some(event) = self.forms.seen.pop_front() else {
            return false;
        };
        if let Some(user) = &event.user {
            self.close_what_is_over(user.id, event.what.kind());
            self.apply_rules(&event, user);
        }
        true
    }

    /// Opens a form wherever its user is (protocol 8-l).
    fn open_form(&mut self, opening: Opening) -> Result<WindowId, FormRefusal> {
        let limits = self.forms.config.limits;
        if opening.input.len() > limits.values_bytes_max {
            return Err(FormRefusal::TooBig);
        }
        let crm = self.crm.as_mut().ok_or(FormFailure::Unavailable)?;
        let declared = crm.check_form(&opening.key, &opening.input, WORDS_BYTES_MAX)?;
        let user = opening.user.id;
        while self.forms.windows.of_user(user).len() >= limits.windows_per_user.max(1)
            && let Some(oldest) = self.forms.windows.of_user(user).first().copied()
        {
            self.forms.counters.forms_crowded_out += 1;
            self.end_form(oldest, FormEnd::Closed(FormClosed::Crowded), false);
        }
        if self.forms.windows.len() >= limits.windows_max {
            return Err(FormRefusal::TooMany);
        }
        let window = WindowId(self.random.guid());
        let event = Arc::new(DynamicEvent::ShowForm(ShownForm {
            window,
            key: Arc::clone(&opening.key),
            input: opening.input,
            chain: opening.chain,
            declared,
        }));
        let shown = Window::new(user, opening.key, Arc::clone(&event), opening.bound);
        let now = self.now.instant;
        self.forms.windows.insert(window, shown, &limits, now);
        if self.forms.windows.has_unseen() && self.forms.watch_at.is_none() {
            self.forms.watch_at = Some(now + WATCH_INTERVAL);
        }
        self.forms.counters.forms_opened += 1;
        self.show_at_crm(window);
        self.tell_listeners(&opening.user, &event);
        Ok(window)
    }

    /// Ends a form and closes it wherever it is shown (protocol 8-m).
    fn end_form(&mut self, id: WindowId, end: FormEnd, is_closed_at_crm: bool) {
        let limits = self.forms.config.limits;
        self.forms.counters.forms_answered += u64::from(matches!(end, FormEnd::Answered(_)));
        let now = self.now.instant;
        let Some(window) = self.forms.windows.end(id, end, &limits, now) else {
            return;
        };
        let Ok(user) = self.switchboard.user_reference(window.user) else {
            return;
        };
        if window.is_at_crm
            && !is_closed_at_crm
            && let Some(crm) = &mut self.crm
        {
            crm.close_form(id, &user, now);
        }
        let event = Arc::new(DynamicEvent::CloseForm { window: id });
        self.tell_listeners(&user, &event);
        self.answer_waiting(id);
    }

    fn show_at_crm(&mut self, id: WindowId) {
        let Some(window) = self.forms.windows.get(id) else {
            return;
        };
        let (Some(crm), Ok(user)) = (&mut self.crm, self.switchboard.user_reference(window.user))
        else {
            return;
        };
        if let DynamicEvent::ShowForm(form) = &*window.event {
            let is_shown = crm.show_form(form, &user, self.now.instant);
            self.forms.windows.at_crm(id, is_shown);
        }
    }

    /// A user is active in the CRM: it gets what it does not show yet (protocol 8-r).
    pub(super) fn show_forms_at_crm(&mut self, user: UserId) {
        let windows = self.forms.windows.of_user(user).iter().copied();
        let is_missing = |id: &WindowId| {
            let window = self.forms.windows.get(*id);
            window.is_some_and(|window| !window.is_at_crm)
        };
        let missing: SmallVec<[WindowId; 4]> = windows.filter(is_missing).collect();
        for id in missing {
            self.show_at_crm(id);
        }
    }

    /// A user is no longer active in the CRM, or, without one, its link is gone.
    pub(super) fn crm_shows_no_forms(&mut self, user: Option<UserId>) {
        let Some(user) = user else {
            return self.forms.windows.crm_is_gone();
        };
        let windows: SmallVec<[WindowId; 4]> = self.forms.windows.of_user(user).into();
        for id in windows {
            self.forms.windows.at_crm(id, false);
        }
    }

    /// A link hears of other things of forms and methods than before.
    pub(super) fn link_listens_to_forms(
        &mut self,
        link: LinkRef,
        user: UserId,
        before: EventSet,
        now: EventSet,
    ) {
        let added = now.without(before);
        if added.contains(EventKind::ShowUserForm)
            && let Ok(user) = self.switchboard.user_reference(user)
        {
            // protocol 8-r: a page that is loaded anew must not lose its forms.
            let windows: SmallVec<[WindowId; 4]> = self.forms.windows.of_user(user.id).into();
            for id in windows {
                if let Some(window) = self.forms.windows.get(id) {
                    let event = Arc::clone(&window.event);
                    self.tell_links(&[link], &user, event);
                }
            }
        }
        if before.without(now).contains(EventKind::ExecuteMethod) {
            self.link_runs_nothing(link);
        }
    }

    /// What a page, or the CRM, says of forms and methods.
    pub(super) fn serve_dynamic(
        &mut self,
        asker: Asker,
        user: Option<UserId>,
        request: DynamicRequest,
    ) {
        let reply = match request {
            DynamicRequest::Result(MethodResult {
                window: Some(window),
                end,
                ..
            }) => self.take_values(asker, user, window, end),
            DynamicRequest::Result(result) => self.take_tab_result(asker, result),
            DynamicRequest::CloseForm(window) => {
                let closed = FormEnd::Closed(FormClosed::User);
                self.close_by_place(asker, user, window, closed)
            }
        };
        self.answer_asker(asker, reply);
    }

    /// protocol 8-n.
    fn take_values(
        &mut self,
        asker: Asker,
        user: Option<UserId>,
        window: WindowId,
        end: Result<Arc<str>, Arc<str>>,
    ) -> Reply {
        let bytes_max = self.forms.config.limits.values_bytes_max;
        if end.as_ref().is_ok_and(|values| values.len() > bytes_max) {
            let text = "field `outputparameters`: longer than forms.values_bytes_max";
            return Err(Fault::new(ErrorNumber::TooBig, text));
        }
        let end = match end {
            Ok(values) => FormEnd::Answered(values),
            Err(reason) => FormEnd::Failed(reason),
        };
        self.close_by_place(asker, user, window, end)
    }

    fn close_by_place(
        &mut self,
        asker: Asker,
        user: Option<UserId>,
        window: WindowId,
        end: FormEnd,
    ) -> Reply {
        // The CRM may leave the user out; a page speaks for its own alone.
        let state = self.forms.windows.state(window);
        let state = state.filter(|state| user.is_none_or(|user| user == state.user));
        match state {
            Some(state) if state.end.is_none() => {
                self.end_form(window, end, matches!(asker, Asker::Crm(_)));
                Ok(Answer::Done)
            }
            Some(_) => Err(Fault::new(
                ErrorNumber::WrongState,
                "the form is closed already",
            )),
            None => {
                let text = format!("field `windowid`: no form is open with {window}");
                Err(Fault::new(ErrorNumber::NotFound, text))
            }
        }
    }

    /// Acts on every deadline that has passed.
    pub(super) fn forms_timeout(&mut self) {
        let now = self.now.instant;
        while let Some(window) = self.forms.windows.expired(now) {
            self.end_form(window, FormEnd::Closed(FormClosed::Expired), false);
        }
        self.answer_tired();
        self.forms.windows.forget(now);
        self.expire_tab_runs();
        if self.forms.watch_at.is_some_and(|at| at <= now) {
            for (window, chain) in self.forms.windows.unseen() {
                if !self.switchboard.has_call(chain) {
                    self.end_form(window, FormEnd::Closed(FormClosed::CallEnd), false);
                }
            }
            let goes_on = self.forms.windows.has_unseen();
            self.forms.watch_at = goes_on.then_some(now + WATCH_INTERVAL);
        }
    }

    /// Closes the forms of a user whose call, or talk, is over.
    fn close_what_is_over(&mut self, user: UserId, kind: EventKind) {
        let call = self.switchboard.call_of(user);
        let windows: SmallVec<[WindowId; 4]> = self.forms.windows.of_user(user).into();
        for id in windows {
            let Some(bound) = self.forms.windows.get(id).and_then(|window| window.bound) else {
                continue;
            };
            let is_in = call == Some(bound.chain);
            let is_talk_over = bound.with_talk && kind == EventKind::CommStopped;
            if bound.was_in && (!is_in || is_talk_over) {
                self.end_form(id, FormEnd::Closed(FormClosed::CallEnd), false);
            } else if is_in {
                self.forms.windows.saw_call(id);
            }
        }
    }

    /// Tells every link of the user that is subscribed to this event.
    fn tell_listeners(&mut self, user: &UserRef, what: &Arc<DynamicEvent>) {
        let links = self.sessions.listeners(user.id, what.kind());
        let links: SmallVec<[LinkRef; 4]> = links.collect();
        self.tell_links(&links, user, Arc::clone(what));
    }

    fn tell_links(&mut self, links: &[LinkRef], user: &UserRef, what: Arc<DynamicEvent>) {
        if links.is_empty() {
            return;
        }
        self.events += 1;
        let event = Arc::new(Event {
            qid: self.random.guid(),
            user: Some(user.clone()),
            what: Occurrence::Dynamic(what),
        });
        for link in links {
            let event = Arc::clone(&event);
            self.tell_shard(*link, Downward::ToLink { link: *link, event });
        }
    }
}

/// After events of these kinds a user's part in a call may have begun or be over.
const fn is_of_calls(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::LineStateChanged
            | EventKind::RingStarted
            | EventKind::RingStopped
            | EventKind::CommStarted
            | EventKind::CommStopped
            | EventKind::AcmCallStarted
            | EventKind::AcmCallStopped
    )
}

/// The longest declaration that a form's event carries: it must fit a tab's queue.
const WORDS_BYTES_MAX: usize = 32 << 10;

/// How often it is looked at whether calls go on whose users are not in them yet.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
