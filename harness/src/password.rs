//! Owns the password hashes that a client sends at `login` (protocol 6.1). A password comes in, hex text goes out.

use md5::{Digest, Md5};

/// The two hashes of one password, as lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHashes {
    /// The field `Password`: the hash of the password as typed.
    pub as_typed: String,
    /// The field `password`: the hash of the password in lower case.
    pub lower_case: String,
}

impl PasswordHashes {
    /// Hashes the password both ways.
    pub fn of(password: &str) -> Self {
        Self {
            as_typed: hash(password),
            lower_case: hash(&password.to_lowercase()),
        }
    }
}

/// Lower-case hex MD5 of the password's bytes as clients in the field form them.
fn hash(password: &str) -> String {
    let digest = Md5::digest(hashed_bytes(password));
    format!("{:032x}", u128::from_be_bytes(digest.into()))
}

/// The bytes that are hashed, one UTF-16 code unit after the other.
///
/// Protocol 6.1 leaves codes whose difference is more than a byte to nobody: a browser's character code is taken
/// modulo 256 there, and so it is here.
fn hashed_bytes(password: &str) -> Vec<u8> {
    password
        .encode_utf16()
        .filter_map(|unit| match unit {
            0x0401 => Some(0xA8),
            0x0451 => Some(0xB8),
            0x0000..=0x007F => u8::try_from(unit).ok(),
            0x0080..=0x0400 => None,
            _ => Some((unit.wrapping_sub(CYRILLIC_OFFSET) & 0xFF) as u8),
        })
        .collect()
}

/// The distance between the Russian letters in Unicode and in Windows-1251.
const CYRILLIC_OFFSET: u16 = 848;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_hashed_as_it_is() {
        assert_eq!(hash("password"), "5f4dcc3b5aa765d61d8327deb882cf99");
    }

    #[test]
    fn russian_letters_become_windows_1251() {
        assert_eq!(hashed_bytes("АЯаяЁё"), [0xC0, 0xDF, 0xE0, 0xFF, 0xA8, 0xB8]);
    }

    #[test]
    fn characters_between_ascii_and_cyrillic_are_dropped() {
        assert_eq!(hashed_bytes("aé\u{80}\u{400}z"), [b'a', b'z']);
    }

    #[test]
    fn the_two_hashes_differ_only_where_case_does() {
        assert_eq!(
            PasswordHashes::of("secret1").as_typed,
            PasswordHashes::of("secret1").lower_case
        );
        let mixed = PasswordHashes::of("ПарольX");
        assert_eq!(mixed.lower_case, hash("парольx"));
        assert_ne!(mixed.as_typed, mixed.lower_case);
    }
}
