//! Owns what becomes of characters that must not reach a reader as they are: a terminal would obey some, XML knows no way to
//! write others, and some make a line read in another order than it is written.

use std::borrow::Cow;

/// The text in one line without any character that a terminal obeys: controls become their pictures (`␛`, `␊`).
pub fn one_line(text: &str) -> Cow<'_, str> {
    shown(text, char::is_control)
}

/// The text with its lines and tabs, every end of a line being `\n`, and without any other control.
pub fn lines(text: &str) -> Cow<'_, str> {
    let text = if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    };
    let is_other = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    match shown(&text, is_other) {
        Cow::Borrowed(_) => text,
        Cow::Owned(shown) => Cow::Owned(shown),
    }
}

/// At most so many characters, with a sign at the end if there were more.
pub fn shortened(text: &str, characters_max: usize) -> Cow<'_, str> {
    if text.chars().count() <= characters_max {
        return Cow::Borrowed(text);
    }
    let kept = characters_max.saturating_sub(1);
    Cow::Owned(text.chars().take(kept).chain(['…']).collect())
}

fn shown(text: &str, is_replaced: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_bad = |character: char| is_replaced(character) || is_deceptive(character);
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let picture = |character: char| match character {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        '\x7f' => '␡',
        _ => '\u{fffd}',
    };
    let seen = text.chars().map(|character| {
        if is_bad(character) {
            picture(character)
        } else {
            character
        }
    });
    Cow::Owned(seen.collect())
}

/// Marks that change the order of what follows, and what XML does not allow besides controls.
fn is_deceptive(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminals_controls_become_pictures() {
        assert_eq!(one_line("a\x1b[31mb\r\n\tc\u{9b}d"), "a␛[31mb␍␊␉c\u{fffd}d");
        assert!(matches!(one_line("Ёлка → 😀"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_end_in_one_way_and_stay_lines() {
        assert_eq!(lines("a\r\nb\rc\n\td\0"), "a\nb\nc\n\td␀");
        assert_eq!(lines("a\r\nb"), "a\nb");
        assert!(matches!(lines("a\n\tb"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_turns_the_order_of_reading_is_taken_out() {
        assert_eq!(one_line("a\u{202e}fdp.exe"), "a\u{fffd}fdp.exe");
        assert_eq!(lines("\u{2066}\u{ffff}"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(shortened("Ёлка", 4), "Ёлка");
        assert_eq!(shortened("Ёлочка", 4), "Ёло…");
    }
}
