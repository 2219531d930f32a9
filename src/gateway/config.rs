//! How requests are read and answered, for all rpcs.

use http::HeaderName;

use super::error::{Exposure, Form, StatusHeaders, Statuses};
use super::exceptions::{ByRpc, CallerGone};
use super::probe::Probe;
use super::rest::stream;
use crate::limits::pace::Rate;
use crate::route::Limits;

/// Default of [`Config::body_limit`].
pub const BODY_LIMIT: usize = 1 << 20;

/// Default of the times that a compressed body may become as large.
pub const GZIP_RATIO: usize = 100;

/// Default of the largest JSON of a reply, in bytes. It is another limit than that of the message: two bytes of wire format
/// can become a large object.
pub const JSON_LIMIT: usize = 16 << 20;

/// How requests are read and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Largest size of all headers of a request, in bytes, as lines of HTTP/1.1.
    pub header_limit: usize,
    /// How much the query of any request may have.
    pub query: Limits,
    /// Media types besides `application/json` and `*+json` whose bodies are JSON; lower case, without parameters.
    pub json_types: Vec<String>,
    /// Whether a body without a media type is JSON.
    pub untyped_json: bool,
    /// Whether `application/x-www-form-urlencoded` and `multipart/form-data` are taken.
    pub forms: bool,
    /// How calls of several messages are answered.
    pub streams: stream::Config,
    /// Whether bodies of `Content-Encoding: gzip` are taken, and how many times as large they may become.
    pub gzip: Option<usize>,
    /// Whether replies are compressed for callers that take gzip.
    pub compression: bool,
    /// The rate at which bodies have to come, if at any.
    pub least_rate: Option<Rate>,
    /// The header in which callers say how long a call may take, besides `grpc-timeout`.
    pub timeout_header: Option<HeaderName>,
    /// What becomes of a call whose caller goes away.
    pub caller_gone: CallerGone,
    /// The form of errors; also of those whose route is not known.
    pub errors: Form,
    /// The HTTP statuses of what the backend refuses.
    pub statuses: Statuses,
    /// What callers get to see of it.
    pub exposure: Exposure,
    /// Headers that repeat the gRPC status.
    pub status_headers: Option<StatusHeaders>,
    /// What is otherwise for single rpcs.
    pub exceptions: ByRpc,
    /// Where `towbar doctor` is answered, if it is.
    pub probe: Option<Probe>,
}
