//! Reads the head of a request line by line as it arrives: RFC 9112, sections 2 to 6.

use memchr::memchr;

use super::super::syntax::{first_control, has_control, is_authority, is_target, is_token, target_end, whole_number};
use super::super::violation::Violation;
use crate::format::block::{SIZE, controls, not_in_usual_name};

/// The limits of a request head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes from the request line to the empty line.
    pub bytes: usize,
    /// The most header lines.
    pub fields: usize,
    /// The most bytes of the request target.
    pub target: usize,
    /// The most bytes of all headers, for the error text only. The service counts them, because it knows the limit of
    /// the rpc.
    pub told: usize,
}

/// What a head says about the bytes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The length of the head in bytes.
    pub length: usize,
    /// Where the body ends.
    pub framing: Framing,
    /// The request asks to leave HTTP (RFC 9110, section 7.8): if the answer agrees, another protocol follows.
    pub asks_upgrade: bool,
}

/// Where a body ends (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After this many bytes; 0 without a body.
    Length(u64),
    /// After its last chunk.
    Chunked,
}

/// Reads one head. It is given everything that has arrived so far, again and again, but looks at each line only once.
#[derive(Debug, Clone)]
pub struct HeadReader {
    limits: Limits,
    /// Where the first incomplete line begins.
    line: usize,
    /// How far that line was searched for its end.
    searched: usize,
    /// Whether an empty line came before the request line.
    skipped: bool,
    request: Option<Request>,
    fields: Fields,
}

/// The facts of a request line.
#[derive(Debug, Clone, Copy)]
struct Request {
    /// Whether the version is HTTP/1.1, not 1.0.
    is_1_1: bool,
    is_connect: bool,
    /// Where the target has its authority, if it has one.
    authority: Option<(usize, usize)>,
}

/// What the header lines say about the connection.
#[derive(Debug, Clone, Copy, Default)]
struct Fields {
    count: usize,
    hosts: usize,
    /// Where the value of the last Host header stands.
    host: (usize, usize),
    length: Option<u64>,
    chunked: bool,
    asks_upgrade: bool,
    /// Whether the Expect header has a value that is not supported.
    expects: bool,
}

impl HeadReader {
    /// A reader for a head within these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let fields = Fields::default();
        Self { limits, line: 0, searched: 0, skipped: false, request: None, fields }
    }

    /// Returns the head once it is complete. `bytes` holds everything that has arrived of it; other bytes may follow.
    ///
    /// # Errors
    /// The first rule that the head breaks, as soon as the line that breaks it is complete.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<Head>, Violation> {
        self.read_usual(bytes)?;
        if self.request.is_some() && bytes[self.line..].starts_with(b"\r\n") {
            self.end_line(self.line + 2)?;
            return self.complete(bytes).map(Some);
        }
        self.read_lines(bytes)
    }

    /// Reads lines in the form that most callers send, in one pass over their bytes. Stops at the first line that
    /// differs or is incomplete; [`Self::read_lines`] handles that line.
    fn read_usual(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let request = match self.request {
            // A line that was searched for its end before has already been looked at.
            _ if self.searched > self.line => return Ok(()),
            Some(request) => request,
            None => {
                let Some((method, target)) = usual_request_line(&bytes[self.line..]) else { return Ok(()) };
                let start = self.line;
                self.end_line(start + method + " ".len() + target + USUAL_END.len())?;
                if target > self.limits.target {
                    return Err(Violation::TargetTooLong { limit: self.limits.target });
                }
                let (method, rest) = bytes[start..].split_at(method);
                *self.request.insert(request(method, &rest[1..=target], true, start)?)
            }
        };
        while self.fields.count < self.limits.fields
            && let Some((colon, length)) = usual_field(&bytes[self.line..])
        {
            let start = self.line;
            self.end_line(start + length + LINE_END.len())?;
            self.fields.count += 1;
            if may_be_noted(colon, bytes[start]) {
                self.fields.note(&bytes[start..start + length], colon, start, request.is_1_1)?;
            }
        }
        Ok(())
    }

    /// Notes that a line ends before this position.
    fn end_line(&mut self, end: usize) -> Result<(), Violation> {
        (self.line, self.searched) = (end, end);
        if end > self.limits.bytes { Err(self.too_large()) } else { Ok(()) }
    }

    fn read_lines(&mut self, bytes: &[u8]) -> Result<Option<Head>, Violation> {
        while let Some(found) = memchr(b'\n', &bytes[self.searched..]) {
            let (start, end) = (self.line, self.searched + found);
            self.end_line(end + 1)?;
            let Some(line) = bytes[start..end].strip_suffix(b"\r") else { return Err(Violation::BareLineFeed) };
            match (&self.request, line) {
                // RFC 9112, section 2.2: "ignore at least one empty line (CRLF) received prior to the request-line".
                (None, []) if !self.skipped => self.skipped = true,
                (None, line) => self.request = Some(request_line(line, start, &self.limits)?),
                (Some(_), []) => return self.complete(bytes).map(Some),
                (Some(request), line) => {
                    if self.fields.count == self.limits.fields {
                        return Err(self.too_large());
                    }
                    self.fields.add(line, start, request.is_1_1)?;
                }
            }
        }
        self.searched = bytes.len();
        self.check_unfinished(&bytes[self.line..])?;
        Ok(None)
    }

    fn check_unfinished(&self, line: &[u8]) -> Result<(), Violation> {
        let target = self.limits.target;
        if self.request.is_none() && line.len() > target + LONGEST_METHOD + "  HTTP/1.1\r".len() {
            return Err(Violation::TargetTooLong { limit: target });
        }
        if self.line + line.len() > self.limits.bytes { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> Violation {
        Violation::HeadTooLarge { fields: self.limits.fields, bytes: self.limits.told }
    }

    fn complete(&self, bytes: &[u8]) -> Result<Head, Violation> {
        let Fields { hosts, length, chunked, asks_upgrade, expects, .. } = self.fields;
        let Some(request) = self.request else { return Err(Violation::RequestLine) };
        // RFC 9112, section 3.2: an HTTP/1.0 request may have no Host header.
        if hosts > 1 || (hosts == 0 && request.is_1_1) {
            return Err(Violation::HostCount(hosts));
        }
        if hosts == 1 {
            let host = &bytes[self.fields.host.0..self.fields.host.1];
            if !is_authority(host) {
                return Err(Violation::HostForm);
            }
            if request.authority.is_some_and(|(from, to)| !bytes[from..to].eq_ignore_ascii_case(host)) {
                return Err(Violation::HostDiffers);
            }
        }
        // RFC 9110, section 10.1.1: a server must ignore the Expect header of an HTTP/1.0 request.
        if expects && request.is_1_1 {
            return Err(Violation::Expectation);
        }
        let framing = match (length, chunked) {
            (Some(_), true) => return Err(Violation::LengthAndChunked),
            (_, true) => Framing::Chunked,
            (length, false) => Framing::Length(length.unwrap_or(0)),
        };
        Ok(Head { length: self.line, framing, asks_upgrade: asks_upgrade || request.is_connect })
    }
}

/// More than twice the length of any registered method.
const LONGEST_METHOD: usize = 32;

fn request_line(line: &[u8], start: usize, limits: &Limits) -> Result<Request, Violation> {
    if line == b"PRI * HTTP/2.0" {
        return Err(Violation::Http2);
    }
    let parts = memchr(b' ', line).and_then(|at| {
        let (method, rest) = (&line[..at], &line[at + 1..]);
        memchr(b' ', rest).map(|at| (method, &rest[..at], &rest[at + 1..]))
    });
    let Some((method, target, version)) = parts else { return Err(unreadable(line)) };
    if method.is_empty()
        || target.is_empty()
        || method.len() > LONGEST_METHOD
        || !method.iter().all(|&byte| is_token(byte))
    {
        return Err(unreadable(line));
    }
    let is_1_1 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Violation::Version),
        _ => return Err(unreadable(line)),
    };
    if target.len() > limits.target {
        return Err(Violation::TargetTooLong { limit: limits.target });
    }
    if !is_target(target) {
        return Err(match target.contains(&b'#') {
            _ if has_control(target) => Violation::ControlCharacter,
            true => Violation::Fragment,
            false => Violation::TargetCharacter,
        });
    }
    request(method, target, is_1_1, start)
}

/// Makes the request line of a method that is a token, and of a target with only characters of a URI.
fn request(method: &[u8], target: &[u8], is_1_1: bool, start: usize) -> Result<Request, Violation> {
    let is_connect = method == b"CONNECT";
    let place = start + method.len() + 1;
    let authority = authority(target, is_connect, method == b"OPTIONS")?;
    Ok(Request { is_1_1, is_connect, authority: authority.map(|(from, to)| (place + from, place + to)) })
}

const LINE_END: &[u8] = b"\r\n";
/// The end of the usual request line.
const USUAL_END: &[u8] = b" HTTP/1.1\r\n";

/// The lengths of method and target, if `bytes` begins with a complete HTTP/1.1 request line that [`request_line`]
/// would certainly accept.
fn usual_request_line(bytes: &[u8]) -> Option<(usize, usize)> {
    let method =
        bytes.iter().position(|&byte| !is_token(byte)).filter(|length| (1..=LONGEST_METHOD).contains(length))?;
    let start = method + 1;
    let end = target_end(bytes, start).filter(|&end| bytes[method] == b' ' && end > start)?;
    bytes[end..].starts_with(USUAL_END).then_some((method, end - start))
}

/// The length of the name, and of the whole line without its end, if `bytes` begins with a complete header line that
/// [`Fields::add`] would certainly accept.
fn usual_field(bytes: &[u8]) -> Option<(usize, usize)> {
    let block = bytes.first_chunk::<SIZE>();
    // There is no control character before the colon, so one block is mostly enough for name and value.
    let found = block.map(|block| (not_in_usual_name(block).trailing_zeros() as usize, controls(block)));
    let (colon, end) = match found {
        Some((colon @ 1..SIZE, 0)) if bytes[colon] == b':' => (colon, first_control(bytes, SIZE)?),
        Some((colon @ 1..SIZE, controls)) if bytes[colon] == b':' => (colon, controls.trailing_zeros() as usize),
        _ => {
            let colon = bytes.iter().position(|&byte| !is_token(byte)).filter(|&at| at > 0 && bytes[at] == b':')?;
            (colon, first_control(bytes, colon + 1)?)
        }
    };
    bytes[end..].starts_with(LINE_END).then_some((colon, end))
}

/// The error for a line that is not a request line.
fn unreadable(line: &[u8]) -> Violation {
    if has_control(line) { Violation::ControlCharacter } else { Violation::RequestLine }
}

/// Where a target has its authority, if it has one (RFC 9112, section 3.2).
fn authority(target: &[u8], is_connect: bool, is_options: bool) -> Result<Option<(usize, usize)>, Violation> {
    if is_connect {
        return if is_authority(target) { Ok(Some((0, target.len()))) } else { Err(Violation::TargetForm) };
    }
    match target {
        [b'/', ..] => return Ok(None),
        b"*" if is_options => return Ok(None),
        _ => {}
    }
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme.as_bytes())));
    let Some(from) = scheme.map(str::len) else { return Err(Violation::TargetForm) };
    let length = target[from..].iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(target.len() - from);
    let to = from + length;
    if is_authority(&target[from..to]) { Ok(Some((from, to))) } else { Err(Violation::TargetForm) }
}

/// Whether a name with this length and first letter may be one that [`Fields::note`] knows.
fn may_be_noted(length: usize, first: u8) -> bool {
    matches!((length, first | 0x20), (4, b'h') | (6, b'e') | (7, b'u') | (14, b'c') | (17, b't'))
}

impl Fields {
    fn add(&mut self, line: &[u8], start: usize, is_1_1: bool) -> Result<(), Violation> {
        self.count += 1;
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Violation::Folding);
        }
        let colon = line.iter().position(|&byte| !is_token(byte)).filter(|&at| at > 0 && line[at] == b':');
        let Some(colon) = colon else {
            return Err(if has_control(line) { Violation::ControlCharacter } else { Violation::Field });
        };
        if has_control(&line[colon + 1..]) {
            return Err(Violation::ControlCharacter);
        }
        self.note(line, colon, start, is_1_1)
    }

    /// Notes what a header says about the connection, if it says anything. `line` is well formed, and begins at
    /// `start`.
    fn note(&mut self, line: &[u8], colon: usize, start: usize, is_1_1: bool) -> Result<(), Violation> {
        let (name, value) = (&line[..colon], || line[colon + 1..].trim_ascii());
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                let from = start + colon + 1 + leading(&line[colon + 1..]);
                self.host = (from, from + value().len());
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expects |= !value().eq_ignore_ascii_case(b"100-continue");
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.asks_upgrade = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // With one number in two lines, or twice in one line, another reader may add the numbers up or choose
                // one of them.
                let length = whole_number(value()).filter(|_| self.length.is_none());
                self.length = Some(length.ok_or(Violation::Length)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value(), is_1_1)?,
            _ => {}
        }
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8], is_1_1: bool) -> Result<(), Violation> {
        let is_known = |coding: &[u8]| {
            let coding = coding.trim_ascii();
            coding.is_empty() || coding.eq_ignore_ascii_case(b"chunked") || coding.eq_ignore_ascii_case(b"identity")
        };
        match value {
            value if !value.split(|&byte| byte == b',').all(is_known) => Err(Violation::TransferCoding),
            value if is_1_1 && !self.chunked && value.eq_ignore_ascii_case(b"chunked") => {
                self.chunked = true;
                Ok(())
            }
            _ => Err(Violation::TransferEncoding),
        }
    }
}

/// How many spaces and tabs the value begins with.
fn leading(value: &[u8]) -> usize {
    value.len() - value.trim_ascii_start().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { bytes: 400, fields: 3, target: 40, told: 300 };

    fn read_whole(text: &str) -> Result<Option<Head>, Violation> {
        HeadReader::new(LIMITS).read(text.as_bytes())
    }

    #[test]
    fn the_framing_of_the_body_is_read_from_the_request_head() {
        let none = Framing::Length(0);
        for (text, framing, asks_upgrade) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", none, false),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", none, false),
            ("GET /a%20b?c={d:1|2} HTTP/1.1\r\nHOST:\ta.b-c_d.test:8443 \r\n\r\n", none, false),
            ("GET / HTTP/1.1\r\nhost: [2001:db8::1]:80\r\n\r\n", none, false),
            ("GET http://A.test/b HTTP/1.1\r\nHost: a.test\r\n\r\n", none, false),
            ("GET HTTPS://a.test:1?b HTTP/1.1\r\nHost: a.test:1\r\n\r\n", none, false),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", none, false),
            ("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", none, true),
            ("get / HTTP/1.1\r\nHost: a\r\n\r\n", none, false),
            ("GET / HTTP/1.0\r\n\r\n", none, false),
            ("GET / HTTP/1.0\r\nExpect: anything\r\n\r\n", none, false),
            ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", none, true),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0012\r\n\r\n", Framing::Length(12), false),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked, false),
            ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n", none, false),
            ("GET / HTTP/1.1\r\nHost: a\r\nEmpty:\r\nBytes: \u{e9} !~\r\n\r\n", none, false),
        ] {
            let head = Head { length: text.len(), framing, asks_upgrade };
            assert_eq!(read_whole(text), Ok(Some(head)), "{text:?}");
            assert_eq!(read_whole(&format!("{text}GET / no more HTTP\n")), Ok(Some(head)), "{text:?} and more");
            let mut reader = HeadReader::new(LIMITS);
            for length in 0..text.len() {
                assert_eq!(reader.read(&text.as_bytes()[..length]), Ok(None), "{length} bytes of {text:?}");
            }
            assert_eq!(reader.read(text.as_bytes()), Ok(Some(head)), "byte by byte: {text:?}");
        }
    }

    /// The lines of a head, most of them valid.
    fn lines() -> impl Strategy<Value = String> {
        let request = "(GET|POST|OPTIONS|CONNECT|G T|) (/[a-z?=%#é]{0,50}|http://a.test/b|[*]|a:1) HTTP/1[.][012]";
        let field = "(Host: a|host:a.test:80 |Content-Length: [0-9]{0,3}|Transfer-Encoding: chunked|Expect: 100-continue|\
            [A-Za-z :-]{0,20}: ?[ -~\t\u{0}\r\u{7f}é]{0,80}|)";
        let end = "(\r\n|\r\n|\r\n|\r\n|\r\n|\r\n|\r\n|\r\n|\n)";
        let end = || end.prop_map(|end| end);
        let fields = prop::collection::vec((field, end()), 0..5);
        (request, end(), fields).prop_map(|(request, first, fields)| {
            let fields = fields.into_iter().map(|(field, end)| field + &end);
            request + &first + &fields.collect::<String>() + "\r\n"
        })
    }

    proptest! {
        #[test]
        fn reading_a_head_in_one_pass_equals_reading_it_line_by_line(text in lines(), cut in 0_usize..200) {
            for text in [&text.as_bytes()[..cut.min(text.len())], text.as_bytes()] {
                let expected = HeadReader::new(LIMITS).read_lines(text);
                prop_assert_eq!(HeadReader::new(LIMITS).read(text), expected);
            }
        }
    }

    #[test]
    fn an_ambiguous_or_malformed_head_is_refused() {
        let too_large = Violation::HeadTooLarge { fields: 3, bytes: 300 };
        let get = |rest: &str| format!("GET / HTTP/1.1\r\n{rest}\r\n\r\n");
        let post = |rest: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{rest}\r\n\r\n");
        let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        for (text, violation) in [
            ("GET /\r\n".to_owned(), Violation::RequestLine),
            ("GET  / HTTP/1.1\r\n".to_owned(), Violation::RequestLine),
            ("GET / HTTP/1.1 \r\n".to_owned(), Violation::RequestLine),
            (" GET / HTTP/1.1\r\n".to_owned(), Violation::RequestLine),
            ("GET\t/ HTTP/1.1\r\n".to_owned(), Violation::RequestLine),
            ("GET / HTTP/1.1X\r\n".to_owned(), Violation::RequestLine),
            ("GET / http/1.1\r\n".to_owned(), Violation::RequestLine),
            ("G(T / HTTP/1.1\r\n".to_owned(), Violation::RequestLine),
            ("\r\n\r\nGET / HTTP/1.1\r\n".to_owned(), Violation::RequestLine),
            (format!("{} / HTTP/1.1\r\n", "A".repeat(33)), Violation::RequestLine),
            ("GET / HTTP/2.0\r\n".to_owned(), Violation::Version),
            ("PRI * HTTP/2.0\r\n".to_owned(), Violation::Http2),
            ("GET / HTTP/1.2\r\n".to_owned(), Violation::Version),
            (target("/a#b"), Violation::Fragment),
            (target("/a\\b"), Violation::TargetCharacter),
            (target("/a<b"), Violation::TargetCharacter),
            (target("/a?b=\"c\""), Violation::TargetCharacter),
            (target("/\u{e9}"), Violation::TargetCharacter),
            (target("a"), Violation::TargetForm),
            (target("*"), Violation::TargetForm),
            (target("ftp://a/"), Violation::TargetForm),
            (target("http://u@a/"), Violation::TargetForm),
            (target("http:///a"), Violation::TargetForm),
            (target("a:443"), Violation::TargetForm),
            ("CONNECT /a HTTP/1.1\r\n".to_owned(), Violation::TargetForm),
            (target("http://b/"), Violation::HostDiffers),
            (target("http://a:80/"), Violation::HostDiffers),
            (format!("GET /{}", "a".repeat(90)), Violation::TargetTooLong { limit: 40 }),
            (target(&format!("/{}", "a".repeat(40))), Violation::TargetTooLong { limit: 40 }),
            (get("Host: a\r\na: 1\r\nb: 2\r\nc: 3"), too_large),
            (get(&format!("Host: a\r\nb: {}", "a".repeat(400))), too_large),
            (format!("GET / HTTP/1.1\r\nHost: {}", "a".repeat(400)), too_large),
            ("GET / HTTP/1.1\n".to_owned(), Violation::BareLineFeed),
            ("\nGET / HTTP/1.1\r\n".to_owned(), Violation::BareLineFeed),
            (get("Host: a\nb: c"), Violation::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n".to_owned(), Violation::BareLineFeed),
            (get("Host: a\r\nb: \rc: d"), Violation::ControlCharacter),
            (get("Host: a\r\nb: \0"), Violation::ControlCharacter),
            (get("Host: a\r\nb: \u{7f}"), Violation::ControlCharacter),
            (get("Host: a\r\nb: c\r\n d"), Violation::Folding),
            (get(" Host: a"), Violation::Folding),
            (get("Host : a"), Violation::Field),
            (get("Host: a\r\n: b"), Violation::Field),
            (get("Host: a\r\nb"), Violation::Field),
            (get("Host: a\r\nb c: d"), Violation::Field),
            (get("a: b"), Violation::HostCount(0)),
            (get("Host: a\r\nHost: a"), Violation::HostCount(2)),
            ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), Violation::HostCount(2)),
            (get("Host:"), Violation::HostForm),
            (get("Host: a, b"), Violation::HostForm),
            (get("Host: a,b"), Violation::HostForm),
            (get("Host: a b"), Violation::HostForm),
            (get("Host: u@a"), Violation::HostForm),
            (get("Host: a/b"), Violation::HostForm),
            (get("Host: a:"), Violation::HostForm),
            (get("Host: a:b"), Violation::HostForm),
            (get("Host: a:65536"), Violation::HostForm),
            (get("Host: :80"), Violation::HostForm),
            (get("Host: a:1:2"), Violation::HostForm),
            (get("Host: [::1"), Violation::HostForm),
            (get("Host: [a]"), Violation::HostForm),
            (get("Host: [::1]a"), Violation::HostForm),
            (get("Host: http://a"), Violation::HostForm),
            (post("Content-Length:"), Violation::Length),
            (post("Content-Length: +5"), Violation::Length),
            (post("Content-Length: -5"), Violation::Length),
            (post("Content-Length: 5a"), Violation::Length),
            (post("Content-Length: 0x5"), Violation::Length),
            (post("Content-Length: 3, 3"), Violation::Length),
            (post("Content-Length: 3\r\nContent-Length: 3"), Violation::Length),
            (post("Content-Length: 3\r\nContent-Length: 5"), Violation::Length),
            (post("Content-Length: 18446744073709551617"), Violation::Length),
            (post("Content-Length: 3\r\nTransfer-Encoding: chunked"), Violation::LengthAndChunked),
            (post("Transfer-Encoding: chunked\r\nContent-Length: 3"), Violation::LengthAndChunked),
            (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), Violation::TransferEncoding),
            (post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"), Violation::TransferEncoding),
            (post("Transfer-Encoding: chunked, chunked"), Violation::TransferEncoding),
            (post("Transfer-Encoding: identity, chunked"), Violation::TransferEncoding),
            (post("Transfer-Encoding: chunked, identity"), Violation::TransferEncoding),
            (post("Transfer-Encoding: ,chunked"), Violation::TransferEncoding),
            (post("Transfer-Encoding: identity"), Violation::TransferEncoding),
            (post("Transfer-Encoding:"), Violation::TransferEncoding),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n".to_owned(), Violation::TransferEncoding),
            (post("Transfer-Encoding: xchunked"), Violation::TransferCoding),
            (post("Transfer-Encoding: gzip, chunked"), Violation::TransferCoding),
            (post("Transfer-Encoding: \"chunked\""), Violation::TransferCoding),
            (post("Transfer-Encoding: x\r\nTransfer-Encoding: chunked"), Violation::TransferCoding),
            (post("Transfer-Encoding: chunked;a=b"), Violation::TransferCoding),
            (post("Expect: y"), Violation::Expectation),
            (post("Expect: 100-continue, y"), Violation::Expectation),
            (post("Expect: y\r\nExpect: 100-continue"), Violation::Expectation),
        ] {
            assert_eq!(read_whole(&text), Err(violation), "{text:?}");
        }
    }
}
