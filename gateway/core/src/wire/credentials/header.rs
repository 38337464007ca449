//! The grammar of `Authorization` and `WWW-Authenticate` (RFC 9110, 11): schemes with their parameters.

use std::borrow::Cow;

/// Schemes in one header value.
const SCHEMES_MAX: usize = 16;

/// Parameters of one scheme.
const PARAMETERS_MAX: usize = 32;

/// One scheme with what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scheme<'a> {
    pub(super) name: &'a str,
    /// What stands there instead of parameters, such as the base64 of `Basic`.
    pub(super) token: Option<&'a str>,
    parameters: Vec<(&'a str, Cow<'a, str>)>,
}

/// The value does not have that grammar; says what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl<'a> Scheme<'a> {
    /// Reads all schemes of a header value.
    pub(super) fn read_all(value: &'a str) -> Result<Vec<Self>, Malformed> {
        let is_control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
        if value.bytes().any(is_control) {
            return Err(Malformed("control characters"));
        }
        let mut reader = Reader { rest: value };
        let mut schemes = Vec::new();
        reader.skip(|byte| is_space(byte) || byte == b',');
        while !reader.rest.is_empty() {
            if schemes.len() == SCHEMES_MAX {
                return Err(Malformed("too many schemes"));
            }
            schemes.push(reader.scheme()?);
            reader.skip(|byte| is_space(byte) || byte == b',');
        }
        Ok(schemes)
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let (_, value) = parameters.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn scheme(&mut self) -> Result<Scheme<'a>, Malformed> {
        let name = self.take(is_token);
        if name.is_empty() {
            return Err(Malformed("no scheme where one belongs"));
        }
        let mut scheme = Scheme {
            name,
            token: None,
            parameters: Vec::new(),
        };
        if self.skip(is_space) == 0 && !self.is_at_end() {
            return Err(Malformed("no space behind the scheme"));
        }
        if self.is_at_end() {
            return Ok(scheme);
        }
        let before = self.rest;
        let digits = self.take(is_token68);
        let padding = self.take(|byte| byte == b'=');
        let token = &before[..digits.len() + padding.len()];
        self.skip(is_space);
        if !digits.is_empty() && self.is_at_end() {
            scheme.token = Some(token);
            return Ok(scheme);
        }
        self.rest = before;
        while let Some((name, value)) = self.parameter()? {
            if scheme.parameter(name).is_some() {
                return Err(Malformed("a parameter that is repeated"));
            }
            if scheme.parameters.len() == PARAMETERS_MAX {
                return Err(Malformed("too many parameters"));
            }
            scheme.parameters.push((name, value));
            self.skip(is_space);
            if !self.is_at_end() {
                return Err(Malformed("no comma between parameters"));
            }
        }
        Ok(scheme)
    }

    /// The next parameter; `None` at the end and where another scheme begins.
    fn parameter(&mut self) -> Result<Option<(&'a str, Cow<'a, str>)>, Malformed> {
        self.skip(|byte| is_space(byte) || byte == b',');
        let before = self.rest;
        let name = self.take(is_token);
        self.skip(is_space);
        let Some(rest) = self.rest.strip_prefix('=') else {
            self.rest = before;
            return Ok(None);
        };
        if name.is_empty() {
            return Err(Malformed("a parameter without a name"));
        }
        self.rest = rest;
        self.skip(is_space);
        if let Some(quoted) = self.rest.strip_prefix('"') {
            self.rest = quoted;
            return Ok(Some((name, self.quoted()?)));
        }
        let value = self.take(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"'));
        if value.is_empty() {
            return Err(Malformed("a parameter without a value"));
        }
        Ok(Some((name, Cow::Borrowed(value))))
    }

    /// The inside of a quoted text, and the quote behind it.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let unfinished = Malformed("a quoted text without its end");
        let mut text = Cow::Borrowed("");
        loop {
            let end = self.rest.find(['"', '\\']).ok_or(unfinished)?;
            let (plain, special) = self.rest.split_at(end);
            match &mut text {
                Cow::Borrowed("") => text = Cow::Borrowed(plain),
                text => text.to_mut().push_str(plain),
            }
            if let Some(rest) = special.strip_prefix('"') {
                self.rest = rest;
                return Ok(text);
            }
            let mut escaped = special[1..].chars();
            text.to_mut().push(escaped.next().ok_or(unfinished)?);
            self.rest = escaped.as_str();
        }
    }

    /// Takes the bytes that fit, all of them ASCII.
    fn take(&mut self, fits: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|byte| !fits(byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn skip(&mut self, fits: impl Fn(u8) -> bool) -> usize {
        self.take(fits).len()
    }

    fn is_at_end(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(',')
    }
}

/// Appends `name="value"`, quoted as it must be.
pub(super) fn append_quoted(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)
}
