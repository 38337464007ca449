//! What links ask of the hub.

use std::sync::Arc;

use super::desk::Asker;
use super::sessions::Full;
use super::{Downward, Hub, Output, ToShard, Upward};
use crate::base::{LinkRef, RequestId, SessionId, UserId};
use crate::protocol::{
    Answer, ErrorNumber, EventKind, Fault, LoginAnswer, LoginRequest, Reply, UserRef, UserRequest,
};

impl Hub {
    pub(super) fn handle_link(&mut self, link: LinkRef, what: Upward) {
        match what {
            Upward::Login { request, login } => {
                let reply = self.log_in(link, &login);
                self.reply(link, request, reply);
            }
            Upward::Request {
                request,
                user,
                what: UserRequest::Desk(what),
            } => self.serve_desk(Asker::Link { link, request }, user, *what),
            Upward::Request {
                request,
                user,
                what: UserRequest::Dynamic(what),
            } => self.serve_dynamic(Asker::Link { link, request }, Some(user), *what),
            Upward::Request {
                request,
                user,
                what,
            } => {
                let reply = self.serve(user, what);
                self.reply(link, request, reply);
            }
            Upward::Logout { request } => {
                let others = self.sessions.end(link, self.now.instant);
                self.reply(link, request, Ok(Answer::Done));
                self.link_runs_nothing(link);
                for other in others {
                    self.link_runs_nothing(other);
                    self.tell_shard(other, Downward::SessionEnded { link: other });
                }
            }
            Upward::Listens { user, events } => self.link_listens(link, user, events),
            Upward::Gone => {
                self.sessions.leave(link, self.now.instant);
                self.link_runs_nothing(link);
            }
        }
        self.tell_met_limits();
    }

    /// Lets the shards of the links that met a limit count it.
    fn tell_met_limits(&mut self) {
        while let Some(met) = self.sessions.poll_met() {
            if let Ok(user) = self.switchboard.user_reference(met.user) {
                let (link, reason) = (met.link, met.limit);
                self.tell_shard(link, Downward::Refused { link, reason, user });
            }
        }
    }

    /// Answers a request in a user's name, wherever it came from.
    pub(super) fn serve(&mut self, user: UserId, what: UserRequest) -> Reply {
        let now = self.now.instant;
        let board = &mut self.switchboard;
        Ok(match what {
            UserRequest::Version { with_procedures } => {
                Answer::Version(Arc::clone(if with_procedures {
                    &self.version
                } else {
                    &self.short_version
                }))
            }
            UserRequest::MyUserInfo => Answer::MyUserInfo(Box::new(board.my_user_info(user)?)),
            UserRequest::LunchTypes => Answer::LunchTypes(board.break_reasons()),
            UserRequest::UserState => {
                let state = board.user_state(user)?;
                Answer::UserState(board.user_reference(user)?, state)
            }
            UserRequest::SetUserState(wanted) => {
                let state = board.set_user_state(user, wanted, now)?;
                Answer::UserState(board.user_reference(user)?, state)
            }
            UserRequest::RedirectRules => Answer::RedirectRules(board.redirect_rules(user)?),
            UserRequest::SaveRedirectRule(rule) => {
                board.save_redirect_rule(user, *rule)?;
                Answer::Done
            }
            UserRequest::DeleteRedirectRules(ids) => {
                board.delete_redirect_rules(user, &ids)?;
                Answer::Done
            }
            UserRequest::PbxNumbers => self.number_entries(),
            UserRequest::AllUserNumbers => {
                let (users, is_common) = board.user_entries(user)?;
                Answer::AllUserNumbers { users, is_common }
            }
            UserRequest::AllUserPhotoLinks => self.photo_links(),
            UserRequest::ExtendedLineInfo => {
                Answer::LineInfo(Box::new(board.line_info(user, now)?))
            }
            UserRequest::CurrentQueue => Answer::CurrentQueue(board.current_queue(user)?),
            UserRequest::FlashedAbonent => Answer::FlashedAbonent(board.flashed(user)?),
            UserRequest::ChainContent(chain) => {
                Answer::ChainContent(Box::new(board.chain_content(user, chain)?))
            }
            UserRequest::CallJournal(filter) => {
                let user = board.user_reference(user)?;
                Answer::CallJournal(self.journal.page(&user, &filter))
            }
            UserRequest::Call(call) => {
                board.handle_call(user, call, now)?;
                Answer::Done
            }
            UserRequest::Conference(request) => board.handle_conference(user, *request, now)?,
            UserRequest::Desk(_) | UserRequest::Dynamic(_) => {
                unreachable!("these are served by `serve_desk` and `serve_dynamic`")
            }
        })
    }

    pub(super) fn number_entries(&mut self) -> Answer {
        let (version, numbers) = self.switchboard.number_entries();
        Answer::PbxNumbers { version, numbers }
    }

    fn log_in(&mut self, link: LinkRef, login: &LoginRequest) -> Reply {
        if !self.switchboard.is_connected() {
            return Err(Fault::new(
                ErrorNumber::NotAvailable,
                "Service not available",
            ));
        }
        let admitted = self.accounts.admit(login, &self.sessions, self.now)?;
        let session = match admitted.session {
            Some(session) => session,
            None => SessionId::new(self.random.guid()),
        };
        let user = admitted.user;
        let (life, now) = (login.expires, self.now.instant);
        let joined = self.sessions.join(link, user.id, session, life, now);
        if !self.sessions.listens(link, EventKind::ExecuteMethod) {
            // It may have been another user's a moment ago.
            self.link_runs_nothing(link);
        }
        let was_absent = joined.map_err(full)?;
        if was_absent {
            self.switchboard.user_present(user.id, self.now.instant)?;
        }
        // protocol 3.1: logins are echoed as typed.
        let login = match login.login.as_deref() {
            Some(typed) if *typed != *user.login => Arc::from(typed),
            _ => user.login,
        };
        Ok(Answer::Login(LoginAnswer {
            user: UserRef { id: user.id, login },
            session,
        }))
    }

    pub(super) fn reply(&mut self, link: LinkRef, request: RequestId, reply: Reply) {
        let what = Downward::Reply {
            link,
            request,
            reply,
        };
        self.tell_shard(link, what);
    }

    pub(super) fn tell_shard(&mut self, link: LinkRef, what: Downward) {
        let shard = link.shard;
        self.outputs
            .push_back(Output::ToShard(ToShard { shard, what }));
    }
}

fn full(full: Full) -> Fault {
    Fault::new(ErrorNumber::LicenceReached, full.to_string())
}
