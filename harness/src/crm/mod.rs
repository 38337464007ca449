//! Owns a simulated CRM server for the gateway's `ws-out` mode (protocol 2 to 5 and 8, from the CRM's side).
//!
//! Links come in on a listening address; each is served by its own task in `link`. Everything that was received
//! and sent is recorded in a journal that tests and the command line read. It never speaks first but as its options say.

mod catalogue;
mod link;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::journal::{Journal, Reader};
use crate::message::{Message, guid, shortened};

use self::link::Outgoing;

/// How a simulated CRM behaves.
#[derive(Debug, Clone)]
pub struct CrmOptions {
    /// Where it listens; port 0 takes a free port.
    pub listen: SocketAddr,
    /// Names by telephone number, for the method `callername`.
    pub callers: HashMap<String, String>,
    /// How long the method `slow` takes.
    pub method_delay: Duration,
    /// Who introduces itself first.
    pub introduce: Introduce,
    /// Sends the catalogues in packets also when they are short.
    pub multipart_catalogue: bool,
    /// What the handshake says about the subprotocol.
    pub subprotocol: SubprotocolAnswer,
    /// The users that are active in the CRM.
    pub active_users: Vec<ActiveUser>,
}

impl CrmOptions {
    /// A CRM with default behaviour on this address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            callers: HashMap::new(),
            method_delay: Duration::from_secs(1),
            introduce: Introduce::Answer,
            multipart_catalogue: false,
            subprotocol: SubprotocolAnswer::Echo,
            active_users: Vec::new(),
        }
    }

    /// A CRM with default behaviour on a free loopback port.
    pub fn on_loopback() -> Self {
        Self::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Adds a caller's name.
    #[must_use]
    pub fn caller(mut self, number: &str, name: &str) -> Self {
        self.callers.insert(number.to_owned(), name.to_owned());
        self
    }

    /// Adds an active user.
    #[must_use]
    pub fn active_user(mut self, login: &str, id: &str) -> Self {
        self.active_users.push(ActiveUser {
            login: login.to_owned(),
            id: id.to_owned(),
        });
        self
    }
}

/// Who introduces itself first (protocol 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Introduce {
    /// The CRM asks `whoareyou` as soon as the link is up, and `getpbxnumbers` after the answer.
    First,
    /// The CRM answers the gateway's `whoareyou`.
    Answer,
    /// The CRM says nothing about itself.
    Never,
}

/// What the handshake's answer says about the subprotocol (protocol 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubprotocolAnswer {
    /// The first token asked for.
    Echo,
    /// Nothing.
    Nothing,
    /// This token, asked for or not.
    Token(String),
}

/// A user who is active in the CRM (protocol 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveUser {
    /// The login.
    pub login: String,
    /// The CRM's own id of the user.
    pub id: String,
}

/// One entry of the CRM's record.
#[derive(Debug, Clone, PartialEq)]
pub struct CrmRecord {
    /// When, from the start of the CRM.
    pub at: Duration,
    /// Which link, counted from 1.
    pub link: u64,
    /// What happened.
    pub what: CrmSeen,
}

/// What happened on a CRM's link.
#[derive(Debug, Clone, PartialEq)]
pub enum CrmSeen {
    /// A gateway connected and asked for this subprotocol.
    LinkUp(Option<String>),
    /// A message came; packets of a long one are put together first.
    Received(Message),
    /// A text came that is no message.
    Malformed(String),
    /// A message was sent.
    Sent(Message),
    /// The link ended, and how.
    LinkDown(String),
}

impl CrmRecord {
    /// The received message, if this is one.
    pub fn received(&self) -> Option<&Message> {
        match &self.what {
            CrmSeen::Received(message) => Some(message),
            _ => None,
        }
    }

    /// The entry as one JSON object for a log line.
    pub fn to_json(&self) -> Value {
        let (kind, detail) = match &self.what {
            CrmSeen::LinkUp(subprotocol) => ("linkup", json!({"subprotocol": subprotocol})),
            CrmSeen::Received(message) => (
                "in",
                json!({"name": message.name, "fields": message.fields}),
            ),
            CrmSeen::Sent(message) => (
                "out",
                json!({"name": message.name, "fields": message.fields}),
            ),
            CrmSeen::Malformed(text) => ("malformed", json!({"text": text})),
            CrmSeen::LinkDown(how) => ("linkdown", json!({"how": how})),
        };
        let mut line = json!({
            "at_ms": u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX),
            "link": self.link,
            "kind": kind,
        });
        if let (Value::Object(line), Value::Object(detail)) = (&mut line, detail) {
            line.extend(detail);
        }
        line
    }
}

/// The simulated CRM; see [`SimulatedCrm::start`].
#[derive(Debug)]
pub struct SimulatedCrm;

impl SimulatedCrm {
    /// Listens and serves until the handle is stopped or dropped.
    pub async fn start(options: CrmOptions) -> Result<CrmHandle> {
        let listen_error = |source| Error::Listen {
            address: options.listen.to_string(),
            source,
        };
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let shared = Arc::new(Shared {
            options,
            started: Instant::now(),
            journal: Journal::default(),
            links: Mutex::new(BTreeMap::new()),
        });
        let accepting = tokio::spawn(accept_links(listener, Arc::clone(&shared)));
        Ok(CrmHandle {
            address,
            shared,
            accepting,
        })
    }
}

/// A running simulated CRM; dropping it ends it at once.
#[derive(Debug)]
pub struct CrmHandle {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl CrmHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A reader of the whole record, from its beginning.
    pub fn received(&self) -> Reader<CrmRecord> {
        self.shared.journal.reader_from_start()
    }

    /// A reader of what is recorded from now on.
    pub fn received_from_now(&self) -> Reader<CrmRecord> {
        self.shared.journal.reader_from_now()
    }

    /// Everything recorded so far.
    pub fn records(&self) -> Vec<Arc<CrmRecord>> {
        self.shared.journal.all()
    }

    /// How many gateways are linked now.
    pub fn link_count(&self) -> usize {
        self.shared.links().len()
    }

    /// Sends a message over the newest link, in packets if it is long.
    pub async fn send(&self, message: Message) -> Result<()> {
        self.put(Outgoing::Message(message)).await
    }

    /// Sends a text as it is.
    pub async fn send_text(&self, text: &str) -> Result<()> {
        self.put(Outgoing::Text(text.to_owned())).await
    }

    /// Closes the newest link with this code and keeps listening.
    pub async fn close_link(&self, code: u16) -> Result<()> {
        self.put(Outgoing::Close(code)).await
    }

    /// Sends a request and waits for the answer with its `qid`.
    pub async fn request(&self, name: &str, fields: Value, within: Duration) -> Result<Message> {
        let qid = guid();
        let mut message = Message::new(name, fields);
        message.fields.insert("qid".into(), qid.as_str().into());
        let mut reader = self.received_from_now();
        self.send(message).await?;
        let is_answer = |record: &CrmRecord| {
            record
                .received()
                .is_some_and(|message| message.qid() == Some(&qid))
        };
        match reader.find(within, is_answer).await {
            Ok(record) => Ok(record.received().cloned().expect("is_answer looks for one")),
            Err(skipped) => Err(Error::Deadline {
                awaited: format!("the gateway's answer to {name}"),
                after: within,
                instead: describe(&skipped),
            }),
        }
    }

    /// Waits for the next recorded message of this name, counted from the record's beginning by `reader`.
    pub async fn wait_for(
        reader: &mut Reader<CrmRecord>,
        name: &str,
        within: Duration,
    ) -> Result<Message> {
        let is_wanted = |record: &CrmRecord| {
            record
                .received()
                .is_some_and(|message| message.name == name)
        };
        match reader.find(within, is_wanted).await {
            Ok(record) => Ok(record.received().cloned().expect("is_wanted looks for one")),
            Err(skipped) => Err(Error::Deadline {
                awaited: format!("{name} at the CRM"),
                after: within,
                instead: describe(&skipped),
            }),
        }
    }

    /// Ends at once: no close frames, the listening address is free afterwards.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // An aborted task gives an error by contract; all that matters is that it is over.
        let _ = (&mut self.accepting).await;
    }

    async fn put(&self, outgoing: Outgoing) -> Result<()> {
        let newest = self.shared.links().values().next_back().cloned();
        let not_linked = || Error::Usage("no gateway is linked to the simulated CRM".into());
        newest
            .ok_or_else(not_linked)?
            .send(outgoing)
            .await
            .map_err(|_| not_linked())
    }
}

impl Drop for CrmHandle {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What the accepting task, the links' tasks and the handle share.
#[derive(Debug)]
struct Shared {
    options: CrmOptions,
    started: Instant,
    journal: Journal<CrmRecord>,
    links: Mutex<BTreeMap<u64, mpsc::Sender<Outgoing>>>,
}

impl Shared {
    fn record(&self, link: u64, what: CrmSeen) {
        self.journal.push(CrmRecord {
            at: self.started.elapsed(),
            link,
            what,
        });
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<u64, mpsc::Sender<Outgoing>>> {
        // A panic while the lock is held cannot leave the map half-written.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts for ever; the links' tasks die with this one.
async fn accept_links(listener: TcpListener, shared: Arc<Shared>) {
    let mut links = JoinSet::new();
    let mut last_link = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if links.len() < LINKS_MAX => {
                    last_link += 1;
                    links.spawn(serve(last_link, stream, Arc::clone(&shared)));
                }
                Ok(_) => tracing::warn!(LINKS_MAX, "a link was dropped: too many are open"),
                Err(error) => tracing::warn!(%error, "a link could not be accepted"),
            },
            Some(_) = links.join_next() => {}
        }
    }
}

async fn serve(number: u64, stream: TcpStream, shared: Arc<Shared>) {
    let how = match link::serve(number, stream, Arc::clone(&shared)).await {
        Ok(how) => how,
        Err(error) => error.to_string(),
    };
    shared.links().remove(&number);
    shared.record(number, CrmSeen::LinkDown(how));
}

/// The record entries in short, for an error message.
fn describe(records: &[Arc<CrmRecord>]) -> String {
    let shown: Vec<String> = records
        .iter()
        .rev()
        .take(RECORDS_SHOWN_MAX)
        .rev()
        .map(|record| shortened(&record.to_json().to_string()))
        .collect();
    if shown.is_empty() {
        "nothing".into()
    } else {
        shown.join("\n  ")
    }
}

/// How many links a simulated CRM serves at once.
const LINKS_MAX: usize = 64;
/// How many entries an error message shows.
const RECORDS_SHOWN_MAX: usize = 12;
