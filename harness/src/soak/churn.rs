//! Owns the connections of a soak that come and go: in every way that a browser, a network or a stranger ends one. They
//! look at what they are answered; how they leave is chosen by the seed.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::World;
use super::phase::{Phase, pass};
use super::watch::{Gate, Kind};
use crate::error::{Error, Result};
use crate::gateway::DEFAULT_PASSWORD;
use crate::message::Message;
use crate::raw;
use crate::raw_link::{append_close, request_frame};
use crate::tab::connect::{self, ConnectOptions};
use crate::tab::login_fields;

/// How a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Connected, and gone.
    NoHandshake,
    /// Gone in the middle of the handshake's request.
    HalfHandshake,
    /// Gone right after the handshake.
    Handshake,
    /// A ping, then a close frame, and the wait for the end.
    CleanClose,
    /// Gone in the middle of a frame.
    MidFrame,
    /// Gone before the answer to the login can have come.
    BeforeLogin,
    /// Gone right after the answer to the login.
    AfterLogin,
    /// Logged in, subscribed, many requests at once, gone without reading.
    Unread,
    /// Logged in and subscribed, quiet for a while, a close frame.
    IdleTab,
    /// Quiet without a login for a while, and gone.
    Idle,
}

const WAYS: [(Way, &str); 10] = [
    (Way::NoHandshake, "no-handshake"),
    (Way::HalfHandshake, "half-handshake"),
    (Way::Handshake, "handshake"),
    (Way::CleanClose, "clean-close"),
    (Way::MidFrame, "mid-frame"),
    (Way::BeforeLogin, "before-login"),
    (Way::AfterLogin, "after-login"),
    (Way::Unread, "unread"),
    (Way::IdleTab, "idle-tab"),
    (Way::Idle, "idle"),
];

/// One connection, with everything about it chosen.
struct Visit {
    way: Way,
    /// Ends with a reset instead of an ordinary end of the stream.
    is_reset: bool,
    login: String,
    stay: Duration,
    /// Where the handshake or the frame is cut, as a share.
    cut: f64,
    source: SocketAddr,
    phases: watch::Receiver<Phase>,
}

/// Lets connections come and go until the traffic ends, and waits for the last ones.
pub(super) async fn come_and_go(world: Rc<World>, mut random: ChaCha8Rng) {
    let mut phases = world.phases.subscribe();
    let mut visits = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut owed, mut last) = (0.0, Instant::now());
    let mut phase = *phases.borrow_and_update();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = phases.changed() => {
                let before = phase;
                phase = *phases.borrow_and_update();
                if before == Phase::Quiet && !phase.is_ending() {
                    world.watch.count(|counts| counts.pauses += 1);
                }
                if phase == Phase::Burst {
                    owed += f64::from(world.options.churn_per_s) / 2.0;
                }
            }
        }
        if phase.is_ending() {
            break;
        }
        if phase.is_lively() {
            owed += f64::from(world.options.churn_per_s) * last.elapsed().as_secs_f64();
        }
        last = Instant::now();
        while owed >= 1.0 {
            owed -= 1.0;
            if visits.len() < OPEN_MAX {
                visits.spawn_local(visit(Rc::clone(&world), Visit::choose(&world, &mut random)));
            }
        }
        while visits.try_join_next().is_some() {}
    }
    while visits.join_next().await.is_some() {}
}

impl Visit {
    fn choose(world: &World, random: &mut ChaCha8Rng) -> Self {
        let (way, name) = WAYS[random.random_range(0..WAYS.len())];
        world
            .watch
            .count(|counts| *counts.churn.entry(name).or_default() += 1);
        // Half of them are more tabs of the users who are there anyway, half are users who come and go.
        let login = if random.random_ratio(1, 2) {
            super::login_of(random.random_range(0..world.options.users))
        } else {
            super::guest_login(random.random_range(0..super::GUESTS))
        };
        // One address has ports for so many ended connections only.
        let host = Ipv4Addr::new(127, 0, 1, random.random_range(1..=SOURCES));
        Self {
            way,
            is_reset: random.random_ratio(1, 2),
            login,
            stay: Duration::from_millis(random.random_range(STAY_MS)),
            cut: random.random_range(0.0..1.0),
            source: SocketAddr::from((host, 0)),
            phases: world.phases.subscribe(),
        }
    }
}

/// Makes the visit and reports what went wrong.
async fn visit(world: Rc<World>, mut visit: Visit) {
    let way = visit.way;
    let failed = |gate, error: Error| {
        world.watch.fail(gate, format_args!("{way:?}: {error}"));
    };
    match make(&world, &mut visit).await {
        Ok(()) => {}
        Err(error @ Error::Deadline { .. }) => failed(Gate::Stall, error),
        Err(error) => failed(Gate::Churn, error),
    }
}

async fn make(world: &World, visit: &mut Visit) -> Result<()> {
    if let Way::NoHandshake | Way::HalfHandshake = visit.way {
        return half_way(world, visit).await;
    }
    let mut guest = Guest::enter(world, visit.source).await?;
    match visit.way {
        Way::NoHandshake | Way::HalfHandshake | Way::Handshake => {}
        Way::CleanClose => {
            guest.ask("ping", json!({})).await?;
            return guest.close().await;
        }
        Way::MidFrame => {
            let padding = json!({"padding": "x".repeat(PADDING_BYTES)});
            let mut frame = request_frame("ping", padding, 0);
            frame.truncate(cut(frame.len(), visit.cut));
            guest.send(&frame).await?;
        }
        Way::BeforeLogin => {
            let login = request_frame("login", credentials(&visit.login), 0);
            guest.send(&login).await?;
        }
        Way::AfterLogin => guest.ask("login", credentials(&visit.login)).await?,
        Way::Unread => {
            guest.ask("login", credentials(&visit.login)).await?;
            guest.ask("subscribeevent", subscription()).await?;
            let pings = request_frame("ping", json!({}), 0).repeat(UNREAD_PINGS);
            guest.send(&pings).await?;
        }
        Way::IdleTab => {
            guest.ask("login", credentials(&visit.login)).await?;
            guest.ask("subscribeevent", subscription()).await?;
            pass(&mut visit.phases, visit.stay).await;
            return guest.close().await;
        }
        Way::Idle => {
            pass(&mut visit.phases, visit.stay).await;
        }
    }
    leave(guest.stream, visit.is_reset)
}

/// Connects and goes before the handshake is complete.
async fn half_way(world: &World, visit: &Visit) -> Result<()> {
    let failed = |error| Error::io("passing by", error);
    let socket = TcpSocket::new_v4().map_err(failed)?;
    socket.bind(visit.source).map_err(failed)?;
    let connecting = timeout(world.options.stall, socket.connect(world.clients));
    let mut stream = connecting
        .await
        .map_err(|_| late("a connection", world.options.stall))?
        .map_err(failed)?;
    if visit.way == Way::HalfHandshake {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n",
            world.clients
        );
        let cut = cut(head.len(), visit.cut);
        stream
            .write_all(&head.as_bytes()[..cut])
            .await
            .map_err(failed)?;
    }
    leave(stream, visit.is_reset)
}

/// Ends the connection without a word.
fn leave(stream: TcpStream, is_reset: bool) -> Result<()> {
    if is_reset {
        let reset = stream.set_zero_linger();
        reset.map_err(|error| Error::io("preparing a reset", error))?;
    }
    drop(stream);
    Ok(())
}

/// A connection after its handshake.
struct Guest {
    stream: TcpStream,
    read: Vec<u8>,
    patience: Duration,
}

impl Guest {
    async fn enter(world: &World, source: SocketAddr) -> Result<Self> {
        let mut options = ConnectOptions::subprotocol(Some("json"));
        options.source = Some(source);
        let (started, patience) = (Instant::now(), world.options.stall);
        let connected = connect::connect(world.clients, &options).await?;
        world.watch.time(Kind::Handshake, started.elapsed());
        if started.elapsed() > patience {
            return Err(late("a handshake", patience));
        }
        Ok(Self {
            stream: connected.stream,
            read: connected.already_read,
            patience,
        })
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = self.stream.write_all(bytes).await;
        sent.map_err(|error| Error::io("sending on a passing connection", error))
    }

    /// Asks, and reads until the good answer; events may come before it.
    async fn ask(&mut self, method: &str, fields: Value) -> Result<()> {
        let qid = format!("churn-{method}");
        self.send(&request_frame(method, fields, &qid)).await?;
        let patience = self.patience;
        let answer = timeout(patience, self.text_with(&qid));
        let answer = answer.await.map_err(|_| late(method, patience))??;
        Message::parse(&answer)?.into_success(method).map(drop)
    }

    /// The next text that holds this.
    async fn text_with(&mut self, needle: &str) -> Result<String> {
        loop {
            while let Some((opcode, payload)) = self.frame() {
                let text = String::from_utf8_lossy(&payload).into_owned();
                if opcode == raw::CLOSE {
                    return Err(Error::Malformed(format!(
                        "a close instead of {needle}: {text:?}"
                    )));
                }
                if text.contains(needle) {
                    return Ok(text);
                }
            }
            if self.read_more().await? == 0 {
                return Err(Error::Malformed(format!("the end instead of {needle}")));
            }
        }
    }

    /// The first whole frame of what was read.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (head, payload) = raw::take_frame(&mut self.read)?;
        Some((head.opcode, payload))
    }

    async fn read_more(&mut self) -> Result<usize> {
        let read = self.stream.read_buf(&mut self.read).await;
        read.map_err(|error| Error::io("reading on a passing connection", error))
    }

    /// Sends a close frame; the gateway must answer it and end the connection.
    async fn close(mut self) -> Result<()> {
        let mut frame = Vec::new();
        append_close(&mut frame, 1000);
        self.send(&frame).await?;
        let patience = self.patience;
        let ended = timeout(patience, async {
            let mut is_answered = false;
            loop {
                while let Some((opcode, _)) = self.frame() {
                    is_answered |= opcode == raw::CLOSE;
                }
                if self.read_more().await? == 0 {
                    return Ok(is_answered);
                }
            }
        });
        match ended.await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Error::Malformed("the end without a close frame".into())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(late("the end after a close frame", patience)),
        }
    }
}

fn credentials(login: &str) -> Value {
    login_fields(login, DEFAULT_PASSWORD)
}

fn subscription() -> Value {
    json!({"eventmethod": ["pbxnumberstatechanged", "userstatechanged", "linestatechanged"]})
}

/// A place within so many bytes, neither the beginning nor the end.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)] // a share of a few bytes
fn cut(bytes: usize, share: f64) -> usize {
    ((bytes as f64 * share) as usize).clamp(1, bytes - 1)
}

fn late(awaited: &str, after: Duration) -> Error {
    Error::Deadline {
        awaited: awaited.to_owned(),
        after,
        instead: "nothing that answers it".into(),
    }
}

/// How often new connections are made.
const TICK: Duration = Duration::from_millis(10);
/// How many passing connections there are at once.
const OPEN_MAX: usize = 4_000;
/// From how many loopback addresses they come.
const SOURCES: u8 = 16;
/// How long idle ones stay.
const STAY_MS: std::ops::Range<u64> = 100..4_000;
/// How long a broken-off frame would have been.
const PADDING_BYTES: usize = 6_000;
/// How many pings are sent whose answers are not read.
const UNREAD_PINGS: usize = 200;
