//! What scenarios and the admin interface ask for, and dynamic methods' ends.

use std::sync::Arc;

use super::{
    AdminFault, AdminReply, AdminRequest, Hub, MethodRun, Output, RunOwner, SimCall,
    SimCallRequest, Status,
};
use crate::base::{AdminTicket, ChainId, ExecutionId, LegId};
use crate::crm::{CrmLink, MethodFailure};
use crate::protocol::{json_field, json_text};
use crate::switchboard::Arrival;

impl Hub {
    pub(super) fn admin(&mut self, ticket: AdminTicket, request: AdminRequest) {
        let reply = match request {
            AdminRequest::Status => Ok(AdminReply::Status(Box::new(self.status()))),
            AdminRequest::Methods => Ok(AdminReply::Catalogue(self.catalogue(CrmLink::methods))),
            AdminRequest::Forms => Ok(AdminReply::Catalogue(self.catalogue(CrmLink::forms))),
            AdminRequest::RunMethod(run) => return self.run_method(RunOwner::Admin(ticket), run),
            AdminRequest::CancelRun(execution) => self.cancel_run(execution),
            AdminRequest::OpenForm(form) => self.open_form_for(form),
            AdminRequest::CloseForm(window) => self.close_form_of(window),
            AdminRequest::FormWindow { window, wait } => {
                return self.form_window(ticket, window, wait);
            }
            AdminRequest::SimCall(call) => return self.sim_call(ticket, call),
            AdminRequest::SimCalls => Ok(AdminReply::SimCalls(self.sim_calls())),
            AdminRequest::SimAnswer(chain) => self.sim_answer(chain),
            AdminRequest::SimHangUp(chain) => self.sim_hang_up(chain),
            AdminRequest::Interface(request) => return self.serve_interface(ticket, *request),
            AdminRequest::Desk(question) => self.answer_desk(question),
        };
        self.outputs.push_back(Output::Admin(ticket, reply));
    }

    /// A call waits for its caller's name: asks the CRM, if it is to be asked.
    pub(super) fn name_caller(&mut self, arrival: Arrival) {
        let (chain, now) = (arrival.chain, self.now.instant);
        let (Some(question), Some(caller)) = (&self.caller_name, arrival.caller) else {
            return self.switchboard.route(chain, None, None, now);
        };
        let input = serde_json::json!({ &*question.input: &*caller }).to_string();
        let run = MethodRun {
            key: Arc::clone(&question.method),
            input: input.into(),
            user_login: None,
            timeout: question.wait,
            wait_for_link: false,
        };
        self.run_method(RunOwner::CallerName(chain), run);
    }

    fn run_method(&mut self, owner: RunOwner, run: MethodRun) {
        let execution = ExecutionId(self.random.guid());
        self.start_run(execution, owner, run);
    }

    fn cancel_run(&mut self, execution: ExecutionId) -> Result<AdminReply, AdminFault> {
        let now = self.now.instant;
        if self.cancel_tab_run(execution) {
            return Ok(AdminReply::Done);
        }
        let is_running = (self.crm.as_mut()).is_some_and(|crm| crm.cancel(execution, now));
        is_running
            .then_some(AdminReply::Done)
            .ok_or_else(|| no_run(execution))
    }

    fn catalogue(&self, list: fn(&CrmLink) -> Arc<str>) -> Arc<str> {
        self.crm.as_ref().map_or_else(|| "[]".into(), list)
    }

    /// A dynamic method came to its end: tells whoever waits for it.
    pub(super) fn end_run(&mut self, execution: ExecutionId, end: Result<Arc<str>, MethodFailure>) {
        match self.runs.remove(&execution) {
            Some(RunOwner::Admin(ticket)) => {
                let reply = match end {
                    Ok(output) => Ok(AdminReply::Run { execution, output }),
                    Err(failure) => Err(method_fault(&failure)),
                };
                self.outputs.push_back(Output::Admin(ticket, reply));
            }
            Some(RunOwner::CallerName(chain)) => {
                let field = self
                    .caller_name
                    .as_ref()
                    .map(|question| Arc::clone(&question.output));
                let output = end.ok().zip(field);
                let name = output.and_then(|(output, field)| name_in(&output, &field));
                self.switchboard.route(chain, name, None, self.now.instant);
            }
            Some(RunOwner::FormRule) => self.end_rule_method(execution, end.ok().as_deref()),
            None => {}
        }
    }

    fn status(&self) -> Status {
        let counters = self.switchboard.counters();
        Status {
            crm: self.crm_status(),
            pbx_connected: self.switchboard.is_connected(),
            users: self.switchboard.user_count(),
            users_online: self.sessions.users_present(),
            tabs: self.sessions.links(),
            sessions: self.sessions.len(),
            calls: self.switchboard.call_count(),
            callers_waiting: self.switchboard.waiting_count(),
            calls_over_limit: counters.calls_over_limit,
            callers_over_limit: counters.callers_over_limit,
            method_runs: self.runs.len(),
            forms_open: self.forms.windows_open(),
            forms: self.forms.counters,
            events: self.events,
        }
    }

    fn sim_call(&mut self, ticket: AdminTicket, call: SimCallRequest) {
        let leg = self.pbx.outside_call(
            Some(call.from),
            &call.to,
            call.name,
            call.answer_after,
            call.talk,
            self.now.instant,
        );
        if let Some(leg) = leg {
            // Answered when the switch has told the switchboard of the call.
            self.sim_calls_wanted.push((leg, ticket));
            return;
        }
        let fault = too_many_calls("the simulated switch");
        self.outputs.push_back(Output::Admin(ticket, Err(fault)));
    }

    /// The switchboard has heard of this outside caller: answers the request for
    /// that call, if there was one.
    pub(super) fn answer_sim_call(&mut self, leg: LegId) {
        let mut wanted = self.sim_calls_wanted.iter();
        let Some(place) = wanted.position(|(wanted, _)| *wanted == leg) else {
            return;
        };
        let (_, ticket) = self.sim_calls_wanted.remove(place);
        let chain = self.switchboard.chain_of(leg);
        let reply = chain.map(AdminReply::SimCallStarted);
        let reply = reply.ok_or_else(|| too_many_calls("the switchboard"));
        self.outputs.push_back(Output::Admin(ticket, reply));
    }

    fn sim_calls(&self) -> Vec<SimCall> {
        let chains = self.switchboard.chains().into_iter();
        chains
            .map(|chain| SimCall {
                chainid: chain.chain.to_string(),
                from: chain.from.as_ref().to_owned(),
                to: chain.to.as_ref().to_owned(),
                state: chain.state.text(),
            })
            .collect()
    }

    fn sim_answer(&mut self, chain: ChainId) -> Result<AdminReply, AdminFault> {
        let leg = self.switchboard.ringing_leg(chain);
        let leg = leg.ok_or_else(|| no_call(chain, "no phone rings in it"))?;
        self.pbx.answer(leg, self.now.instant);
        Ok(AdminReply::Done)
    }

    fn sim_hang_up(&mut self, chain: ChainId) -> Result<AdminReply, AdminFault> {
        let outside = self.switchboard.outside_leg(chain);
        let leg = outside.or_else(|| self.switchboard.caller_leg(chain));
        let leg = leg.ok_or_else(|| no_call(chain, "it has ended"))?;
        self.pbx.hang_up(leg, self.now.instant);
        Ok(AdminReply::Done)
    }
}

fn too_many_calls(whose: &str) -> AdminFault {
    AdminFault {
        status: 429,
        code: "too_many",
        message: format!("{whose} takes no more calls"),
    }
}

fn no_run(execution: ExecutionId) -> AdminFault {
    AdminFault {
        status: 404,
        code: "not_found",
        message: format!("no method runs with the executionid {execution}"),
    }
}

fn no_call(chain: ChainId, why: &str) -> AdminFault {
    AdminFault {
        status: 404,
        code: "not_found",
        message: format!("the call {chain} cannot do that: {why}"),
    }
}

fn name_in(output: &str, field: &str) -> Option<Arc<str>> {
    let value = json_field(output.as_bytes(), field)?;
    let name = json_text(value)?;
    let name = name.trim();
    (!name.is_empty()).then(|| Arc::from(name))
}

fn method_fault(failure: &MethodFailure) -> AdminFault {
    let (status, code) = match failure {
        MethodFailure::Unavailable => (503, "unavailable"),
        MethodFailure::Timeout => (504, "timeout"),
        MethodFailure::UnknownMethod => (404, "not_found"),
        MethodFailure::WrongParameters(_) => (422, "wrong_parameters"),
        MethodFailure::Cancelled => (409, "cancelled"),
        MethodFailure::TooMany => (429, "too_many"),
        MethodFailure::Failed(_) => (502, "failed"),
    };
    AdminFault {
        status,
        code,
        message: failure.to_string(),
    }
}
