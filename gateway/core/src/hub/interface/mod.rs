//! The HTTP interface: what CRMs call over HTTP (protocol 10-a to 10-g).
//!
//! In come calls, parsed, with the credentials that came with them and the address that
//! they came from; out goes one whole answer for each, at once or when a script has come
//! to its end. A call is done by the same requests that tabs make, in the name of the
//! user that it is about. It reads no HTTP.

mod answers;
mod auth;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::desk::{Asker, UploadTicket};
use super::{AdminReply, Hub, Output};
use crate::base::{AdminTicket, ChainId, UserId};
use crate::protocol::{
    Answer, CallRequest, DeskAnswer, DeskRequest, ErrorNumber, Fault, QueueEntry, Reply,
    RunProcedure, Secret, UserRequest, UserState,
};
pub use answers::InterfaceAnswer;
pub use auth::{Credentials, InterfaceConfig};
use auth::{Failures, Identity};

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {
        /// The calls of the interface.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum InterfaceMethod { $($(#[$doc])* $name,)* }

        impl InterfaceMethod {
            /// Every call.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it is called: its path is `/` and this.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }
        }
    };
}

methods! {
    /// Runs a script, answers with XML (protocol 10-b).
    Script = "execsvcscript";
    /// Runs a script, answers with its value alone (protocol 10-c).
    ScriptPlain = "execsvcscriptplain";
    /// Calls a number (protocol 10-d).
    CallTo = "callto";
    /// Stops a dialling.
    AutoCallStop = "wp_autocallstop";
    /// Passes a call on.
    SwitchCall = "wp_switchcall";
    /// Holds, takes back, or drops the current party.
    Flash = "wp_flash";
    /// Who is on the line.
    AbonentInfo = "wp_getabonentinfo";
    /// The talks of a call.
    ChainContent = "wp_getchaincontent";
    /// A user's state (protocol 10-e).
    UserState = "tst_getuserstate";
    /// Groups and queues and who waits there (protocol 10-f).
    Queues = "getqueues";
    /// A recording (protocol 10-g).
    Record = "downloadrecordbylink";
}

impl InterfaceMethod {
    /// Whether it only tells something, so that it may be asked as often as one likes.
    pub const fn is_question(self) -> bool {
        matches!(
            self,
            Self::AbonentInfo | Self::ChainContent | Self::UserState | Self::Queues | Self::Record
        )
    }
}

/// One request of the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceRequest {
    /// The client's address.
    pub address: IpAddr,
    /// What it presents.
    pub credentials: Credentials,
    /// What it calls.
    pub method: InterfaceMethod,
    /// The call, or what is wrong with its parameters; that is only told to who may know.
    pub call: Result<InterfaceCall, Fault>,
}

/// A call with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceCall {
    /// A script.
    Script {
        /// Which, and its parameters.
        run: RunProcedure,
        /// It is answered as soon as the script was started.
        is_async: bool,
    },
    /// Something on a user's phone.
    Phone(Caller, CallRequest),
    /// Who is on a user's line.
    AbonentInfo(Caller),
    /// The talks of this call of a user, or of the one that goes on.
    ChainContent(Caller, Option<ChainId>),
    /// A user's state.
    UserState(Caller),
    /// All groups and queues.
    Queues {
        /// Only those whose calls ring this user, if one is named.
        of: Caller,
        /// Only this number.
        number: Option<Box<str>>,
    },
    /// The recording of this link.
    Record(Secret),
}

/// Whom a call is about: named at least once, and each time the same user.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Caller {
    /// The user's login or id.
    pub user: Option<Box<str>>,
    /// The number of the user's line, or the number's id.
    pub line: Option<Box<str>>,
    /// The workplace: the phone on it, by its number or the number's id.
    pub workplace: Option<Box<str>>,
}

impl Caller {
    const fn is_named(&self) -> bool {
        self.user.is_some() || self.line.is_some() || self.workplace.is_some()
    }
}

/// The state.
#[derive(Debug)]
pub(super) struct Interface {
    users: Vec<UserId>,
    failures: Failures,
    /// Calls whose scripts go on.
    waiting: HashMap<AdminTicket, Asked>,
}

/// What is known of a call when its answer is written.
#[derive(Debug)]
struct Asked {
    method: InterfaceMethod,
    /// The one-use password that it came with.
    password: Option<UploadTicket>,
}

/// What a call comes to.
#[derive(Debug)]
enum Told {
    /// It is done.
    Done,
    /// The script was started.
    Started,
    /// The script gave this.
    Value(Arc<str>),
    /// What a tab is told, too.
    Answer(Box<Answer>),
    /// A user's state.
    State(UserState),
    /// Groups and queues.
    Queues(Vec<QueueEntry>),
}

impl Interface {
    pub(super) fn new(config: InterfaceConfig) -> Self {
        Self {
            users: config.users,
            failures: Failures::new(config.failures),
            waiting: HashMap::new(),
        }
    }
}

impl Hub {
    /// Takes a call; it is answered by one [`AdminReply::Interface`], now or later.
    pub(super) fn serve_interface(&mut self, ticket: AdminTicket, request: InterfaceRequest) {
        let mut asked = Asked {
            method: request.method,
            password: None,
        };
        let identity = match self.identify(request.address, &request.credentials) {
            Ok((identity, password)) => {
                asked.password = password;
                identity
            }
            Err(fault) => return self.answer_interface(ticket, &asked, &Err(fault)),
        };
        let outcome = match request.call {
            Ok(InterfaceCall::Script {
                run,
                is_async: false,
            }) => {
                self.interface.waiting.insert(ticket, asked);
                let run = DeskRequest::Run(run);
                return self.serve_desk(Asker::Interface(ticket), identity.user, run);
            }
            Ok(call) => self.do_call(identity, call),
            Err(fault) => Err(fault),
        };
        self.answer_interface(ticket, &asked, &outcome);
    }

    /// A script came to its end.
    pub(super) fn end_interface(&mut self, ticket: AdminTicket, reply: Reply) {
        let Some(asked) = self.interface.waiting.remove(&ticket) else {
            return;
        };
        let outcome = reply.map(|answer| match answer {
            Answer::Desk(answer) => match *answer {
                DeskAnswer::ReturnValue(value) => Told::Value(value),
                answer => Told::Answer(Box::new(Answer::Desk(Box::new(answer)))),
            },
            answer => Told::Answer(Box::new(answer)),
        });
        self.answer_interface(ticket, &asked, &outcome);
    }

    fn do_call(&mut self, identity: Identity, call: InterfaceCall) -> Result<Told, Fault> {
        let (caller, what) = match call {
            InterfaceCall::Script { run, .. } => {
                self.start_script(identity.user, &run)?;
                return Ok(Told::Started);
            }
            InterfaceCall::Queues { of, number } => {
                return self.queues_told(identity, &of, number.as_deref());
            }
            InterfaceCall::Record(link) => return Err(no_record(&link)),
            InterfaceCall::Phone(caller, call) => (caller, UserRequest::Call(call)),
            InterfaceCall::AbonentInfo(caller) => (caller, UserRequest::ExtendedLineInfo),
            InterfaceCall::ChainContent(caller, chain) => {
                (caller, UserRequest::ChainContent(chain))
            }
            InterfaceCall::UserState(caller) => (caller, UserRequest::UserState),
        };
        let user = self.user_meant(identity, &caller)?;
        Ok(match self.serve(user, what)? {
            Answer::Done => Told::Done,
            Answer::UserState(_, state) => Told::State(state),
            answer => Told::Answer(Box::new(answer)),
        })
    }

    /// protocol 10-f: who has no right to the interface sees the own ones, as in
    /// `getcurrentqueue`.
    fn queues_told(
        &self,
        identity: Identity,
        of: &Caller,
        number: Option<&str>,
    ) -> Result<Told, Fault> {
        let is_of_one = of.is_named() || identity.is_own_only;
        let of = is_of_one.then(|| self.user_meant(identity, of));
        let mut queues = self.switchboard.queues(of.transpose()?)?;
        if let Some(number) = number {
            queues.retain(|queue| *queue.number == *number);
            if queues.is_empty() {
                let text = "field `queue`: no such group or queue";
                return Err(Fault::new(ErrorNumber::NotFound, text));
            }
        }
        Ok(Told::Queues(queues))
    }

    /// The user that a call is about (protocol 10-n).
    fn user_meant(&self, identity: Identity, caller: &Caller) -> Result<UserId, Fault> {
        let person = |name: &str| self.desk.find_user(name);
        let line = |line: &str| self.switchboard.user_of_line(line);
        let named = [
            ("user", &caller.user, &person as &Find<'_>),
            ("line", &caller.line, &line),
            ("wp", &caller.workplace, &line),
        ];
        let mut meant = None;
        for (field, name, find) in named {
            let Some(name) = name else {
                continue;
            };
            let found = find(name).ok_or_else(|| {
                let text = format!("field `{field}`: there is nobody of this name");
                Fault::new(ErrorNumber::NotFound, text)
            })?;
            if meant.is_some_and(|meant| meant != found) {
                return Err(Fault::parameter(field, "the same user as the other names"));
            }
            meant = Some(found);
        }
        match meant {
            Some(user) if identity.is_own_only && user != identity.user => {
                let text = "a one-use password acts for its own user only";
                Err(Fault::new(ErrorNumber::NotAllowed, text))
            }
            Some(user) => Ok(user),
            None if identity.is_own_only => Ok(identity.user),
            None => Err(Fault::parameter(
                "user",
                "whom it is about: user, line or wp",
            )),
        }
    }

    fn answer_interface(
        &mut self,
        ticket: AdminTicket,
        asked: &Asked,
        outcome: &Result<Told, Fault>,
    ) {
        let answer = InterfaceAnswer::of(asked.method, outcome);
        if let Some(password) = &asked.password {
            let content = Arc::clone(&answer.content);
            self.copy_answer(password, answer.status_line().into(), content);
        }
        let reply = Ok(AdminReply::Interface(answer));
        self.outputs.push_back(Output::Admin(ticket, reply));
    }
}

/// Looks a user up by one kind of name.
type Find<'f> = dyn Fn(&str) -> Option<UserId> + 'f;

/// protocol 10-p: the switch keeps no recordings, so that no link leads to one.
fn no_record(link: &Secret) -> Fault {
    let is_token = |part: &str| {
        let length = part.len();
        (RECORD_TOKEN_BYTES_MIN..=RECORD_TOKEN_BYTES_MAX).contains(&length)
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = link.reveal().rsplit(['/', '=']).next().unwrap_or_default();
    if !is_token(last) {
        return Fault::parameter("recordlink", "the recordlink of a call in the journal");
    }
    let text = "there is no recording of this link: the telephone switch keeps none";
    Fault::new(ErrorNumber::NotFound, text)
}

/// A shorter one could be guessed.
const RECORD_TOKEN_BYTES_MIN: usize = 16;

/// A longer one was never given out.
const RECORD_TOKEN_BYTES_MAX: usize = 128;
