//! Owns one connection through the proxy: its two pipes, the moment of the fault that ends it, and orders from outside.

use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::effect::{Direction, Effect, Kind, Moment};
use super::fate::{Drawn, Fate, Shape};
use super::pipe::{Allowance, Pipe, Step};
use super::record::End;

/// What a connection is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orders {
    /// Whether its faults come.
    pub(super) is_armed: bool,
    /// Which way nothing goes through.
    pub(super) stalled: Option<Direction>,
    /// How it is to end at once.
    pub(super) end: Option<Kind>,
}

/// A connection, from the moment on that both sides are there.
pub(super) struct Connection<'c> {
    client: TcpStream,
    server: TcpStream,
    fate: &'c Fate,
    orders: watch::Receiver<Orders>,
    up: Pipe,
    down: Pipe,
    stage: Stage,
    /// A pipe was given up because one side is gone.
    is_broken: bool,
    /// Told of each fault that comes.
    told: &'c (dyn Fn(Kind) + Sync),
}

/// How a connection ended, and who had left by then.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) end: End,
    pub(super) up_bytes: u64,
    pub(super) down_bytes: u64,
    pub(super) client_left: bool,
    pub(super) server_left: bool,
    /// It was half-open all the time that this was to last, so that the server heard nothing, and yet was not left by it.
    pub(super) is_unnoticed: bool,
}

/// Where the fault is that ends the connection.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// There is none, or it does not come now.
    Dormant,
    /// It comes at this time, or after so many bytes more.
    Armed {
        at: Option<Instant>,
        bytes: Option<u64>,
    },
    /// A cut waits for bytes that it can come into the middle of, but not for ever.
    Parting { until: Instant },
    /// Nothing goes through.
    HalfOpen { until: Instant },
}

/// What the connection's loop meets.
enum Happening {
    Orders,
    Step(Direction, io::Result<Step>),
    Time,
    Look,
}

impl<'c> Connection<'c> {
    pub(super) fn new(
        (client, server): (TcpStream, TcpStream),
        fate: &'c Fate,
        (up, down): (Pipe, Pipe),
        orders: watch::Receiver<Orders>,
        told: &'c (dyn Fn(Kind) + Sync),
    ) -> Self {
        Self {
            client,
            server,
            fate,
            orders,
            up,
            down,
            stage: Stage::Dormant,
            is_broken: false,
            told,
        }
    }

    /// Carries bytes until the connection is over.
    pub(super) async fn run(mut self) -> Outcome {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_armed = false;
        loop {
            let orders = *self.orders.borrow_and_update();
            if orders.is_armed != is_armed {
                is_armed = orders.is_armed;
                self.set_armed(is_armed);
            }
            if let Some(end) = orders.end {
                (self.told)(end);
                return self.end(end).await;
            }
            if self.is_broken && self.stalled().is_none() {
                return self.reset(End::ResetByPeer);
            }
            if self.up.is_finished() && self.down.is_finished() && self.stalled().is_none() {
                return self.outcome(End::Closed);
            }
            let outcome = match self.next(is_armed, &mut looks).await {
                Happening::Orders => None,
                Happening::Step(direction, step) => self.after_step(direction, step).await,
                Happening::Time => self.time().await,
                Happening::Look => self.look(),
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
    }

    async fn next(&mut self, is_armed: bool, looks: &mut tokio::time::Interval) -> Happening {
        let shape = |direction| {
            if is_armed {
                self.fate.shape(direction)
            } else {
                Shape::default()
            }
        };
        let (up_shape, down_shape) = (shape(Direction::Up), shape(Direction::Down));
        let (up_may, down_may) = (
            self.allowance(Direction::Up),
            self.allowance(Direction::Down),
        );
        let (is_stalled, moment) = (self.stalled().is_some(), self.moment());
        // What is due comes before the next byte.
        if moment.is_some_and(|moment| moment <= Instant::now()) {
            return Happening::Time;
        }
        tokio::select! {
            // It does not fail: the proxy gives orders until this connection has left it.
            _ = self.orders.changed() => Happening::Orders,
            step = self.up.step(&self.client, &self.server, up_may, up_shape) => {
                Happening::Step(Direction::Up, step)
            }
            step = self.down.step(&self.server, &self.client, down_may, down_shape) => {
                Happening::Step(Direction::Down, step)
            }
            () = sleep_until(moment.unwrap_or_else(Instant::now)), if moment.is_some() => {
                Happening::Time
            }
            _ = looks.tick(), if is_stalled => Happening::Look,
        }
    }

    fn set_armed(&mut self, is_armed: bool) {
        self.stage = Stage::Dormant;
        if !is_armed {
            return;
        }
        for fault in &self.fate.faults {
            if !fault.effect.kind().is_end() {
                (self.told)(fault.effect.kind());
            }
        }
        if let Some((
            _,
            Moment {
                after_bytes,
                after_ms,
            },
        )) = self.fate.end()
        {
            let at = after_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
            self.stage = Stage::Armed {
                at,
                bytes: after_bytes,
            };
        }
    }

    /// Which way nothing goes through, if any.
    fn stalled(&self) -> Option<Direction> {
        let ordered = self.orders.borrow().stalled;
        let own = match self.stage {
            Stage::HalfOpen { .. } => self.fate.end().map(|(fault, _)| fault.direction),
            _ => None,
        };
        match (ordered, own) {
            (Some(one), Some(other)) if one != other => Some(Direction::Both),
            (one, other) => one.or(other),
        }
    }

    fn allowance(&self, direction: Direction) -> Allowance {
        if self.stalled().is_some_and(|it| it.covers(direction)) {
            return Allowance::Nothing;
        }
        let end = self.fate.end().map(|(fault, _)| fault);
        if !end.is_some_and(|fault| fault.direction.covers(direction)) {
            return Allowance::Bytes(u64::MAX);
        }
        match self.stage {
            Stage::Armed { bytes, .. } => Allowance::Bytes(bytes.unwrap_or(u64::MAX)),
            Stage::Parting { .. } => Allowance::PartOfNext(self.fate.share),
            Stage::Dormant | Stage::HalfOpen { .. } => Allowance::Bytes(u64::MAX),
        }
    }

    fn moment(&self) -> Option<Instant> {
        match self.stage {
            Stage::Dormant => None,
            Stage::Armed { at, bytes } => match bytes {
                Some(0) => Some(Instant::now()),
                _ => at,
            },
            Stage::Parting { until } | Stage::HalfOpen { until } => Some(until),
        }
    }

    async fn after_step(
        &mut self,
        direction: Direction,
        step: io::Result<Step>,
    ) -> Option<Outcome> {
        match step {
            Ok(Step::Read | Step::Finished) => None,
            Ok(Step::Wrote(written)) => {
                let end = self.fate.end().map(|(fault, _)| fault);
                if let Stage::Armed {
                    bytes: Some(bytes), ..
                } = &mut self.stage
                    && end.is_some_and(|fault| fault.direction.covers(direction))
                {
                    *bytes = bytes.saturating_sub(written);
                }
                None
            }
            Ok(Step::Parted) => Some(self.end(Kind::Cut).await),
            // Whoever is behind the stall must not be told.
            Err(_) if self.stalled().is_some() => {
                let pipe = match direction {
                    Direction::Down => &mut self.down,
                    Direction::Up | Direction::Both => &mut self.up,
                };
                pipe.give_up();
                self.is_broken = true;
                None
            }
            Err(_) => Some(self.reset(End::ResetByPeer)),
        }
    }

    /// The stage's time has come.
    async fn time(&mut self) -> Option<Outcome> {
        let (fault, _) = self.fate.end()?;
        match self.stage {
            Stage::Dormant => None,
            Stage::Armed { bytes, .. } => self.strike(fault, bytes == Some(0)).await,
            Stage::Parting { .. } => Some(self.end(Kind::Cut).await),
            Stage::HalfOpen { .. } => {
                let mut outcome = self.reset(End::HalfOpen);
                let is_deaf = fault.direction.covers(Direction::Up);
                outcome.is_unnoticed = is_deaf && !outcome.server_left;
                Some(outcome)
            }
        }
    }

    /// The fault that ends the connection comes.
    async fn strike(&mut self, fault: Drawn, is_by_bytes: bool) -> Option<Outcome> {
        (self.told)(fault.effect.kind());
        match fault.effect {
            Effect::Cut { .. } if !is_by_bytes => {
                let until = Instant::now() + PART_WAIT;
                self.stage = Stage::Parting { until };
                None
            }
            Effect::HalfOpen { lasts_ms, .. } => {
                let until = Instant::now() + Duration::from_millis(lasts_ms);
                self.stage = Stage::HalfOpen { until };
                None
            }
            effect => Some(self.end(effect.kind()).await),
        }
    }

    /// While something is stalled: whether both sides have given up.
    fn look(&mut self) -> Option<Outcome> {
        let is_over = has_left(&self.client) && has_left(&self.server);
        is_over.then(|| self.reset(End::HalfOpen))
    }

    /// Ends the connection in one of two ways.
    async fn end(&mut self, kind: Kind) -> Outcome {
        if kind != Kind::Cut {
            return self.reset(End::Reset);
        }
        let outcome = self.outcome(End::Cut);
        let [client, server] = [&self.client, &self.server].map(socket2::SockRef::from);
        for socket in [client, server] {
            // It fails where the side is gone already.
            let _gone = socket.shutdown(std::net::Shutdown::Write);
        }
        // What is left unread when a connection is closed makes its end a reset.
        let both = async { tokio::join!(drain(&self.client), drain(&self.server)) };
        let _late = timeout(LINGER, both).await;
        outcome
    }

    /// Resets both sides; they are closed with this value.
    fn reset(&self, end: End) -> Outcome {
        let outcome = self.outcome(end);
        for stream in [&self.client, &self.server] {
            // It fails where the side is gone already.
            let _gone = stream.set_zero_linger();
        }
        outcome
    }

    fn outcome(&self, end: End) -> Outcome {
        Outcome {
            end,
            up_bytes: self.up.forwarded,
            down_bytes: self.down.forwarded,
            client_left: has_left(&self.client),
            server_left: has_left(&self.server),
            is_unnoticed: false,
        }
    }
}

impl Outcome {
    /// There was nobody to connect to.
    pub(super) fn not_connected() -> Self {
        Self {
            end: End::NotConnected,
            up_bytes: 0,
            down_bytes: 0,
            client_left: false,
            server_left: false,
            is_unnoticed: false,
        }
    }
}

/// Whether this side has ended its half, read or not.
fn has_left(stream: &TcpStream) -> bool {
    let ready = stream.ready(Interest::READABLE).now_or_never();
    ready.is_some_and(|ready| ready.is_ok_and(Ready::is_read_closed))
}

/// Reads to the end.
async fn drain(stream: &TcpStream) {
    let mut buffer = [0; 1024];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

/// How often a stalled connection is looked at: nothing tells of an end that is not read.
const LOOK: Duration = Duration::from_millis(200);
/// How long a cut waits for bytes that it can come into the middle of.
const PART_WAIT: Duration = Duration::from_secs(5);
/// How long the sides have to end a connection that was cut.
const LINGER: Duration = Duration::from_secs(2);
