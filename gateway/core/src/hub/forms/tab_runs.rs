//! Dynamic methods that users' pages run (protocol 8-g).
//!
//! A run is asked of one link at a time. If that is lost, the user's next subscribed link
//! is asked, then the CRM; the time of the run goes on.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::{DynamicEvent, Hub};
use crate::base::{ExecutionId, Instant, LinkRef, UserId};
use crate::crm::{MethodFailure, MethodRun};
use crate::hub::RunOwner;
use crate::hub::desk::Asker;
use crate::protocol::{
    Answer, ErrorNumber, EventKind, Fault, MethodCall, MethodResult, Reply, UserRef,
};

/// All runs at users' pages.
#[derive(Debug, Default)]
pub(super) struct TabRuns {
    open: HashMap<ExecutionId, TabRun>,
    deadlines: BTreeSet<(Instant, ExecutionId)>,
    by_link: HashMap<LinkRef, BTreeSet<ExecutionId>>,
    /// Runs whose results are no longer waited for, but still accepted of their users.
    late: HashMap<ExecutionId, UserId>,
    /// When that is over, the oldest first.
    late_until: VecDeque<(Instant, ExecutionId)>,
}

#[derive(Debug)]
struct TabRun {
    method: MethodRun,
    user: UserRef,
    deadline: Instant,
    allow_cancel: bool,
    /// The link that is asked.
    link: LinkRef,
    /// The links that were asked before.
    tried: SmallVec<[LinkRef; 2]>,
}

impl TabRuns {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let run = self.deadlines.first().map(|(at, _)| *at);
        let late = self.late_until.front().map(|(at, _)| *at);
        run.into_iter().chain(late).min()
    }

    fn insert(&mut self, execution: ExecutionId, run: TabRun) {
        self.deadlines.insert((run.deadline, execution));
        self.by_link.entry(run.link).or_default().insert(execution);
        self.open.insert(execution, run);
    }

    fn remove(&mut self, execution: ExecutionId) -> Option<TabRun> {
        let run = self.open.remove(&execution)?;
        self.deadlines.remove(&(run.deadline, execution));
        if let Some(runs) = self.by_link.get_mut(&run.link) {
            runs.remove(&execution);
            if runs.is_empty() {
                self.by_link.remove(&run.link);
            }
        }
        Some(run)
    }

    /// A result of it is still accepted for a while; the oldest gives way at the bound.
    fn wait_for_late(&mut self, execution: ExecutionId, user: UserId, now: Instant, max: usize) {
        if self.late_until.len() >= max.max(1)
            && let Some((_, oldest)) = self.late_until.pop_front()
        {
            self.late.remove(&oldest);
        }
        self.late.insert(execution, user);
        self.late_until.push_back((now + LATE_RESULT, execution));
    }

    fn expire_late(&mut self, now: Instant) {
        while let Some((until, execution)) = self.late_until.front().copied()
            && until <= now
        {
            self.late_until.pop_front();
            self.late.remove(&execution);
        }
    }
}

impl Hub {
    /// Runs a method: at a page of its user if it is one that needs a user and such a
    /// page is subscribed, else at the CRM. It ends with one [`Hub::end_run`].
    pub(in crate::hub) fn start_run(
        &mut self,
        execution: ExecutionId,
        owner: RunOwner,
        run: MethodRun,
    ) {
        self.runs.insert(execution, owner);
        match self.page_for(&run) {
            Some((user, allow_cancel)) => self.start_at_page(execution, run, user, allow_cancel),
            None => self.run_at_crm(execution, run),
        }
    }

    /// Cancels a run that a page was asked for; `false` if there is none.
    pub(in crate::hub) fn cancel_tab_run(&mut self, execution: ExecutionId) -> bool {
        let Some(run) = self.forms.tab_runs.remove(execution) else {
            return false;
        };
        self.wait_for_late(execution, run.user.id);
        if run.allow_cancel {
            self.tell_runner(&run, DynamicEvent::Cancel { execution });
        }
        self.end_run(execution, Err(MethodFailure::Cancelled));
        true
    }

    /// A link is gone, or takes no runs any more: its runs go elsewhere.
    pub(in crate::hub) fn link_runs_nothing(&mut self, link: LinkRef) {
        let runs = self.forms.tab_runs.by_link.get(&link).cloned();
        for execution in runs.into_iter().flatten() {
            let Some(mut run) = self.forms.tab_runs.remove(execution) else {
                continue;
            };
            run.tried.push(link);
            if let Some(link) = self.next_link(run.user.id, &run.tried) {
                self.ask_link(execution, TabRun { link, ..run });
            } else {
                run.method.timeout = run.deadline.since(self.now.instant);
                self.run_at_crm(execution, run.method);
            }
        }
    }

    /// `methodresult` of a page.
    pub(super) fn take_tab_result(&mut self, asker: Asker, result: MethodResult) -> Reply {
        // A result behind the deadline is late, whichever of the two is handled first.
        self.expire_tab_runs();
        let runs = &mut self.forms.tab_runs;
        let (Some(execution), Asker::Link { link, .. }) = (result.execution, asker) else {
            return Err(self.nobody_waits());
        };
        if runs
            .open
            .get(&execution)
            .is_some_and(|run| run.link == link)
        {
            runs.remove(execution);
            let end = result
                .end
                .map_err(|reason| MethodFailure::Failed(reason.to_string()));
            self.end_run(execution, end);
            return Ok(Answer::Done);
        }
        let user = self.sessions.user_of_link(link);
        let is_late = |owner: &UserId| Some(*owner) == user;
        if runs.late.get(&execution).is_some_and(is_late) {
            runs.late.remove(&execution);
            self.forms.counters.tab_results_late += 1;
            return Ok(Answer::Done);
        }
        Err(self.nobody_waits())
    }

    /// protocol 8-i.
    pub(super) fn expire_tab_runs(&mut self) {
        let now = self.now.instant;
        self.forms.tab_runs.expire_late(now);
        while let Some((deadline, execution)) = self.forms.tab_runs.deadlines.first().copied()
            && deadline <= now
        {
            let Some(run) = self.forms.tab_runs.remove(execution) else {
                continue;
            };
            self.wait_for_late(execution, run.user.id);
            let wait_ms = i64::try_from(LATE_RESULT.as_millis()).unwrap_or(i64::MAX);
            self.tell_runner(&run, DynamicEvent::WaitAborted { execution, wait_ms });
            self.end_run(execution, Err(MethodFailure::Timeout));
        }
    }

    /// The user whose page is to run this, and whether it may be cancelled.
    fn page_for(&self, run: &MethodRun) -> Option<(UserRef, bool)> {
        let user = self.accounts.by_login(run.user_login.as_deref()?)?;
        self.next_link(user.id, &[])?;
        let declared = self.crm.as_ref()?.declared_method(&run.key)?;
        declared
            .define_user
            .then(|| (user.clone(), declared.allow_cancel))
    }

    fn next_link(&self, user: UserId, tried: &[LinkRef]) -> Option<LinkRef> {
        let mut links = self.sessions.listeners(user, EventKind::ExecuteMethod);
        links.find(|link| !tried.contains(link))
    }

    fn start_at_page(
        &mut self,
        execution: ExecutionId,
        method: MethodRun,
        user: UserRef,
        allow_cancel: bool,
    ) {
        let Some(link) = self.next_link(user.id, &[]) else {
            return self.run_at_crm(execution, method);
        };
        if self.forms.tab_runs.open.len() >= self.forms.config.limits.tab_runs_max {
            return self.end_run(execution, Err(MethodFailure::TooMany));
        }
        let fits = match &mut self.crm {
            Some(crm) => crm.check_input(&method),
            None => Err(MethodFailure::Unavailable),
        };
        if let Err(failure) = fits {
            return self.end_run(execution, Err(failure));
        }
        self.forms.counters.tab_runs += 1;
        let run = TabRun {
            deadline: self.now.instant + method.timeout,
            method,
            user,
            allow_cancel,
            link,
            tried: SmallVec::new(),
        };
        self.ask_link(execution, run);
    }

    fn ask_link(&mut self, execution: ExecutionId, run: TabRun) {
        let call = DynamicEvent::Execute(MethodCall {
            key: Arc::clone(&run.method.key),
            execution,
            session: self.forms.session,
            input: Arc::clone(&run.method.input),
        });
        self.tell_links(&[run.link], &run.user, Arc::new(call));
        self.forms.tab_runs.insert(execution, run);
    }

    fn run_at_crm(&mut self, execution: ExecutionId, run: MethodRun) {
        match &mut self.crm {
            Some(crm) => crm.run_method(run, execution, self.now.instant),
            None => self.end_run(execution, Err(MethodFailure::Unavailable)),
        }
    }

    /// Tells the link that was asked for a run, if it is subscribed to that.
    fn tell_runner(&mut self, run: &TabRun, what: DynamicEvent) {
        if self.sessions.listens(run.link, what.kind()) {
            self.tell_links(&[run.link], &run.user, Arc::new(what));
        }
    }

    fn wait_for_late(&mut self, execution: ExecutionId, user: UserId) {
        let (now, max) = (self.now.instant, self.forms.config.limits.tab_runs_max);
        self.forms.tab_runs.wait_for_late(execution, user, now, max);
    }

    fn nobody_waits(&mut self) -> Fault {
        self.forms.counters.tab_results_refused += 1;
        let text = "the result is no longer waited for, or was never asked for of this link";
        Fault::new(ErrorNumber::NotFound, text)
    }
}

/// `waitresponsems`.
const LATE_RESULT: Duration = Duration::from_secs(30);
