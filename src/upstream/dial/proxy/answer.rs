//! Parses the answer of a proxy to CONNECT, and explains a refusal.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// The longest head of an answer to CONNECT, in bytes, including interim answers (1xx).
pub(crate) const HEAD_LIMIT: usize = 16 << 10;

/// The most characters that are shown of a proxy's texts.
const SHOWN: usize = 80;

/// Why there is no tunnel. For logs only, because it names the backend.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TunnelError {
    /// The proxy cannot be connected to.
    #[error("cannot connect to the proxy: {0}")]
    Unreachable(Arc<io::Error>),
    /// The connection to the proxy failed during CONNECT.
    #[error("the connection to the proxy broke during CONNECT: {0}")]
    Broken(Arc<io::Error>),
    /// The time was over before there was a connection to the proxy.
    #[error("the proxy could not be connected to in time")]
    ConnectTimeout,
    /// The time was over before the proxy had answered.
    #[error("the proxy did not answer to CONNECT in time: {read} bytes of an answer came")]
    AnswerTimeout { read: usize },
    /// The proxy closed the connection without an answer.
    #[error("the proxy closed the connection without an answer to CONNECT; is it an HTTP proxy?")]
    Silent,
    /// The proxy closed the connection within the head of its answer.
    #[error("the proxy closed the connection after {read} bytes of its answer to CONNECT")]
    Cut { read: usize },
    /// The head is longer than [`HEAD_LIMIT`].
    #[error("the head of the proxy's answer to CONNECT is longer than {} KiB", HEAD_LIMIT >> 10)]
    TooLong,
    /// The answer is not HTTP/1.
    #[error("expected an answer of HTTP/1.1 to CONNECT, found `{found}`; is it an HTTP proxy?")]
    NotHttp { found: String },
    /// Status 407, and the gateway has no credentials.
    #[error(
        "407: the proxy asks for credentials ({offers}), and there are none: set `username` and `password_file` under \
         `proxy`{said}"
    )]
    NoCredentials { offers: Offers, said: ProxyReason },
    /// Status 407 or 401, although the gateway sent credentials.
    #[error("{status}: the proxy refused our credentials ({offers}): check user and password{said}")]
    WrongCredentials { status: u16, offers: Offers, said: ProxyReason },
    /// Status 407, and the proxy does not offer the Basic scheme.
    #[error(
        "407: the proxy asks for credentials ({offers}), of which only Basic is spoken here: have it take Basic, or let \
         this host through without credentials{said}"
    )]
    OtherScheme { offers: Offers, said: ProxyReason },
    /// Status 403.
    #[error("403: the rules of the proxy do not allow {wanted}: have it allow CONNECT to this host and port{said}")]
    Forbidden { wanted: String, said: ProxyReason },
    /// Status 502, 503 or 504, or 500, which Squid and tinyproxy send in this case.
    #[error(
        "{status}: the proxy could not reach {wanted}: see whether the name is known and the port open from where it is{said}"
    )]
    BadGateway { status: u16, wanted: String, said: ProxyReason },
    /// Any other status that is not 2xx.
    #[error(
        "{status}: the proxy did not open a tunnel to {wanted}: expected 200 to CONNECT; see the proxy's log{said}"
    )]
    Status { status: u16, wanted: String, said: ProxyReason },
}

/// The schemes in `Proxy-Authenticate`, or in `WWW-Authenticate` with status 401, as the proxy wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers(Vec<String>);

/// The reason that the proxy gives: its reason phrase, and the headers that name an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyReason(Vec<String>);

pub(crate) fn broken(error: io::Error) -> TunnelError {
    TunnelError::Broken(Arc::new(error))
}

/// The part of the proxy's answer that was read: heads only, and nothing behind them.
#[derive(Default)]
pub(crate) struct ProxyAnswer {
    pub(crate) head: Vec<u8>,
}

impl ProxyAnswer {
    /// Reads up to the end of a head, and not one byte more: the next byte belongs to the tunnel.
    pub(crate) async fn read_head(&mut self, tcp: &mut TcpStream) -> Result<(), TunnelError> {
        let from = self.head.len();
        let mut peeked = [0; 1024];
        loop {
            let count = tcp.peek(&mut peeked).await.map_err(broken)?;
            let read = self.head.len();
            if count == 0 {
                return Err(if read == 0 { TunnelError::Silent } else { TunnelError::Cut { read } });
            }
            self.head.extend_from_slice(&peeked[..count]);
            let end = end_of_head(&self.head[from..]).map(|end| from + end);
            self.head.truncate(end.unwrap_or(self.head.len()));
            tcp.read_exact(&mut peeked[..self.head.len() - read]).await.map_err(broken)?;
            match end {
                _ if self.head.len() > HEAD_LIMIT => return Err(TunnelError::TooLong),
                Some(_) => return Ok(()),
                // Data that is not HTTP may never have an empty line.
                None => expect_http(&self.head[from..])?,
            }
        }
    }
}

/// The position behind the first empty line. RFC 9112, section 2.2: a line may end with LF alone.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let first = ends.next()?;
    ends.scan(first, |start, end| Some((std::mem::replace(start, end), end)))
        .find(|&(start, end)| matches!(&bytes[start..end], b"\n" | b"\r\n"))
        .map(|(_, end)| end)
}

fn expect_http(head: &[u8]) -> Result<(), TunnelError> {
    let name = b"HTTP/1.";
    let length = head.len().min(name.len());
    if head[..length] == name[..length] { Ok(()) } else { Err(not_http(head)) }
}

fn not_http(head: &[u8]) -> TunnelError {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    TunnelError::NotHttp { found: shown(&String::from_utf8_lossy(line)) }
}

/// The head of an answer to CONNECT.
pub(crate) struct AnswerHead {
    pub(crate) status: u16,
    reason: String,
    fields: Vec<HeaderField>,
}

struct HeaderField {
    name: String,
    value: String,
}

impl AnswerHead {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, TunnelError> {
        let (line, fields) =
            bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1));
        let line = String::from_utf8_lossy(line);
        // RFC 9112, section 4: the version, three digits, and a reason phrase that may be empty.
        let mut words = line.trim_end_matches(['\r', '\n']).splitn(3, ' ');
        let (version, status, reason) = (words.next(), words.next(), words.next());
        let is_http = version.is_some_and(|version| version.starts_with("HTTP/1."));
        let digits = status.filter(|digits| is_http && digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()));
        let status = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| not_http(bytes))?;
        Ok(Self { status, reason: reason.unwrap_or_default().to_owned(), fields: fields_of(fields) })
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.as_str())
    }

    pub(crate) fn offers(&self) -> Offers {
        let name = if self.status == 407 { "proxy-authenticate" } else { "www-authenticate" };
        Offers(self.values(name).flat_map(schemes).map(shown).collect())
    }

    /// The reason of the proxy. `Proxy-Status` is defined in RFC 9209; Squid uses a header of its own.
    pub(crate) fn said(&self) -> ProxyReason {
        let named = ["proxy-status", "x-squid-error"].into_iter().flat_map(|name| self.values(name));
        let texts = std::iter::once(self.reason.as_str()).chain(named).map(shown);
        ProxyReason(texts.filter(|text| !text.is_empty()).collect())
    }
}

/// The headers of a head, up to the first malformed line.
fn fields_of(head: &[u8]) -> Vec<HeaderField> {
    let mut fields = vec![httparse::EMPTY_HEADER; head.split(|byte| *byte == b'\n').count()];
    // The headers before a malformed line are still read: the reason of the proxy is worth more than its grammar.
    let _ = httparse::parse_headers(head, &mut fields);
    let read = fields.into_iter().take_while(|field| !field.name.is_empty());
    read.map(|field| HeaderField {
        name: field.name.to_owned(),
        value: String::from_utf8_lossy(field.value).into_owned(),
    })
    .collect()
}

/// The schemes of a challenge list. RFC 9110, section 11.6.1: commas separate both the challenges and the parameters of
/// each. A scheme is a single word; a parameter has `=`.
fn schemes(value: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let items = value.split(move |c: char| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    let words = items.filter_map(|item| item.split_whitespace().next());
    words.filter(|word| !word.contains('='))
}

/// A text of the proxy, cut short and with every unusual character replaced, so that it cannot forge log lines.
fn shown(text: &str) -> String {
    let text = text.trim();
    let clean = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let start: String = text.chars().take(SHOWN).map(clean).collect();
    if text.chars().nth(SHOWN).is_some() { start + "..." } else { start }
}

impl Offers {
    pub(crate) fn has_basic(&self) -> bool {
        // A 407 without the header is not valid (RFC 9110, section 15.5.8), but it does not rule out Basic.
        self.0.is_empty() || self.0.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"))
    }
}

impl fmt::Display for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("no scheme named") } else { f.write_str(&self.0.join(", ")) }
    }
}

impl fmt::Display for ProxyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; it says: {}", self.0.join(", ")) }
    }
}
