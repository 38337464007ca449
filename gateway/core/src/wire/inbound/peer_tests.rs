//! What we encode is read by tungstenite's own `WebSocket`, and what that writes is read by us:
//! a mistake that our two halves share would show here.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message as PeerMessage, Utf8Bytes, WebSocket, protocol};

use super::super::frame::{
    append_binary, append_close, append_ping, append_pong, append_text, append_text_with,
};
use super::*;

/// A stream in memory: what the peer reads is given, what it writes is kept.
struct Memory {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, place: &mut [u8]) -> io::Result<usize> {
        match self.input.read(place)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            length => Ok(length),
        }
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn peer(role: Role, input: Vec<u8>) -> WebSocket<Memory> {
    let stream = Memory {
        input: Cursor::new(input),
        output: Vec::new(),
    };
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let config = WebSocketConfig::default()
        .max_frame_size(Some(1 << 20))
        .max_message_size(Some(1 << 20));
    WebSocket::from_raw_socket(stream, role, Some(config))
}

const fn opposite(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// What our end `role` of a link sends for `message`.
fn append(output: &mut Vec<u8>, role: Role, message: &PeerMessage) {
    let mask = (role == Role::Client).then_some([0x9c, 0x01, 0x77, 0xe0]);
    match message {
        PeerMessage::Text(text) if text.len() % 2 == 0 => append_text(output, text, mask),
        PeerMessage::Text(text) => append_text_with(output, mask, 100, |output| {
            output.extend_from_slice(text.as_bytes());
        }),
        PeerMessage::Binary(payload) => append_binary(output, payload, mask),
        PeerMessage::Ping(payload) => append_ping(output, payload, mask),
        PeerMessage::Pong(payload) => append_pong(output, payload, mask),
        PeerMessage::Close(frame) => {
            let code = frame.as_ref().map(|frame| frame.code);
            let reason = frame.as_ref().map_or("", |frame| frame.reason.as_str());
            append_close(output, code, reason, mask);
        }
        PeerMessage::Frame(_) => unreachable!("not generated"),
    }
}

fn from_incoming(incoming: Incoming<'_>) -> PeerMessage {
    match incoming {
        Incoming::Text(text) => PeerMessage::text(str::from_utf8(text).unwrap()),
        Incoming::Binary(payload) => PeerMessage::binary(payload.to_vec()),
        Incoming::Ping(payload) => PeerMessage::Ping(payload.to_vec().into()),
        Incoming::Pong(payload) => PeerMessage::Pong(payload.to_vec().into()),
        Incoming::Close { code, reason } => PeerMessage::Close(code.map(|code| CloseFrame {
            code,
            reason: Utf8Bytes::from(reason),
        })),
    }
}

fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

fn any_message() -> impl Strategy<Value = PeerMessage> {
    let long = prop_oneof![120..130_usize, 65_530..65_540_usize];
    let control = || prop::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        4 => ".{0,80}".prop_map(PeerMessage::text),
        2 => long.prop_map(|length| PeerMessage::text("x".repeat(length))),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(PeerMessage::binary),
        1 => control().prop_map(|payload| PeerMessage::Ping(payload.into())),
        1 => control().prop_map(|payload| PeerMessage::Pong(payload.into())),
    ]
}

fn any_close() -> impl Strategy<Value = PeerMessage> {
    let code = prop_oneof![1000..=1003_u16, 1007..=1013_u16, 3000..=4999_u16];
    let frame = (code, "[а-я]{0,61}").prop_map(|(code, reason)| CloseFrame {
        code: code.into(),
        reason: reason.into(),
    });
    prop::option::of(frame).prop_map(PeerMessage::Close)
}

proptest! {
    #[test]
    fn the_peer_reads_what_we_encode(
        role in any_role(),
        messages in prop::collection::vec(any_message(), 0..6),
        close in any_close(),
    ) {
        let mut bytes = Vec::new();
        for message in messages.iter().chain([&close]) {
            append(&mut bytes, role, message);
        }
        let mut peer = peer(opposite(role), bytes);
        for message in messages.iter().chain([&close]) {
            prop_assert_eq!(&peer.read().unwrap(), message);
        }
    }

    #[test]
    fn we_read_what_the_peer_writes(
        role in any_role(),
        messages in prop::collection::vec(any_message(), 0..6),
        close in any_close(),
        piece in 1_usize..5_000,
    ) {
        let mut peer = peer(opposite(role), Vec::new());
        for message in messages.iter().chain([&close]) {
            match message {
                PeerMessage::Close(frame) => peer.close(frame.clone()).unwrap(),
                message => peer.send(message.clone()).unwrap(),
            }
        }
        let mut bytes = mem::take(&mut peer.get_mut().output);
        let mut inbound = Inbound::new(role, Limits::default(), Binary::Accept);
        let mut got = Vec::new();
        for piece in bytes.chunks_mut(piece) {
            let result = inbound.receive(piece, |incoming| {
                got.push(from_incoming(incoming));
                ControlFlow::Continue(())
            });
            prop_assert_eq!(result, Ok(()));
        }
        let expected: Vec<_> = messages.into_iter().chain([close]).collect();
        prop_assert_eq!(got, expected);
        prop_assert!(inbound.is_finished());
    }

    /// Damaged frames: both see the same messages before the damage, and we never accept what the
    /// peer refuses.
    #[test]
    fn we_accept_no_frames_that_the_peer_refuses(
        messages in prop::collection::vec(any_message(), 1..4),
        damages in prop::collection::vec((0..40_usize, any::<u8>()), 0..3),
    ) {
        let mut bytes = Vec::new();
        for message in &messages {
            append(&mut bytes, Role::Client, message);
        }
        for (place, value) in damages {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        let mut peer = peer(Role::Server, bytes.clone());
        let mut of_peer = Vec::new();
        let refused = loop {
            match peer.read() {
                Ok(message) => of_peer.push(message),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(Error::ConnectionClosed) => break false,
                Err(_) => break true,
            }
        };
        let mut inbound = Inbound::new(Role::Server, Limits::default(), Binary::Accept);
        let mut ours = Vec::new();
        let result = inbound.receive(&mut bytes, |incoming| {
            ours.push(from_incoming(incoming));
            ControlFlow::Continue(())
        });
        if refused {
            prop_assert!(result.is_err(), "the peer read {of_peer:?} and refused");
        }
        prop_assert!(of_peer.starts_with(&ours), "{ours:?} are no start of {of_peer:?}");
        if result.is_ok() {
            prop_assert_eq!(ours, of_peer);
        }
    }
}
