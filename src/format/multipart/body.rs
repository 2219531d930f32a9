//! A body and its parts.

use std::fmt;

/// What stands between the parts of a body (RFC 2046, section 5.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// With the two dashes before it.
    pub(super) dashed: String,
}

/// A part, but for its file name: nobody here asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Never empty.
    pub name: &'a str,
    /// As it was written; a media type, and none of `multipart/`.
    pub content_type: Option<&'a str>,
    /// Its bytes as they are.
    pub data: &'a [u8],
}

/// Why a body cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The content type of the body.
    #[error("Content-Type: {0}")]
    ContentType(Wrong),
    /// What stands first.
    #[error("the body does not begin with `--` and the boundary of its Content-Type")]
    Beginning,
    /// A part.
    #[error("part {number}: {wrong}")]
    Part {
        /// Which part, from 1.
        number: usize,
        /// Why.
        wrong: Wrong,
    },
    /// Too many parts.
    #[error("too many parts: at most {limit} are allowed")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// What stands last.
    #[error("the body has data after its last boundary")]
    Trailing,
}

/// What stood where something else was expected.
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

/// Why a part is no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextProblem {
    /// It says that it is something else.
    #[error("expected a part with Content-Type text/plain in UTF-8, or without Content-Type, got `{0}`")]
    Type(String),
    /// The same where JSON is expected.
    #[error(
        "expected a part with Content-Type application/json, or text/plain in UTF-8, or without Content-Type, got `{0}`"
    )]
    JsonType(String),
    /// Its bytes.
    #[error("the text is not valid UTF-8")]
    NotUtf8,
    /// A NUL: no field means it, and others read it as an end.
    #[error("a NUL character is not allowed")]
    Nul,
}

type Outcome<T> = Result<T, Wrong>;

fn wrong<T>(expected: &'static str, found: impl Into<String>) -> Outcome<T> {
    Err(Wrong { expected, found: found.into() })
}

impl Boundary {
    /// The boundary that this `Content-Type` gives.
    ///
    /// # Errors
    /// It gives none, or what others could read otherwise.
    pub fn of(content_type: &str) -> Result<Self, MultipartError> {
        let boundary = HeadValue::parse(content_type).and_then(|value| value.boundary());
        boundary.map_err(MultipartError::ContentType)
    }

    /// The parts of a body, in order; at most so many.
    ///
    /// # Errors
    /// The first thing that is wrong.
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

    /// The part whose boundary was read, and what is behind the boundary after it.
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

    /// How much comes before the next boundary and the CRLF that belongs to it.
    fn data_length(&self, data: &[u8]) -> Outcome<usize> {
        const LINE_OF_ITS_OWN: &str = "CRLF before the boundary";
        let dashed = self.dashed.as_bytes();
        if data.starts_with(dashed) {
            return wrong(LINE_OF_ITS_OWN, "only that of the headers");
        }
        let mut from = 0;
        while let Some(end) = data[from..].iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            from += end + 1;
            // Others take a line for one that ends in CR or LF alone.
            match data[from..].starts_with(dashed) {
                true if data[..from].ends_with(b"\r\n") => return Ok(from - 2),
                true => return wrong(LINE_OF_ITS_OWN, "CR or LF alone"),
                false => {}
            }
        }
        wrong("the boundary after the part", "the end of the body")
    }
}

/// Name and content type.
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
        // Not shown: it may be a value that somebody forgot the empty line before.
        None => wrong("a header such as `Content-Type: text/plain`", "another line"),
    }
}

fn check_type(content_type: &str) -> Outcome<()> {
    let value = HeadValue::parse(content_type)?;
    match value.word.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => {
            // RFC 7578, section 4.3: several files of one field are several parts.
            match kind.eq_ignore_ascii_case("multipart") {
                true => wrong("a part that has no parts", format!("Content-Type `{}`", shown(value.word))),
                false => Ok(()),
            }
        }
        _ => wrong("a Content-Type such as `text/plain`", format!("`{}`", shown(content_type))),
    }
}

impl<'a> Part<'a> {
    /// The data as text.
    ///
    /// # Errors
    /// It is none, or says so.
    pub fn text(&self) -> Result<&'a str, TextProblem> {
        match self.content_type.filter(|content_type| !self.is_of("text/plain", content_type)) {
            Some(content_type) => Err(TextProblem::Type(shown(content_type))),
            None => self.utf8(),
        }
    }

    /// The data as JSON text, whose grammar nobody has looked at.
    ///
    /// # Errors
    /// It is no text, or says that it is something else.
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

    /// Whether a content type is this one, in UTF-8.
    fn is_of(&self, word: &str, content_type: &str) -> bool {
        let Ok(value) = HeadValue::parse(content_type) else { return false };
        let is_known = match value.parameter("charset") {
            None => true,
            Some(charset) if charset.eq_ignore_ascii_case("utf-8") => true,
            // What is ASCII is the same in all three.
            Some(charset) => {
                self.data.is_ascii() && ["us-ascii", "iso-8859-1"].iter().any(|same| charset.eq_ignore_ascii_case(same))
            }
        };
        value.word.eq_ignore_ascii_case(word) && is_known
    }
}

/// The value of a header: a word and its parameters.
struct HeadValue<'a> {
    word: &'a str,
    /// No name twice.
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
            // RFC 2231 has parameters in pieces and in other characters; RFC 7578, section 4.2, has them no more. .NET writes
            // `filename*` beside `filename`, and neither is used.
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
        // A space would be allowed inside; readers differ in what they make of it.
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
            // Browsers write %22 for a quotation mark and % for itself: nobody can tell what was meant.
            Some(name) if has_escape(name) => wrong("a `name` without escapes", "`%` and two digits"),
            Some(name) => Ok(name),
        }
    }
}

/// A token or a quoted text, and what is behind it.
fn read_content(text: &str) -> Outcome<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return match quoted.split_once('"') {
            // To some readers it escapes what follows, to others it is a backslash.
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

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_known)
}

fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|three| three[0] == b'%' && three[1..].iter().all(u8::is_ascii_hexdigit))
}

/// `text`, cut if long.
fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
