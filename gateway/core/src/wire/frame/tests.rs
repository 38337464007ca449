use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn server() -> Decoder {
    Decoder::new(Role::Server, Limits::default())
}

fn client() -> Decoder {
    Decoder::new(Role::Client, Limits::default())
}

/// A head with a mask of zeros, made by hand: two bytes, the length's bytes, the mask.
fn masked_head(first: u8, second: u8, length: &[u8]) -> Vec<u8> {
    [&[first, second | 0x80], length, &[0; 4]].concat()
}

#[test]
fn the_examples_of_the_rfc_are_what_we_encode() {
    let mut output = Vec::new();
    append_text(&mut output, "Hello", None);
    assert_eq!(output, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);

    output.clear();
    append_text(&mut output, "Hello", Some(MASK));
    let masked = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(output, masked);

    output.clear();
    append_ping(&mut output, b"Hello", None);
    assert_eq!(output, [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);

    output.clear();
    append_pong(&mut output, b"Hello", Some(MASK));
    assert_eq!(output, [&[0x8a], &masked[1..]].concat());

    output.clear();
    append_binary(&mut output, &[7; 256], None);
    assert_eq!(output[..4], [0x82, 0x7e, 0x01, 0x00]);
    assert_eq!(output.len(), 260);

    output.clear();
    append_binary(&mut output, &vec![7; 65_536], None);
    assert_eq!(output[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(output.len(), 65_546);
}

#[test]
fn a_head_is_read_at_every_bound_of_the_length_forms() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20] {
        for (decoder, mask) in [(server(), Some(MASK)), (client(), None)] {
            let mut bytes = Vec::new();
            write_header(&mut bytes, OpCode::Data(Data::Text), length, mask);
            assert_eq!(bytes.len(), header_length(length, mask.is_some()));
            let head = decoder.head(&bytes).unwrap().unwrap();
            assert_eq!(head.payload_bytes, length);
            assert_eq!(head.head_bytes, bytes.len());
            assert_eq!(head.mask, mask);
            assert!(head.is_final);
            for end in 0..bytes.len() {
                assert_eq!(decoder.head(&bytes[..end]), Ok(None), "cut at {end}");
            }
        }
    }
}

#[test]
fn a_head_that_breaks_a_rule_is_refused_with_its_code() {
    use FrameError::{ControlFrame, FrameTooLong, Length, Opcode, ReservedBits};
    let largest = [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    // (first byte, second byte, length bytes, error)
    let cases: &[(u8, u8, &[u8], FrameError)] = &[
        (0xc1, 0, &[], ReservedBits),
        (0xa1, 0, &[], ReservedBits),
        (0x91, 0, &[], ReservedBits),
        (0x83, 0, &[], Opcode),
        (0x87, 0, &[], Opcode),
        (0x8b, 0, &[], Opcode),
        (0x8f, 0, &[], Opcode),
        // 125 in two bytes, 65,535 in eight.
        (0x81, 126, &[0, 125], Length),
        (0x81, 127, &[0, 0, 0, 0, 0, 0, 0xff, 0xff], Length),
        // 2^63, 2^64 - 1.
        (0x81, 127, &[0x80, 0, 0, 0, 0, 0, 0, 0], Length),
        (0x82, 127, &[0xff; 8], Length),
        // 2^63 - 1; more than fits the limit's type; one byte over 1 MiB.
        (0x81, 127, &largest, FrameTooLong),
        (0x81, 127, &[0, 0, 0, 1, 0, 0, 0, 1], FrameTooLong),
        (0x81, 127, &[0, 0, 0, 0, 0, 0x10, 0, 1], FrameTooLong),
        // A ping of 126 bytes, a fragmented close and pong.
        (0x89, 126, &[0, 126], ControlFrame),
        (0x08, 0, &[], ControlFrame),
        (0x0a, 0, &[], ControlFrame),
    ];
    for (first, second, length, error) in cases {
        let bytes = masked_head(*first, *second, length);
        assert_eq!(server().head(&bytes), Err(*error), "{bytes:x?}");
        let code = if *error == FrameTooLong { 1009 } else { 1002 };
        assert_eq!(u16::from(error.close_code()), code, "{error}");
    }
}

#[test]
fn a_mask_is_asked_of_clients_and_refused_from_servers() {
    assert_eq!(server().head(&[0x81, 0]), Err(FrameError::Unmasked));
    let masked = masked_head(0x81, 0, &[]);
    assert_eq!(client().head(&masked), Err(FrameError::Masked));
    assert_eq!(FrameError::Unmasked.close_code(), CloseCode::Protocol);
    assert_eq!(FrameError::Masked.close_code(), CloseCode::Protocol);
}

#[test]
fn control_frames_pass_under_a_frame_limit_that_is_smaller_than_they_are() {
    let limits = Limits {
        frame_bytes_max: 10,
        message_bytes_max: 10,
    };
    let mut bytes = Vec::new();
    append_ping(&mut bytes, &[b'x'; 125], None);
    let head = Decoder::new(Role::Client, limits).head(&bytes).unwrap();
    assert_eq!(head.unwrap().payload_bytes, 125);
}

#[test]
fn unmasking_in_pieces_with_a_rotated_mask_equals_unmasking_at_once() {
    let plain: Vec<u8> = (0..=255).collect();
    let mut whole = plain.clone();
    unmask(&mut whole, MASK);
    for (index, byte) in whole.iter().enumerate() {
        assert_eq!(*byte, plain[index] ^ MASK[index % 4]);
    }
    for cut in 0..plain.len() {
        let mut pieces = plain.clone();
        let mut rotated = MASK;
        rotated.rotate_left(cut % 4);
        unmask(&mut pieces[..cut], MASK);
        unmask(&mut pieces[cut..], rotated);
        assert_eq!(pieces, whole, "cut at {cut}");
    }
}

#[test]
fn a_payload_encoded_behind_a_reserved_header_equals_one_encoded_from_a_copy() {
    let lengths = [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 70_000];
    for actual in lengths {
        for expected in lengths {
            for mask in [None, Some(MASK)] {
                let text = "x".repeat(actual);
                let mut copied = b"before".to_vec();
                append_text(&mut copied, &text, mask);
                let mut written = b"before".to_vec();
                let result = append_text_with(&mut written, mask, expected, |output| {
                    output.extend_from_slice(text.as_bytes());
                    42
                });
                assert_eq!(result, 42);
                assert!(written == copied, "{actual} bytes, expected {expected}");
            }
        }
    }
}

#[test]
fn a_close_frame_carries_a_sendable_code_and_a_reason_cut_at_a_character() {
    let mut output = Vec::new();
    append_close(&mut output, None, "ignored", None);
    assert_eq!(output, [0x88, 0]);

    output.clear();
    append_close(&mut output, Some(CloseCode::Away), "bye", None);
    assert_eq!(output, [0x88, 5, 0x03, 0xe9, b'b', b'y', b'e']);

    output.clear();
    append_close(&mut output, Some(CloseCode::Abnormal), "", None);
    assert_eq!(output, [0x88, 2, 0x03, 0xe8]);

    output.clear();
    // 62 two-byte characters are 124 bytes; 123 fit, so the last one goes.
    append_close(&mut output, Some(CloseCode::Policy), &"я".repeat(62), None);
    assert_eq!(output[..2], [0x88, 124]);
    assert_eq!(std::str::from_utf8(&output[4..]), Ok(&*"я".repeat(61)));
}

#[test]
fn a_ping_longer_than_a_control_frame_is_cut() {
    let mut output = Vec::new();
    append_ping(&mut output, &[1; 200], None);
    assert_eq!(output[..2], [0x89, 125]);
    assert_eq!(output.len(), 127);
}
