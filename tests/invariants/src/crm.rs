//! The CRM's link: what its connection reports, what the CRM says, the time, and methods to be run (`okgate_core::crm`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::{ExecutionId, Guid, Instant, Random, UserId};
use okgate_core::crm::{
    CrmAction, CrmConfig, CrmConnectionId, CrmEvent, CrmInput, CrmLink, CrmReport, CrmToken,
    Limits, MethodRun, Transport, WebSocketOut,
};
use okgate_core::protocol::{
    Answer, Event, MultipartLimits, NumberChange, Occurrence, StateId, UserRef, peek,
};
use okgate_core::wire::frame::{append_ping, append_text};
use okgate_core::wire::upgrade::{Format, Version};
use serde_json::value::RawValue;
use tungstenite::handshake::derive_accept_key;

use crate::frames::{Frames, Packets, Said, field};
use crate::records::{number, records, split, text};

/// The first byte chooses the limits; the rest is records of an operation and its operand. See [`World::step`].
///
/// Nothing panics; what goes out is a request and then masked frames, one send at a time, on a connection that is
/// there; requests get one answer, runs one end; queues keep their bounds, time goes on, and after the end nothing is
/// left.
pub fn crm(input: &[u8]) {
    let (choice, program) = split(input);
    let mut world = World::new(choice);
    for (operation, operand) in records(program, 300) {
        world.step(operation, operand);
        world.check();
    }
    world.end();
}

struct World {
    link: CrmLink,
    limits: Limits,
    now: Instant,
    /// The connection that was asked for last, until it is over.
    connection: Option<Connection>,
    /// That of the last one.
    id: CrmConnectionId,
    is_stuck: bool,
    holds_requests: bool,
    held: Vec<CrmToken>,
    runs: u128,
    open_runs: HashSet<ExecutionId>,
    requests: usize,
}

#[derive(Default)]
struct Connection {
    is_made: bool,
    in_flight: bool,
    request: Vec<u8>,
    frames: Option<Frames>,
    packets: Packets,
    /// The CRM sent bytes that may be anything.
    is_wild: bool,
    unanswered: HashSet<String>,
}

impl World {
    fn new(choice: u8) -> Self {
        let limits = limits(choice);
        let config = CrmConfig {
            mode: "ws-out",
            transport: Transport::WebSocketOut(WebSocketOut {
                host: "crm.example:8045".to_owned(),
                path: "/oktell".to_owned(),
                version: Version::V13,
            }),
            format: Format::Json,
            credentials: None,
            posting: None,
            dated: 160_101,
            build: "2.13.0.160101".into(),
            limits: limits.clone(),
        };
        let now = Instant::from_micros(1_000_000);
        let mut world = Self {
            link: CrmLink::new(config, Random::from_number(7), now),
            limits,
            now,
            connection: None,
            id: CrmConnectionId::default(),
            is_stuck: false,
            holds_requests: false,
            held: Vec::new(),
            runs: 0,
            open_runs: HashSet::new(),
            requests: 0,
        };
        world.settle();
        world
    }

    /// Does what one record says.
    fn step(&mut self, operation: u8, operand: &[u8]) {
        let (digit, rest) = split(operand);
        match operation {
            b'c' => self.connect(),
            b'f' => self.over(CrmInput::ConnectFailed("refused".to_owned()), |it| {
                !it.is_made
            }),
            b'x' => self.over(CrmInput::Closed("reset".to_owned()), |_| true),
            b'u' => self.upgrade(operand),
            b'b' => self.bytes(operand.to_vec(), true),
            b't' => self.say(&String::from_utf8_lossy(operand)),
            b'p' => {
                let mut bytes = Vec::new();
                append_ping(&mut bytes, operand, None);
                self.bytes(bytes, false);
            }
            b'm' => self.request(METHODS[number(digit) % METHODS.len()], rest),
            b'w' => self.pass(SPANS[number(digit) % SPANS.len()]),
            b'e' => self.event(number(digit)),
            b'r' => self.run(digit, rest),
            b'k' => self.cancel(number(digit)),
            b's' => self.is_stuck = digit == b'1',
            b'h' => self.holds_requests = digit == b'1',
            b'q' => self.link.shut_down("the gateway is going down", self.now),
            // Late news of a connection that is over.
            b'o' => self.report(
                CrmConnectionId::default(),
                CrmInput::Bytes(operand.to_vec()),
            ),
            _ => {}
        }
        self.settle();
    }

    fn report(&mut self, connection: CrmConnectionId, what: CrmInput) {
        self.link
            .handle_report(CrmReport { connection, what }, self.now);
    }

    fn connect(&mut self) {
        if let Some(connection) = &mut self.connection
            && !std::mem::replace(&mut connection.is_made, true)
        {
            self.report(self.id, CrmInput::Connected);
        }
    }

    /// The connection ends from outside, if it is one of those that can end so.
    fn over(&mut self, what: CrmInput, can_end: impl Fn(&Connection) -> bool) {
        if self.connection.as_ref().is_some_and(can_end) {
            self.connection = None;
            self.report(self.id, what);
        }
    }

    /// The answer that opens the link, with these header lines more.
    fn upgrade(&mut self, lines: &[u8]) {
        self.connect();
        self.settle();
        let Some(connection) = &self.connection else {
            return;
        };
        let request = text(&connection.request).expect("a request is a text");
        let key = request.split_once("Sec-WebSocket-Key: ");
        let key = key
            .and_then(|(_, rest)| rest.split_once("\r\n"))
            .expect("a key")
            .0;
        let accept = derive_accept_key(key.as_bytes());
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n"
        )
        .into_bytes();
        answer.extend_from_slice(lines);
        answer.extend_from_slice(b"\r\n");
        // The lines may end the head, and frames stand behind it.
        let lines = [b"\n", lines].concat();
        let has_frames = lines.windows(2).any(|two| matches!(two, b"\n\r" | b"\n\n"));
        self.bytes(answer, has_frames);
    }

    /// The CRM says something with whatever `qid`.
    fn say(&mut self, message: &str) {
        let mut bytes = Vec::new();
        append_text(&mut bytes, message, None);
        // It might bear the `qid` of another request, in packets too.
        let is_wild = message.contains(['#', '\\']) || message.contains("multipart");
        self.bytes(bytes, is_wild);
    }

    fn bytes(&mut self, bytes: Vec<u8>, is_wild: bool) {
        if let Some(connection) = &mut self.connection
            && connection.is_made
        {
            connection.is_wild |= is_wild;
            self.report(self.id, CrmInput::Bytes(bytes));
        }
    }

    /// The CRM asks something with a `qid` of its own.
    fn request(&mut self, method: &str, fields: &[u8]) {
        let qid = format!("#{}", self.requests);
        self.requests += 1;
        let fields = text(fields).unwrap_or_default();
        let comma = if fields.is_empty() { "" } else { "," };
        let message = format!(r#"["{method}",{{{fields}{comma}"qid":"{qid}"}}]"#);
        if let Some(connection) = &mut self.connection
            && connection.frames.is_some()
            && peek(message.as_bytes()).is_ok()
        {
            connection.unanswered.insert(qid);
        }
        let mut bytes = Vec::new();
        append_text(&mut bytes, &message, None);
        self.bytes(bytes, false);
    }

    fn event(&mut self, digit: usize) {
        let user = (digit > 0).then(|| UserRef {
            id: UserId(Guid::from_bits(digit as u128)),
            login: ["anna", "Вера"][digit % 2].into(),
        });
        let what = match &user {
            Some(_) => Occurrence::AcmCallStarted {
                number: "101".into(),
            },
            None => Occurrence::NumberStateChanged(vec![NumberChange {
                number: "101".into(),
                state: StateId::FullBusy,
            }]),
        };
        let event = Event {
            qid: Guid::from_bits(1),
            user,
            what,
        };
        self.link.send_event(&Arc::new(event), self.now);
    }

    /// A run: a digit of bits (waits for the link, has a user, the second method) and its input.
    fn run(&mut self, digit: u8, input: &[u8]) {
        self.runs += 1;
        let execution = ExecutionId(Guid::from_bits(self.runs));
        self.open_runs.insert(execution);
        let run = MethodRun {
            key: if digit & 4 == 0 { "m" } else { "другой" }.into(),
            input: text(input).unwrap_or("{}").into(),
            user_login: (digit & 2 != 0).then(|| "anna".into()),
            timeout: Duration::from_secs(10),
            wait_for_link: digit & 1 != 0,
        };
        self.link.run_method(run, execution, self.now);
    }

    fn cancel(&mut self, which: usize) {
        let execution = ExecutionId(Guid::from_bits(which as u128));
        let is_open = self.open_runs.contains(&execution);
        assert_eq!(self.link.cancel(execution, self.now), is_open);
    }

    /// Lets time pass, to each deadline in turn.
    fn pass(&mut self, span: Duration) {
        let (end, mut at_once) = (self.now + span, 0);
        while let Some(next) = self.link.next_timeout().filter(|next| *next <= end) {
            at_once = if next > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 10, "a deadline that stays due: {next:?}");
            self.now = self.now.max(next);
            self.link.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// The gateway goes down: nothing is left, and no other connection is made.
    fn end(mut self) {
        self.link.shut_down("the gateway is going down", self.now);
        self.settle();
        self.check();
        assert!(self.connection.is_none(), "a connection is left");
        assert!(self.open_runs.is_empty(), "runs without an end");
        self.pass(Duration::from_secs(3600));
        assert_eq!(self.link.next_timeout(), None);
        let status = self.link.status();
        assert_eq!(
            (status.state, status.method_runs, status.queue_bytes),
            ("off", 0, 0)
        );
    }

    /// Does what the link wants done until it wants no more.
    fn settle(&mut self) {
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 10_000, "it never comes to rest");
            if let Some(action) = self.link.poll_action() {
                self.act(action);
            } else if let Some(event) = self.link.poll_event() {
                self.hear(event);
            } else if !self.confirm() && !self.answer() {
                return;
            }
        }
    }

    fn act(&mut self, action: CrmAction) {
        match action {
            CrmAction::Connect(id) => {
                assert!(self.connection.is_none() && id > self.id, "{id:?}");
                self.id = id;
                self.held.clear();
                self.connection = Some(Connection::default());
            }
            CrmAction::Send(id, bytes) => {
                assert_eq!(id, self.id);
                let connection = self.connection.as_mut().expect("a connection to send over");
                assert!(connection.is_made && !connection.in_flight && !bytes.is_empty());
                connection.in_flight = true;
                connection.read(&bytes);
            }
            CrmAction::Close(id, last) => {
                assert_eq!(id, self.id);
                self.held.clear();
                let mut connection = self.connection.take().expect("a connection to close");
                if !last.is_empty() {
                    connection.read(&last);
                }
            }
            CrmAction::Post(..) | CrmAction::Abandon(_) => panic!("there is no url"),
        }
    }

    /// Reports that a send went out; whether there was one.
    fn confirm(&mut self) -> bool {
        let in_flight = self.connection.as_mut().filter(|_| !self.is_stuck);
        if !in_flight.is_some_and(|it| std::mem::take(&mut it.in_flight)) {
            return false;
        }
        self.report(self.id, CrmInput::Sent);
        true
    }

    /// Answers a request of the CRM; whether there was one.
    fn answer(&mut self) -> bool {
        let token = if self.holds_requests {
            None
        } else {
            self.held.pop()
        };
        if let Some(token) = token {
            self.link.answer(token, &Ok(Answer::Done), self.now);
        }
        token.is_some()
    }

    fn hear(&mut self, event: CrmEvent) {
        match event {
            CrmEvent::MethodDone { execution, end } => {
                assert!(self.open_runs.remove(&execution), "a second end");
                if let Ok(output) = end {
                    let output: &RawValue = serde_json::from_str(&output).expect("JSON");
                    assert!(output.get().starts_with('{'), "no object: {output}");
                }
            }
            CrmEvent::Request(request) => self.held.push(request.token),
            CrmEvent::ActiveUsers(users) => assert!(users.len() <= self.limits.users_max),
            CrmEvent::Lost { retry_in, .. } => {
                let pause = retry_in.expect("the gateway restores its link");
                assert!(pause <= self.limits.pause_max);
            }
            CrmEvent::TurnedAway { .. } => panic!("nobody connects"),
            CrmEvent::ExchangeFailed { .. } => panic!("nothing is posted"),
            CrmEvent::Ready { .. }
            | CrmEvent::UserAppeared(_)
            | CrmEvent::UserLeft(_)
            | CrmEvent::CatalogueChanged => {}
        }
    }

    fn check(&self) {
        let status = self.link.status();
        assert!(
            status.queue_bytes <= self.limits.queue_bytes_max,
            "{}",
            status.queue_bytes
        );
        assert_eq!(status.method_runs, self.open_runs.len());
        assert!(status.active_users <= self.limits.users_max);
        assert!(self.held.len() <= self.limits.requests_max, "requests wait");
        assert!(status.methods.max(status.forms) <= self.limits.declared_max);
        for declared in [self.link.methods(), self.link.forms()] {
            let list: Result<Vec<&RawValue>, _> = serde_json::from_str(&declared);
            assert!(list.is_ok(), "no list: {declared}");
        }
        if let Some(connection) = &self.connection
            && !(self.is_stuck || self.holds_requests || connection.is_wild)
        {
            assert!(
                connection.unanswered.is_empty(),
                "{:?}",
                connection.unanswered
            );
            assert!(connection.packets.is_between(), "an unfinished multipart");
        }
    }
}

impl Connection {
    /// Bytes come to the CRM.
    fn read(&mut self, bytes: &[u8]) {
        let Some(frames) = &mut self.frames else {
            // One send holds the request, and nothing goes out until it is answered.
            assert!(self.request.is_empty() && bytes.ends_with(b"\r\n\r\n"));
            self.request = bytes.to_vec();
            self.frames = Some(Frames::new(true));
            return;
        };
        for said in frames.take(bytes) {
            match self.packets.take(said) {
                Some(Said::Message { name, fields }) => {
                    let qid = field(&fields, "qid").filter(|qid| qid.starts_with('#'));
                    let is_answer = qid.is_none_or(|qid| self.unanswered.remove(&*qid));
                    assert!(
                        is_answer || self.is_wild,
                        "a second answer: {name} {fields}"
                    );
                }
                Some(Said::Close(code)) => {
                    let ours = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1013];
                    assert!(self.is_wild || code.is_some_and(|code| ours.contains(&code)));
                }
                Some(Said::Ping(_) | Said::Pong(_)) | None => {}
            }
        }
        assert!(frames.is_at_border(), "a send ends within a frame");
    }
}

fn limits(choice: u8) -> Limits {
    let limits = Limits::default();
    if choice & 1 == 0 {
        return Limits {
            queue_bytes_max: 1 << 20,
            ..limits
        };
    }
    Limits {
        message_bytes_max: 2000,
        queue_bytes_max: 4000,
        plain_bytes_max: 100,
        packet_chars: 40,
        multipart: MultipartLimits {
            bytes_max: 1000,
            unfinished_max: 2,
            ..limits.multipart
        },
        method_runs_max: 2,
        declared_max: 2,
        users_max: 2,
        requests_max: 2,
        pause_max: Duration::from_secs(4),
        ..limits
    }
}

/// How far time goes.
const SPANS: [Duration; 8] = [
    Duration::from_millis(1),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(31),
    Duration::from_secs(120),
];

/// Methods whose every request with a `qid` is answered.
const METHODS: [&str; 12] = [
    "ping",
    "whoareyou",
    "login",
    "logout",
    "getpbxnumbers",
    "getuserstate",
    "setuserstate",
    "pbxautocallstart",
    "pbxmakeflash",
    "getextendedlineinfo",
    "subscribeevent",
    "nosuchmethod",
];
