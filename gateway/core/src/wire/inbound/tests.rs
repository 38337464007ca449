use proptest::prelude::*;
use tungstenite::protocol::frame::FrameHeader;

use super::super::frame::{
    append_binary, append_close, append_ping, append_pong, append_text, write_header,
};
use super::*;

/// An [`Incoming`] that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Incoming<'_>> for Got {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(str::from_utf8(text).unwrap().to_owned()),
            Incoming::Binary(payload) => Self::Binary(payload.to_vec()),
            Incoming::Ping(payload) => Self::Ping(payload.to_vec()),
            Incoming::Pong(payload) => Self::Pong(payload.to_vec()),
            Incoming::Close { code, reason } => Self::Close(code.map(u16::from), reason.to_owned()),
        }
    }
}

const MASK: [u8; 4] = [0x11, 0xa2, 0x53, 0xf4];

fn server() -> Inbound {
    Inbound::new(Role::Server, Limits::default(), Binary::Accept)
}

fn client() -> Inbound {
    Inbound::new(Role::Client, Limits::default(), Binary::Accept)
}

/// Gives `bytes` to `inbound` in pieces of `piece` bytes; what came out, and how it ended.
fn read_in_pieces(
    mut inbound: Inbound,
    bytes: &[u8],
    piece: usize,
) -> (Vec<Got>, Result<(), FrameError>) {
    let mut got = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        let mut piece = piece.to_vec();
        let result = inbound.receive(&mut piece, |incoming| {
            got.push(Got::from(incoming));
            ControlFlow::Continue(())
        });
        if result.is_err() {
            return (got, result);
        }
    }
    (got, Ok(()))
}

fn read(inbound: Inbound, bytes: &[u8]) -> (Vec<Got>, Result<(), FrameError>) {
    read_in_pieces(inbound, bytes, bytes.len())
}

/// One frame of a message, as `role`'s peer sends it.
fn append_frame(output: &mut Vec<u8>, role: Role, kind: Data, is_final: bool, payload: &[u8]) {
    let header = FrameHeader {
        is_final,
        opcode: OpCode::Data(kind),
        mask: (role == Role::Server).then_some(MASK),
        ..FrameHeader::default()
    };
    header.format(payload.len() as u64, output).unwrap();
    let start = output.len();
    output.extend_from_slice(payload);
    if let Some(mask) = header.mask {
        unmask(&mut output[start..], mask);
    }
}

fn frame(kind: Data, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    append_frame(&mut output, Role::Server, kind, is_final, payload);
    output
}

fn text(text: &str) -> Got {
    Got::Text(text.to_owned())
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read(client(), &unmasked), (vec![text("Hello")], Ok(())));

    let masked = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(read(server(), &masked), (vec![text("Hello")], Ok(())));

    let fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(read(client(), &fragments), (vec![text("Hello")], Ok(())));

    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    let got = vec![Got::Ping(b"Hello".to_vec())];
    assert_eq!(read(client(), &ping), (got, Ok(())));

    let masked_pong = [
        0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    let got = vec![Got::Pong(b"Hello".to_vec())];
    assert_eq!(read(server(), &masked_pong), (got, Ok(())));
}

#[test]
fn control_frames_between_fragments_come_at_once_and_the_message_whole_at_its_end() {
    let mut bytes = Vec::new();
    append_frame(
        &mut bytes,
        Role::Server,
        Data::Text,
        false,
        "при".as_bytes(),
    );
    append_ping(&mut bytes, b"1", Some(MASK));
    append_frame(&mut bytes, Role::Server, Data::Continue, false, b"");
    append_pong(&mut bytes, b"2", Some(MASK));
    append_frame(
        &mut bytes,
        Role::Server,
        Data::Continue,
        true,
        "вет".as_bytes(),
    );
    append_text(&mut bytes, "", Some(MASK));
    let expected = vec![
        Got::Ping(b"1".to_vec()),
        Got::Pong(b"2".to_vec()),
        text("привет"),
        text(""),
    ];
    for piece in 1..=bytes.len() {
        let (got, result) = read_in_pieces(server(), &bytes, piece);
        assert_eq!((&got, result), (&expected, Ok(())), "pieces of {piece}");
    }
}

#[test]
fn a_message_of_nothing_but_empty_fragments_is_empty() {
    let bytes = [
        frame(Data::Text, false, b""),
        frame(Data::Continue, false, b""),
        frame(Data::Continue, true, b""),
    ]
    .concat();
    for piece in 1..=bytes.len() {
        let (got, result) = read_in_pieces(server(), &bytes, piece);
        assert_eq!((got, result), (vec![text("")], Ok(())), "pieces of {piece}");
    }
}

#[test]
fn a_wrong_sequence_of_frames_is_refused_after_what_came_before_it() {
    let cases = [
        (
            "a lone continuation",
            vec![frame(Data::Continue, true, b"x")],
            FrameError::Continuation,
        ),
        (
            "a text within a text",
            vec![
                frame(Data::Text, false, b"x"),
                frame(Data::Text, true, b"y"),
            ],
            FrameError::UnfinishedMessage,
        ),
        (
            "a binary within a text",
            vec![
                frame(Data::Text, false, b"x"),
                frame(Data::Binary, true, b"y"),
            ],
            FrameError::UnfinishedMessage,
        ),
        (
            "a continuation after the end",
            vec![
                frame(Data::Text, false, b"x"),
                frame(Data::Continue, true, b"y"),
                frame(Data::Continue, true, b"z"),
            ],
            FrameError::Continuation,
        ),
    ];
    for (what, frames, error) in cases {
        let mut bytes = Vec::new();
        append_text(&mut bytes, "first", Some(MASK));
        bytes.extend(frames.concat());
        for piece in 1..=bytes.len() {
            let (got, result) = read_in_pieces(server(), &bytes, piece);
            assert_eq!(got[0], text("first"), "{what}");
            assert_eq!(result, Err(error), "{what}, pieces of {piece}");
        }
    }
}

#[test]
fn a_text_fails_at_the_byte_that_can_not_become_utf8() {
    // (payload, how many of its bytes are received without an error)
    let cases: &[(&[u8], usize)] = &[
        (b"\xf4\x90\x80\x80", 1),
        (b"\xf5", 0),
        (b"ok\xc0\xaf", 2),
        (b"\xed\xa0\x80", 1),
        (b"\xe2\x82\xac\xff", 3),
        (b"\xe2\x28\xa1", 1),
        (b"\x80", 0),
    ];
    for (payload, fine) in cases {
        // Within one frame that announces more than it brings.
        let mut long = payload.to_vec();
        long.resize(40, b'x');
        let bytes = frame(Data::Text, true, &long);
        let head = bytes.len() - long.len();
        let (_, result) = read_in_pieces(server(), &bytes[..head + fine], 1);
        assert_eq!(result, Ok(()), "{payload:x?}");
        let (_, result) = read_in_pieces(server(), &bytes[..=head + fine], 1);
        assert_eq!(result, Err(FrameError::Utf8), "{payload:x?}");

        // In fragments of a byte.
        let mut inbound = server();
        for (index, byte) in payload.iter().enumerate() {
            let kind = [Data::Continue, Data::Text][usize::from(index == 0)];
            let mut bytes = frame(kind, false, &[*byte]);
            let result = inbound.receive(&mut bytes, |_| ControlFlow::Continue(()));
            assert_eq!(result.is_ok(), index < *fine, "{payload:x?} at {index}");
            if result.is_err() {
                break;
            }
        }
    }
}

#[test]
fn a_text_that_ends_within_a_character_fails_however_it_comes() {
    let whole = frame(Data::Text, true, b"abc\xd0");
    let fragments = [
        frame(Data::Text, false, b"abc"),
        frame(Data::Continue, true, b"\xd0"),
    ];
    for bytes in [whole, fragments.concat()] {
        for piece in 1..=bytes.len() {
            let (got, result) = read_in_pieces(server(), &bytes, piece);
            assert_eq!((got, result), (vec![], Err(FrameError::Utf8)));
        }
    }
}

#[test]
fn binary_is_refused_at_its_head_where_only_text_is_spoken() {
    let mut inbound = Inbound::new(Role::Server, Limits::default(), Binary::Refuse);
    let mut bytes = frame(Data::Binary, true, &[0; 100]);
    let result = inbound.receive(&mut bytes[..6], |_| ControlFlow::Continue(()));
    assert_eq!(result, Err(FrameError::BinaryRefused));
    assert_eq!(
        FrameError::BinaryRefused.close_code(),
        CloseCode::Unsupported
    );
    assert_eq!(inbound.held_bytes(), 0);
}

#[test]
fn close_payloads_are_checked() {
    let close = |payload: &[u8]| {
        let mut bytes = Vec::new();
        let opcode = OpCode::Control(Control::Close);
        write_header(&mut bytes, opcode, payload.len(), None);
        bytes.extend_from_slice(payload);
        let whole = read(client(), &bytes);
        assert_eq!(read_in_pieces(client(), &bytes, 1), whole);
        whole
    };
    assert_eq!(close(b"").0, [Got::Close(None, String::new())]);
    assert_eq!(close(b"\x03").1, Err(FrameError::ClosePayload));
    let longest = [b"\x03\xe8".as_slice(), &[b'r'; 123]].concat();
    assert_eq!(close(&longest).0, [Got::Close(Some(1000), "r".repeat(123))]);
    assert_eq!(close(b"\x03\xe8\xff").1, Err(FrameError::Utf8));
    for code in 0..=u16::MAX {
        let is_allowed = matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999);
        let (got, result) = close(&code.to_be_bytes());
        if is_allowed {
            assert_eq!(
                (got, result),
                (vec![Got::Close(Some(code), String::new())], Ok(()))
            );
        } else {
            assert_eq!(
                (got, result),
                (vec![], Err(FrameError::ClosePayload)),
                "{code}"
            );
        }
    }
}

#[test]
fn nothing_is_delivered_after_a_close_a_break_or_an_error() {
    let mut bytes = Vec::new();
    append_close(&mut bytes, Some(CloseCode::Normal), "bye", Some(MASK));
    append_text(&mut bytes, "late", Some(MASK));
    let (got, result) = read(server(), &bytes);
    assert_eq!(got, [Got::Close(Some(1000), "bye".into())]);
    assert_eq!(result, Ok(()));

    let mut bytes = Vec::new();
    append_text(&mut bytes, "one", Some(MASK));
    append_text(&mut bytes, "two", Some(MASK));
    let mut inbound = server();
    let mut count = 0;
    let mut stop = |_: Incoming<'_>| {
        count += 1;
        ControlFlow::Break(())
    };
    assert_eq!(inbound.receive(&mut bytes.clone(), &mut stop), Ok(()));
    assert_eq!(inbound.receive(&mut bytes.clone(), &mut stop), Ok(()));
    assert!(inbound.is_finished());
    assert_eq!(count, 1);

    let mut inbound = server();
    let result = inbound.receive(&mut [0x81, 0], |_| ControlFlow::Continue(()));
    assert_eq!(result, Err(FrameError::Unmasked));
    let result = inbound.receive(&mut bytes, |_| panic!("delivered after an error"));
    assert_eq!(result, Ok(()));
}

#[test]
fn a_message_over_the_limit_is_refused_at_the_head_that_goes_over_it() {
    let limits = Limits {
        frame_bytes_max: 100,
        message_bytes_max: 150,
    };
    let new = || Inbound::new(Role::Server, limits, Binary::Refuse);
    let first = frame(Data::Text, false, &[b'a'; 100]);
    let fits = [first.clone(), frame(Data::Continue, true, &[b'b'; 50])].concat();
    assert_eq!(read(new(), &fits).0.len(), 1);
    let second = frame(Data::Continue, true, &[b'b'; 51]);
    let over = [first.as_slice(), &second[..6]].concat();
    assert_eq!(read(new(), &over).1, Err(FrameError::MessageTooLong));
    let frame = frame(Data::Text, true, &[b'a'; 101]);
    assert_eq!(read(new(), &frame[..6]).1, Err(FrameError::FrameTooLong));
    assert_eq!(FrameError::MessageTooLong.close_code(), CloseCode::Size);
}

#[test]
fn an_idle_link_holds_no_bytes_and_a_busy_one_no_more_than_its_limit() {
    assert!(
        mem::size_of::<Inbound>() <= 24,
        "{}",
        mem::size_of::<Inbound>()
    );
    let size = 1 << 20;
    let bytes = frame(Data::Text, true, &vec![b'x'; size]);
    let mut inbound = server();
    let mut messages = 0;
    for (index, piece) in bytes.chunks(1 << 10).enumerate() {
        let mut piece = piece.to_vec();
        let result = inbound.receive(&mut piece, |incoming| {
            assert!(matches!(incoming, Incoming::Text(text) if text.len() == size));
            messages += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(result, Ok(()));
        // What is promised is not allocated, and nothing beyond the frame.
        let arrived = (index + 1) << 10;
        let held = inbound.held_bytes();
        assert!(held <= (2 * arrived).min(size) + mem::size_of::<Carry>());
    }
    assert_eq!(messages, 1);
    assert_eq!(inbound.held_bytes(), 0);
    assert!(
        mem::size_of::<Carry>() <= 256,
        "{}",
        mem::size_of::<Carry>()
    );
}

#[test]
fn a_message_whole_in_the_read_is_delivered_where_it_lies() {
    let mut bytes = Vec::new();
    append_text(&mut bytes, "in place", Some(MASK));
    let place = bytes[6..].as_ptr();
    let mut inbound = server();
    let result = inbound.receive(&mut bytes, |incoming| {
        assert!(matches!(incoming, Incoming::Text(text) if text.as_ptr() == place));
        ControlFlow::Continue(())
    });
    assert_eq!(result, Ok(()));
    assert_eq!(inbound.held_bytes(), 0);
}

#[test]
fn every_cut_of_a_batch_leaves_the_link_without_a_carry_at_its_end() {
    let mut bytes = Vec::new();
    append_text(&mut bytes, &"x".repeat(200), Some(MASK));
    append_ping(&mut bytes, &[7; 125], Some(MASK));
    append_binary(&mut bytes, &[9; 130], Some(MASK));
    for cut in 0..=bytes.len() {
        let mut inbound = server();
        let mut copy = bytes.clone();
        let (first, second) = copy.split_at_mut(cut);
        let mut got = Vec::new();
        for piece in [first, second] {
            let result = inbound.receive(piece, |incoming| {
                got.push(Got::from(incoming));
                ControlFlow::Continue(())
            });
            assert_eq!(result, Ok(()));
        }
        let expected = [
            text(&"x".repeat(200)),
            Got::Ping(vec![7; 125]),
            Got::Binary(vec![9; 130]),
        ];
        assert_eq!(got, expected, "cut at {cut}");
        assert_eq!(inbound.held_bytes(), 0, "cut at {cut}");
    }
}

/// A message with the places where it is cut into fragments.
fn any_message() -> impl Strategy<Value = (Got, Vec<usize>)> {
    let length = prop_oneof![0..10_usize, 120..130_usize, 65_530..65_540_usize];
    let message = prop_oneof![
        4 => ".{0,80}".prop_map(Got::Text),
        2 => length.prop_map(|length| Got::Text("ж".repeat(length / 2))),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Got::Binary),
        1 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Got::Ping),
        1 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Got::Pong),
    ];
    (
        message,
        prop::collection::vec(
            any::<prop::sample::Index>().prop_map(|i| i.index(400)),
            0..4,
        ),
    )
}

/// Encodes for `role`; data messages in fragments, with a ping after each but the last.
fn encode(messages: &[(Got, Vec<usize>)], role: Role) -> (Vec<u8>, Vec<Got>) {
    let mask = (role == Role::Server).then_some(MASK);
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for (message, cuts) in messages {
        let (kind, payload) = match message {
            Got::Text(text) => (Data::Text, text.as_bytes()),
            Got::Binary(payload) => (Data::Binary, payload.as_slice()),
            Got::Ping(payload) => {
                append_ping(&mut bytes, payload, mask);
                expected.push(message.clone());
                continue;
            }
            Got::Pong(payload) => {
                append_pong(&mut bytes, payload, mask);
                expected.push(message.clone());
                continue;
            }
            Got::Close(..) => unreachable!("not generated"),
        };
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (payload.len() + 1)).collect();
        cuts.sort_unstable();
        let mut start = 0;
        for (index, end) in cuts.iter().copied().chain([payload.len()]).enumerate() {
            let is_final = index == cuts.len();
            let kind = if index == 0 { kind } else { Data::Continue };
            append_frame(&mut bytes, role, kind, is_final, &payload[start..end]);
            if !is_final {
                append_ping(&mut bytes, b"between", mask);
                expected.push(Got::Ping(b"between".to_vec()));
            }
            start = end;
        }
        expected.push(message.clone());
    }
    (bytes, expected)
}

proptest! {
    #[test]
    fn any_cut_of_any_messages_gives_the_same_messages(
        messages in prop::collection::vec(any_message(), 0..8),
        cuts in prop::collection::vec(1_usize..2_000, 1..40),
        is_server in any::<bool>(),
    ) {
        let role = if is_server { Role::Server } else { Role::Client };
        let (bytes, expected) = encode(&messages, role);
        let mut inbound = Inbound::new(role, Limits::default(), Binary::Accept);
        let mut got = Vec::new();
        let mut rest = bytes;
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let tail = rest.split_off(cuts.next().unwrap().min(rest.len()));
            let result = inbound.receive(&mut rest, |incoming| {
                got.push(Got::from(incoming));
                ControlFlow::Continue(())
            });
            prop_assert_eq!(result, Ok(()));
            rest = tail;
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(inbound.held_bytes(), 0);
    }

    #[test]
    fn random_bytes_end_the_same_way_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        piece in 1_usize..50,
        is_server in any::<bool>(),
    ) {
        let role = if is_server { Role::Server } else { Role::Client };
        let new = || Inbound::new(role, Limits::default(), Binary::Accept);
        let whole = read(new(), &bytes);
        prop_assert_eq!(read_in_pieces(new(), &bytes, piece), whole);
    }

    #[test]
    fn damaged_frames_end_the_same_way_however_they_are_cut(
        messages in prop::collection::vec(any_message(), 1..4),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        piece in 1_usize..200,
    ) {
        let (mut bytes, _) = encode(&messages, Role::Server);
        for (place, value) in damages {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let whole = read(server(), &bytes);
        prop_assert_eq!(read_in_pieces(server(), &bytes, piece), whole);
    }
}
