//! A call's parameters: the query and the form, one behind the other.

use okgate_core::protocol::{ErrorNumber, Fault, Secret};
use percent_encoding::percent_decode;

/// All of them, names in lower case. Empty ones are as good as missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads all parts. Doubled `&` are tolerated (protocol 10-j); a name that comes
    /// twice with different values is a fault, since nobody could say which one counts.
    pub(super) fn read(parts: &[&[u8]]) -> Result<Self, Fault> {
        let mut found = Self::default();
        let pairs = parts
            .iter()
            .flat_map(|part| part.split(|byte| *byte == b'&'));
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let end = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = pair.split_at(end.unwrap_or(pair.len()));
            let name = decoded(name)?.to_lowercase();
            let value = decoded(value.get(1..).unwrap_or_default())?;
            if value.is_empty() {
                continue;
            }
            if found.0.len() >= PARAMETERS_MAX {
                let text = format!("there are more than {PARAMETERS_MAX} parameters");
                return Err(Fault::new(ErrorNumber::Malformed, text));
            }
            match found.text(&name) {
                Some(known) if known == value => {}
                Some(_) => {
                    let shown: String = name.chars().take(NAME_SHOWN_MAX).collect();
                    return Err(Fault::parameter(&shown, "one value only"));
                }
                None => found.0.push((name, value)),
            }
        }
        Ok(found)
    }

    /// The value of this name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        let found = all.find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    /// The same, which must be there.
    pub(super) fn required(&self, name: &str, expected: &str) -> Result<&str, Fault> {
        let text = self.text(name).filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| Fault::parameter(name, expected))
    }

    /// `temppass`.
    pub(super) fn one_use_password(&self) -> Option<Secret> {
        self.text("temppass").map(Secret::new)
    }
}

fn decoded(bytes: &[u8]) -> Result<String, Fault> {
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let text = percent_decode(&spaced).decode_utf8();
    let text = text.map_err(|_| {
        let text = "a parameter is not UTF-8, percent-encoded";
        Fault::new(ErrorNumber::Malformed, text)
    })?;
    Ok(text.into_owned())
}

/// Parameters of one call; none takes more than a dozen.
const PARAMETERS_MAX: usize = 64;

/// How much of a name is said back.
const NAME_SHOWN_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&str]) -> Result<Vec<(String, String)>, ErrorNumber> {
        let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
        let read = Parameters::read(&parts).map_err(|fault| fault.number)?;
        Ok(read.0)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        owned.collect()
    }

    #[test]
    fn a_query_and_a_form_are_read_as_browsers_write_them() {
        for (parts, wanted) in [
            (&["a=1&B=x+y%2Bz"][..], &[("a", "1"), ("b", "x y+z")][..]),
            (
                &["temppass=p&&mode=abort&", "user=%D0%B0"],
                &[("temppass", "p"), ("mode", "abort"), ("user", "а")],
            ),
            (&["a", "b=&c==="], &[("c", "==")]),
            (&["a=1", "a=1"], &[("a", "1")]),
            (&["a=%zz%2"], &[("a", "%zz%2")]),
            (&["", ""], &[]),
        ] {
            assert_eq!(read(parts), Ok(pairs(wanted)), "{parts:?}");
        }
    }

    #[test]
    fn what_could_mean_two_things_or_nothing_is_a_fault() {
        assert_eq!(read(&["a=1&a=2"]), Err(ErrorNumber::WrongParameters));
        assert_eq!(read(&["a=1", "A=2"]), Err(ErrorNumber::WrongParameters));
        assert_eq!(read(&["a=%FF"]), Err(ErrorNumber::Malformed));
        let many: Vec<String> = (0..65).map(|number| format!("p{number}=1")).collect();
        assert_eq!(read(&[&many.join("&")]), Err(ErrorNumber::Malformed));
    }
}
