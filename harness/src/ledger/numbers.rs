//! Owns the reading of `pbxnumberstatechanged`: which number has which state now, and what each tab was told last.
//!
//! Everybody who is subscribed gets the same bytes, so that a text which is the same as the last one is not read again.

use serde::Deserialize;

/// The last text, and what stood in it.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    first_number: usize,
    text: Vec<u8>,
    /// Each number's place, from the first user's on, with its state.
    states: Vec<(usize, u8)>,
    is_whole: bool,
}

/// `pbxnumberstatechanged`: its name, its fields.
#[derive(Deserialize)]
struct NumberStates<'a>(
    #[allow(dead_code)] &'a str,
    #[serde(borrow)] StateFields<'a>,
);

#[derive(Deserialize)]
struct StateFields<'a> {
    #[serde(borrow)]
    numbers: Vec<NumberState<'a>>,
}

#[derive(Deserialize)]
struct NumberState<'a> {
    num: &'a str,
    numstateid: u8,
}

impl Numbers {
    pub(super) fn new(first_number: usize) -> Self {
        Self {
            first_number,
            ..Self::default()
        }
    }

    /// Reads a text; whether all of it could be read.
    pub(super) fn read(&mut self, text: &[u8]) -> bool {
        if self.text == text {
            return self.is_whole;
        }
        self.text.clear();
        self.text.extend_from_slice(text);
        self.states.clear();
        let states: Result<NumberStates<'_>, _> = serde_json::from_slice(text);
        self.is_whole = states.is_ok();
        for NumberState { num, numstateid } in states.into_iter().flat_map(|it| it.1.numbers) {
            let place = num.parse::<usize>().ok();
            let place = place.and_then(|number| number.checked_sub(self.first_number));
            match place {
                Some(place @ ..NUMBERS_MAX) if numstateid <= 9 => {
                    self.states.push((place, numstateid));
                }
                _ => self.is_whole = false,
            }
        }
        self.is_whole
    }

    /// What stood in the last text that was read.
    pub(crate) fn states(&self) -> &[(usize, u8)] {
        &self.states
    }

    /// Notes the last text in what a tab was told: a digit for each number, or `-` for none.
    pub(super) fn note(&self, told: &mut Vec<u8>) {
        for (place, state) in &self.states {
            if told.len() <= *place {
                told.resize(place + 1, UNTOLD);
            }
            told[*place] = b'0' + state;
        }
    }
}

/// No state was told.
pub(super) const UNTOLD: u8 = b'-';
/// How many numbers a tab remembers the states of.
const NUMBERS_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(numbers: &str) -> Vec<u8> {
        format!(r#"["pbxnumberstatechanged",{{"qid":"a","numbers":[{numbers}]}}]"#).into_bytes()
    }

    #[test]
    fn the_last_state_of_each_number_is_kept() {
        let (mut numbers, mut told) = (Numbers::new(101), Vec::new());
        for states in [
            r#"{"num":"103","numstateid":5},{"num":"101","numstateid":1}"#,
            r#"{"num":"103","numstateid":1}"#,
        ] {
            assert!(numbers.read(&text(states)));
            numbers.note(&mut told);
        }
        assert_eq!(told, b"1-1");
        assert_eq!(numbers.states(), [(2, 1)]);
    }

    #[test]
    fn what_cannot_be_read_is_noticed_each_time() {
        let mut numbers = Numbers::new(101);
        for _ in 0..2 {
            assert!(!numbers.read(&text(r#"{"num":"x","numstateid":1}"#)));
            assert!(!numbers.read(b"[]"));
        }
        assert!(numbers.read(&text("")));
    }
}
