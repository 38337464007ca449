//! Reading the head of a frame, and taking the mask off its payload.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;

use super::{CONTROL_BYTES_MAX, Control, Data, FrameError, Limits, OpCode, Role};

/// The head of one frame, checked against all that a head alone can violate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// What the frame is; never one of the reserved opcodes.
    pub opcode: OpCode,
    /// Whether the frame ends its message; always true for control frames.
    pub is_final: bool,
    /// The mask that lies on the payload; present just when the peer is a client.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the head itself.
    pub head_bytes: usize,
    /// Bytes of payload that follow the head; within the limits.
    pub payload_bytes: usize,
}

/// Reads frames' heads by the rules of one end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    role: Role,
    limits: Limits,
}

impl Decoder {
    /// A decoder for what arrives at the end `role` of a link.
    pub const fn new(role: Role, limits: Limits) -> Self {
        Self { role, limits }
    }

    /// The limits it applies.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Reads the head that `bytes` start with; `None` while the head is incomplete. The payload
    /// need not be there.
    pub fn head(&self, bytes: &[u8]) -> Result<Option<FrameHead>, FrameError> {
        let mut cursor = Cursor::new(bytes);
        // An opcode without a meaning is all that the parser itself refuses.
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| FrameError::Opcode)?;
        let Some((header, length)) = parsed else {
            return Ok(None);
        };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(FrameError::ReservedBits);
        }
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(FrameError::Unmasked),
            (Role::Client, Some(_)) => return Err(FrameError::Masked),
            _ => {}
        }
        let is_minimal = cursor.position() == header.len(length) as u64;
        if !is_minimal || length >> 63 != 0 {
            return Err(FrameError::Length);
        }
        if let OpCode::Control(_) = header.opcode
            && (!header.is_final || length > CONTROL_BYTES_MAX as u64)
        {
            return Err(FrameError::ControlFrame);
        }
        let frame_bytes_max = self.limits.frame_bytes_max;
        let payload_bytes = u32::try_from(length)
            .ok()
            .filter(|&bytes| bytes <= frame_bytes_max || is_control(header.opcode))
            .ok_or(FrameError::FrameTooLong)?;
        Ok(Some(FrameHead {
            opcode: header.opcode,
            is_final: header.is_final,
            mask: header.mask,
            head_bytes: header.len(length),
            payload_bytes: payload_bytes as usize,
        }))
    }
}

impl FrameHead {
    /// Whether the frame is a whole message by itself, or a control frame: it needs nothing of the
    /// frames before it.
    pub const fn stands_alone(&self) -> bool {
        self.is_final && !matches!(self.opcode, OpCode::Data(Data::Continue))
    }

    /// The kind of a control frame, `None` for a data frame.
    pub const fn control(&self) -> Option<Control> {
        match self.opcode {
            OpCode::Control(control) => Some(control),
            OpCode::Data(_) => None,
        }
    }
}

/// Puts `mask` on `payload`, or takes it off, eight bytes at a time. For the piece of a payload that
/// starts at byte `n`, the mask is to be rotated left by `n % 4`.
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (index, byte) in tail.iter_mut().enumerate() {
        *byte ^= mask[index % 4];
    }
}

const fn is_control(opcode: OpCode) -> bool {
    matches!(opcode, OpCode::Control(_))
}
