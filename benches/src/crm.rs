//! A hub with a CRM at its link, in memory: what the CRM says goes in as bytes, and what the gateway says to it and to the
//! scenario API comes out.

use okgate_core::base::{AdminTicket, Instant, Now, Random, WallTime};
use okgate_core::crm::{
    CrmAction, CrmConfig, CrmConnectionId, CrmInput, CrmReport, PostAnswer, Posting, Transport,
    WebSocketIn,
};
use okgate_core::hub::{AdminReply, AdminRequest, CrmSetup, Hub, MethodRun, Output};
use okgate_core::protocol::{Format, xml_from_json};
use okgate_core::wire::frame::append_text;

use crate::gateway::{MASK, hub_config};

/// The hub, and the time that stands still.
#[derive(Debug)]
pub(crate) struct Linked {
    hub: Hub,
    now: Now,
    /// The connection or the exchange that the CRM speaks on.
    connection: CrmConnectionId,
    /// What the CRM was sent last.
    told: Vec<u8>,
    sent: usize,
}

impl Linked {
    /// A hub whose CRM has opened a WebSocket, declares the method `echo` and has `user1` active.
    pub(crate) fn by_web_socket(format: Format) -> Self {
        let transport = Transport::WebSocketIn(WebSocketIn::default());
        let mut linked = Self::with(config(transport, None));
        linked.connection = CrmConnectionId(1);
        linked.report(CrmInput::Accepted("127.0.0.1:1".into()));
        linked.report(CrmInput::Bytes(handshake(format)));
        linked.introduce(|linked, message| {
            linked.say(message_frame(message, format));
        });
        linked
    }

    /// A hub that posts to a CRM, which declares the method `echo`.
    pub(crate) fn by_posts() -> Self {
        let posting = Posting {
            target: "/oktell".into(),
            exchanges_max: 16,
        };
        let mut linked = Self::with(config(Transport::Http, Some(posting)));
        // One exchange after the other, whatever each was for.
        linked.introduce(|linked, message| linked.answer_post(message.as_bytes().to_vec()));
        linked
    }

    fn with(crm: CrmConfig) -> Self {
        let now = Now {
            instant: Instant::from_micros(1_000_000),
            wall: WallTime::from_unix_millis(1_700_000_000_000),
        };
        let mut config = hub_config(USERS);
        config.crm = CrmSetup {
            crm: Some(crm),
            caller_name: None,
        };
        let mut linked = Self {
            hub: Hub::new(config, Random::from_number(1), now),
            now,
            connection: CrmConnectionId::default(),
            told: Vec::new(),
            sent: 0,
        };
        linked.settle();
        linked
    }

    fn introduce(&mut self, mut say: impl FnMut(&mut Self, &str)) {
        for message in INTRODUCTION {
            say(self, message);
        }
        let user = r#"["login",{"qid":"3","userlogin":"user1","userid":"crm-1"}]"#;
        if self.told.starts_with(b"data=") {
            return;
        }
        say(self, user);
    }

    /// The CRM sends these bytes over its connection. Gives how many bytes went out.
    pub(crate) fn say(&mut self, bytes: Vec<u8>) -> usize {
        let before = self.sent;
        self.report(CrmInput::Bytes(bytes));
        self.sent - before
    }

    /// The CRM answers the exchange that was begun last with this body.
    pub(crate) fn answer_post(&mut self, body: Vec<u8>) {
        let answer = PostAnswer {
            status: 200,
            content_type: Some("application/json".into()),
            body,
            ..PostAnswer::default()
        };
        self.report(CrmInput::Posted(Ok(answer)));
    }

    /// A scenario runs `echo`, and waits. Gives what the CRM is told.
    pub(crate) fn run_echo(&mut self) -> &[u8] {
        let run = MethodRun {
            key: "echo".into(),
            input: INPUT.into(),
            user_login: None,
            timeout: std::time::Duration::from_secs(10),
            wait_for_link: false,
        };
        self.hub
            .handle_admin(AdminTicket(1), AdminRequest::RunMethod(run), self.now);
        self.settle();
        &self.told
    }

    /// How many bytes have gone out.
    pub(crate) const fn sent(&self) -> usize {
        self.sent
    }

    fn report(&mut self, what: CrmInput) {
        let connection = self.connection;
        self.hub
            .handle_crm(CrmReport { connection, what }, self.now);
        self.settle();
    }

    /// Does what the hub wants done until it is quiet; sockets take everything.
    fn settle(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Crm(CrmAction::Send(connection, bytes)) => {
                    self.sent += bytes.len();
                    self.told = bytes;
                    let what = CrmInput::Sent;
                    self.hub
                        .handle_crm(CrmReport { connection, what }, self.now);
                }
                Output::Crm(CrmAction::Post(connection, post)) => {
                    self.connection = connection;
                    self.sent += post.body.len();
                    self.told = post.body;
                }
                Output::Crm(action) => unreachable!("the link does nothing wrong: {action:?}"),
                Output::Admin(_, Ok(AdminReply::Run { output, .. })) => self.sent += output.len(),
                Output::Admin(_, answer) => unreachable!("the run fails: {answer:?}"),
                _ => {}
            }
        }
    }
}

/// A message of the CRM as a frame.
pub(crate) fn message_frame(message: &str, format: Format) -> Vec<u8> {
    let mut frame = Vec::new();
    append_text(&mut frame, &written(message, format), MASK);
    frame
}

/// A message of the CRM as its text.
fn written(message: &str, format: Format) -> String {
    if format == Format::Json {
        return message.to_owned();
    }
    let mut document = Vec::new();
    xml_from_json(message.as_bytes(), &mut document).expect("a message");
    String::from_utf8(document).expect("XML")
}

fn config(transport: Transport, posting: Option<Posting>) -> CrmConfig {
    CrmConfig {
        posting,
        ..CrmConfig::new("bench", transport)
    }
}

fn handshake(format: Format) -> Vec<u8> {
    let word = match format {
        Format::Json => "json",
        Format::Xml => "xml",
    };
    format!(
        "GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {word}\r\n\r\n"
    )
    .into_bytes()
}

/// Who the CRM is, and what it can do.
const INTRODUCTION: [&str; 2] = [
    r#"["iam",{"qid":"1","type":"ws-server","name":"Bench"}]"#,
    r#"["availablemethods",{"qid":"2","methods":[{"key":"echo","name":"Echo","description":"","allowcancel":false,"defineuser":false,"connectiontype":"websocket","inputparams":[{"key":"text","type":"string"},{"key":"number","type":"number"},{"key":"flag","type":"boolean"}],"outputparams":[{"key":"text","type":"string"}]}]}]"#,
];

/// The inputs of a run, and its outputs.
pub(crate) const INPUT: &str =
    r#"{"text":"89274513158 Ivan Petrov, order 1234, 15.03.2024","number":1234.5,"flag":true}"#;

/// Users of the gateway.
const USERS: u32 = 100;
