//! A GUID: accepted in any case, always written in lower case (protocol 3.1).

use std::fmt;
use std::str::FromStr;

/// A 128-bit identifier in its textual form of 8-4-4-4-12 hexadecimal digits.
///
/// Aligned like a pointer: there are several in whatever is kept of a link, and
/// the gaps of an alignment to 16 bytes would cost more than they bring.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(Rust, packed(8))]
pub struct Guid(u128);

/// The text is not a GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a GUID: expected 32 hexadecimal digits as 8-4-4-4-12")]
pub struct ParseGuidError;

impl Guid {
    /// The GUID of all zeros: "none" on the wire.
    pub const ZERO: Self = Self(0);

    /// A GUID of exactly these bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// A version 4 GUID made of 128 random bits.
    pub const fn random(bits: u128) -> Self {
        let versioned = (bits & !(0xF << 76)) | (0x4 << 76);
        Self((versioned & !(0b11 << 62)) | (0b10 << 62))
    }

    /// Its bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// Whether it is the GUID of all zeros.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Its 36 characters, in lower case.
    pub fn text(self) -> [u8; 36] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        /// Where the two digits of each byte stand.
        const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
        let mut text = [b'-'; 36];
        let bytes = self.0.to_be_bytes();
        for (byte, place) in bytes.into_iter().zip(PLACES) {
            text[place] = DIGITS[usize::from(byte >> 4)];
            text[place + 1] = DIGITS[usize::from(byte & 0xF)];
        }
        text
    }
}

impl FromStr for Guid {
    type Err = ParseGuidError;

    /// Accepts any case, with or without dashes and surrounding braces.
    fn from_str(text: &str) -> Result<Self, ParseGuidError> {
        let text = text.trim();
        let text = match text.strip_prefix('{') {
            Some(inner) => inner.strip_suffix('}').ok_or(ParseGuidError)?,
            None => text,
        };
        let (mut bits, mut digits) = (0_u128, 0);
        for (index, byte) in text.bytes().enumerate() {
            if byte == b'-' && text.len() == 36 && matches!(index, 8 | 13 | 18 | 23) {
                continue;
            }
            let digit = (byte as char).to_digit(16).ok_or(ParseGuidError)?;
            digits += 1;
            if digits > 32 {
                return Err(ParseGuidError);
            }
            bits = bits << 4 | u128::from(digit);
        }
        if digits == 32 {
            Ok(Self(bits))
        } else {
            Err(ParseGuidError)
        }
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        formatter.write_str(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_case_is_read_and_lower_case_is_written() {
        let guid: Guid = "EFD478CE-C7D9-4103-91D8-1BAC7528AC49"
            .parse()
            .expect("a GUID");
        assert_eq!(guid.to_string(), "efd478ce-c7d9-4103-91d8-1bac7528ac49");
    }

    #[test]
    fn the_form_without_dashes_and_the_braced_form_are_the_same_guid() {
        let plain: Guid = "efd478cec7d9410391d81bac7528ac49".parse().expect("a GUID");
        let braced: Guid = "{EFD478CE-C7D9-4103-91D8-1BAC7528AC49}"
            .parse()
            .expect("a GUID");
        assert_eq!(plain, braced);
    }

    #[test]
    fn what_is_no_guid_is_refused() {
        for text in [
            "",
            "101",
            "efd478ce-c7d9-4103-91d8-1bac7528ac4",
            "{efd478ce",
            "efd478ce-c7d9-4103-91d8-1bac7528ac499",
        ] {
            assert_eq!(text.parse::<Guid>(), Err(ParseGuidError), "{text}");
        }
    }

    #[test]
    fn a_random_guid_says_that_it_is_version_4() {
        let text = Guid::random(u128::MAX).to_string();
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
