//! Owns a simulated CRM server for any of the six modes of the server link (protocol 2 to 5 and 8, from the CRM's side), in JSON
//! or XML.
//!
//! It listens for a gateway's WebSocket or posts, or connects to the gateway and restores its link. What it answers is decided in
//! `mind`; everything that was received and sent is recorded in a journal that tests and the command line read. It never speaks
//! first but as its options say.

mod behaviour;
mod dial;
mod form;
mod handshake;
mod http;
mod link;
mod listen;
mod mind;
mod options;
mod record;
mod socket;
mod stream;
#[cfg(test)]
mod tests;
mod tunnel;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use self::behaviour::{
    Answer, AnswerKind, Behaviour, ConnectionType, Form, HttpAnswer, HttpBehaviour, Item, KnownBy,
    LinkBehaviour, Method, Packets, Parameter, ParameterType, Reads, Users,
};
use self::link::Outgoing;
use self::mind::Mind;
pub use self::options::{
    ActiveUser, CrmOptions, CrmTls, Introduce, Mode, SubprotocolAnswer, WebSocketVersion,
};
use self::record::describe;
pub use self::record::{CrmRecord, CrmSeen};
use self::tunnel::Tunnel;
pub use self::tunnel::TunnelReport;
use crate::auth::{Credentials, Guard, Scheme};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::journal::{Journal, Reader};
use crate::message::{Message, guid};
use crate::multipart::Assembler;

/// The simulated CRM; see [`SimulatedCrm::start`].
#[derive(Debug)]
pub struct SimulatedCrm;

impl SimulatedCrm {
    /// Serves, or connects again and again, until the handle is stopped or dropped.
    pub async fn start(options: CrmOptions) -> Result<CrmHandle> {
        let shared = Arc::new(Shared::new(options)?);
        if shared.options.mode.is_incoming() {
            let dialler = dial::Dialler::new(Arc::clone(&shared))?;
            return Ok(CrmHandle {
                address: shared.options.connect,
                root: None,
                serving: tokio::spawn(dialler.run()),
                shared,
            });
        }
        let listening = listen::Listening::start(Arc::clone(&shared)).await?;
        Ok(CrmHandle {
            address: listening.address,
            root: listening.root.clone(),
            serving: tokio::spawn(listening.run()),
            shared,
        })
    }
}

/// A running simulated CRM; dropping it ends it at once.
#[derive(Debug)]
pub struct CrmHandle {
    address: SocketAddr,
    root: Option<String>,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl CrmHandle {
    /// Where it listens, or connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root of the certificate that it made for itself, as a PEM text.
    pub fn root(&self) -> Option<&str> {
        self.root.as_deref()
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

    /// How many gateways are linked now; in the HTTP modes none ever is.
    pub fn link_count(&self) -> usize {
        self.shared.links().len()
    }

    /// What became of the requests of the users who speak through the tunnel.
    pub fn tunnel(&self) -> TunnelReport {
        self.shared.tunnel.report()
    }

    /// Lists this user as active from now on; nothing is said to the gateway.
    pub fn list_user(&self, login: &str, id: &str) {
        self.shared.mind().log_in(login, id);
    }

    /// Lists this user no longer as active; nothing is said to the gateway.
    pub fn unlist_user(&self, login: &str) {
        self.shared.mind().log_out(login);
    }

    /// Sends a message over the newest link, in packets if it is long.
    pub async fn send(&self, message: Message) -> Result<()> {
        self.put(Outgoing::Message(message, Packets::Auto)).await
    }

    /// Sends a message over the newest link, in packets or not.
    pub async fn send_in(&self, message: Message, packets: Packets) -> Result<()> {
        self.put(Outgoing::Message(message, packets)).await
    }

    /// Sends a text as it is.
    pub async fn send_text(&self, text: &str) -> Result<()> {
        self.put(Outgoing::Text(text.to_owned())).await
    }

    /// Closes the newest link with this code; it goes on listening, or connects again.
    pub async fn close_link(&self, code: u16) -> Result<()> {
        self.put(Outgoing::Close(code)).await
    }

    /// Drops the newest link without a word; it goes on listening, or connects again.
    pub async fn drop_link(&self) -> Result<()> {
        self.put(Outgoing::Drop).await
    }

    /// Sends a request and waits for the answer with its `qid`.
    pub async fn request(&self, name: &str, fields: Value, within: Duration) -> Result<Message> {
        let qid = guid();
        let mut message = Message::new(name, fields);
        message.fields.insert("qid".into(), qid.as_str().into());
        let mut reader = self.received_from_now();
        self.send(message).await?;
        let is_answer = |message: &Message| message.qid() == Some(&qid);
        find(
            &mut reader,
            &format!("the gateway's answer to {name}"),
            within,
            is_answer,
        )
        .await
    }

    /// Waits for the next recorded message of this name, counted from the record's beginning by `reader`.
    pub async fn wait_for(
        reader: &mut Reader<CrmRecord>,
        name: &str,
        within: Duration,
    ) -> Result<Message> {
        let is_wanted = |message: &Message| message.name == name;
        find(reader, &format!("{name} at the CRM"), within, is_wanted).await
    }

    /// Ends at once: no close frames, the listening address is free afterwards.
    pub async fn stop(mut self) {
        self.serving.abort();
        // An aborted task gives an error by contract; all that matters is that it is over.
        let _ = (&mut self.serving).await;
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
        self.serving.abort();
    }
}

/// The next received message that is wanted.
async fn find(
    reader: &mut Reader<CrmRecord>,
    awaited: &str,
    within: Duration,
    is_wanted: impl Fn(&Message) -> bool,
) -> Result<Message> {
    let is_it = |record: &CrmRecord| record.received().is_some_and(&is_wanted);
    match reader.find(within, is_it).await {
        Ok(record) => Ok(record.received().cloned().expect("is_it looks for one")),
        Err(skipped) => Err(Error::Deadline {
            awaited: awaited.to_owned(),
            after: within,
            instead: describe(&skipped),
        }),
    }
}

/// What the serving task, the links' tasks and the handle share.
#[derive(Debug)]
struct Shared {
    options: CrmOptions,
    started: Instant,
    journal: Journal<CrmRecord>,
    links: Mutex<BTreeMap<u64, mpsc::Sender<Outgoing>>>,
    last_link: AtomicU64,
    mind: Mutex<Mind>,
    guard: Mutex<Guard>,
    assemblers: Mutex<Assemblers>,
    tunnel: Tunnel,
}

/// What puts packets together that were posted, by their format.
#[derive(Debug)]
struct Assemblers {
    json: Assembler,
    xml: Assembler,
}

impl Assemblers {
    fn of(&mut self, format: Format) -> &mut Assembler {
        match format {
            Format::Json => &mut self.json,
            Format::Xml => &mut self.xml,
        }
    }
}

impl Shared {
    fn new(options: CrmOptions) -> Result<Self> {
        let usage = |what: &str| Err(Error::Usage(what.to_owned()));
        if options.auth != Scheme::None && options.credentials.is_none() {
            return usage("authentication needs credentials: LOGIN:PASSWORD");
        }
        if options.mode.is_http() && options.behaviour.users.is_some() {
            return usage("in the HTTP modes no users can speak: the CRM cannot call the gateway");
        }
        let credentials = options.credentials.clone();
        let credentials = credentials.unwrap_or_else(|| Credentials::new("", ""));
        let guard = Guard::new(options.auth, credentials).nonce_lifetime(options.nonce_lifetime);
        Ok(Self {
            started: Instant::now(),
            journal: Journal::default(),
            links: Mutex::new(BTreeMap::new()),
            last_link: AtomicU64::new(0),
            mind: Mutex::new(Mind::new(&options)),
            guard: Mutex::new(guard),
            assemblers: Mutex::new(Assemblers {
                json: Assembler::new(Format::Json),
                xml: Assembler::new(Format::Xml),
            }),
            tunnel: Tunnel::default(),
            options,
        })
    }

    /// A number for a new link or connection.
    fn next_link(&self) -> u64 {
        self.last_link.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn record(&self, link: u64, what: CrmSeen) {
        let is_message = matches!(what, CrmSeen::Received(_) | CrmSeen::Sent(_));
        if !self.options.keeps_record || (is_message && !self.options.keeps_messages) {
            return;
        }
        self.journal.push(CrmRecord {
            at: self.started.elapsed(),
            link,
            what,
        });
    }

    /// A link is over, one way or another.
    fn end_link(&self, link: u64, outcome: Result<String>) {
        self.links().remove(&link);
        let how = outcome.unwrap_or_else(|error| error.to_string());
        self.record(link, CrmSeen::LinkDown(how));
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<u64, mpsc::Sender<Outgoing>>> {
        // A panic while the lock is held cannot leave the map half-written.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mind(&self) -> MutexGuard<'_, Mind> {
        // A panic while the lock is held ends at most one answer.
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
