//! The connections of a shard: which socket a link id means, and which
//! operations of a socket the kernel still holds.
//!
//! A connection leaves the table, and its socket is closed, only when no
//! operation of it is left in the kernel.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use okgate_core::base::LinkId;
use slab::Slab;

use super::token::{GENERATION_MASK, Kind, Token};

/// One accepted socket.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    pub(super) link: LinkId,
    pub(super) generation: u32,
    /// The number of the last batch with a send on it.
    pub(super) batch: u32,
    /// The last period in which something was received.
    pub(super) heard: u32,
    /// A multishot receive is in the kernel.
    pub(super) receiving: bool,
    /// A wait for room in the socket is in the kernel; the engine queues meanwhile.
    pub(super) full: bool,
    /// The engine knows it no longer; it goes when the kernel lets go of it.
    pub(super) closing: bool,
}

/// The table of connections.
#[derive(Default)]
pub(super) struct Links {
    connections: Slab<Connection>,
    by_slot: Vec<Place>,
    generation: u32,
}

/// Where the connection of a link slot is.
#[derive(Clone, Copy)]
struct Place {
    generation: u32,
    index: u32,
}

impl Links {
    /// Takes a connection in; returns its index.
    pub(super) fn insert(&mut self, socket: OwnedFd, link: LinkId) -> u32 {
        self.generation = self.generation.wrapping_add(1) & GENERATION_MASK;
        let index = self.connections.insert(Connection {
            socket,
            link,
            generation: self.generation,
            batch: 0,
            heard: 0,
            receiving: false,
            full: false,
            closing: false,
        });
        let index = u32::try_from(index).expect("fewer connections than descriptors");
        let slot = link.slot as usize;
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, Place::NONE);
        }
        self.by_slot[slot] = Place {
            generation: link.generation,
            index,
        };
        index
    }

    /// The index of a link's connection; `None` if it is gone.
    pub(super) fn index_of(&self, link: LinkId) -> Option<u32> {
        let place = self.by_slot.get(link.slot as usize)?;
        (place.index != NOWHERE && place.generation == link.generation).then_some(place.index)
    }

    /// The connection at this index.
    pub(super) fn at(&mut self, index: u32) -> Option<&mut Connection> {
        self.connections.get_mut(index as usize)
    }

    /// The socket of the connection at this index.
    pub(super) fn socket(&self, index: u32) -> Option<BorrowedFd<'_>> {
        let connection = self.connections.get(index as usize)?;
        Some(connection.socket.as_fd())
    }

    /// The connection that an operation belongs to.
    pub(super) fn of(&mut self, token: Token) -> Option<&mut Connection> {
        self.at(token.index)
            .filter(|connection| connection.generation == token.generation)
    }

    /// The token of an operation on this connection.
    pub(super) fn token(&self, kind: Kind, index: u32) -> Option<Token> {
        let connection = self.connections.get(index as usize)?;
        Some(Token::new(kind, connection.generation, index))
    }

    /// Forgets the link id: the engine is done with it.
    pub(super) fn detach(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index as usize) else {
            return;
        };
        connection.closing = true;
        let link = connection.link;
        if self.index_of(link) == Some(index) {
            self.by_slot[link.slot as usize] = Place::NONE;
        }
    }

    /// Takes the connection out, and so closes its socket, if the kernel holds
    /// no operation of it. Returns whether it did.
    pub(super) fn release(&mut self, index: u32) -> bool {
        let done = self
            .connections
            .get(index as usize)
            .is_some_and(|connection| {
                connection.closing && !connection.receiving && !connection.full
            });
        if done {
            self.connections.remove(index as usize);
        }
        done
    }
}

impl Place {
    const NONE: Self = Self {
        generation: 0,
        index: NOWHERE,
    };
}

const NOWHERE: u32 = u32::MAX;
