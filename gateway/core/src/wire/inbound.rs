//! The messages that arrive on one link.
//!
//! Owns what a link has to remember between two reads: the bytes of an unfinished frame and the
//! fragments of an unfinished message, in one box that exists only while there are any.
//! In come bytes as the socket gave them, cut anywhere; they are unmasked where they lie. Out go
//! [`Incoming`] messages and control frames in the order of arrival, through a callback. A message
//! that lies whole in the bytes is delivered in place, without a copy; of others each byte is
//! copied once, so the work is linear in the bytes however they are cut.
//! It never answers: pongs, closes and errors are the caller's to send.

use std::{mem, ops::ControlFlow, str};

use super::frame::{
    Binary, CONTROL_BYTES_MAX, CloseCode, Control, Data, Decoder, FrameError, FrameHead,
    HEAD_BYTES_MAX, Limits, OpCode, Role, unmask,
};
use super::unfinished::Unfinished;

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message: valid UTF-8, mutable so that it can be parsed in place.
    Text(&'a mut [u8]),
    /// A binary message; only where [`Binary::Accept`] is set.
    Binary(&'a mut [u8]),
    /// Answer it with a pong that has the same payload.
    Ping(&'a [u8]),
    /// A sign of life.
    Pong(&'a [u8]),
    /// The peer closes: answer with the same code if none was sent before, then close. It is the
    /// last thing delivered.
    Close {
        /// The peer's code, `None` for an empty close frame; one that may be sent back.
        code: Option<CloseCode>,
        /// The peer's reason, often empty.
        reason: &'a str,
    },
}

/// The receiving half of a link after the upgrade.
#[derive(Debug)]
pub struct Inbound {
    decoder: Decoder,
    binary: Binary,
    is_finished: bool,
    carry: Option<Box<Carry>>,
}

/// What is remembered while a frame or a message is unfinished.
#[derive(Debug)]
struct Carry {
    stage: Stage,
    message: Option<Message>,
}

/// Where in a frame the last read ended.
#[derive(Debug)]
enum Stage {
    /// Between two frames.
    Between,
    /// Within a head.
    Head {
        bytes: [u8; HEAD_BYTES_MAX],
        length: usize,
    },
    /// Within the payload of a frame of [`Carry::message`].
    Data { rest: Rest, is_final: bool },
    /// Within the payload of a control frame.
    Control {
        rest: Rest,
        kind: Control,
        payload: [u8; CONTROL_BYTES_MAX],
        length: usize,
    },
}

/// The part of a payload that has not arrived.
#[derive(Debug)]
struct Rest {
    bytes: usize,
    /// Rotated so that it fits the next byte.
    mask: Option<[u8; 4]>,
}

/// An unfinished data message.
#[derive(Debug)]
struct Message {
    is_text: bool,
    payload: Unfinished,
}

impl Inbound {
    /// For the end `role` of a link that has just been upgraded.
    pub const fn new(role: Role, limits: Limits, binary: Binary) -> Self {
        Self {
            decoder: Decoder::new(role, limits),
            binary,
            is_finished: false,
            carry: None,
        }
    }

    /// Takes the bytes of one read, unmasks them where they lie, and hands each message and control
    /// frame that is now complete to `deliver`.
    ///
    /// After an error, a close frame, or a `Break` from `deliver`, the inbound half is finished:
    /// the rest of `bytes` and all that comes later is ignored.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        mut deliver: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        let mut bytes = bytes;
        while !bytes.is_empty() && !self.is_finished {
            match self.step(bytes, &mut deliver) {
                Ok(used) => bytes = &mut bytes[used..],
                Err(error) => {
                    self.finish();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Whether everything that arrives from now on is ignored.
    pub const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Bytes of heap that it holds: none between messages. At most about
    /// [`Limits::message_bytes_max`] and a few hundred bytes of state.
    pub fn held_bytes(&self) -> usize {
        self.carry.as_ref().map_or(0, |carry| {
            let message = carry.message.as_ref();
            mem::size_of::<Carry>() + message.map_or(0, |message| message.payload.capacity())
        })
    }

    /// Handles one frame or the part of one that is here; hands back how many bytes it used.
    fn step(
        &mut self,
        bytes: &mut [u8],
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        match self.carry.as_deref().map(|carry| &carry.stage) {
            None | Some(Stage::Between) => self.new_frame(bytes, deliver),
            Some(Stage::Head { .. }) => self.rest_of_head(bytes, deliver),
            Some(Stage::Data { .. } | Stage::Control { .. }) => self.payload(bytes, deliver),
        }
    }

    /// A frame starts with the first of `bytes`.
    fn new_frame(
        &mut self,
        bytes: &mut [u8],
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        let Some(head) = self.decoder.head(bytes)? else {
            let mut kept = [0; HEAD_BYTES_MAX];
            kept[..bytes.len()].copy_from_slice(bytes);
            self.carry_mut().stage = Stage::Head {
                bytes: kept,
                length: bytes.len(),
            };
            return Ok(bytes.len());
        };
        self.admit(&head)?;
        let end = head.head_bytes + head.payload_bytes;
        if head.stands_alone() && end <= bytes.len() {
            let payload = &mut bytes[head.head_bytes..end];
            if let Some(mask) = head.mask {
                unmask(payload, mask);
            }
            self.whole_frame(head.opcode, payload, deliver)?;
            return Ok(end);
        }
        self.open(&head);
        let used = self.payload(&mut bytes[head.head_bytes..], deliver)?;
        Ok(head.head_bytes + used)
    }

    /// The head of a frame was cut.
    fn rest_of_head(
        &mut self,
        bytes: &mut [u8],
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        let decoder = self.decoder;
        let Stage::Head {
            bytes: kept,
            length,
        } = &mut self.carry_mut().stage
        else {
            unreachable!("called within a head only");
        };
        let before = *length;
        let added = bytes.len().min(HEAD_BYTES_MAX - before);
        kept[before..before + added].copy_from_slice(&bytes[..added]);
        *length = before + added;
        let Some(head) = decoder.head(&kept[..*length])? else {
            return Ok(added);
        };
        self.admit(&head)?;
        self.open(&head);
        let of_head = head.head_bytes - before;
        let used = self.payload(&mut bytes[of_head..], deliver)?;
        Ok(of_head + used)
    }

    /// More payload of the open frame; also called with no bytes, for an empty payload.
    fn payload(
        &mut self,
        bytes: &mut [u8],
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        let Carry { stage, message } = self.carry_mut();
        match stage {
            Stage::Data { rest, is_final } => {
                let message = message.as_mut().expect("a data frame opens its message");
                let piece = rest.take(bytes);
                message.push(piece, rest.bytes)?;
                let used = piece.len();
                if rest.bytes == 0 {
                    let is_final = *is_final;
                    self.end_of_data(is_final, deliver)?;
                }
                Ok(used)
            }
            Stage::Control {
                rest,
                kind,
                payload,
                length,
            } => {
                let piece = rest.take(bytes);
                payload[*length..*length + piece.len()].copy_from_slice(piece);
                *length += piece.len();
                let used = piece.len();
                if rest.bytes == 0 {
                    let (kind, mut payload, length) = (*kind, *payload, *length);
                    self.between();
                    let opcode = OpCode::Control(kind);
                    self.whole_frame(opcode, &mut payload[..length], deliver)?;
                }
                Ok(used)
            }
            Stage::Between | Stage::Head { .. } => unreachable!("called within a payload only"),
        }
    }

    /// The checks of a head that need the frames before it (RFC 6455, 5.4).
    fn admit(&self, head: &FrameHead) -> Result<(), FrameError> {
        let open = self.carry.as_ref().and_then(|carry| carry.message.as_ref());
        let before = match (head.opcode, open) {
            (OpCode::Control(_), _) => return Ok(()),
            (OpCode::Data(Data::Continue), None) => return Err(FrameError::Continuation),
            (OpCode::Data(Data::Continue), Some(message)) => message.payload.len(),
            (OpCode::Data(_), Some(_)) => return Err(FrameError::UnfinishedMessage),
            (OpCode::Data(Data::Binary), None) if self.binary == Binary::Refuse => {
                return Err(FrameError::BinaryRefused);
            }
            (OpCode::Data(_), None) => 0,
        };
        if before + head.payload_bytes > self.decoder.limits().message_bytes_max as usize {
            return Err(FrameError::MessageTooLong);
        }
        Ok(())
    }

    /// The payload of an admitted frame goes through the carry.
    fn open(&mut self, head: &FrameHead) {
        let rest = Rest {
            bytes: head.payload_bytes,
            mask: head.mask,
        };
        let carry = self.carry_mut();
        carry.stage = match head.opcode {
            OpCode::Control(kind) => Stage::Control {
                rest,
                kind,
                payload: [0; CONTROL_BYTES_MAX],
                length: 0,
            },
            OpCode::Data(kind) => {
                if kind != Data::Continue {
                    carry.message = Some(Message::new(kind == Data::Text));
                }
                Stage::Data {
                    rest,
                    is_final: head.is_final,
                }
            }
        };
    }

    /// A data frame ended; if it was the last of its message, that is delivered.
    fn end_of_data(
        &mut self,
        is_final: bool,
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        let carry = self.carry_mut();
        carry.stage = Stage::Between;
        let message = if is_final { carry.message.take() } else { None };
        let Some(mut message) = message else {
            return Ok(());
        };
        self.between();
        let incoming = if message.is_text {
            message.payload.check_end()?;
            Incoming::Text(message.payload.bytes_mut())
        } else {
            Incoming::Binary(message.payload.bytes_mut())
        };
        self.hand_over(incoming, deliver);
        Ok(())
    }

    /// A whole message or control frame, unmasked.
    fn whole_frame(
        &mut self,
        opcode: OpCode,
        payload: &mut [u8],
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        let incoming = match opcode {
            OpCode::Data(Data::Text) => {
                str::from_utf8(payload).map_err(|_| FrameError::Utf8)?;
                Incoming::Text(payload)
            }
            OpCode::Data(_) => Incoming::Binary(payload),
            OpCode::Control(Control::Ping) => Incoming::Ping(payload),
            OpCode::Control(Control::Pong) => Incoming::Pong(payload),
            OpCode::Control(_) => read_close(payload)?,
        };
        self.hand_over(incoming, deliver);
        Ok(())
    }

    fn hand_over(
        &mut self,
        incoming: Incoming<'_>,
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) {
        let is_last = matches!(incoming, Incoming::Close { .. });
        if deliver(incoming).is_break() || is_last {
            self.finish();
        }
    }

    /// A frame ended; the carry goes if no message is open.
    fn between(&mut self) {
        match &mut self.carry {
            Some(carry) if carry.message.is_some() => carry.stage = Stage::Between,
            carry => *carry = None,
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
        self.carry = None;
    }

    fn carry_mut(&mut self) -> &mut Carry {
        self.carry.get_or_insert_with(|| {
            Box::new(Carry {
                stage: Stage::Between,
                message: None,
            })
        })
    }
}

impl Rest {
    /// Takes the part of `bytes` that belongs to this payload, and unmasks it.
    fn take<'a>(&mut self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        let length = self.bytes.min(bytes.len());
        let piece = &mut bytes[..length];
        if let Some(mask) = &mut self.mask {
            unmask(piece, *mask);
            mask.rotate_left(length % 4);
        }
        self.bytes -= length;
        piece
    }
}

impl Message {
    fn new(is_text: bool) -> Self {
        Self {
            is_text,
            payload: Unfinished::default(),
        }
    }

    /// Appends the next piece; `missing` bytes of its frame are still to come.
    fn push(&mut self, piece: &[u8], missing: usize) -> Result<(), FrameError> {
        let most = self.payload.len() + piece.len() + missing;
        self.payload.append(piece, most);
        if self.is_text {
            self.payload.check_text()?;
        }
        Ok(())
    }
}

/// The payload of a close frame (RFC 6455, 5.5.1 and 7.4).
fn read_close(payload: &[u8]) -> Result<Incoming<'_>, FrameError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        if !payload.is_empty() {
            return Err(FrameError::ClosePayload);
        }
        return Ok(Incoming::Close {
            code: None,
            reason: "",
        });
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_allowed() {
        return Err(FrameError::ClosePayload);
    }
    let reason = str::from_utf8(reason).map_err(|_| FrameError::Utf8)?;
    Ok(Incoming::Close {
        code: Some(code),
        reason,
    })
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod peer_tests;
