//! Several messages in one text (protocol 2.1-d).

use std::ops::Range;

use super::{PeekError, PeekProblem, Scanner, Unexpected};

/// Messages of one answer of an HTTP exchange.
pub const MESSAGES_MAX: usize = 256;

/// Finds the messages in the JSON text of one, or of an array of at most [`MESSAGES_MAX`]: where each stands, for
/// [`super::peek()`] to look at. White space alone, and an empty array, are no message (protocol 2.1-e).
///
/// ```
/// use okgate_core::protocol::messages_in_json;
///
/// let text = br#"[["a",{}], ["b",{"n":1}]]"#;
/// let found = messages_in_json(text).unwrap();
/// assert_eq!(&text[found[1].clone()], br#"["b",{"n":1}]"#);
/// ```
pub fn messages_in_json(text: &[u8]) -> Result<Vec<Range<usize>>, PeekError<'_>> {
    find(text).map_err(|problem| PeekError {
        problem,
        name: None,
        qid: None,
    })
}

fn find(text: &[u8]) -> Result<Vec<Range<usize>>, PeekProblem> {
    let mut scanner = Scanner::new(text);
    let mut found = Vec::new();
    if scanner.next_token().is_none() {
        return Ok(found);
    }
    let start = scanner.place();
    scanner.expect(b'[')?;
    match scanner.next_token() {
        Some(b'[') => loop {
            if found.len() == MESSAGES_MAX {
                return Err(PeekProblem::TooManyMessages);
            }
            scanner.next_token();
            let start = scanner.place();
            scanner.expect(b'[')?;
            found.push(start..rest_of_message(&mut scanner)?);
            if scanner.next_token() != Some(b',') {
                scanner.expect(b']')?;
                break;
            }
            scanner.skip(1);
        },
        Some(b']') => scanner.skip(1),
        _ => found.push(start..rest_of_message(&mut scanner)?),
    }
    scanner.end()?;
    Ok(found)
}

/// Goes on behind a message's first bracket; gives where the message ends.
fn rest_of_message(scanner: &mut Scanner<'_>) -> Result<usize, Unexpected> {
    scanner.next_token();
    scanner.string()?;
    scanner.expect(b',')?;
    scanner.next_token();
    scanner.object(|_, _| {})?;
    scanner.expect(b']')?;
    Ok(scanner.place())
}
