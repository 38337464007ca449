//! Dynamic methods that run at the CRM (protocol 8).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::catalogue::Declared;
use super::messages::{Outline, guid_in};
use super::posts::{ExchangeFault, Purpose};
use super::text;
use super::{CrmEvent, CrmLink, PostFailure};
use crate::base::{ExecutionId, Instant};
use crate::protocol::{
    Answer, ErrorNumber, Fault, FieldWriter as _, JsonWriter, Method, json_field, json_text,
    read_user_request, write_message,
};

/// A dynamic method that a scenario wants run (protocol 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodRun {
    /// The method's key.
    pub key: Arc<str>,
    /// `inputparameters`, as the text of a JSON object.
    pub input: Arc<str>,
    /// In whose name, if the method needs a user.
    pub user_login: Option<Arc<str>>,
    /// How long the scenario waits.
    pub timeout: Duration,
    /// Wait for the CRM's link rather than fail at once without it. A link that is
    /// lost during the run is waited for too, and then the method is asked for
    /// again under the same `executionid`.
    pub wait_for_link: bool,
}

/// Why a dynamic method gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodFailure {
    /// There is no link to the CRM, or it was lost, or the CRM has not yet said
    /// what it can do.
    #[error("the CRM is not linked: try again when it is")]
    Unavailable,
    /// The CRM gave no result in time.
    #[error("the CRM gave no result in time")]
    Timeout,
    /// The CRM declares no such method.
    #[error("the CRM declares no such method")]
    UnknownMethod,
    /// The input is not what the CRM declares.
    #[error("{0}")]
    WrongParameters(String),
    /// The run was cancelled.
    #[error("the run was cancelled")]
    Cancelled,
    /// Too many methods run.
    #[error("too many methods run at a time")]
    TooMany,
    /// The CRM says that the method failed, or its result cannot be used.
    #[error("{0}")]
    Failed(String),
}

/// All runs, by their ids.
///
/// A request's `qid` is its `executionid`: old CRMs echo only the one, and either
/// finds the run.
#[derive(Debug, Default)]
pub(super) struct Runs {
    open: HashMap<ExecutionId, Run>,
    deadlines: BTreeSet<(Instant, ExecutionId)>,
    late: Late,
}

#[derive(Debug)]
struct Run {
    method: MethodRun,
    deadline: Instant,
    /// The CRM has been asked; else it waits for the link.
    is_sent: bool,
    allow_cancel: bool,
}

/// Runs whose results are no longer waited for, but still accepted.
#[derive(Debug, Default)]
struct Late {
    until: HashMap<ExecutionId, Instant>,
    /// In the order of their ends.
    order: VecDeque<(Instant, ExecutionId)>,
}

impl Runs {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    fn insert(&mut self, execution: ExecutionId, method: MethodRun, now: Instant) {
        let deadline = now + method.timeout;
        let run = Run {
            method,
            deadline,
            is_sent: false,
            allow_cancel: false,
        };
        self.deadlines.insert((deadline, execution));
        self.open.insert(execution, run);
    }

    fn remove(&mut self, execution: ExecutionId) -> Option<Run> {
        let run = self.open.remove(&execution)?;
        self.deadlines.remove(&(run.deadline, execution));
        Some(run)
    }

    fn is_sent(&self, execution: ExecutionId) -> bool {
        self.open.get(&execution).is_some_and(|run| run.is_sent)
    }

    /// The runs that match, in the order of their deadlines.
    fn matching(&self, wanted: impl Fn(&Run) -> bool) -> Vec<ExecutionId> {
        let is_wanted = |id: &ExecutionId| self.open.get(id).is_some_and(&wanted);
        let ids = self.deadlines.iter().map(|(_, id)| *id);
        ids.filter(is_wanted).collect()
    }
}

impl Late {
    /// Keeps a run until then; the oldest gives way to it at the bound.
    fn insert(&mut self, execution: ExecutionId, until: Instant, late_max: usize) {
        if self.order.len() >= late_max.max(1)
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.until.remove(&oldest);
        }
        self.until.insert(execution, until);
        self.order.push_back((until, execution));
    }

    fn expire(&mut self, now: Instant) {
        while let Some((until, execution)) = self.order.front().copied()
            && until <= now
        {
            self.order.pop_front();
            self.until.remove(&execution);
        }
    }

    /// Whether a result of it is still accepted; one is, a second is not.
    fn accept(&mut self, execution: ExecutionId, now: Instant) -> bool {
        self.until
            .remove(&execution)
            .is_some_and(|until| now < until)
    }
}

impl CrmLink {
    /// Runs a dynamic method. It ends with exactly one [`CrmEvent::MethodDone`];
    /// `execution` must be the id of no other run.
    pub fn run_method(&mut self, run: MethodRun, execution: ExecutionId, now: Instant) {
        if self.runs.len() >= self.config.limits.method_runs_max {
            self.counters.too_many += 1;
            return self.done(execution, Err(MethodFailure::TooMany));
        }
        let can_start = self.can_run();
        // What the CRM can do has just been asked for: that is worth some of the run's time.
        let is_coming = self.is_ready() && !self.methods.is_known;
        let can_wait = is_coming || run.wait_for_link && !self.is_off();
        if !can_start && !can_wait {
            return self.done(execution, Err(MethodFailure::Unavailable));
        }
        self.runs.insert(execution, run, now);
        if can_start {
            self.start(execution);
        }
        self.settle(now);
    }

    /// Ends a run whose result is no longer wanted, and tells the CRM if the
    /// method allows that. `false` if there is no such run.
    pub fn cancel(&mut self, execution: ExecutionId, now: Instant) -> bool {
        let Some(run) = self.runs.remove(execution) else {
            return false;
        };
        self.abandon_run(execution);
        if run.is_sent {
            self.wait_for_late_result(execution, now);
            if run.allow_cancel {
                self.request(Purpose::Other, "cancelmethod", |writer| {
                    writer.guid("executionid", execution.0);
                });
            }
        }
        self.done(execution, Err(MethodFailure::Cancelled));
        self.settle(now);
        true
    }

    /// Asks the CRM for every run that waited for the link.
    pub(super) fn start_waiting_runs(&mut self) {
        if self.can_run() {
            for execution in self.runs.matching(|run| !run.is_sent) {
                self.start(execution);
            }
        }
    }

    /// The link is lost: its runs fail, but those that wait for the next one.
    pub(super) fn fail_sent_runs(&mut self) {
        let is_lost = |run: &Run| run.is_sent || !run.method.wait_for_link;
        for execution in self.runs.matching(is_lost) {
            self.fail_sent(execution);
        }
    }

    fn fail_sent(&mut self, execution: ExecutionId) {
        match self.runs.open.get_mut(&execution) {
            Some(run) if run.method.wait_for_link => run.is_sent = false,
            Some(_) => self.end(execution, Err(MethodFailure::Unavailable)),
            None => {}
        }
    }

    /// There will be no link any more.
    pub(super) fn fail_all_runs(&mut self) {
        for execution in self.runs.matching(|_| true) {
            self.end(execution, Err(MethodFailure::Unavailable));
        }
    }

    /// Protocol 8: on time-out the CRM is told so, and the scenario goes on.
    pub(super) fn expire_runs(&mut self, now: Instant) {
        self.runs.late.expire(now);
        while let Some(&(deadline, execution)) = self.runs.deadlines.first()
            && deadline <= now
        {
            if !self.runs.is_sent(execution) {
                self.end(execution, Err(MethodFailure::Unavailable));
                continue;
            }
            let wait = self.config.limits.late_result.as_millis();
            let wait = i64::try_from(wait).unwrap_or(i64::MAX);
            self.wait_for_late_result(execution, now);
            self.request(Purpose::Other, "executemethodwaitaborted", |writer| {
                writer.guid("executionid", execution.0);
                writer.number("waitresponsems", wait);
            });
            self.end(execution, Err(MethodFailure::Timeout));
        }
    }

    /// `methodresult`: the end of a run, or of a form, or a late one. The last two are
    /// answered.
    pub(super) fn take_method_result(&mut self, outline: Outline, fields: &mut [u8], now: Instant) {
        // A result behind the deadline is late, whichever of the two is handled first.
        self.expire_runs(now);
        let named = guid_in(json_field(fields, "executionid"));
        let ids = [named, guid_in(outline.qid.as_deref())];
        let ids = ids.into_iter().flatten().map(ExecutionId);
        // The answer to what was posted for a run needs no other word for which it is.
        let mut ids = ids.chain(outline.posted_run());
        if let Some(execution) = ids.clone().find(|id| self.runs.is_sent(*id)) {
            return self.end(execution, result_of(fields));
        }
        if json_field(fields, "windowid").is_some() {
            // protocol 8-n: the values of a form, which the hub knows.
            return match read_user_request(Method::MethodResult, fields, &mut self.body) {
                Ok(what) => self.ask_hub(outline, what),
                Err(fault) => self.reply(&outline, &Err(fault)),
            };
        }
        let late = &mut self.runs.late;
        let reply = if ids.any(|id| late.accept(id, now)) {
            self.counters.late_accepted += 1;
            Ok(Answer::Done)
        } else {
            self.counters.late_refused += 1;
            let text = "the result is no longer waited for, or was never asked for";
            Err(Fault::new(ErrorNumber::NotFound, text))
        };
        // Without a `qid` there is no answer, and an `error` for one could be answered
        // with an error.
        if outline.qid.is_some() {
            self.reply(&outline, &reply);
        }
    }

    /// Any other answer: one that says `result: 0`, or an `error`, with the `qid`
    /// of a run fails that run (protocol 3.4).
    pub(super) fn take_answer(&mut self, outline: &Outline, fields: &[u8]) {
        let named = guid_in(outline.qid.as_deref()).map(ExecutionId);
        let mut ids = named.into_iter().chain(outline.posted_run());
        let Some(execution) = ids.find(|id| self.runs.is_sent(*id)) else {
            return;
        };
        if outline.name == "error" || is_failure(fields) {
            self.end(execution, Err(failure_of(fields)));
        }
    }

    fn can_run(&self) -> bool {
        self.is_ready() && self.methods.is_known
    }

    fn start(&mut self, execution: ExecutionId) {
        let Some(run) = self.runs.open.get_mut(&execution) else {
            return;
        };
        let method = run.method.clone();
        let can_post = self.config.posting.is_some();
        let declared = match self.methods.named(&method.key) {
            None => Err(MethodFailure::UnknownMethod),
            Some(declared) => check(&method, declared, can_post).and_then(|()| {
                let fits = declared.check(&method.input, &mut self.body);
                fits.map_err(MethodFailure::WrongParameters)?;
                Ok(declared)
            }),
        };
        match declared {
            Err(failure) => self.end(execution, Err(failure)),
            Ok(declared) => {
                run.is_sent = true;
                run.allow_cancel = declared.allow_cancel;
                let by_http = declared.by_http;
                if let Err(failure) = self.send_run(&method, execution, by_http) {
                    self.end(execution, Err(failure));
                }
            }
        }
    }

    fn send_run(
        &mut self,
        method: &MethodRun,
        execution: ExecutionId,
        by_http: bool,
    ) -> Result<(), MethodFailure> {
        // The ids and the field names are no longer than that.
        let mut message = Vec::with_capacity(method.input.len() + 384);
        write_message(&mut message, "executemethod", |writer| {
            writer.guid("qid", execution.0);
            writer.string("methodkey", &method.key);
            writer.guid("executionid", execution.0);
            if let Some(connection) = self.connection() {
                writer.guid("sessionid", connection.session);
            }
            writer.json("inputparameters", &method.input);
            if let Some(login) = &method.user_login {
                self.write_run_user(writer, login);
            }
        });
        let format = self.format();
        let text = text::written(&message, format).map_err(|error| {
            self.counters.unwritable += 1;
            MethodFailure::WrongParameters(error.to_string())
        })?;
        if by_http || self.is_http() {
            let is_posted = self.post(Purpose::Run(execution), text.into_owned());
            return is_posted.then_some(()).ok_or(MethodFailure::TooMany);
        }
        if !self.send_text(&text) {
            let words = "the input is longer than crm.queue_bytes_max";
            return Err(MethodFailure::WrongParameters(words.to_owned()));
        }
        Ok(())
    }

    /// The exchange of a run failed.
    pub(super) fn fail_posted(&mut self, execution: ExecutionId, fault: &ExchangeFault) {
        let failure = match fault {
            ExchangeFault::Failed(PostFailure::Unreachable(_)) => {
                return self.fail_sent(execution);
            }
            ExchangeFault::Failed(PostFailure::TimedOut(_)) => MethodFailure::Timeout,
            fault => MethodFailure::Failed(fault.to_string()),
        };
        if self.runs.is_sent(execution) {
            self.end(execution, Err(failure));
        }
    }

    /// The exchange of a run is over, and there will be no other word of it.
    pub(super) fn end_unanswered(&mut self, execution: ExecutionId) {
        if self.runs.is_sent(execution) {
            let words = "the CRM's answer holds no `methodresult`";
            self.counters.posts_unanswered += 1;
            self.events.push_back(CrmEvent::ExchangeFailed {
                reason: words.into(),
            });
            self.end(execution, Err(MethodFailure::Failed(words.to_owned())));
        }
    }

    fn write_run_user(&self, writer: &mut JsonWriter<'_>, login: &str) {
        let active = self.users.named(login);
        writer.string("userlogin", active.map_or(login, |user| &user.login));
        if let Some(id) = active.and_then(|user| user.crm_user_id.as_ref()) {
            writer.json("userid", id);
        }
    }

    fn wait_for_late_result(&mut self, execution: ExecutionId, now: Instant) {
        let limits = &self.config.limits;
        let until = now + limits.late_result;
        self.runs
            .late
            .insert(execution, until, limits.method_runs_max);
    }

    fn end(&mut self, execution: ExecutionId, end: Result<Arc<str>, MethodFailure>) {
        self.runs.remove(execution);
        self.abandon_run(execution);
        self.done(execution, end);
    }

    fn done(&mut self, execution: ExecutionId, end: Result<Arc<str>, MethodFailure>) {
        self.events
            .push_back(CrmEvent::MethodDone { execution, end });
    }
}

/// What can be said against a run before its input is looked at.
fn check(method: &MethodRun, declared: &Declared, can_post: bool) -> Result<(), MethodFailure> {
    if declared.by_http && !can_post {
        let words = "the CRM declares this method for HTTP: put its address into crm.method_url";
        return Err(MethodFailure::Failed(words.to_owned()));
    }
    if declared.define_user && method.user_login.is_none() {
        let words = "the method needs a user: `userlogin` is missing";
        return Err(MethodFailure::WrongParameters(words.to_owned()));
    }
    Ok(())
}

/// The end that a `methodresult` gives; a missing `result` is a 1 (protocol 3.1).
fn result_of(fields: &[u8]) -> Result<Arc<str>, MethodFailure> {
    if is_failure(fields) {
        return Err(failure_of(fields));
    }
    let output = match json_field(fields, "outputparameters") {
        None | Some(b"null") => "{}",
        // Some languages write an empty object so.
        Some([b'[', inside @ .., b']']) if inside.trim_ascii().is_empty() => "{}",
        Some(object @ [b'{', ..]) => std::str::from_utf8(object).unwrap_or("{}"),
        Some(_) => {
            let words = "the CRM's `outputparameters` are no object";
            return Err(MethodFailure::Failed(words.to_owned()));
        }
    };
    Ok(output.into())
}

fn is_failure(fields: &[u8]) -> bool {
    matches!(
        json_field(fields, "result"),
        Some(b"0" | b"false" | b"\"0\"" | b"\"false\"")
    )
}

fn failure_of(fields: &[u8]) -> MethodFailure {
    let said = |field| json_field(fields, field).and_then(json_text);
    let text = said("errormsg").filter(|text| !text.is_empty());
    let text = text.as_deref().unwrap_or("the CRM says that it failed");
    let mut words: String = text.chars().take(FAILURE_CHARS_MAX).collect();
    if let Some(number) = said("error") {
        words = format!("{words} ({number})");
    }
    MethodFailure::Failed(words)
}

/// Characters of the CRM's words that are handed on.
const FAILURE_CHARS_MAX: usize = 1000;
