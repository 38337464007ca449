//! Owns bare RFC 6455 frames for the load driver and the reference server, where every nanosecond is measured:
//! heads read and written, payloads masked in place. It holds no state and performs no IO.

/// The head of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// Whether it is the last of its message.
    pub(crate) is_final: bool,
    /// The opcode, 0 to 15.
    pub(crate) opcode: u8,
    /// The mask, if there is one.
    pub(crate) mask: Option<[u8; 4]>,
    /// How long the head is.
    pub(crate) head_bytes: usize,
    /// How long the payload is.
    pub(crate) payload_bytes: usize,
}

/// A text frame.
pub(crate) const TEXT: u8 = 1;
/// A binary frame.
pub(crate) const BINARY: u8 = 2;
/// A close frame.
pub(crate) const CLOSE: u8 = 8;
/// A ping frame.
pub(crate) const PING: u8 = 9;
/// A pong frame.
pub(crate) const PONG: u8 = 10;
/// The length field that says: the length follows in two bytes.
const LENGTH_IN_2_BYTES: u8 = 0x7E;
/// The length field that says: the length follows in eight bytes.
const LENGTH_IN_8_BYTES: u8 = 0x7F;
/// How long a head may be.
pub(crate) const HEAD_BYTES_MAX: usize = 14;

/// Reads the head at the beginning of `bytes`; `None` if it is not complete. A length that does not fit in memory
/// comes out as `usize::MAX`.
pub(crate) fn parse_head(bytes: &[u8]) -> Option<FrameHead> {
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    let (length_bytes, payload_bytes) = match second & 0x7F {
        LENGTH_IN_2_BYTES => (2, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        LENGTH_IN_8_BYTES => {
            let length = u64::from_be_bytes(*rest.first_chunk()?);
            (8, usize::try_from(length).unwrap_or(usize::MAX))
        }
        length => (0, usize::from(length)),
    };
    let rest = &rest[length_bytes..];
    let mask = if second & 0x80 == 0 {
        None
    } else {
        Some(*rest.first_chunk::<4>()?)
    };
    Some(FrameHead {
        is_final: first & 0x80 != 0,
        opcode: first & 0x0F,
        mask,
        head_bytes: 2 + length_bytes + if mask.is_some() { 4 } else { 0 },
        payload_bytes,
    })
}

/// Takes the first frame out of what was read, once it is whole: its head, and its payload as it came.
pub(crate) fn take_frame(read: &mut Vec<u8>) -> Option<(FrameHead, Vec<u8>)> {
    let head = parse_head(read)?;
    let end = head.head_bytes.checked_add(head.payload_bytes)?;
    let payload = read.get(head.head_bytes..end)?.to_vec();
    read.drain(..end);
    Some((head, payload))
}

/// Appends one frame; the payload is masked if there is a mask.
pub(crate) fn append_frame(
    output: &mut Vec<u8>,
    first_byte: u8,
    mask: Option<[u8; 4]>,
    payload: &[u8],
) {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    output.push(first_byte);
    if let Ok(length @ 0..=125) = u8::try_from(payload.len()) {
        output.push(mask_bit | length);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        output.push(mask_bit | LENGTH_IN_2_BYTES);
        output.extend_from_slice(&length.to_be_bytes());
    } else {
        output.push(mask_bit | LENGTH_IN_8_BYTES);
        output.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    let start = if let Some(mask) = mask {
        output.extend_from_slice(&mask);
        output.len()
    } else {
        output.len()
    };
    output.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut output[start..], mask);
    }
}

/// Masks or unmasks in place, eight bytes at a time.
pub(crate) fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

    use super::*;

    proptest! {
        #[test]
        fn heads_are_read_as_an_independent_library_reads_them(
            length in prop_oneof![0usize..300, 65_000usize..66_000],
            mask in proptest::option::of(any::<[u8; 4]>()),
        ) {
            let mut frame = Vec::new();
            append_frame(&mut frame, 0x80 | TEXT, mask, &vec![7; length]);
            let head = parse_head(&frame).unwrap();
            let mut cursor = std::io::Cursor::new(&frame[..]);
            let (header, payload) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            prop_assert_eq!(payload, head.payload_bytes as u64);
            prop_assert_eq!(cursor.position(), head.head_bytes as u64);
            prop_assert_eq!(header.mask, head.mask);
            prop_assert_eq!(header.is_final, head.is_final);
            for cut in 0..head.head_bytes {
                prop_assert_eq!(parse_head(&frame[..cut]), None);
            }
        }

        #[test]
        fn unmasking_gives_the_payload_back(payload: Vec<u8>, mask: [u8; 4]) {
            let mut masked = payload.clone();
            apply_mask(&mut masked, mask);
            for (index, byte) in masked.iter().enumerate() {
                prop_assert_eq!(*byte, payload[index] ^ mask[index % 4]);
            }
            apply_mask(&mut masked, mask);
            prop_assert_eq!(masked, payload);
        }
    }
}
