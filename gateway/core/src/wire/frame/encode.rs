//! Appending frames to a buffer that the caller owns.
//!
//! `mask` is `None` at the server's end of a link and four fresh random bytes at the client's
//! (RFC 6455, 5.3): this module has no source of chance.

use tungstenite::protocol::frame::FrameHeader;

use super::{CONTROL_BYTES_MAX, CloseCode, Control, Data, OpCode, unmask};

/// Bytes of the header that a frame with so much payload needs.
pub const fn header_length(payload_bytes: usize, is_masked: bool) -> usize {
    let length = match payload_bytes {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    if is_masked { length + 4 } else { length }
}

/// Appends the header of a final frame whose payload of known length the caller appends next; with
/// a mask, the caller also has to [`unmask`] that payload.
pub fn write_header(
    output: &mut Vec<u8>,
    opcode: OpCode,
    payload_bytes: usize,
    mask: Option<[u8; 4]>,
) {
    final_header(opcode, mask)
        .format(payload_bytes as u64, output)
        .expect("a Vec takes every byte");
}

/// Appends a text message in one frame.
pub fn append_text(output: &mut Vec<u8>, text: &str, mask: Option<[u8; 4]>) {
    append(output, OpCode::Data(Data::Text), text.as_bytes(), mask);
}

/// Appends a text message in one frame, given as bytes that are UTF-8: what the
/// gateway wrote itself is not read again to prove it.
pub fn append_own_text(output: &mut Vec<u8>, text: &[u8], mask: Option<[u8; 4]>) {
    debug_assert!(std::str::from_utf8(text).is_ok());
    append(output, OpCode::Data(Data::Text), text, mask);
}

/// Appends a binary message in one frame.
pub fn append_binary(output: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    append(output, OpCode::Data(Data::Binary), payload, mask);
}

/// Appends a ping; of the payload, the first 125 bytes.
pub fn append_ping(output: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    let payload = &payload[..payload.len().min(CONTROL_BYTES_MAX)];
    append(output, OpCode::Control(Control::Ping), payload, mask);
}

/// Appends a pong, the answer to a ping with the same payload; of it, the first 125 bytes.
pub fn append_pong(output: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    let payload = &payload[..payload.len().min(CONTROL_BYTES_MAX)];
    append(output, OpCode::Control(Control::Pong), payload, mask);
}

/// Appends a close frame. Without a code the frame is empty and the reason is not sent; a reason
/// that does not fit is cut at a character's end. A code that no frame may carry (1005, 1006, 1015,
/// those out of range) is sent as 1000.
pub fn append_close(
    output: &mut Vec<u8>,
    code: Option<CloseCode>,
    reason: &str,
    mask: Option<[u8; 4]>,
) {
    let opcode = OpCode::Control(Control::Close);
    let Some(code) = code else {
        append(output, opcode, &[], mask);
        return;
    };
    let code = if code.is_allowed() {
        code
    } else {
        CloseCode::Normal
    };
    let reason = cut(reason, CONTROL_BYTES_MAX - 2);
    append_with(output, opcode, mask, 2 + reason.len(), |output| {
        output.extend_from_slice(&u16::from(code).to_be_bytes());
        output.extend_from_slice(reason.as_bytes());
    });
}

/// Appends a text message that `encode` writes straight behind the header: see [`append_with`].
/// What it writes must be UTF-8.
pub fn append_text_with<R>(
    output: &mut Vec<u8>,
    mask: Option<[u8; 4]>,
    expected_bytes: usize,
    encode: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    let opcode = OpCode::Data(Data::Text);
    append_with(output, opcode, mask, expected_bytes, encode)
}

/// Appends a frame whose payload `encode` appends straight behind the header, and hands back what
/// `encode` returned. The header is laid out for `expected_bytes`; if the payload's length turns out
/// to need another header (the bounds are 125 and 65,535 bytes), the payload is moved once.
/// `encode` may only append.
pub fn append_with<R>(
    output: &mut Vec<u8>,
    opcode: OpCode,
    mask: Option<[u8; 4]>,
    expected_bytes: usize,
    encode: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    let start = output.len();
    let reserved = header_length(expected_bytes, mask.is_some());
    output.reserve(reserved + expected_bytes);
    output.extend_from_slice(&[0; super::HEAD_BYTES_MAX][..reserved]);
    let result = encode(output);
    let payload_bytes = output.len() - start - reserved;
    let needed = header_length(payload_bytes, mask.is_some());
    if needed != reserved {
        move_payload(output, start, reserved, needed);
    }
    let mut header = [0; super::HEAD_BYTES_MAX];
    format_header(&mut header[..needed], opcode, payload_bytes, mask);
    output[start..start + needed].copy_from_slice(&header[..needed]);
    if let Some(mask) = mask {
        unmask(&mut output[start + needed..], mask);
    }
    result
}

fn append(output: &mut Vec<u8>, opcode: OpCode, payload: &[u8], mask: Option<[u8; 4]>) {
    output.reserve(header_length(payload.len(), mask.is_some()) + payload.len());
    write_header(output, opcode, payload.len(), mask);
    let start = output.len();
    output.extend_from_slice(payload);
    if let Some(mask) = mask {
        unmask(&mut output[start..], mask);
    }
}

/// The longest start of `text` that has at most `bytes_max` bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The header of a frame that is a whole message, without its length.
fn final_header(opcode: OpCode, mask: Option<[u8; 4]>) -> FrameHeader {
    FrameHeader {
        is_final: true,
        opcode,
        mask,
        ..FrameHeader::default()
    }
}

fn format_header(
    mut place: &mut [u8],
    opcode: OpCode,
    payload_bytes: usize,
    mask: Option<[u8; 4]>,
) {
    final_header(opcode, mask)
        .format(payload_bytes as u64, &mut place)
        .expect("the place is as long as the header");
}

/// Moves the payload of the last frame, so that its header has `needed` bytes instead of `reserved`.
fn move_payload(output: &mut Vec<u8>, start: usize, reserved: usize, needed: usize) {
    let end = output.len();
    let grown = needed.saturating_sub(reserved);
    output.resize(end + grown, 0);
    output.copy_within(start + reserved..end, start + needed);
    output.truncate(end + needed - reserved);
}
