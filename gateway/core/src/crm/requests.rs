//! What the CRM asks for (protocol 5 and 6).

use super::messages::{Origin, Outline};
use super::users::TEXT_BYTES_MAX;
use super::{ActiveUser, CrmEvent, CrmLink, CrmRequest, CrmToken};
use crate::base::Instant;
use crate::protocol::{
    Answer, ErrorNumber, Fault, Method, Reply, UserRequest, json_text, read_user_request,
    unknown_method, write_message, write_reply_with,
};

/// A request that waits for the hub.
#[derive(Debug)]
pub(super) struct Asked(Outline);

impl CrmLink {
    /// The hub's answer to a [`CrmRequest`]. A request whose link is gone needs
    /// none, and is ignored.
    pub fn answer(&mut self, token: CrmToken, reply: &Reply, now: Instant) {
        if let Some(Asked(outline)) = self.asked.remove(&token) {
            self.reply(&outline, reply);
            self.settle(now);
        }
    }

    /// Serves a request, or says why not: each that has a `qid` gets one answer.
    pub(super) fn take_request(&mut self, outline: Outline, fields: &mut [u8]) {
        let reply = match outline.name.as_str() {
            "ping" => {
                if !self.send_fields("pong", fields) {
                    self.say_unsaid(&outline);
                }
                return;
            }
            "whoareyou" => {
                self.take_identity(fields);
                return self.answer_whoareyou(outline.qid.as_deref());
            }
            "login" => self.log_in(&outline),
            "logout" => self.log_out(&outline),
            "subscribeevent" | "unsubscribeevent" => self.subscribe(&outline, fields),
            name => match Method::named(name) {
                Method::Unknown => Err(unknown_method(name)),
                method => match read_user_request(method, fields, &mut self.body) {
                    Ok(what) => return self.ask_hub(outline, what),
                    Err(fault) => Err(fault),
                },
            },
        };
        self.reply(&outline, &reply);
    }

    pub(super) fn answer_whoareyou(&mut self, qid: Option<&[u8]>) {
        let mut message = Vec::new();
        write_message(&mut message, "iam", |writer| {
            if let Some(qid) = qid {
                writer.raw("qid", qid);
            }
            self.write_identity(writer);
        });
        self.send(&message);
    }

    /// protocol 5: the user appeared in the CRM; trusted, no password.
    fn log_in(&mut self, outline: &Outline) -> Reply {
        let login = named_user(outline)?;
        let user = ActiveUser::new(&login, outline.user_id.as_deref(), None);
        if !self.users.add(user.clone(), self.config.limits.users_max) {
            self.counters.users_ignored += 1;
            return Err(Fault::new(
                ErrorNumber::TooMany,
                "too many users are active, or the login is too long",
            ));
        }
        self.events.push_back(CrmEvent::UserAppeared(user));
        Ok(Answer::Done)
    }

    /// A user who was not active is logged out all the same.
    fn log_out(&mut self, outline: &Outline) -> Reply {
        let login = named_user(outline)?;
        if let Some(user) = self.users.remove(&login) {
            self.events.push_back(CrmEvent::UserLeft(user));
        }
        Ok(Answer::Done)
    }

    /// Hands a request up; refuses it if too many wait, or if what it would keep
    /// meanwhile is too long.
    pub(super) fn ask_hub(&mut self, outline: Outline, what: UserRequest) {
        if let Some(field) = long_user_field(&outline) {
            let expected = format!("at most {TEXT_BYTES_MAX} bytes");
            return self.reply(&outline, &Err(Fault::parameter(field, &expected)));
        }
        if self.asked.len() >= self.config.limits.requests_max {
            self.counters.too_many += 1;
            let text = "too many requests wait for their answers";
            return self.reply(&outline, &Err(Fault::new(ErrorNumber::TooMany, text)));
        }
        let token = CrmToken(self.next_token);
        self.next_token += 1;
        let user_login = named_login(&outline).map(String::into_boxed_str);
        self.asked.insert(token, Asked(outline));
        self.events.push_back(CrmEvent::Request(CrmRequest {
            token,
            user_login,
            what,
        }));
    }

    /// The answer to a request cannot be sent: it is too long, or cannot be written in the link's
    /// format.
    fn say_unsaid(&mut self, outline: &Outline) {
        let text =
            "the answer is longer than crm.queue_bytes_max, or the link's format cannot say it";
        let fault = Fault::new(ErrorNumber::TooBig, text);
        self.say_error(&fault, Some(&outline.name), outline.qid.as_deref());
    }

    pub(super) fn reply(&mut self, outline: &Outline, reply: &Reply) {
        if outline.origin != Origin::Connection {
            // What came in an answer is not answered.
            return;
        }
        let mut message = Vec::with_capacity(ANSWER_BYTES);
        let mut echo = outline.echo();
        if echo.user_id.is_none() {
            // protocol 5: the CRM's own id is remembered.
            let known = named_login(outline).and_then(|login| self.users.named(&login));
            echo.user_id = known.and_then(|user| Some(user.crm_user_id.as_ref()?.as_bytes()));
        }
        write_reply_with(&mut message, &outline.name, echo, reply);
        // A request without a `qid` that was served is not answered.
        if !message.is_empty() && !self.send(&message) {
            self.say_unsaid(outline);
        }
    }
}

fn named_user(outline: &Outline) -> Result<String, Fault> {
    named_login(outline).ok_or_else(|| Fault::parameter("userlogin", "the user's login"))
}

pub(super) fn named_login(outline: &Outline) -> Option<String> {
    let login = outline.user_login.as_deref().and_then(json_text)?;
    (!login.is_empty()).then(|| login.into_owned())
}

/// Room for most answers, so that they need not grow.
const ANSWER_BYTES: usize = 512;

/// The field that names the request's user in more bytes than are kept.
fn long_user_field(outline: &Outline) -> Option<&'static str> {
    let user = [
        ("userlogin", &outline.user_login),
        ("userid", &outline.user_id),
    ];
    let is_long = |text: &Vec<u8>| text.len() > TEXT_BYTES_MAX;
    let mut long = user
        .into_iter()
        .filter(|(_, text)| text.as_ref().is_some_and(is_long));
    long.next().map(|(field, _)| field)
}
