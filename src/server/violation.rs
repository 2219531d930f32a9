//! The rules of HTTP that a request may break.

use std::error::Error;
use std::io;

use http::StatusCode;

/// A rule of RFC 9112 or RFC 9110 that a request breaks, with its section. The text is for the caller, and repeats
/// nothing of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// RFC 9110, section 15.5.20: the request may be sent again over another connection.
    #[error(
        "the client certificate of this connection is not accepted any more; send the request again over a new connection, with a \
         certificate that is"
    )]
    Certificate,
    /// RFC 9112, section 3.
    #[error(
        "the request line is malformed: expected a method, a request target and HTTP/1.1, with one space between them"
    )]
    RequestLine,
    /// RFC 9112, section 2.3.
    #[error("the HTTP version is not supported on this connection: expected HTTP/1.1 or HTTP/1.0")]
    Version,
    /// RFC 9113, section 3.4: the preface of a client with prior knowledge.
    #[error("HTTP/2 is not spoken on this connection: send HTTP/1.1, or choose h2 by ALPN over TLS")]
    Http2,
    /// RFC 3986, appendix A.
    #[error("the request target contains a character that is not allowed in a URI: percent-encode it")]
    TargetCharacter,
    /// RFC 9112, section 3.2: no form of a request target has a fragment.
    #[error("the request target contains a fragment (\"#...\"): leave it out, or write %23 for the character #")]
    Fragment,
    /// RFC 9112, section 3.2.
    #[error(
        "the request target must begin with \"/\", or be an http or https URI with a host and without user information"
    )]
    TargetForm,
    /// The target is longer than [`Limits::target`](super::http1::Limits).
    #[error("the request target is longer than {limit} bytes")]
    TargetTooLong { limit: usize },
    /// The head exceeds [`Limits`](super::http1::Limits).
    #[error("the request head is too large: at most {fields} headers, of at most {bytes} bytes in all, are accepted")]
    HeadTooLarge { fields: usize, bytes: usize },
    /// RFC 9112, section 2.2: a recipient may accept LF alone as the end of a line, so two readers may disagree.
    #[error("a line of the request head ends with a line feed alone: expected a carriage return and a line feed")]
    BareLineFeed,
    /// RFC 9110, section 5.5.
    #[error("the request head contains a control character")]
    ControlCharacter,
    /// RFC 9112, section 5.2.
    #[error("a header continues on the next line (obsolete line folding): write it on one line")]
    Folding,
    /// RFC 9112, section 5.1.
    #[error("a header line is malformed: expected a name, a colon directly after it, and a value")]
    Field,
    /// RFC 9112, section 3.2: exactly one Host header; HTTP/1.0 requests may have none.
    #[error("expected exactly one Host header, got {0}")]
    HostCount(usize),
    /// RFC 9110, section 7.2.
    #[error("header Host: expected a host name or an address, and optionally a port")]
    HostForm,
    /// RFC 9112, section 3.2.2.
    #[error("header Host names another host than the request target")]
    HostDiffers,
    /// RFC 9112, section 6.3, rule 5.
    #[error("header Content-Length: expected one whole number of bytes")]
    Length,
    /// RFC 9112, section 6.3, rule 3.
    #[error("the request has both Content-Length and Transfer-Encoding: send one of them")]
    LengthAndChunked,
    /// RFC 9112, section 6.1: `chunked` once, as the last coding, and of HTTP/1.1 only.
    #[error("header Transfer-Encoding: expected \"chunked\", once, in an HTTP/1.1 request")]
    TransferEncoding,
    /// RFC 9112, section 6.1: a coding that is not understood is a 501.
    #[error("header Transfer-Encoding: only \"chunked\" is supported; use Content-Encoding to compress a body")]
    TransferCoding,
    /// RFC 9110, section 10.1.1.
    #[error("header Expect: only \"100-continue\" is supported")]
    Expectation,
    /// RFC 9112, section 7.1.
    #[error(
        "the chunked body is malformed: expected the size of a chunk in hexadecimal digits, then a carriage return and a line feed"
    )]
    ChunkSize,
    /// RFC 9112, section 7.1.
    #[error("the chunked body is malformed: a chunk is longer or shorter than its size says")]
    ChunkEnd,
    /// RFC 9112, section 7.1.2.
    #[error("the trailers of the chunked body are malformed")]
    Trailer,
}

impl Violation {
    /// The violation that ended a body, found among the causes of the error that reading it gave.
    #[must_use]
    pub fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let own = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref()?.downcast_ref());
            if own.is_some() {
                return own.copied();
            }
            cause = error.source();
        }
        None
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Certificate => StatusCode::MISDIRECTED_REQUEST,
            Self::Version | Self::Http2 => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TargetTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
