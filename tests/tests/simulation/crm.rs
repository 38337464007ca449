//! Owns the CRM of a simulated day: who is active there, how it treats its one connection, and what it says.
//!
//! In come the hub's wishes about the connection ([`Errand`]), people's acts and the time; out go reports to the hub
//! ([`Post`]), each with what it says in truth ([`Said`]), by which the hub is measured. It checks nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use okgate_core::base::{Instant, Random};
use okgate_core::crm::{CrmConnectionId, CrmInput, CrmReport, PostAnswer, PostFailure};
use serde_json::Value;

use crate::line::{Line, Mode};
use crate::people::pick;
use crate::tap::Heard;

/// What the hub wants done, with the bytes already read.
#[derive(Debug)]
pub(crate) enum Errand {
    Connect(CrmConnectionId),
    Send(CrmConnectionId, Vec<Heard>),
    Close(CrmConnectionId, Vec<Heard>),
    /// A message is posted.
    Post(CrmConnectionId, String, Value),
    Abandon(CrmConnectionId),
}

/// A report to the hub, and what it says.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) report: CrmReport,
    pub(crate) said: Vec<Said>,
}

/// What a message of the CRM says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// The handshake is answered well.
    Opened,
    /// It says who it is.
    Introduced,
    /// It asks in a user's name or its own, and wants an answer of this name.
    Asked {
        qid: String,
        answer: String,
        login: Option<String>,
    },
    LoggedIn(Named),
    LoggedOut(String),
    Active(Vec<Named>),
    Declared,
    /// The end of a run: whether it is a good one.
    Result {
        execution: String,
        is_good: bool,
    },
}

/// A user as the CRM names one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) login: String,
    /// Its own id as JSON text.
    pub(crate) id: Option<String>,
}

/// How the next connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Served,
    Refused,
    /// Nobody answers at all.
    Unanswered,
    /// It is closed at once.
    Dropped,
    /// The handshake is not answered.
    NoHandshake,
    /// The handshake is answered with this.
    BadHandshake(&'static str),
    /// It is closed right after the handshake.
    DroppedOpen,
}

/// What this CRM does by custom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) introduction: Introduction,
    /// It asks for the numbers after each introduction.
    pub(crate) asks_numbers: bool,
    /// How many of a hundred of its answers come in packets.
    pub(crate) packets: u64,
    /// How many of a hundred of its answers never come.
    pub(crate) forgets: u64,
    /// How long a send may take at most.
    pub(crate) sending_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Introduction {
    AsksFirst,
    Answers,
    AnswersLate,
    Never,
}

pub(crate) struct Crm {
    pub(crate) random: Random,
    pub(crate) habits: Habits,
    /// How many of a hundred connections go wrong.
    pub(crate) trouble: u64,
    pub(crate) line: Line,
    pub(crate) socket: Option<Socket>,
    /// A connection of this CRM that is not let in yet.
    pub(crate) knocking: Option<Socket>,
    knocks: u64,
    /// Exchanges whose answers are awaited.
    pub(crate) exchanges: BTreeSet<CrmConnectionId>,
    /// Several of its messages may come in one report.
    pub(crate) joins_messages: bool,
    /// Who is active here.
    pub(crate) active: BTreeMap<String, Named>,
    tasks: BTreeMap<(Instant, u64), Task>,
    task_count: u64,
    pub(crate) posts: Vec<Post>,
    pub(crate) asked: u64,
    now: Instant,
}

/// The CRM's end of the connection.
pub(crate) struct Socket {
    pub(crate) id: CrmConnectionId,
    pub(crate) fate: Fate,
    pub(crate) is_open: bool,
    /// It reads nothing for now, and this waits.
    pub(crate) is_mute: bool,
    backlog: Vec<Heard>,
    /// Sends are not confirmed for now; whether one waits to be.
    pub(crate) is_stuck: bool,
    unconfirmed: bool,
    /// What is to be written, and what it says up to which of its bytes.
    pub(crate) out: Vec<u8>,
    pub(crate) said: Vec<(usize, Said)>,
    /// A question of the gateway was not answered.
    pub(crate) has_forgotten: bool,
}

struct Task {
    connection: CrmConnectionId,
    what: Todo,
}

pub(crate) enum Todo {
    Report(CrmInput),
    Answer(String, Value, Vec<Said>),
    Confirm,
    /// Connects to the gateway.
    Knock,
    /// An exchange ends.
    Reply(Result<PostAnswer, PostFailure>, Vec<Said>),
}

impl Socket {
    pub(crate) fn new(id: CrmConnectionId, fate: Fate) -> Self {
        Self {
            id,
            fate,
            is_open: false,
            is_mute: false,
            backlog: Vec::new(),
            is_stuck: false,
            unconfirmed: false,
            out: Vec::new(),
            said: Vec::new(),
            has_forgotten: false,
        }
    }
}

impl Crm {
    pub(crate) fn new(mut random: Random, line: Line, joins_messages: bool, now: Instant) -> Self {
        let introductions = [
            Introduction::AsksFirst,
            Introduction::Answers,
            Introduction::Answers,
            Introduction::AnswersLate,
            Introduction::Never,
        ];
        let habits = Habits {
            introduction: introductions[pick(&mut random, introductions.len())],
            asks_numbers: pick(&mut random, 2) == 0,
            packets: [0, 20, 100][pick(&mut random, 3)],
            forgets: [0, 0, 5][pick(&mut random, 3)],
            sending_ms: [0, 0, 50, 3000][pick(&mut random, 4)],
        };
        let mut crm = Self {
            habits,
            trouble: [0, 0, 20, 50][pick(&mut random, 4)],
            random,
            line,
            socket: None,
            knocking: None,
            knocks: 0,
            exchanges: BTreeSet::new(),
            joins_messages,
            active: BTreeMap::new(),
            tasks: BTreeMap::new(),
            task_count: 0,
            posts: Vec::new(),
            asked: 0,
            now,
        };
        crm.restore();
        crm
    }

    /// The gateway's settings have changed: this is how it is linked from now on.
    pub(crate) fn relinked(&mut self, line: Line, joins_messages: bool, now: Instant) {
        self.now = now;
        (self.line, self.joins_messages) = (line, joins_messages);
        (self.socket, self.knocking) = (None, None);
        self.exchanges.clear();
        self.tasks.clear();
        self.posts.clear();
        self.knocks = 0;
        self.restore();
    }

    /// protocol 2-g: a CRM that opened its link restores it.
    pub(crate) fn restore(&mut self) {
        if self.line.mode == Mode::In {
            let span = Duration::from_millis(self.random.below(3000));
            self.later(span, CrmConnectionId::default(), Todo::Knock);
        }
    }

    pub(crate) fn pick(&mut self, bound: usize) -> usize {
        pick(&mut self.random, bound)
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    /// What is to be reported since this was asked last.
    pub(crate) fn take_posts(&mut self) -> Vec<Post> {
        self.flush();
        std::mem::take(&mut self.posts)
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.tasks.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while self.next_timeout().is_some_and(|at| at <= now) {
            let Some((_, Task { connection, what })) = self.tasks.pop_first() else {
                return;
            };
            let lives = self.socket.as_ref().is_some_and(|it| it.id == connection);
            match what {
                // Late words about a connection that is over do no harm.
                Todo::Report(what) => self.report(connection, what),
                Todo::Answer(name, fields, said) if lives => self.say(&name, &fields, said),
                Todo::Confirm if lives => self.confirm(),
                Todo::Knock if self.socket.is_none() => self.knock(),
                Todo::Knock | Todo::Answer(..) | Todo::Confirm => {}
                Todo::Reply(outcome, said) => self.reply(connection, outcome, said),
            }
        }
    }

    /// Does what the hub wants.
    pub(crate) fn take(&mut self, errand: Errand, now: Instant) {
        self.now = now;
        match errand {
            Errand::Connect(id) => self.connect(id),
            Errand::Post(id, name, fields) => self.take_post(id, &name, &fields),
            Errand::Abandon(id) => {
                self.exchanges.remove(&id);
            }
            Errand::Send(id, heard) => {
                self.let_in(id);
                if self.socket.as_ref().is_some_and(|it| it.id == id) {
                    self.hear(heard);
                    let span = Duration::from_millis(self.random.below(self.habits.sending_ms + 1));
                    self.later(span, id, Todo::Confirm);
                }
            }
            Errand::Close(id, heard) => self.closed(id, heard),
        }
    }

    fn closed(&mut self, id: CrmConnectionId, heard: Vec<Heard>) {
        if self.knocking.as_ref().is_some_and(|it| it.id == id) {
            self.knocking = None;
            return self.restore();
        }
        if self.socket.as_ref().is_none_or(|it| it.id != id) {
            return;
        }
        self.hear(heard);
        self.flush();
        if self.socket.take().is_some() && self.chance(30) {
            let what = if self.chance(50) {
                CrmInput::Closed("reset".to_owned())
            } else {
                CrmInput::Sent
            };
            let span = Duration::from_millis(self.random.below(3000));
            self.later(span, id, Todo::Report(what));
        }
        self.restore();
    }

    /// The connection breaks, from this side.
    pub(crate) fn break_off(&mut self) {
        self.flush();
        if let Some(socket) = self.socket.take() {
            let reset = CrmInput::Closed("reset".to_owned());
            self.report(socket.id, reset);
            self.restore();
        }
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn recover(&mut self, now: Instant) {
        self.now = now;
        self.trouble = 0;
        self.habits.forgets = 0;
        self.habits.sending_ms = 0;
        if let Some(knocking) = self.knocking.take() {
            self.report(knocking.id, CrmInput::Closed("reset".to_owned()));
            self.restore();
        }
        let has_forgotten = self.socket.as_ref().is_some_and(|it| it.has_forgotten);
        if self.joins_messages && !has_forgotten {
            self.read_on();
            self.unstick();
        } else {
            // What waits could be too much for the gateway's short queue.
            self.break_off();
        }
    }

    /// Reads what waited.
    pub(crate) fn read_on(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.is_mute = false;
            let backlog = std::mem::take(&mut socket.backlog);
            self.hear(backlog);
        }
    }

    pub(crate) fn unstick(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.is_stuck = false;
            if std::mem::take(&mut socket.unconfirmed) {
                self.confirm();
            }
        }
    }

    fn connect(&mut self, id: CrmConnectionId) {
        let fate = if self.chance(self.trouble) {
            let fates = [
                Fate::Refused,
                Fate::Refused,
                Fate::Unanswered,
                Fate::Dropped,
                Fate::NoHandshake,
                Fate::BadHandshake("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
                Fate::BadHandshake("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
                Fate::DroppedOpen,
            ];
            fates[self.pick(fates.len())]
        } else {
            Fate::Served
        };
        self.socket = Some(Socket::new(id, fate));
        match fate {
            Fate::Refused => self.report(id, CrmInput::ConnectFailed("refused".to_owned())),
            Fate::Unanswered => {}
            Fate::Dropped => {
                self.report(id, CrmInput::Connected);
                self.break_off();
            }
            _ => self.report(id, CrmInput::Connected),
        }
    }

    /// This CRM connects, be it a second time.
    pub(crate) fn knock(&mut self) {
        if self.knocking.is_some() || self.line.mode != Mode::In {
            return;
        }
        let fate = if self.chance(self.trouble) {
            let fates = [
                Fate::Dropped,
                Fate::NoHandshake,
                Fate::BadHandshake("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                Fate::BadHandshake("\x16\x03\x01"),
                Fate::DroppedOpen,
            ];
            fates[self.pick(fates.len())]
        } else {
            Fate::Served
        };
        self.knocks += 1;
        let id = CrmConnectionId(self.knocks);
        self.report(id, CrmInput::Accepted("192.0.2.1:5000".to_owned()));
        match fate {
            Fate::Dropped => {
                self.report(id, CrmInput::Closed("reset".to_owned()));
                return self.restore();
            }
            Fate::NoHandshake => {}
            Fate::BadHandshake(request) => self.report(id, CrmInput::Bytes(request.into())),
            _ => {
                let request = self.upgrade_request();
                self.report(id, CrmInput::Bytes(request));
            }
        }
        self.knocking = Some(Socket::new(id, fate));
    }

    /// What was knocking is the link now; what was before is no more.
    fn let_in(&mut self, id: CrmConnectionId) {
        if self.knocking.as_ref().is_some_and(|it| it.id == id) {
            self.socket = self.knocking.take();
        }
    }

    fn hear(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            match &mut self.socket {
                None => return,
                Some(socket) if socket.is_mute => socket.backlog.push(heard),
                Some(_) => self.react(heard),
            }
        }
        self.flush();
    }

    fn confirm(&mut self) {
        if let Some(socket) = &mut self.socket {
            if socket.is_stuck {
                socket.unconfirmed = true;
            } else {
                let id = socket.id;
                self.report(id, CrmInput::Sent);
            }
        }
    }

    pub(crate) fn report(&mut self, connection: CrmConnectionId, what: CrmInput) {
        let report = CrmReport { connection, what };
        let said = Vec::new();
        self.posts.push(Post { report, said });
    }

    pub(crate) fn later(&mut self, span: Duration, connection: CrmConnectionId, what: Todo) {
        self.task_count += 1;
        let key = (self.now + span, self.task_count);
        self.tasks.insert(key, Task { connection, what });
    }
}
