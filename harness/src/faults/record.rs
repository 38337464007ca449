//! Owns what a proxy tells of its connections: one record for each that is over, and how often each kind of fault came.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use super::effect::Kind;
use super::fate::Drawn;

/// A connection that is over, and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultRecord {
    /// Its number, counted from 1.
    pub connection: u64,
    /// Who connected.
    pub from: SocketAddr,
    /// When it began, from the proxy's start on.
    pub began_ms: u64,
    /// How long it lasted.
    pub lasted_ms: u64,
    /// The faults that were drawn for it; one that ends it did not come if `end` does not say so.
    pub faults: Vec<Drawn>,
    /// Bytes that went through from the side that connected.
    pub up_bytes: u64,
    /// Bytes that went through to the side that connected.
    pub down_bytes: u64,
    /// How it ended.
    pub end: End,
    /// Whether the side that connected had ended it by then.
    pub client_left: bool,
    /// Whether the side that was connected to had ended it by then.
    pub server_left: bool,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Its sides ended it.
    Closed,
    /// One of its sides reset it.
    ResetByPeer,
    /// The side that was to be connected to did not answer.
    NotConnected,
    /// It was cut.
    Cut,
    /// It was reset.
    Reset,
    /// It was half-open; both sides have found out, or it has lasted its time.
    HalfOpen,
}

/// How often something happened since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FaultCounts {
    /// Connections that were taken.
    pub connections: u64,
    /// Faults that came, by kind.
    pub faults: BTreeMap<Kind, u64>,
    /// Half-open connections that had lasted their time without the side that was connected to ending them, although it heard
    /// nothing any more.
    pub unnoticed: u64,
}

impl FaultCounts {
    /// One more of this kind.
    pub(super) fn add(&mut self, kind: Kind) {
        *self.faults.entry(kind).or_default() += 1;
    }
}

impl fmt::Display for FaultRecord {
    /// One line for people.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "connection {} from {}: {:?} after {} ms, {} bytes up, {} down; faults:",
            self.connection, self.from, self.end, self.lasted_ms, self.up_bytes, self.down_bytes
        )?;
        if self.faults.is_empty() {
            return write!(formatter, " none");
        }
        for fault in &self.faults {
            let (effect, direction) = (fault.effect, fault.direction);
            write!(formatter, " {effect:?} {direction:?};")?;
        }
        Ok(())
    }
}
