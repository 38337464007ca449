//! The hashes of a password, over the bytes that browser libraries hash
//! (protocol 6.1).
//!
//! In comes a password as it was typed, or a hash in hexadecimal; out go 16
//! bytes each. Comparing them in constant time is for the one who keeps them.

use md5::{Digest as _, Md5};

/// Both hashes of one password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordHashes {
    /// What a client sends as `Password`.
    pub as_typed: [u8; 16],
    /// What a client sends as `password`: the hash of the lower-cased password.
    pub lower_cased: [u8; 16],
}

impl std::fmt::Debug for PasswordHashes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PasswordHashes(…)")
    }
}

/// The password has a character that cannot be hashed as clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the password has the character `{0}`: only ASCII characters and Russian letters are the same for all clients"
)]
pub struct PasswordError(
    /// The first such character.
    pub char,
);

/// Both hashes, by the rule of protocol 6.1. A character to which the rule gives
/// no byte is an error; one that the rule drops is dropped.
///
/// ```
/// use okgate_core::protocol::password_hashes;
///
/// let hashes = password_hashes("Secret").unwrap();
/// assert_ne!(hashes.as_typed, hashes.lower_cased);
/// assert_eq!(hashes.lower_cased, password_hashes("secret").unwrap().as_typed);
/// assert_eq!(password_hashes("naïve£漢").unwrap_err().0, '漢');
/// ```
pub fn password_hashes(password: &str) -> Result<PasswordHashes, PasswordError> {
    Ok(PasswordHashes {
        as_typed: hash(password)?,
        lower_cased: hash(&password.to_lowercase())?,
    })
}

/// Both hashes of a password whose bytes are given as characters, each with the
/// number of its byte; `None` if a character is no byte. The lower-cased one is over
/// the bytes that the lower-cased password has by the rule of protocol 6.1.
pub fn hashes_of_bytes(text: &str) -> Option<PasswordHashes> {
    let bytes = text.chars().map(|letter| u8::try_from(u32::from(letter)));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().ok()?;
    let lower = bytes.iter().map(|byte| match byte {
        b'A'..=b'Z' | 0xC0..=0xDF => byte + 0x20,
        0xA8 => 0xB8,
        other => *other,
    });
    let lower: Vec<u8> = lower.collect();
    Some(PasswordHashes {
        as_typed: Md5::digest(&bytes).into(),
        lower_cased: Md5::digest(&lower).into(),
    })
}

/// Whether a password may be given to a user: refuses any character that is
/// neither ASCII nor a Russian letter, also those that the rule would drop.
pub fn check_new_password(password: &str) -> Result<(), PasswordError> {
    let is_fit = |it: &char| it.is_ascii() || matches!(it, 'А'..='я' | 'Ё' | 'ё');
    match password.chars().find(|it| !is_fit(it)) {
        None => Ok(()),
        Some(unfit) => Err(PasswordError(unfit)),
    }
}

/// Reads the 32 hexadecimal digits of a hash, in any case.
pub fn parse_md5_hex(text: &str) -> Option<[u8; 16]> {
    let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
    let mut hash = [0; 16];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| (digit as char).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(hash)
}

fn hash(password: &str) -> Result<[u8; 16], PasswordError> {
    let mut bytes = Vec::with_capacity(password.len());
    for character in password.chars() {
        for &unit in character.encode_utf16(&mut [0; 2]).iter() {
            let byte = match unit {
                0x80..=0x400 => continue,
                0x401 => Ok(0xA8),
                0x451 => Ok(0xB8),
                0..0x80 => u8::try_from(unit),
                _ => u8::try_from(unit - 848),
            };
            bytes.push(byte.map_err(|_| PasswordError(character))?);
        }
    }
    Ok(Md5::digest(&bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(hash: [u8; 16]) -> String {
        format!("{:032x}", u128::from_be_bytes(hash))
    }

    #[test]
    fn ascii_passwords_have_their_plain_md5() {
        // RFC 1321, A.5: the MD5 of "abc".
        let hashes = password_hashes("abc").expect("ASCII");
        assert_eq!(hex(hashes.as_typed), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hashes.as_typed, hashes.lower_cased);
        let hashes = password_hashes("ABC").expect("ASCII");
        assert_eq!(hex(hashes.lower_cased), "900150983cd24fb0d6963f7d28e17f72");
        assert_ne!(hashes.as_typed, hashes.lower_cased);
    }

    #[test]
    fn russian_letters_are_hashed_as_windows_1251() {
        for (password, bytes) in [
            ("Пароль1", &b"\xCF\xE0\xF0\xEE\xEB\xFC1"[..]),
            ("Аяа", b"\xC0\xFF\xE0"),
            ("Ёё", b"\xA8\xB8"),
        ] {
            let hashes = password_hashes(password).expect("Russian letters");
            let wanted: [u8; 16] = Md5::digest(bytes).into();
            assert_eq!(hashes.as_typed, wanted, "{password}");
        }
    }

    #[test]
    fn the_lower_cased_hash_lowers_russian_letters_too() {
        let hashes = password_hashes("ПАРОЛЬЁ").expect("Russian letters");
        let lower = password_hashes("парольё").expect("Russian letters");
        assert_eq!(hashes.lower_cased, lower.as_typed);
    }

    #[test]
    fn bytes_given_as_characters_have_the_hashes_of_the_password() {
        for (password, bytes) in [
            ("Secret1", "Secret1"),
            ("Пароль Ё1", "\u{CF}\u{E0}\u{F0}\u{EE}\u{EB}\u{FC} \u{A8}1"),
        ] {
            let wanted = password_hashes(password).expect("plain");
            assert_eq!(hashes_of_bytes(bytes), Some(wanted), "{password}");
        }
        assert_eq!(hashes_of_bytes("Пароль"), None);
    }

    #[test]
    fn characters_between_ascii_and_the_russian_letters_are_dropped() {
        let dropped = password_hashes("a\u{80}é\u{3C9}\u{3FF}b").expect("dropped");
        let plain = password_hashes("ab").expect("ASCII");
        assert_eq!(dropped.as_typed, plain.as_typed);
    }

    #[test]
    fn characters_to_which_the_rule_gives_no_byte_are_an_error() {
        for unfit in ['\u{450}', '\u{452}', '€', '漢', '😀'] {
            let password = format!("a{unfit}");
            assert_eq!(password_hashes(&password), Err(PasswordError(unfit)));
        }
    }

    // protocol 6.1-n: `okgate passwd` asks this.
    #[test]
    fn a_new_password_has_ascii_and_russian_letters_only() {
        assert_eq!(check_new_password("Пароль Ё1~"), Ok(()));
        for unfit in ['é', '\u{402}', '😀'] {
            let password = format!("a{unfit}");
            assert_eq!(check_new_password(&password), Err(PasswordError(unfit)));
        }
    }

    #[test]
    fn hashes_are_read_in_any_case_and_nothing_else_is() {
        let hash = parse_md5_hex("900150983CD24fb0d6963f7d28e17f72").expect("a hash");
        assert_eq!(hex(hash), "900150983cd24fb0d6963f7d28e17f72");
        for text in [
            "",
            "900150983cd24fb0d6963f7d28e17f7",
            "900150983cd24fb0d6963f7d28e17f7g",
            "+90150983cd24fb0d6963f7d28e17f72",
        ] {
            assert_eq!(parse_md5_hex(text), None, "{text}");
        }
    }
}
