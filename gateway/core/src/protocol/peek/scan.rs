//! The grammar of JSON (RFC 8259), checked in one pass over the text.

use std::ops::Range;

/// Levels of arrays and objects inside one value; one bit of a word each.
pub(in crate::protocol) const NESTING_MAX: u32 = 62;

/// Walks over a JSON text.
pub(in crate::protocol) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// Where the text is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Unexpected {
    /// This byte breaks the grammar, or the text ends here.
    Byte { at: usize },
    /// Nested too deep.
    Depth,
}

/// A string: where its inside stands, and whether that has escapes.
pub(in crate::protocol) struct StringSpan {
    pub(in crate::protocol) inner: Range<usize>,
    pub(in crate::protocol) escaped: bool,
}

/// A field of an object.
pub(in crate::protocol) struct Field {
    pub(in crate::protocol) key: StringSpan,
    pub(in crate::protocol) value: Range<usize>,
}

impl<'a> Scanner<'a> {
    pub(in crate::protocol) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Begins behind so many bytes of the text.
    pub(in crate::protocol) fn starting_at(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// Where it is.
    pub(in crate::protocol) fn place(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space; it stays the next one.
    #[inline]
    pub(in crate::protocol) fn next_token(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Leaves these bytes behind.
    #[inline]
    pub(in crate::protocol) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Nothing but white space is left.
    pub(in crate::protocol) fn end(&mut self) -> Result<(), Unexpected> {
        match self.next_token() {
            None => Ok(()),
            Some(_) => Err(self.unexpected()),
        }
    }

    /// Reads an object whose brace is the next byte, and shows each field.
    /// Gives where the object stands.
    #[inline]
    pub(in crate::protocol) fn object(
        &mut self,
        mut each: impl FnMut(&Self, Field),
    ) -> Result<Range<usize>, Unexpected> {
        self.expect(b'{')?;
        let start = self.at - 1;
        if self.next_token() == Some(b'}') {
            self.at += 1;
            return Ok(start..self.at);
        }
        loop {
            self.next_token();
            let key = self.string()?;
            self.expect(b':')?;
            self.next_token();
            let value_start = self.at;
            self.value()?;
            let value = value_start..self.at;
            each(self, Field { key, value });
            match self.next_token() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected()),
            }
        }
        self.at += 1;
        Ok(start..self.at)
    }

    /// Reads a string whose quote is the next byte.
    #[inline]
    pub(in crate::protocol) fn string(&mut self) -> Result<StringSpan, Unexpected> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(self.unexpected());
        }
        let start = self.at + 1;
        self.at = plain_end(self.text, start);
        let escaped = self.text.get(self.at) != Some(&b'"');
        if escaped {
            self.escaped_string()?;
        }
        let inner = start..self.at;
        self.at += 1;
        Ok(StringSpan { inner, escaped })
    }

    /// Goes on with a string at its first byte that is neither plain nor its end,
    /// up to the closing quote.
    #[cold]
    fn escaped_string(&mut self) -> Result<(), Unexpected> {
        loop {
            match self.text.get(self.at) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                _ => return Err(self.unexpected()),
            }
            self.at = plain_end(self.text, self.at);
        }
    }

    /// Whether a string, its escapes resolved, is this ASCII text.
    #[inline]
    pub(in crate::protocol) fn is_key(&self, key: &StringSpan, text: &[u8]) -> bool {
        let inner = &self.text[key.inner.clone()];
        if key.escaped {
            is_escaped_form(inner, text)
        } else {
            inner == text
        }
    }

    /// Reads one value of any kind. Nested containers are kept as one bit each:
    /// set for an object, clear for an array.
    pub(in crate::protocol) fn value(&mut self) -> Result<(), Unexpected> {
        let (mut objects, mut depth) = (0_u64, 0_u32);
        loop {
            match self.next_token() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(open @ (b'{' | b'[')) => {
                    self.at += 1;
                    let is_object = open == b'{';
                    let close = if is_object { b'}' } else { b']' };
                    if self.next_token() == Some(close) {
                        self.at += 1;
                    } else {
                        if depth == NESTING_MAX {
                            return Err(Unexpected::Depth);
                        }
                        depth += 1;
                        objects = objects << 1 | u64::from(is_object);
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                _ => return Err(self.unexpected()),
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                match self.next_token() {
                    Some(b',') => {
                        self.at += 1;
                        if in_object {
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if in_object => {}
                    Some(b']') if !in_object => {}
                    _ => return Err(self.unexpected()),
                }
                self.at += 1;
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    fn key(&mut self) -> Result<(), Unexpected> {
        self.next_token();
        self.string()?;
        self.expect(b':')
    }

    #[inline]
    pub(in crate::protocol) fn expect(&mut self, byte: u8) -> Result<(), Unexpected> {
        if self.next_token() != Some(byte) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Unexpected> {
        self.at += 1;
        match self.text.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.text.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                        return Err(self.unexpected());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.unexpected()),
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Unexpected> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.unexpected());
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Unexpected> {
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        if self.text.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Unexpected> {
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.unexpected());
        }
        self.at += digits;
        Ok(())
    }

    #[cold]
    fn unexpected(&self) -> Unexpected {
        Unexpected::Byte { at: self.at }
    }
}

/// Where the plain part of a string that goes on at `at` ends: at the first
/// quote, backslash or control character, or with the text.
#[inline]
fn plain_end(text: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    at + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Sets the top bit of each byte that is a quote, a backslash or a control
/// character; bits above the lowest of them may be wrong.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = ONES * 0x80;
    // The quote is 0x22: with its second bit turned it stands right above the
    // control characters, which stay among themselves.
    let quotes_and_controls = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslashes = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    (quotes_and_controls | backslashes) & !word & TOPS
}

/// Whether the inside of a string with escapes means this ASCII text.
#[cold]
fn is_escaped_form(mut inner: &[u8], text: &[u8]) -> bool {
    for &wanted in text {
        let (byte, length) = match inner {
            [b'\\', b'u', b'0', b'0', high, low, ..] => {
                let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0);
                (u8::try_from(digit(*high) << 4 | digit(*low)), 6)
            }
            [b'\\', ..] | [] => return false,
            [byte, ..] => (Ok(*byte), 1),
        };
        if byte != Ok(wanted) {
            return false;
        }
        inner = &inner[length..];
    }
    inner.is_empty()
}
