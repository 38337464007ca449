//! What a completion belongs to, packed into its 64 bits of user data.

/// The kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An accept on listener `index`.
    Accept,
    /// A receive on connection `index`.
    Receive,
    /// A wait for room in the socket of connection `index`.
    Writable,
    /// Send number `index` of the batch.
    Send,
    /// The shard's own event descriptor.
    Wake,
    /// The executor's ring has events.
    Executor,
    /// A cancelled or removed operation: nothing follows.
    Cancel,
}

/// Kind, index and generation of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) generation: u32,
    pub(super) index: u32,
}

impl Token {
    pub(super) fn new(kind: Kind, generation: u32, index: u32) -> Self {
        Self {
            kind,
            generation: generation & GENERATION_MASK,
            index,
        }
    }

    pub(super) fn pack(self) -> u64 {
        let high = (self.kind as u32) << GENERATION_BITS | (self.generation & GENERATION_MASK);
        u64::from(high) << 32 | u64::from(self.index)
    }

    pub(super) fn unpack(bits: u64) -> Self {
        let high = u32::try_from(bits >> 32).expect("32 bits");
        let index = u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits");
        let kind = match high >> GENERATION_BITS {
            0 => Kind::Accept,
            1 => Kind::Receive,
            2 => Kind::Writable,
            3 => Kind::Send,
            4 => Kind::Wake,
            5 => Kind::Executor,
            _ => Kind::Cancel,
        };
        Self {
            kind,
            generation: high & GENERATION_MASK,
            index,
        }
    }
}

const GENERATION_BITS: u32 = 24;
/// Generations repeat after 16 million uses of the table; a slot is reused only
/// when no operation of its former user is left.
pub(super) const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_way_through_the_kernel() {
        for kind in [
            Kind::Accept,
            Kind::Receive,
            Kind::Writable,
            Kind::Send,
            Kind::Wake,
            Kind::Executor,
            Kind::Cancel,
        ] {
            let token = Token::new(kind, 0xAB_CDEF, 0xFFFF_FFFE);
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }
}
