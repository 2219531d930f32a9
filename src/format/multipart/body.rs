//! A multipart body and its parts.

use std::fmt;

/// The delimiter between the parts of a body (RFC 2046, section 5.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// The boundary with the two dashes in front.
    pub(super) dashed: String,
}

/// A part of the body. Its file name is left out because nothing uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The name of the form field; never empty.
    pub name: &'a str,
    /// The part's Content-Type as written: a media type, never `multipart/*`.
    pub content_type: Option<&'a str>,
    /// The content of the part, unchanged.
    pub data: &'a [u8],
}

/// Why a body cannot be split into parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The Content-Type of the body has no usable boundary.
    #[error("Content-Type: {0}")]
    ContentType(Wrong),
    /// The body does not begin with the boundary.
    #[error("the body does not begin with `--` and the boundary of its Content-Type")]
    Beginning,
    /// A part is malformed.
    #[error("part {number}: {wrong}")]
    Part {
        /// Number of the part, from 1.
        number: usize,
        /// What is wrong with it.
        wrong: Wrong,
    },
    /// The body has too many parts.
    #[error("too many parts: at most {limit} are allowed")]
    TooMany {
        /// The largest number of parts.
        limit: usize,
    },
    /// The body goes on after its last boundary.
    #[error("the body has data after its last boundary")]
    Trailing,
}

/// What was expected and what was found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    expected: &'static str,
    found: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got {}", self.expected, self.found)
    }
}

/// Why a part is not text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextProblem {
    /// Its Content-Type is not text/plain in UTF-8.
    #[error("expected a part with Content-Type text/plain in UTF-8, or without Content-Type, got `{0}`")]
    Type(String),
    /// Its Content-Type is neither JSON nor text/plain in UTF-8.
    #[error(
        "expected a part with Content-Type application/json, or text/plain in UTF-8, or without Content-Type, got `{0}`"
    )]
    JsonType(String),
    /// Its bytes are not UTF-8.
    #[error("the text is not valid UTF-8")]
    NotUtf8,
    /// It contains a NUL, which no field needs and which some readers take for the end of the text.
    #[error("a NUL character is not allowed")]
    Nul,
}

type Outcome<T> = Result<T, Wrong>;

fn wrong<T>(expected: &'static str, found: impl Into<String>) -> Outcome<T> {
    Err(Wrong { expected, found: found.into() })
}

impl Boundary {
    /// Reads the boundary from a `Content-Type`.
    ///
    /// # Errors
    /// There is no boundary, or other readers could read it differently.
    pub fn of(content_type: &str) -> Result<Self, MultipartError> {
        let boundary = HeadValue::parse(content_type).and_then(|value| value.boundary());
        boundary.map_err(MultipartError::ContentType)
    }

    /// The parts of `body` in order, at most `limit`.
    ///
    /// # Errors
    /// The first problem in the body.
    pub fn parts<'a>(&self, body: &'a [u8], limit: usize) -> Result<Vec<Part<'a>>, MultipartError> {
        let mut rest = body.strip_prefix(self.dashed.as_bytes()).ok_or(MultipartError::Beginning)?;
        let mut parts = Vec::new();
        loop {
            if let Some(end) = rest.strip_prefix(b"--") {
                return if matches!(end, b"" | b"\r\n") { Ok(parts) } else { Err(MultipartError::Trailing) };
            }
            if parts.len() == limit {
                return Err(MultipartError::TooMany { limit });
            }
            let number = parts.len() + 1;
            let (part, behind) = self.part(rest).map_err(|wrong| MultipartError::Part { number, wrong })?;
            parts.push(part);
            rest = behind;
        }
    }

    /// Reads one part, after its boundary. Returns it with what follows the next boundary.
    fn part<'a>(&self, rest: &'a [u8]) -> Outcome<(Part<'a>, &'a [u8])> {
        let Some(part) = rest.strip_prefix(b"\r\n") else {
            let found = if rest.is_empty() { "the end of the body" } else { "something else" };
            return wrong("CRLF or `--` after the boundary", found);
        };
        let head = match part.windows(4).position(|end| end == b"\r\n\r\n") {
            _ if part.starts_with(b"\r\n") => return wrong("a Content-Disposition", "no header"),
            Some(length) => &part[..length],
            None => return wrong("an empty line (CRLF) after the headers", "none"),
        };
        let (name, content_type) = read_head(head)?;
        let data = &part[head.len() + 4..];
        let length = self.data_length(data)?;
        let behind = &data[length + 2 + self.dashed.len()..];
        Ok((Part { name, content_type, data: &data[..length] }, behind))
    }

    /// Length of the data before the next boundary and the CRLF that belongs to that boundary.
    fn data_length(&self, data: &[u8]) -> Outcome<usize> {
        const LINE_OF_ITS_OWN: &str = "CRLF before the boundary";
        let dashed = self.dashed.as_bytes();
        if data.starts_with(dashed) {
            return wrong(LINE_OF_ITS_OWN, "only that of the headers");
        }
        let mut from = 0;
        while let Some(end) = data[from..].iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            from += end + 1;
            // Some readers accept CR or LF alone as the end of a line.
            match data[from..].starts_with(dashed) {
                true if data[..from].ends_with(b"\r\n") => return Ok(from - 2),
                true => return wrong(LINE_OF_ITS_OWN, "CR or LF alone"),
                false => {}
            }
        }
        wrong("the boundary after the part", "the end of the body")
    }
}

/// Reads the part's name and Content-Type.
fn read_head(head: &[u8]) -> Outcome<(&str, Option<&str>)> {
    let Ok(head) = std::str::from_utf8(head) else { return wrong("headers in UTF-8", "other bytes") };
    let (mut disposition, mut content_type, mut encoding) = (None, None, None);
    for line in head.split("\r\n") {
        let (name, value) = read_header(line)?;
        let place = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => &mut disposition,
            "content-type" => &mut content_type,
            "content-transfer-encoding" => &mut encoding,
            // RFC 7578, section 4.8: other header fields "MUST be ignored".
            _ => continue,
        };
        if place.replace(value).is_some() {
            return wrong("each header once", format!("`{}` twice", shown(name)));
        }
    }
    if let Some(encoding) = encoding
        && !["binary", "8bit", "7bit"].iter().any(|plain| encoding.eq_ignore_ascii_case(plain))
    {
        return wrong("Content-Transfer-Encoding binary, 8bit or 7bit, if any", format!("`{}`", shown(encoding)));
    }
    if let Some(content_type) = content_type {
        check_type(content_type)?;
    }
    match disposition {
        Some(disposition) => Ok((HeadValue::parse(disposition)?.name()?, content_type)),
        None => wrong("a Content-Disposition", "none"),
    }
}

fn read_header(line: &str) -> Outcome<(&str, &str)> {
    if line.contains(char::is_control) {
        return wrong("headers without control characters, each ended by CRLF", "another control character");
    }
    let header = line.split_once(':').filter(|(name, _)| is_token(name) && !name.starts_with('-'));
    match header {
        Some((name, value)) => Ok((name, value.trim_matches(' '))),
        // The line is not shown: it may be a value after a forgotten empty line.
        None => wrong("a header such as `Content-Type: text/plain`", "another line"),
    }
}

fn check_type(content_type: &str) -> Outcome<()> {
    let value = HeadValue::parse(content_type)?;
    match value.word.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => {
            // RFC 7578, section 4.3: several files for one field are sent as several parts, not as a nested multipart.
            match kind.eq_ignore_ascii_case("multipart") {
                true => wrong("a part that has no parts", format!("Content-Type `{}`", shown(value.word))),
                false => Ok(()),
            }
        }
        _ => wrong("a Content-Type such as `text/plain`", format!("`{}`", shown(content_type))),
    }
}

impl<'a> Part<'a> {
    /// The content as text.
    ///
    /// # Errors
    /// The content is not UTF-8, has a NUL, or its Content-Type is another one.
    pub fn text(&self) -> Result<&'a str, TextProblem> {
        match self.content_type.filter(|content_type| !self.is_of("text/plain", content_type)) {
            Some(content_type) => Err(TextProblem::Type(shown(content_type))),
            None => self.utf8(),
        }
    }

    /// The content as JSON text, whose syntax has not been checked.
    ///
    /// # Errors
    /// The content is not UTF-8, has a NUL, or its Content-Type is another one.
    pub fn json(&self) -> Result<&'a str, TextProblem> {
        let is_json =
            |content_type: &str| ["text/plain", "application/json"].iter().any(|word| self.is_of(word, content_type));
        match self.content_type.filter(|content_type| !is_json(content_type)) {
            Some(content_type) => Err(TextProblem::JsonType(shown(content_type))),
            None => self.utf8(),
        }
    }

    fn utf8(&self) -> Result<&'a str, TextProblem> {
        let text = std::str::from_utf8(self.data).map_err(|_| TextProblem::NotUtf8)?;
        if text.contains('\0') { Err(TextProblem::Nul) } else { Ok(text) }
    }

    /// Whether a Content-Type has this media type and means UTF-8.
    fn is_of(&self, word: &str, content_type: &str) -> bool {
        let Ok(value) = HeadValue::parse(content_type) else { return false };
        let is_known = match value.parameter("charset") {
            None => true,
            Some(charset) if charset.eq_ignore_ascii_case("utf-8") => true,
            // ASCII text has the same bytes in all three charsets.
            Some(charset) => {
                self.data.is_ascii() && ["us-ascii", "iso-8859-1"].iter().any(|same| charset.eq_ignore_ascii_case(same))
            }
        };
        value.word.eq_ignore_ascii_case(word) && is_known
    }
}

/// A header value with its parameters.
struct HeadValue<'a> {
    word: &'a str,
    /// No name occurs twice.
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> HeadValue<'a> {
    fn parse(text: &'a str) -> Outcome<Self> {
        let (word, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let mut value = Self { word: word.trim_matches(' '), parameters: Vec::new() };
        while let Some(parameter) = rest.strip_prefix(';') {
            let Some((name, behind)) = parameter.trim_start_matches(' ').split_once('=') else {
                return wrong("`name=value` behind `;`", format!("`{}`", shown(parameter)));
            };
            let (content, behind) = read_content(behind)?;
            if !is_token(name) {
                return wrong("`name=value` behind `;`", format!("`{}`", shown(parameter)));
            }
            if value.parameter(name).is_some() {
                return wrong("each parameter once", format!("`{}` twice", shown(name)));
            }
            // RFC 2231 has continued and encoded parameters; RFC 7578, section 4.2, forbids them. .NET sends
            // `filename*` beside `filename`; Towbar uses neither.
            if name.contains('*') && !name.eq_ignore_ascii_case("filename*") {
                return wrong("parameters without `*`", format!("`{}`", shown(name)));
            }
            value.parameters.push((name, content));
            rest = behind.trim_start_matches(' ');
        }
        if rest.is_empty() { Ok(value) } else { wrong("`;` or the end of the header", format!("`{}`", shown(rest))) }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, content)| *content)
    }

    fn boundary(&self) -> Outcome<Boundary> {
        // RFC 2046 also allows a space inside; readers interpret it differently.
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
        const EXPECTED: &str = "a `boundary` of 1 to 70 letters, digits and `'()+_,-./:=?`";
        match self.parameter("boundary") {
            Some(text) if (1..=70).contains(&text.len()) && text.bytes().all(is_known) => {
                Ok(Boundary { dashed: format!("--{text}") })
            }
            Some(text) => wrong(EXPECTED, format!("`{}`", shown(text))),
            None => wrong(EXPECTED, "none"),
        }
    }

    fn name(&self) -> Outcome<&'a str> {
        if !self.word.eq_ignore_ascii_case("form-data") {
            return wrong("Content-Disposition form-data", format!("`{}`", shown(self.word)));
        }
        match self.parameter("name") {
            None | Some("") => wrong("a `name` in Content-Disposition", "none"),
            // Browsers write a quotation mark as `%22` but leave `%` as it is, so the original name is ambiguous.
            Some(name) if has_escape(name) => wrong("a `name` without escapes", "`%` and two digits"),
            Some(name) => Ok(name),
        }
    }
}

/// Reads a token or a quoted string. Returns it with what follows.
fn read_content(text: &str) -> Outcome<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return match quoted.split_once('"') {
            // Some readers take a backslash for an escape, others for a plain character.
            Some((content, _)) if content.contains('\\') => wrong("quotes without a backslash in them", "one"),
            Some(found) => Ok(found),
            None => wrong("a quotation mark at the end of the value", "none"),
        };
    }
    let (token, behind) = text.split_at(text.find([';', ' ']).unwrap_or(text.len()));
    match is_token(token) {
        true => Ok((token, behind)),
        false => wrong("a value in quotes, or of letters and digits", format!("`{}`", shown(token))),
    }
}

/// Whether `text` is a token as in RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_known)
}

fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|three| three[0] == b'%' && three[1..].iter().all(u8::is_ascii_hexdigit))
}

/// `text`, shortened to 40 characters.
fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
