//! Owns one permanent link of the simulated CRM: what comes is recorded and answered, runs that take time are answered later,
//! long messages go in packets, and faults are made as told.
//!
//! Texts come in from a [`Socket`]; answers and what the handle wants sent go out, one message at a time.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinHandle};

use super::behaviour::{LinkBehaviour, Packets, Reads};
use super::mind::Reply;
use super::socket::{Event, Socket};
use super::{CrmSeen, Shared, tunnel};
use crate::error::Result;
use crate::format::Format;
use crate::message::Message;
use crate::multipart::{self, Assembler};

/// What a link is asked to send.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// A message.
    Message(Message, Packets),
    /// A text as it is.
    Text(String),
    /// A close frame with this code.
    Close(u16),
    /// Nothing: the connection is dropped without a word.
    Drop,
}

/// Serves one link until it ends; says how it ended.
pub(super) async fn serve(
    number: u64,
    socket: Socket,
    asked: Option<String>,
    format: Format,
    shared: Arc<Shared>,
) -> Result<String> {
    let (sender, receiver) = mpsc::channel(OUTGOING_MAX);
    shared.links().insert(number, sender.clone());
    shared.record(number, CrmSeen::LinkUp(asked));
    let listed = Arc::new(Notify::new());
    let users = tokio::spawn(tunnel::run(
        Arc::clone(&shared),
        number,
        sender.clone(),
        Arc::clone(&listed),
    ));
    let link = Link {
        number,
        behaviour: shared.options.behaviour.link,
        shared,
        socket,
        format,
        sender,
        assembler: Assembler::new(format),
        runs: HashMap::new(),
        users,
        listed,
        received: 0,
    };
    link.run(receiver).await
}

struct Link {
    number: u64,
    behaviour: LinkBehaviour,
    shared: Arc<Shared>,
    socket: Socket,
    format: Format,
    /// For runs that answer later.
    sender: mpsc::Sender<Outgoing>,
    assembler: Assembler,
    /// Runs under way by `executionid`.
    runs: HashMap<String, Vec<AbortHandle>>,
    /// The users who speak over this link.
    users: JoinHandle<()>,
    /// Told when the gateway knows who is active.
    listed: Arc<Notify>,
    /// How many messages came.
    received: u64,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.users.abort();
        for run in self.runs.values().flatten() {
            run.abort();
        }
        self.shared.tunnel.link_ended(self.number);
    }
}

impl Link {
    async fn run(mut self, mut receiver: mpsc::Receiver<Outgoing>) -> Result<String> {
        let greeting = self.shared.mind().greeting(self.number);
        if let Some(question) = greeting {
            self.send(question, Packets::Auto).await?;
        }
        loop {
            let reads = !(self.is_silent() && self.behaviour.reads == Reads::Nothing);
            tokio::select! {
                event = self.socket.next(), if reads => match event? {
                    Event::Text(text) => {
                        self.handle_text(&text).await?;
                        if self.is_to_be_dropped() {
                            return Ok("dropped on purpose".into());
                        }
                    }
                    Event::Binary => self.record(CrmSeen::Malformed("a binary frame".into())),
                    Event::Ended(how) => return Ok(how),
                },
                Some(outgoing) = receiver.recv() => match outgoing {
                    Outgoing::Message(message, packets) => self.send(message, packets).await?,
                    Outgoing::Text(text) => self.socket.send(text).await?,
                    Outgoing::Close(code) => self.socket.close(code).await?,
                    Outgoing::Drop => return Ok("dropped on purpose".into()),
                },
            }
        }
    }

    fn is_silent(&self) -> bool {
        self.behaviour.reads != Reads::AndAnswers && self.received >= self.behaviour.silent_after
    }

    fn is_to_be_dropped(&self) -> bool {
        let every = self.behaviour.drop_every;
        every > 0 && self.received >= every
    }

    async fn handle_text(&mut self, text: &str) -> Result<()> {
        let whole = match self.format.read(text) {
            Ok(message) if message.name == "multipart" => self.assembler.accept(&message),
            read => read.map(Some),
        };
        let message = match whole {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.record(CrmSeen::Malformed(format!("{error}")));
                return Ok(());
            }
        };
        let is_answered = !self.is_silent();
        self.received += 1;
        if let Some(wrong) = self.shared.tunnel.take(&message) {
            self.record(CrmSeen::WrongAnswer(wrong));
        }
        self.record(CrmSeen::Received(message.clone()));
        if !is_answered {
            return Ok(());
        }
        let reaction = self.shared.mind().react(&message, self.number);
        if let Some(run) = reaction.cancelled {
            for answer in self.runs.remove(&run).unwrap_or_default() {
                answer.abort();
            }
        }
        for reply in reaction.replies {
            if reply.after.is_zero() {
                self.send(reply.message, reply.packets).await?;
            } else {
                self.send_later(reply);
            }
        }
        if message.name == "getactiveusers" {
            self.listed.notify_one();
        }
        Ok(())
    }

    fn send_later(&mut self, reply: Reply) {
        if self.runs.len() >= RUNS_MAX {
            self.runs
                .retain(|_, answers| answers.iter().any(|answer| !answer.is_finished()));
        }
        if self.runs.len() >= RUNS_MAX {
            tracing::warn!(RUNS_MAX, "a slow run was dropped: too many are under way");
            return;
        }
        let sender = self.sender.clone();
        let run = reply.run.unwrap_or_default();
        let answer = tokio::spawn(async move {
            tokio::time::sleep(reply.after).await;
            // The link may be gone by now; then nobody waits for the answer.
            let _ = sender
                .send(Outgoing::Message(reply.message, reply.packets))
                .await;
        });
        self.runs
            .entry(run)
            .or_default()
            .push(answer.abort_handle());
    }

    async fn send(&mut self, message: Message, packets: Packets) -> Result<()> {
        let packets = match packets {
            Packets::Auto => self.behaviour.packets,
            told => told,
        };
        let text = self.format.write(&message);
        let is_divided = match packets {
            Packets::Auto => text.len() > UNPACKED_BYTES_MAX,
            Packets::Always => true,
            Packets::Never => false,
        };
        if is_divided {
            for packet in multipart::split_as(&message, self.format) {
                self.socket.send(self.format.write(&packet)).await?;
            }
        } else {
            self.socket.send(text).await?;
        }
        self.record(CrmSeen::Sent(message));
        Ok(())
    }

    fn record(&self, what: CrmSeen) {
        self.shared.record(self.number, what);
    }
}

/// How many messages wait to be sent on a link.
const OUTGOING_MAX: usize = 4096;
/// How many slow runs are under way on a link.
const RUNS_MAX: usize = 10_000;
/// Protocol 3.3: longer texts go in packets on server links.
const UNPACKED_BYTES_MAX: usize = 2048;
